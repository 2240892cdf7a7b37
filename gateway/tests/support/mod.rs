//! A gateway in the test's own process, with the fake authorizer behind it, and clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use mtls_gateway::api::Api;
use mtls_gateway::authorizer::Authorizer;
use mtls_gateway::balancer::Balancer;
use mtls_gateway::build;
use mtls_gateway::clock::Clock;
use mtls_gateway::configuration::Configuration;
use mtls_gateway::function;
use mtls_gateway::gateway::{Gateway, Log};
use mtls_gateway::pki::Pki;
use mtls_gateway::server::{Limits, serve};
use mtls_gateway::template::Template;
use mtls_gateway::tls;
use mtls_gateway::trust::TrustStore;
use runtime_emulator::Launch;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Well within the validity of [`pki`]'s certificates.
pub const NOW: i64 = 1_800_000_000;

pub const ORDERS: &str = "C=US,O=Acme,CN=orders";
pub const BILLING: &str = "C=US,O=Acme,CN=billing";

static START: OnceLock<i64> = OnceLock::new();

/// The time when a test starts.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(*START.get_or_init(|| NOW)).unwrap()
}

/// Starts all tests of this process at the time of day, for programs that know no other.
pub fn use_time_of_day() {
    START.get_or_init(|| OffsetDateTime::now_utc().unix_timestamp());
}

/// A directory of this test's own.
pub fn directory() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// One throwaway PKI for all tests of a process.
pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| Pki::ensure(&directory().join("pki"), now()).unwrap())
}

/// Says that a test was passed over because a program is missing. In CI, where every program is there, that is
/// a failure.
pub fn skip(test: &str, program: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} needs {program}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs {program}");
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn read_template(path: &Path, parameters: &[(&str, &str)]) -> Template {
    let given: BTreeMap<String, String> =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let text = std::fs::read_to_string(path).unwrap();
    Template::read(&path.display().to_string(), &text, &given).unwrap()
}

/// The authorizer of this repository, built once.
pub fn authorizer() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build::authorizer(&build::workspace(), "dev").unwrap()).clone()
}

/// What a test may change before the gateway starts.
pub struct Setup {
    pub template: PathBuf,
    pub parameters: Vec<(&'static str, &'static str)>,
    pub launch: Box<dyn FnOnce(Launch) -> Launch>,
    pub program: PathBuf,
    pub gateway: Box<dyn FnOnce(&mut Gateway)>,
    pub limits: Limits,
    pub allowed: String,
    /// Tables added to the configuration.
    pub tables: String,
}

impl Setup {
    pub fn new(template: &str) -> Self {
        Self {
            template: fixture(template),
            parameters: Vec::new(),
            launch: Box::new(|launch| launch),
            program: env!("CARGO_BIN_EXE_fake-authorizer").into(),
            gateway: Box::new(|_| {}),
            limits: Limits::default(),
            allowed: format!("{ORDERS}\n"),
            tables: String::new(),
        }
    }

    pub fn parameter(mut self, name: &'static str, value: &'static str) -> Self {
        self.parameters.push((name, value));
        self
    }

    pub fn parameters(mut self, parameters: &[(&'static str, &'static str)]) -> Self {
        self.parameters.extend_from_slice(parameters);
        self
    }

    pub fn allowed(mut self, subjects: &[&str]) -> Self {
        self.allowed = subjects.iter().map(|subject| format!("{subject}\n")).collect();
        self
    }

    pub fn tables(mut self, tables: String) -> Self {
        self.tables = tables;
        self
    }

    /// The real authorizer with a configuration.
    pub fn authorizer(mut self, configuration: &str) -> Self {
        self.program = authorizer();
        self.allowed = configuration.to_owned();
        self
    }

    pub fn gateway(mut self, change: impl FnOnce(&mut Gateway) + 'static) -> Self {
        self.gateway = Box::new(change);
        self
    }

    pub async fn start(self) -> Running {
        let template = read_template(&self.template, &self.parameters);
        let api = Api::read(&template, None).unwrap();
        let policy = directory().join("allowed.txt");
        std::fs::write(&policy, &self.allowed).unwrap();

        let mut launch = Launch::new(&self.program);
        let uri = api.routes.iter().find_map(|route| Some(route.authorizer.as_ref()?.uri.clone()));
        let parent = self.template.parent().unwrap();
        if let Some(function) = function::find(&template, parent, &uri.unwrap()).unwrap() {
            launch = launch.timeout(function.timeout);
            for (name, value) in &function.environment {
                if !value.is_empty() {
                    launch = launch.env(name, value);
                }
            }
        }
        let balancer = Balancer::read(&template).unwrap();
        for (name, value) in balancer.iter().flat_map(Balancer::environment) {
            launch = launch.env(name, value);
        }
        let function_log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&function_log);
        launch = launch.on_log_line(move |line| sink.lock().unwrap().push(line.text.clone()));
        let launch = (self.launch)(launch);

        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let line: Log = Arc::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        let store = std::fs::read(pki().file("truststore.pem")).unwrap();
        let store = TrustStore::from_pem(&store).unwrap();
        let configuration = Configuration { file: policy.clone(), tables: self.tables };
        let mut gateway =
            Gateway::new(api, store, Authorizer::new(launch, Some(configuration)), line);
        let seconds = Arc::new(AtomicI64::new(now().unix_timestamp()));
        let told = Arc::clone(&seconds);
        gateway.clock = Clock::of(move || {
            OffsetDateTime::from_unix_timestamp(told.load(Ordering::SeqCst)).unwrap()
        });
        gateway.balancer = balancer;
        (self.gateway)(&mut gateway);

