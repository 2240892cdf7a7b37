//! Builds and installs the contenders, and names those that cannot be had on this machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_emulator::Launch;

use crate::Options;
use crate::contender::{Contender, Job};
use crate::package::Package;
use crate::workload::{self, Workload};

/// What there is to measure, and where.
pub(crate) struct Installed {
    /// For generated configurations.
    pub(crate) scratch: PathBuf,
    /// The authorizer, unless it is not asked for.
    pub(crate) authorizer: Option<PathBuf>,
    /// The authorizer of a release, which is linked statically.
    release: Option<PathBuf>,
    /// The package of the authorizer without its feature `network`, which is weighed and not timed.
    pub(crate) offline: Option<Package>,
    against: Option<PathBuf>,
    noop: Option<PathBuf>,
    floor: Option<PathBuf>,
    node: Option<Interpreted>,
    python: Option<Interpreted>,
    /// Contenders that are not there, and why.
    pub(crate) left_out: Vec<(String, String)>,
    /// What they were made with.
    pub(crate) versions: Vec<String>,
}

/// A contender that an interpreter runs, in the directory that it is installed in.
struct Interpreted {
    interpreter: PathBuf,
    directory: PathBuf,
    package: Package,
}

/// Installs what is pinned in one directory into another, and names its version.
type Install = fn(&Path, &Path) -> Result<(Interpreted, String), String>;

/// Builds and installs what the options ask for.
pub(crate) fn all(options: &Options) -> Result<Installed, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.parent().ok_or("the benchmark is not in the project")?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let contenders = root.join("benchmark/contenders");
    let wanted = |name: &str| {
        options.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    };
    let mut installed = Installed {
        scratch: target.join("benchmark"),
        authorizer: None,
        release: None,
        offline: None,
        against: options.against.clone().filter(|_| wanted("against")),
        noop: None,
        floor: None,
        node: None,
        python: None,
        left_out: Vec::new(),
        versions: vec![first_line(Command::new("rustc").arg("--version"))?],
    };
    if wanted("authorizer") {
        installed.authorizer = Some(match &options.binary {
            Some(binary) => binary.clone(),
            None => cargo(root, &["build", "--release", "--package", "mtls-authorizer"], &[])
                .map(|()| target.join("release/mtls-authorizer"))?,
        });
    }
    if wanted("static") {
        match release(root) {
            Ok(binary) => installed.release = Some(binary),
            Err(reason) => installed.left_out.push(("static".to_owned(), reason)),
        }
    }
    if wanted("offline") {
        match offline(root, &target) {
            Ok(binary) => installed.offline = Some(alone(&binary)),
            Err(reason) => installed.left_out.push(("offline".to_owned(), reason)),
        }
    }
    if wanted("noop") || wanted("floor") {
        let directory = target.join("contenders/cargo");
        cargo(
            &contenders,
            &["build", "--release", "--locked", "--target-dir", &text(&directory)?],
            // They are built as anybody builds them: what `.cargo/config.toml` sets is for the function.
            &[("CARGO_CFG_HTTPARSE_DISABLE_SIMD", "0")],
        )?;
        installed.noop = wanted("noop").then(|| directory.join("release/noop"));
        installed.floor = wanted("floor").then(|| directory.join("release/floor"));
    }
    let interpreters: [(&str, Install); 2] = [("python", python), ("node", node)];
    for (name, install) in interpreters.into_iter().filter(|(name, _)| wanted(name)) {
        let into = target.join("contenders").join(name);
        match install(&contenders.join(name), &into) {
            Ok((interpreted, version)) => {
                installed.versions.push(version);
                let place =
                    if name == "node" { &mut installed.node } else { &mut installed.python };
                *place = Some(interpreted);
            }
            Err(reason) => installed.left_out.push((name.to_owned(), reason)),
        }
    }
    Ok(installed)
}

/// Makes the release of this machine's architecture, which is linked statically, and takes the binary out of it.
fn release(root: &Path) -> Result<PathBuf, String> {
    let architecture = match env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    quietly(Command::new(root.join("ci/release.sh")).arg(architecture))?;
    let built = root.join("target/release-build/lambda").join(architecture);
    Ok(built.join("mtls-authorizer/bootstrap"))
}

/// Builds the authorizer that reads files alone, for size, in a place of its own: the one with a network has the same
/// name.
fn offline(root: &Path, target: &Path) -> Result<PathBuf, String> {
    let directory = target.join("offline");
    let directory_text = text(&directory)?;
    let arguments =
        ["build", "--profile", "small", "--package", "mtls-authorizer", "--no-default-features"];
    cargo(root, &[&arguments[..], &["--target-dir", &directory_text]].concat(), &[])?;
    Ok(directory.join("small/mtls-authorizer"))
}

