//! Measures authorizers as Lambda runs them: one process, one CPU, the Runtime API on a loopback
//! socket, one event at a time.
//!
//! The emulator runs on the contender's CPU too. On another one, each call wakes a sleeping CPU
//! twice; in a virtual machine that costs several times what the call does, and is counted as the
//! contender's own CPU time, so that all contenders look alike.
//!
//! Each contender is started afresh in every round, and within a round the contenders take turns
//! call block by call block, so that what disturbs the machine disturbs all of them. Ratios are
//! made within a round; the tables give their median, least and greatest. Every answer is checked.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it is what a command is for

mod contender;
mod curve;
mod install;
mod machine;
mod measure;
mod package;
mod pki;
mod plot;
mod report;
mod statistics;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use contender::Contender;
use measure::Plan;
use report::Report;

const HELP: &str = "\
usage: cargo benchmark [--quick] [--only NAME,…] [--no-curves] [--write docs/performance.md]
                       [--binary FILE] [--against FILE] [--other-cpu]

  --quick        few rounds: to see that everything works, not to be quoted
  --only         these contenders alone (authorizer, static, offline, noop, floor, node, python, against)
  --no-curves    leaves out how cost grows with clients, revocation lists, anchors, names, chains
  --write FILE   writes tables and plots there, besides printing the tables
  --binary FILE  measures this build of the authorizer instead of building one
  --against FILE measures another build of it beside the first
  --other-cpu    runs the emulator on another CPU than the contenders, not on theirs
";

/// What the command line asks for.
struct Options {
    quick: bool,
    only: Option<Vec<String>>,
    curves: bool,
    write: Option<PathBuf>,
    binary: Option<PathBuf>,
    against: Option<PathBuf>,
    other_cpu: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("{message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        quick: false,
        only: None,
        curves: true,
        write: None,
        binary: None,
        against: None,
        other_cpu: false,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--no-curves" => options.curves = false,
            "--other-cpu" => options.other_cpu = true,
            "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--write" => options.write = Some(value()?.into()),
            "--binary" => options.binary = Some(value()?.into()),
            "--against" => options.against = Some(value()?.into()),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown argument `{argument}`")),
        }
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<(), String> {
    let plan = if options.quick { Plan::quick() } else { Plan::full() };
    let installed = install::all(options)?;
    // After the builds, which may have every CPU.
    let placement = machine::Placement::choose(options.other_cpu)?;
    let workload = workload::clients(&installed.scratch.join("policy"), 100)?;
    let (mut contenders, mut left_out): (Vec<Contender>, _) =
        (Vec::new(), installed.left_out.clone());
    for candidate in installed.contenders(&workload) {
        match measure::rehearse(&candidate, &placement) {
            Ok(()) => contenders.push(candidate),
            Err(reason) => left_out.push((candidate.name.to_owned(), reason)),
        }
    }
    if contenders.is_empty() {
        let reasons = left_out.iter().map(|(name, reason)| format!("\n{name}: {reason}"));
        return Err(format!("no contender is left{}", reasons.collect::<String>()));
    }
    let samples = measure::rounds(&contenders, &plan, &placement, "contenders")?;
    let curves = match &installed.authorizer {
        Some(binary) if options.curves => {
            curve::all(binary, &installed.scratch, &plan, &placement)?
        }
        _ => Vec::new(),
    };
    let report = Report {
        plan: &plan,
        placement: &placement,
        versions: &installed.versions,
        contenders: &contenders,
        samples: &samples,
        left_out: &left_out,
        offline: installed.offline.as_ref(),
        curves: &curves,
    };
    println!("{}", report.markdown(None));
    if let Some(path) = &options.write {
        report.write(path)?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}
