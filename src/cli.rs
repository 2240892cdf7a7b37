//! The command line: the same engine and the same loader as in Lambda, for people and scripts.

mod explain;

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use lexopt::{Arg, Parser, ValueExt};

use crate::{
    authorizer::{Authorizer, Loader, Notice},
    environment::Environment,
    source::{Clock, Fetcher},
    telemetry::{DecisionLine, Invocation},
    timestamp::Timestamp,
};

/// How a command ended: the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Allow, or nothing to object to.
    Allow = 0,
    /// Deny.
    Deny = 1,
    /// No decision.
    NoDecision = 2,
}

/// What the command line works with.
pub struct Terminal<'a> {
    /// The environment.
    pub environment: &'a dyn Environment,
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub errors: &'a mut dyn Write,
    /// Whether standard output understands colour.
    pub colour: bool,
}

const SHORT_HELP: &str = "\
mtls-authorizer decides who may call an API Gateway API by the client's certificate.

usage: mtls-authorizer <command> [--config FILE]

  decide EVENT.json    print the answer that API Gateway would get for an event (`-`: standard input)
  explain CERT.pem     tell, check by check, what happens to a certificate, and why
  check                validate the configuration and everything that it names
  jwks                 print the public keys of identity tokens

`mtls-authorizer --help` tells more. Inside Lambda it serves the Runtime API.
";

const HELP: &str = "\
mtls-authorizer decides who may call an API Gateway API by the client's certificate.

usage: mtls-authorizer <command> [options]

commands
  decide EVENT.json
      Prints the JSON that API Gateway would get for this authorizer event, and nothing else, on standard output.
      The decision's log line goes to standard error. `-` reads the event from standard input.
  explain CERT.pem [--route \"GET /orders/7\"]
  explain --event EVENT.json
      Tells a person what happened, check by check, with the evidence: which client matched or came nearest, and
      every context value that would be sent. Secrets are masked.
  check
      Validates the configuration and everything that it names (files, anchors, CRLs, keys), reports all faults at
      once with file, line and rule, and warns of what is risky.
  jwks
      Prints the public keys of [identity_token] as a JWK Set.

options
  --config FILE   the configuration. Otherwise the first of: the document in AUTHORIZER_CONFIG_TOML; the source
                  in AUTHORIZER_CONFIG; $LAMBDA_TASK_ROOT/authorizer.toml; /opt/authorizer.toml;
                  ./authorizer.toml
  --at TIME       decide for another instant, such as 2030-01-01T00:00:00Z (decide, explain)
  --help, --version

exit codes
  0  Allow; for check and jwks, all is well
  1  Deny
  2  no decision: an unreadable event, a bad configuration, a wrong command line

examples
  mtls-authorizer decide events/rest-allow.json
  mtls-authorizer explain events/pki/client.pem --route \"GET /orders/7\"
  mtls-authorizer explain --event events/rest-expired.json --at 2019-06-01T00:00:00Z
";

/// A command line, read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    command: Option<String>,
    operand: Option<PathBuf>,
    config: Option<PathBuf>,
    at: Option<Timestamp>,
    route: Option<(String, String)>,
    event: Option<PathBuf>,
    help: bool,
    version: bool,
}

/// Runs one command.
pub async fn run(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    terminal: &mut Terminal<'_>,
) -> Exit {
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(why) => return terminal.complain(&why),
    };
    if arguments.help {
        return terminal.print(HELP, Exit::Allow);
    }
    if arguments.version {
        let version = concat!("mtls-authorizer ", env!("CARGO_PKG_VERSION"), "\n");
        return terminal.print(version, Exit::Allow);
    }
    match arguments.command.as_deref() {
        None => terminal.warn(SHORT_HELP),
        Some("decide") => decide(&arguments, terminal).await,
        Some("explain") => explain::explain(&arguments, terminal).await,
        Some("check") => check(&arguments, terminal).await,
        Some("jwks") => jwks(&arguments, terminal).await,
        Some(other) => terminal.complain(&format!(
            "`{other}` is no command; there are `decide`, `explain`, `check` and `jwks`"
        )),
    }
}

fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Arguments, String> {
    let mut parser = Parser::from_args(arguments);
    let mut parsed = Arguments::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => parsed.help = true,
            Arg::Short('V') | Arg::Long("version") => parsed.version = true,
            Arg::Long("config") => set("--config", &mut parsed.config, path(&mut parser)?)?,
            Arg::Long("event") => set("--event", &mut parsed.event, path(&mut parser)?)?,
            Arg::Long("at") => {
                let text = text(&mut parser)?;
                let at = Timestamp::parse_rfc3339(&text).ok_or_else(|| {
                    format!("--at: `{text}` is no RFC 3339 time such as `2030-01-01T00:00:00Z`")
                })?;
                set("--at", &mut parsed.at, at)?;
            }
            Arg::Long("route") => {
                let route = parse_route(&text(&mut parser)?)?;
                set("--route", &mut parsed.route, route)?;
            }
            Arg::Value(value) if parsed.command.is_none() => {
                parsed.command = Some(value.string().map_err(|error| error.to_string())?);
            }
            Arg::Value(value) if parsed.operand.is_none() => parsed.operand = Some(value.into()),
            Arg::Value(value) => {
                return Err(format!("`{}` is one argument too many", value.to_string_lossy()));
            }
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected().to_string()),
        }
    }
    Ok(parsed)
}