        let chain = vec![CertificateDer::from_pem_file(pki().file("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(pki().file("server-key.pem")).unwrap();
        let tls = Arc::new(tls::server_config(chain, key, gateway.demand()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Arc::new(gateway);
        let server = tokio::spawn(serve(listener, tls, Arc::clone(&gateway), self.limits));
        Running { address, log, function_log, seconds, policy, gateway, server }
    }
}

/// A gateway that serves until this is dropped.
pub struct Running {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    function_log: Arc<Mutex<Vec<String>>>,
    seconds: Arc<AtomicI64>,
    policy: PathBuf,
    pub gateway: Arc<Gateway>,
    server: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
        self.gateway.authorizer.shut_down();
    }
}

impl Running {
    /// The lines logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the authorizer has written this many decisions, and gives them.
    pub async fn decisions(&self, count: usize) -> Vec<Value> {
        loop {
            let lines = self.function_log();
            let read = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let decisions: Vec<Value> = read.filter(|line| line["message"] == "decision").collect();
            if decisions.len() >= count {
                return decisions;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a line is logged that has this in it.
    pub async fn logged(&self, part: &str) {
        while !self.log().iter().any(|line| line.contains(part)) {
            tokio::task::yield_now().await;
        }
    }

    /// The lines that the authorizer has written so far.
    pub fn function_log(&self) -> Vec<String> {
        self.function_log.lock().unwrap().clone()
    }

    pub fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn configure(&self, configuration: &str) {
        std::fs::write(&self.policy, configuration).unwrap();
    }

    /// Changes the policy. The length differs, so that the change shows whatever the clock's grain.
    pub fn allow(&self, subjects: &[&str]) {
        let text: String = subjects.iter().map(|subject| format!("{subject}\n")).collect();
        std::fs::write(&self.policy, text).unwrap();
    }

    pub async fn connect(&self, client: &Client) -> Result<Connection, String> {
        client.connect(self.address).await
    }

    /// One request on a connection of its own.
    pub async fn get(&self, client: &str, path: &str) -> Answer {
        self.connect(&Client::named(client)).await.unwrap().get(path, &[]).await.unwrap()
    }
}

/// How a client connects.
#[derive(Clone)]
pub struct Client {
    identity: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// `X-Client-Cert-Sub` on the wire, where hyper would send `x-client-cert-sub`.
    title_case: bool,
}

impl Client {
    pub fn none() -> Self {
        Self { identity: None, versions: rustls::ALL_VERSIONS.to_vec(), title_case: false }
    }

    pub fn named(name: &str) -> Self {
        let chain =
            vec![CertificateDer::from_pem_file(pki().file(&format!("{name}.pem"))).unwrap()];
        let key = PrivateKeyDer::from_pem_file(pki().file(&format!("{name}-key.pem"))).unwrap();
        Self::with(chain, key)
    }

    pub fn with(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { identity: Some((chain, Arc::new(key))), ..Self::none() }
    }

    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub fn title_case(mut self) -> Self {
        self.title_case = true;
        self
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pki().file("server-ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // The test's certificates are valid at the test's time, not at that of the day.
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let verifier = Arc::new(At(verifier.build().unwrap()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match &self.identity {
            Some((chain, key)) => {
                let key = rustls::crypto::ring::sign::any_supported_type(key).unwrap();
                let certified = rustls::sign::CertifiedKey::new(chain.clone(), key);
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                    certified,
                )))
            }
            None => builder.with_no_client_auth(),
        }
    }

    pub async fn handshake(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>, String> {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.config()));
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.map_err(|error| error.to_string())
    }

    pub async fn connect(&self, address: SocketAddr) -> Result<Connection, String> {
        let stream = TokioIo::new(self.handshake(address).await?);
        let handshake = http1::Builder::new()
            .title_case_headers(self.title_case)
            .handshake(stream)
            .await
            .map_err(|error| error.to_string())?;
        let (send, connection) = handshake;
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { send, task })
    }
}

/// Verifies the server as of [`now`].
#[derive(Debug)]
struct At(Arc<rustls::client::WebPkiServerVerifier>);

impl rustls::client::danger::ServerCertVerifier for At {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let now = Duration::from_secs(u64::try_from(now().unix_timestamp()).unwrap());
        let now = rustls::pki_types::UnixTime::since_unix_epoch(now);
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

pub struct Connection {
    send: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response, with its body read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A header that reached the backend, by its exact name.
    pub fn seen(&self, header: &str) -> Value {
        self.json()["headers"][header].clone()
    }

    /// The event that the fake authorizer got.
    pub fn event(&self) -> Value {
        serde_json::from_str(self.seen("X-Event").as_str().unwrap()).unwrap()
    }
}

impl Connection {
    pub async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.send("GET", path, headers, "").await
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let mut request = hyper::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("Host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        self.send.ready().await.map_err(|error| error.to_string())?;
        let response = self.send.send_request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let headers = parts.headers.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        })
    }
}
