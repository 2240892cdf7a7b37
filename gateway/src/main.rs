//! `cargo gateway`: builds what is missing, starts the gateway, and says what to try.

// A program that talks to a person on standard output and error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod welcome;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mtls_gateway::api::{AnswerForm, Api};
use mtls_gateway::arguments::{self, Arguments, Command, DEFAULT_PORT};
use mtls_gateway::authorizer::{Authorizer, CallError};
use mtls_gateway::build;
use mtls_gateway::function::{self, Function};
use mtls_gateway::gateway::{Gateway, Log};
use mtls_gateway::identity::Publisher;
use mtls_gateway::pki::Pki;
use mtls_gateway::server::{Limits, serve};
use mtls_gateway::template::Template;
use mtls_gateway::tls;
use mtls_gateway::trust::TrustStore;
use runtime_emulator::Launch;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let arguments = match arguments::read(env::args().skip(1)) {
        Ok(Command::Run(arguments)) => arguments,
        Ok(Command::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => return fail(&message),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads can be started: {error}")),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let workspace = build::workspace();
    // Before anything slow: these mistakes are cheap to find.
    let template_path =
        arguments.template.clone().unwrap_or_else(|| workspace.join("template.yaml"));
    let template = read_template(&template_path, &arguments.parameters)?;
    let api = Api::read(&template, arguments.api.as_deref()).map_err(|error| error.to_string())?;
    let listener = listen(arguments.port.unwrap_or(DEFAULT_PORT)).await?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();

    let pki =
        Pki::ensure(&build::target(&workspace).join("gateway-pki"), OffsetDateTime::now_utc())
            .map_err(|error| error.to_string())?;
    let store = arguments.trust_store.clone().unwrap_or_else(|| pki.file("truststore.pem"));
    let trust_store = TrustStore::from_pem(&read(&store)?)
        .map_err(|error| format!("`{}` is no trust store: {error}", store.display()))?;
    let tls = server_tls(&pki)?;

    let directory = template_path.parent().unwrap_or(Path::new("."));
    let function = function_of(&template, directory, &api)?;
    let bootstrap = match &arguments.authorizer {
        Some(path) => program(path)?,
        None => build::authorizer(&workspace, "tools")?,
    };
    let config = configuration(arguments, &workspace, function.as_ref())?;
    let launch = launch(&bootstrap, &config, function.as_ref(), &api);
    let environment = function.as_ref().map(|function| function.environment.clone());
    // Another authorizer may know no `jwks`.
    let publisher =
        config.clone().filter(|_| arguments.authorizer.is_none()).map(|config| Publisher {
            program: bootstrap.clone(),
            config,
            environment: environment.unwrap_or_default(),
        });
    let log: Log = Arc::new(|line| eprintln!("{line}"));
    let mut gateway = Gateway::new(api, trust_store, Authorizer::new(launch, config), log);
    gateway.publisher = publisher;
    if let Some(backend) = &arguments.backend {
        gateway.backend = backend.clone();
    }
    if let Some(case) = arguments.header_case {
        gateway.header_case = case;
    }
    let gateway = Arc::new(gateway);
    // Listened for before there is a child that would be left behind.
    let mut interrupts = Interrupts::listen().map_err(|error| error.to_string())?;
    let started = tokio::select! {
        started = gateway.authorizer.start() => started,
        () = interrupts.next() => {
            gateway.authorizer.shut_down();
            return Ok(());
        }
    };
    started.map_err(|error| match error {
        CallError::Failed(how) => format!("the authorizer does not start: {how}"),
        CallError::Unauthorized => "the authorizer does not start".to_owned(),
    })?;

    println!("{}", welcome::text(&gateway, &template, arguments, &pki, port));
    let serving = serve(listener, Arc::new(tls), Arc::clone(&gateway), Limits::default());
    tokio::select! {
        () = serving => {}
        () = interrupts.next() => eprintln!("stopping"),
    }
    gateway.authorizer.shut_down();
    Ok(())
}

/// Ctrl-C, and the request to end that a supervisor sends.
#[cfg(unix)]
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    /// From here on, neither ends the program by itself.
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use: choose another one with `--port`")
        }
        _ => format!("port {port} can't be listened on: {error}"),
    })
}

fn read_template(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Template, String> {
    let name = path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|error| format!("`{name}` can't be read: {error}"))?;
    Template::read(&name, &text, parameters).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("`{}` can't be read: {error}", path.display()))
}

fn server_tls(pki: &Pki) -> Result<rustls::ServerConfig, String> {
    let (chain, key) = (pki.file("server.pem"), pki.file("server-key.pem"));
    let odd = |path: &Path| format!("`{}` is no readable PEM", path.display());
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&chain)?).collect();
    let certificates = certificates.map_err(|_| odd(&chain))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|_| odd(&key))?;
    tls::server_config(certificates, key).map_err(|error| error.to_string())
}

fn program(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("`{}` can't be run: {error}", path.display()))
}

/// The function behind the first authorizer of the API; this gateway runs one.
fn function_of(
    template: &Template,
    directory: &Path,
    api: &Api,
) -> Result<Option<Function>, String> {
    let mut authorizers = api.routes.iter().filter_map(|route| route.authorizer.as_ref());
    let Some(first) = authorizers.next() else { return Ok(None) };
    if let Some(other) = authorizers.find(|other| other.uri != first.uri) {
        return Err(format!(
            "{}:{}: a second authorizer function can't be represented here",
            template.name(),
            other.line
        ));
    }
    function::find(template, directory, &first.uri).map_err(|error| error.to_string())
}

/// The configuration file, unless the template's own settings name the configuration.
fn configuration(
    arguments: &Arguments,
    workspace: &Path,
    function: Option<&Function>,
) -> Result<Option<PathBuf>, String> {
    let set = |name| {
        function.and_then(|function| function.environment.get(name)).is_some_and(|v| !v.is_empty())
    };
    match &arguments.config {
        Some(path) => program_file(path).map(Some),
        None if set("AUTHORIZER_CONFIG") || set("AUTHORIZER_CONFIG_TOML") => Ok(None),
        None if arguments.authorizer.is_some() => Ok(None),
        None => program_file(&workspace.join("authorizer.toml")).map(Some),
    }
}

fn program_file(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("`{}` can't be read: {error}", path.display()))
}

fn launch(
    bootstrap: &Path,
    config: &Option<PathBuf>,
    function: Option<&Function>,
    api: &Api,
) -> Launch {
    let mut launch = Launch::new(bootstrap).on_log_line(|line| eprintln!("    {}", line.text));
    // Credentials and regions of the caller reach sources in S3.
    launch = launch.inherit_env();
    if let Some(function) = function {
        launch = launch
            .function_name(&function.name)
            .timeout(function.timeout)
            .memory_mb(function.memory);
        for (name, value) in &function.environment {
            launch = launch.env(name, value);
        }
    } else {
        let simple = api
            .routes
            .iter()
            .filter_map(|route| route.authorizer.as_ref())
            .any(|own| own.answer == AnswerForm::Simple);
        launch = launch.timeout(Duration::from_secs(8));
        if simple {
            launch = launch.env("AUTHORIZER_HTTP_API", "simple");
        }
    }
    if let Some(config) = config {
        launch = launch.env("AUTHORIZER_CONFIG", config).env("AUTHORIZER_CONFIG_TOML", "");
    }
    launch
}
