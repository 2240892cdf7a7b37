//! Links gcc's unwinder into the function, instead of a library that each start has to load.
//!
//! On GNU/Linux, rustc links `libgcc_s.so`. To find it, map it and run what it does first costs a start about a
//! tenth of the CPU that it takes to the first answer. `libgcc_eh.a` is the same code, and rustc's own choice where a
//! whole program is linked statically. It stands before the shared library on the linker's command line, so that the
//! linker finds everything in it and leaves the other out.
//!
//! The linker's driver is asked for the archive. Where it has none, nothing changes: Zig, with which cargo-lambda
//! builds, links an unwinder of its own.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    let gnu_linux = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if gnu_linux && has_unwinder_archive() {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Whether the linker's driver knows where `libgcc_eh.a` is; a driver that doesn't prints the bare name again.
fn has_unwinder_archive() -> bool {
    let driver = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let asked = Command::new(driver)
        .arg("-print-file-name=libgcc_eh.a")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    asked.is_ok_and(|answer| {
        let path = String::from_utf8_lossy(&answer.stdout);
        answer.status.success() && Path::new(path.trim()).is_absolute()
    })
}