fn set<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is given twice")),
    }
}

fn path(parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|error| error.to_string())
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(|error| error.to_string())
}

fn parse_route(text: &str) -> Result<(String, String), String> {
    let route = text.split_once(' ').filter(|(method, path)| {
        !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase())
            && path.starts_with('/')
    });
    route
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .ok_or_else(|| format!("--route: `{text}` is no route such as `GET /orders/7`"))
}

impl Terminal<'_> {
    fn print(&mut self, text: &str, exit: Exit) -> Exit {
        // Whoever closed the pipe does not want to know.
        let _ = self.output.write_all(text.as_bytes());
        exit
    }

    fn warn(&mut self, text: &str) -> Exit {
        let _ = self.errors.write_all(text.as_bytes());
        Exit::NoDecision
    }

    fn complain(&mut self, why: &str) -> Exit {
        self.warn(&format!("mtls-authorizer: {why}\n"))
    }

    fn now(&self, arguments: &Arguments) -> Timestamp {
        arguments.at.unwrap_or_else(self.clock)
    }

    async fn load(&mut self, arguments: &Arguments) -> Result<(Authorizer, Vec<Notice>), Exit> {
        let loader = Loader {
            environment: self.environment,
            fetcher: Fetcher::new(self.environment, Clock::new(self.clock)),
            now: self.now(arguments),
        };
        loader.load(arguments.config.as_deref()).await.map_err(|faults| {
            let _ = writeln!(self.errors, "{faults}");
            Exit::NoDecision
        })
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, Exit> {
        let mut bytes = Vec::new();
        let read = if path == Path::new("-") {
            self.input.read_to_end(&mut bytes).map(|_| ())
        } else {
            std::fs::read(path).map(|content| bytes = content)
        };
        match read {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.complain(&format!("`{}`: {error}", path.display()))),
        }
    }
}

fn refuse(arguments: &Arguments, command: &str, options: &[(&str, bool)]) -> Result<(), String> {
    if let Some((name, _)) = options.iter().find(|(_, given)| *given) {
        return Err(format!("`{command}` takes no {name}"));
    }
    match (&arguments.operand, command) {
        (Some(operand), "check" | "jwks") => {
            Err(format!("`{command}` takes no argument, but got `{}`", operand.display()))
        }
        _ => Ok(()),
    }
}

async fn decide(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    let others = [("--route", arguments.route.is_some()), ("--event", arguments.event.is_some())];
    if let Err(why) = refuse(arguments, "decide", &others) {
        return terminal.complain(&why);
    }
    let Some(event) = &arguments.operand else {
        return terminal.complain("`decide` needs an event: a file, or `-` for standard input");
    };
    let (authorizer, _) = match terminal.load(arguments).await {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let payload = match terminal.read(event) {
        Ok(payload) => payload,
        Err(exit) => return exit,
    };
    let started = std::time::Instant::now();
    let mut exit = Exit::NoDecision;
    let errors = &mut *terminal.errors;
    let answer = authorizer
        .authorize(&payload, arguments.at.unwrap_or_else(terminal.clock), |request, authorized| {
            exit = if authorized.decision.is_allow() { Exit::Allow } else { Exit::Deny };
            if authorizer.logs(&authorized.decision) {
                let line = DecisionLine {
                    decision: &authorized.decision,
                    request,
                    invocation: &Invocation::default(),
                    duration_us: started.elapsed().as_micros(),
                };
                let _ = line.write(errors);
            }
        })
        .await;
    match answer {
        Ok(answer) => terminal.print(&format!("{}\n", answer.json()), exit),
        Err(fault) => terminal.complain(&fault.to_string()),
    }
}

async fn check(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    let others = [
        ("--route", arguments.route.is_some()),
        ("--event", arguments.event.is_some()),
        ("--at", arguments.at.is_some()),
    ];
    if let Err(why) = refuse(arguments, "check", &others) {
        return terminal.complain(&why);
    }
    match terminal.load(arguments).await {
        Err(exit) => exit,
        Ok((authorizer, notices)) => {
            for notice in &notices {
                let _ = writeln!(terminal.errors, "warning: {notice}");
            }
            let clients = authorizer.configuration().policy.clients().len();
            let plural = if clients == 1 { "" } else { "s" };
            let warnings = match notices.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                count => format!(", {count} warnings"),
            };
            terminal.print(&format!("valid: {clients} client{plural}{warnings}\n"), Exit::Allow)
        }
    }
}

async fn jwks(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    let others = [
        ("--route", arguments.route.is_some()),
        ("--event", arguments.event.is_some()),
        ("--at", arguments.at.is_some()),
    ];
    if let Err(why) = refuse(arguments, "jwks", &others) {
        return terminal.complain(&why);
    }
    let (authorizer, _) = match terminal.load(arguments).await {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match authorizer.identity() {
        Some(identity) => {
            let set = serde_json::to_string_pretty(&identity.keys().jwk_set()).unwrap_or_default();
            terminal.print(&format!("{set}\n"), Exit::Allow)
        }
        None => terminal.complain("there is no [identity_token] in the configuration"),
    }
}
