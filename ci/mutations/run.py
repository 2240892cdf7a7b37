#!/usr/bin/env python3
"""Applies deliberate faults, one at a time, to a copy of the sources, and demands that each turns the tests red.

usage: run.py [NAME…]              faults whose names contain one of these; all, where none is given
       run.py --generated [FILE…]  every fault that cargo-mutants makes of these files, or of src/decide.rs

The tests that are known to notice a fault run first (`lib` stands for those beside the code); only where they stay
green does everything else run. What is generated is judged by the quick tests alone, which .cargo/mutants.toml names.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "target" / "mutants" / "tree"
LIST = ROOT / "ci" / "mutations" / "mutations.json"


def cargo_test(*arguments):
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TREE.parent / "target"), RUST_BACKTRACE="0",
                       PROPTEST_MAX_SHRINK_ITERS="0")
    return subprocess.run(["cargo", "test", "--quiet", "--locked", *arguments], cwd=TREE, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def copy_sources():
    """What git knows of, copied only where it differs, so that what is built can be kept."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [name for name in names.stdout.split("\0") if name]
    for name in names:
        source, copy = ROOT / name, TREE / name
        if source.is_file() and not (copy.exists() and copy.read_bytes() == source.read_bytes()):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)


def programs(mutation):
    """The tests that are known to notice it, as arguments; without those that are not there any more."""
    there = [name for name in mutation["tests"] if name == "lib" or (TREE / "tests" / f"{name}.rs").exists()]
    return [("--lib",) if name == "lib" else ("--test", name) for name in there]


def judge(mutation):
    """Which test noticed, or why none did."""
    path = TREE / mutation["file"]
    sound = path.read_text()
    if sound.count(mutation["find"]) != 1:
        return None, "does not apply: the list has to follow the sources"
    path.write_text(sound.replace(mutation["find"], mutation["replace"]))
    try:
        for arguments in [*programs(mutation), ()]:
            run = cargo_test(*arguments)
            if "could not compile" in run.stdout:
                return None, "does not compile:\n" + run.stdout[-2000:]
            if run.returncode:
                return " ".join(arguments) or "the whole suite", None
        return None, "survived"
    finally:
        path.write_text(sound)


def generated(files):
    """What cargo-mutants makes of the files, in the same copy and with what is built there already."""
    tools = subprocess.run([ROOT / "ci" / "tools.sh", "cargo-mutants"], check=True, stdout=subprocess.PIPE, text=True)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TREE.parent / "target"), PROPTEST_MAX_SHRINK_ITERS="0",
                       PATH=tools.stdout.strip() + os.pathsep + os.environ["PATH"])
    wanted = [argument for file in files or ["src/decide.rs"] for argument in ("--file", file)]
    return subprocess.run(["cargo", "mutants", "--dir", TREE, "--in-place", "--output", TREE.parent, "--no-shuffle",
                           "--colors", "never", *wanted], env=environment).returncode


def main():
    copy_sources()
    if sys.argv[1:2] == ["--generated"]:
        sys.exit(generated(sys.argv[2:]))
    mutations = json.loads(LIST.read_text())
    wanted = [m for m in mutations if not sys.argv[1:] or any(word in m["name"] for word in sys.argv[1:])]
    sound = sorted({program for mutation in wanted for program in programs(mutation)})
    run = cargo_test(*(argument for program in sound for argument in program))
    if run.returncode:
        sys.exit("the tests are red without a fault:\n" + run.stdout[-4000:])
    survivors = 0
    for mutation in wanted:
        noticed_by, why = judge(mutation)
        survivors += noticed_by is None
        print(f"{'ok      ' if noticed_by else 'SURVIVED'} {mutation['name']}: {noticed_by or why}", flush=True)
    print(f"{len(wanted) - survivors} of {len(wanted)} faults are noticed")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
