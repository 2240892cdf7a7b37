//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::backend::{Backend, Url};
use crate::balancer::Mode;
use crate::mapping::HeaderCase;
use crate::revocation::Check;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To run the gateway.
    Run(Box<Arguments>),
    /// To revoke a throwaway client.
    Revoke(String),
    /// To take that back.
    Unrevoke(String),
    /// To be told how.
    Help,
}

/// Options, as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// `--port`.
    pub port: Option<u16>,
    /// `--trust-store`.
    pub trust_store: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--template`.
    pub template: Option<PathBuf>,
    /// `--api`.
    pub api: Option<String>,
    /// `--parameter`, each.
    pub parameters: BTreeMap<String, String>,
    /// `--backend`.
    pub backend: Option<Backend>,
    /// `--authorizer`.
    pub authorizer: Option<PathBuf>,
    /// `--header-case`.
    pub header_case: Option<HeaderCase>,
    /// `--mode`.
    pub mode: Option<Mode>,
    /// `--revocation`.
    pub revocation: Option<RevocationCheck>,
}

/// What `--revocation` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationCheck {
    /// The throwaway CA's revocations are checked.
    On(Check),
    /// The configuration is taken as it is.
    Off,
}

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 8443;

/// What `--help` prints.
pub const HELP: &str = "\
A local API Gateway with mutual TLS, for trying authorizers.

    cargo gateway [OPTIONS]
    cargo gateway revoke CLIENT      revokes a throwaway client (orders, billing) while a gateway
                                     runs: its next call is denied
    cargo gateway unrevoke CLIENT    takes that back

Does a real TLS handshake with a real client certificate, calls the real authorizer over the Lambda
Runtime API, applies its answer as API Gateway does, and shows what reaches the backend. Routes,
authorizer settings and header mappings are those of the template that will be deployed. Without
options it builds the authorizer, makes throwaway certificates, and prints commands to try.

    --port N              listen on https://localhost:N                              [8443]
    --trust-store FILE    PEM bundle that clients are verified with, the full chain to the root
                                                              [throwaway CAs under target/]
    --config FILE         the authorizer's configuration; a change takes effect at the next call
                                                                        [authorizer.toml]
    --template FILE       SAM or CloudFormation template with the API         [template.yaml]
    --api NAME            logical name of the API, where the template has several
    --parameter KEY=VALUE a parameter of the template, as in `sam deploy`; repeatable
    --backend WHERE       echo: answer with what a backend would see                   [echo]
                          http(s)://host[:port][/path]: send calls there
                          integration: send calls to the URI in the template
    --authorizer PATH     any program that speaks the Lambda Runtime API, in place of this one:
                          a `bootstrap`, or a script that starts one
    --revocation HOW      check throwaway clients for revocation, by tables that are added to the
                          configuration; crl: by the CA's list, ocsp: by its responder, off: not
                                 [crl; off with --config, --trust-store or --authorizer]
    --mode MODE           alb-verify, alb-passthrough: mutual TLS by a load balancer in front of a
                          private API, as in deploy/private-api.yaml: certificates come in headers
    --header-case CASE    whether a REST mapping for X-Client-Cert-Sub also replaces a client's
                          x-client-cert-sub. Nobody has confirmed what API Gateway does.
                          sensitive: it does not, the worst that may happen       [sensitive]
                          insensitive: it does
    --help                this text

Try a revocation:   cargo gateway revoke orders
Try a policy: edit the configuration while the gateway runs, and repeat a command.
Try your own CA:    cargo gateway --trust-store ca.pem
Try another stack:  cargo gateway --template deploy/http-api.yaml --parameter SimpleResponses=true
";

/// Reads the arguments after the program's name.
///
/// # Errors
/// One line about the first argument that makes no sense.
pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut read = Arguments::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (argument.clone(), None),
        };
        if matches!(name.as_str(), "--help" | "-h" | "help") {
            return Ok(Command::Help);
        }
        if matches!(name.as_str(), "revoke" | "unrevoke") {
            return match (arguments.next(), arguments.next()) {
                (Some(client), None) if name == "revoke" => Ok(Command::Revoke(client)),
                (Some(client), None) => Ok(Command::Unrevoke(client)),
                _ => Err(format!("`{name}` needs the name of one client, as in `{name} orders`")),
            };
        }
        let known = [
            "--port",
            "--trust-store",
            "--config",
            "--template",
            "--api",
            "--parameter",
            "--backend",
            "--authorizer",
            "--header-case",
            "--mode",
            "--revocation",
        ];
        if !known.contains(&name.as_str()) {
            return Err(format!("`{argument}` is no option; `--help` lists them"));
        }
        let value = joined.or_else(|| arguments.next());
        let value = value.ok_or_else(|| format!("`{name}` needs a value"))?;
        let odd = |what: &str| format!("`{name}` can't be `{value}`: {what}");
        match name.as_str() {
            "--port" => read.port = Some(value.parse().map_err(|_| odd("a port is 0 to 65535"))?),
            "--trust-store" => read.trust_store = Some(value.into()),
            "--config" => read.config = Some(value.into()),
            "--template" => read.template = Some(value.into()),
            "--api" => read.api = Some(value),
            "--authorizer" => read.authorizer = Some(value.into()),
            "--parameter" => {
                let (key, value) = value.split_once('=').ok_or_else(|| odd("it is KEY=VALUE"))?;
                read.parameters.insert(key.to_owned(), value.to_owned());
            }
            "--backend" => {
                read.backend = Some(match value.as_str() {
                    "echo" => Backend::Echo,
                    "integration" => Backend::Integration,
                    url => Backend::Server(
                        Url::read(url).map_err(|_| odd("it is a URL, `echo` or `integration`"))?,
                    ),
                });
            }
            "--mode" => {
                let mode = Mode::named(&value);
                read.mode =
                    Some(mode.ok_or_else(|| odd("it is `alb-verify` or `alb-passthrough`"))?);
            }
            "--revocation" => {
                read.revocation = Some(match value.as_str() {
                    "crl" => RevocationCheck::On(Check::Crl),
                    "ocsp" => RevocationCheck::On(Check::Ocsp),
                    "off" => RevocationCheck::Off,
                    _ => return Err(odd("it is `crl`, `ocsp` or `off`")),
                });
            }
            _ => {
                read.header_case = Some(match value.as_str() {
                    "sensitive" => HeaderCase::Sensitive,
                    "insensitive" => HeaderCase::Insensitive,
                    _ => return Err(odd("it is `sensitive` or `insensitive`")),
                });
            }
        }
    }
    Ok(Command::Run(Box::new(read)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn read_words(words: &str) -> Result<Command, String> {
        read(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_take_their_value_either_way() {
        let Command::Run(read) =
            read_words("--port=9443 --parameter A=b=c --parameter B= --header-case insensitive")
                .unwrap()
        else {
            panic!("help");
        };
        assert_eq!(read.port, Some(9443));
        assert_eq!(read.parameters.get("A").unwrap(), "b=c");
        assert_eq!(read.parameters.get("B").unwrap(), "");
        assert_eq!(read.header_case, Some(HeaderCase::Insensitive));
        assert_eq!(read_words("--port 1 --help"), Ok(Command::Help));
    }

    #[test]
    fn every_option_is_in_the_help() {
        for option in [
            "port",
            "trust-store",
            "config",
            "template",
            "api",
            "parameter",
            "backend",
            "authorizer",
            "header-case",
            "mode",
            "revocation",
        ] {
            assert!(HELP.contains(&format!("    --{option} ")), "{option}");
            assert!(read_words(&format!("--{option}")).unwrap_err().contains("needs a value"));
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        for (words, message) in [
            ("--prot 1", "`--prot` is no option; `--help` lists them"),
            ("serve", "`serve` is no option; `--help` lists them"),
            ("--port 70000", "`--port` can't be `70000`: a port is 0 to 65535"),
            ("--parameter A", "`--parameter` can't be `A`: it is KEY=VALUE"),
            (
                "--backend ftp://a",
                "`--backend` can't be `ftp://a`: it is a URL, `echo` or `integration`",
            ),
            ("--mode alb", "`--mode` can't be `alb`: it is `alb-verify` or `alb-passthrough`"),
            ("--revocation x", "`--revocation` can't be `x`: it is `crl`, `ocsp` or `off`"),
            ("revoke", "`revoke` needs the name of one client, as in `revoke orders`"),
            ("--header-case x", "`--header-case` can't be `x`: it is `sensitive` or `insensitive`"),
        ] {
            assert_eq!(read_words(words).unwrap_err(), message);
        }
    }
}