impl Installed {
    /// The contenders, for one workload.
    pub(crate) fn contenders(&self, workload: &Workload) -> Vec<Contender> {
        let authorize = || Job::Authorize(workload.expected.clone());
        let contender = |name: &str, description: &str, launch, job, package| Contender {
            name: name.to_owned(),
            description: description.to_owned(),
            launch,
            event: workload.event.clone(),
            job,
            package,
        };
        let ours = |name, description, binary: &PathBuf| {
            let launch = Launch::new(binary).env("AUTHORIZER_CONFIG", &workload.config);
            contender(name, description, launch, authorize(), alone(binary))
        };
        let idle = |name, description, binary: &PathBuf| {
            let job = Job::Nothing { principal_id: if name == "noop" { "noop" } else { "floor" } };
            contender(name, description, Launch::new(binary), job, alone(binary))
        };
        let interpreted = |name, description, arguments: &[&str], it: &Interpreted| {
            let launch = Launch::new(&it.interpreter)
                .current_dir(&it.directory)
                .env("LAMBDA_TASK_ROOT", &it.directory)
                .env("_HANDLER", arguments.last().copied().unwrap_or_default())
                .env("POLICY", &workload.policy);
            let launch = arguments.iter().fold(launch, Launch::arg);
            contender(name, description, launch, authorize(), it.package.clone())
        };
        [
            self.authorizer.as_ref().map(|it| ours("authorizer", "this project", it)),
            self.release.as_ref().map(|it| {
                ours("static", "this project, as `ci/release.sh` links it, statically", it)
            }),
            self.against.as_ref().map(|it| ours("against", "another build of it", it)),
            self.noop.as_ref().map(|it| {
                idle("noop", "does nothing, on `lambda_runtime` and multi-threaded tokio", it)
            }),
            self.floor.as_ref().map(|it| idle("floor", "does nothing, on a bare socket", it)),
            self.node.as_ref().map(|it| {
                let arguments = ["node_modules/aws-lambda-ric/index.mjs", "index.handler"];
                interpreted("node", "the same job, `crypto.X509Certificate`", &arguments, it)
            }),
            self.python.as_ref().map(|it| {
                let arguments = ["-m", "awslambdaric", "authorizer.handler"];
                interpreted("python", "the same job, `cryptography`", &arguments, it)
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A package of one file.
fn alone(binary: &Path) -> Package {
    let root = binary.parent().unwrap_or(Path::new("."));
    vec![(root.to_owned(), binary.to_owned())]
}

fn python(from: &Path, into: &Path) -> Result<(Interpreted, String), String> {
    fs::create_dir_all(into).map_err(|error| error.to_string())?;
    let environment = into.join("venv");
    let interpreter = environment.join("bin/python");
    let pins =
        fs::read_to_string(from.join("requirements.txt")).map_err(|error| error.to_string())?;
    once(into, &pins, || {
        quietly(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let requirements = from.join("requirements.txt");
        let mut pip = Command::new(&interpreter);
        quietly(pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))
    })?;
    copy(from, into, "authorizer.py")?;
    let mut packages = Command::new(&interpreter);
    packages.args(["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]);
    let packages = PathBuf::from(first_line(&mut packages)?);
    // What a function on the managed runtime carries: its handler and what the runtime has not.
    let mut package = vec![(into.to_owned(), "authorizer.py".into())];
    for entry in fs::read_dir(&packages).map_err(|error| error.to_string())?.flatten() {
        let name = entry.file_name();
        let theirs = ["cryptography", "cffi", "_cffi", "pycparser"];
        if name.to_str().is_some_and(|name| theirs.iter().any(|theirs| name.starts_with(theirs))) {
            package.push((packages.clone(), name.into()));
        }
    }
    let version = first_line(Command::new(&interpreter).arg("--version"))?;
    let pins: Vec<&str> = pins.split_whitespace().collect();
    let version = format!("{version} ({})", pins.join(", ").replace("==", " "));
    Ok((Interpreted { interpreter, directory: into.to_owned(), package }, version))
}

fn node(from: &Path, into: &Path) -> Result<(Interpreted, String), String> {
    fs::create_dir_all(into).map_err(|error| error.to_string())?;
    let pins = fs::read_to_string(from.join("package.json")).map_err(|error| error.to_string())?;
    once(into, &pins, || {
        copy(from, into, "package.json")?;
        copy(from, into, "package-lock.json")?;
        // Its runtime client is compiled on installation, which takes cmake.
        let mut path = env::var_os("PATH").unwrap_or_default();
        if first_line(Command::new("cmake").arg("--version")).is_err() {
            let tools = into.join("tools");
            quietly(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
            let mut pip = Command::new(tools.join("bin/python"));
            quietly(pip.args(["-m", "pip", "install", "--quiet", "cmake"]))?;
            let paths = std::iter::once(tools.join("bin")).chain(env::split_paths(&path));
            path = env::join_paths(paths).map_err(|error| error.to_string())?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(into).env("PATH", path);
        quietly(&mut npm)
    })?;
    copy(from, into, "index.mjs")?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let interpreter = into.join(format!("node_modules/node-linux-{architecture}/bin/node"));
    let version = first_line(Command::new(&interpreter).arg("--version"))?;
    let manifest: serde_json::Value =
        serde_json::from_str(&pins).map_err(|error| error.to_string())?;
    let client = manifest.pointer("/dependencies/aws-lambda-ric").and_then(|pin| pin.as_str());
    let version = format!("Node.js {version} (aws-lambda-ric {})", client.unwrap_or_default());
    let package = vec![(into.to_owned(), "index.mjs".into())];
    Ok((Interpreted { interpreter, directory: into.to_owned(), package }, version))
}

/// Installs, unless it was done before for the same pins.
fn once(
    into: &Path,
    pins: &str,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let stamp = into.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    eprintln!("installing {}", into.file_name().unwrap_or_default().to_string_lossy());
    install()?;
    workload::write(&stamp, pins.as_bytes())
}

fn copy(from: &Path, into: &Path, name: &str) -> Result<(), String> {
    let copied = fs::copy(from.join(name), into.join(name));
    copied.map(drop).map_err(|error| format!("{name}: {error}"))
}

fn cargo(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(directory).envs(variables.iter().copied());
    let status = command.status();
    let status = status.map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("cargo build failed".to_owned()) }
}

/// Runs a command; what it said is told only where it fails.
fn quietly(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("{name} failed: {}", last.trim()))
}

fn first_line(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(format!("{} said nothing", command.get_program().to_string_lossy())),
    }
}

fn text(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or("a path that is not UTF-8".to_owned())
}
