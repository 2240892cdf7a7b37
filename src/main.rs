//! The `mtls-authorizer` program: the Lambda runtime loop, or the command line. Nothing else; this is the only
//! place that reads the environment and the clock.

use std::{
    io::{IsTerminal, Write, stderr, stdin, stdout},
    process::ExitCode,
    time::{Instant, SystemTime},
};

use mtls_authorizer::{
    apart::apart,
    authorizer::{Authorized, Authorizer, Loader},
    cli::{self, Exit, Terminal},
    environment::Environment,
    event::Request,
    lambda,
    source::{Clock, Fetcher},
    telemetry::{self, DecisionLine},
    timestamp::Timestamp,
};
use tokio::runtime::{Builder, LocalOptions};
use tracing::{error, warn};

/// In the static binary, which is linked with musl: its own allocator is slower and touches more pages.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

fn main() -> ExitCode {
    let runtime =
        match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = writeln!(stderr(), "mtls-authorizer: {error}");
                return ExitCode::from(2);
            }
        };
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let in_lambda = ProcessEnvironment.variable("AWS_LAMBDA_RUNTIME_API").is_some();
    let exit = if arguments.is_empty() && in_lambda {
        // As a task: what is blocked on itself is polled only after asking the kernel for events once more.
        let served = runtime.spawn_local(serve());
        runtime.block_on(served).unwrap_or(Exit::NoDecision)
    } else {
        runtime.block_on(command(arguments))
    };
    // A look-up of a name that hangs must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

async fn command(arguments: Vec<std::ffi::OsString>) -> Exit {
    let mut terminal = Terminal {
        environment: &ProcessEnvironment,
        clock: now,
        input: &mut stdin(),
        output: &mut stdout(),
        errors: &mut stderr(),
        colour: stdout().is_terminal() && ProcessEnvironment.variable("NO_COLOR").is_none(),
    };
    apart(cli::run(arguments, &mut terminal)).await
}

async fn serve() -> Exit {
    telemetry::init(&ProcessEnvironment, stdout);
    let loader = Loader {
        environment: &ProcessEnvironment,
        fetcher: Fetcher::new(&ProcessEnvironment, Clock::new(now)),
        now: now(),
    };
    let authorizer = match apart(loader.load(None)).await {
        Ok((authorizer, notices)) => {
            notices.iter().for_each(|notice| warn!("{notice}"));
            authorizer
        }
        Err(faults) => {
            faults.0.iter().for_each(|fault| error!("{fault}"));
            return Exit::NoDecision;
        }
    };
    let authorizer: &Authorizer = Box::leak(Box::new(authorizer));
    let served = lambda::serve(&ProcessEnvironment, async |payload, invocation| {
        let started = Instant::now();
        let see = |request: &Request<'_>, authorized: &Authorized<'_>| {
            if authorizer.logs(&authorized.decision) {
                let line = DecisionLine {
                    decision: &authorized.decision,
                    request,
                    invocation: &invocation,
                    duration_us: started.elapsed().as_micros(),
                };
                // A log that can't be written must not lose the answer.
                let _ = line.write(stdout().lock());
            }
        };
        authorizer.authorize(&payload, now(), see).await
    });
    let Err(error) = apart(served).await;
    error!("{error}");
    Exit::NoDecision
}
