//! Servers on loopback for the tests of what is fetched: one that says whatever a test has it say, byte for byte, in
//! the clear or over TLS; an S3 server that is not ours; and a network in which such a server stands for the hosts of
//! the Internet.
//!
//! Not a part of `support`, since few tests need what it needs: `#[path = "support/servers.rs"] mod servers;`.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use mtls_authorizer::source::{BoxFuture, Network};
use s3s::access::{S3Access, S3AccessContext};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// An answer of status 200.
pub fn ok(body: &[u8]) -> Vec<u8> {
    with_headers("", body)
}

pub fn with_headers(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// An answer of another status, without a body: `503 Away`.
pub fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// What a peer does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends this and ends the connection properly.
    Bytes(Vec<u8>),
    /// Sends this and then nothing.
    Stall(Vec<u8>),
    /// Sends this and drops the connection, without the end that TLS asks for.
    Cut(Vec<u8>),
}

/// What to do with each request, given how many came before it.
type Script = Arc<dyn Fn(usize, &str) -> Reply + Send + Sync>;

/// A server that sends what a test tells it to.
pub struct Peer {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    pub async fn answering(answer: Vec<u8>) -> Self {
        Self::of(move |_, _| Reply::Bytes(answer.clone())).await
    }

    /// `reply` is told how many requests came before, and the request, in lower case.
    pub async fn of(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(reply)).await
    }

    pub async fn tls(
        authority: &WebAuthority,
        names: &[&str],
        reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(authority.server(names)), Arc::new(reply)).await
    }

    async fn start(tls: Option<tokio_rustls::TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(script)),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (script, log) = (Arc::clone(&peer.script), Arc::clone(&peer.requests));
        let connections = Arc::clone(&peer.connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, script, log) = (tls.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &script, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &script, &log).await;
                            }
                        }
                    }
                });
            }
        });
        peer
    }

    /// Answers this from now on.
    pub fn serve(&self, answer: Vec<u8>) {
        self.reply(Reply::Bytes(answer));
    }

    /// Does this from now on.
    pub fn reply(&self, reply: Reply) {
        *self.script.lock().unwrap() = Arc::new(move |_, _| reply.clone());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Mutex<Script>,
    log: &Mutex<Vec<String>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let script = Arc::clone(&script.lock().unwrap());
    match script(number, &request) {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Cut(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if let Some(head) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            let length = text.split_once("content-length: ").map_or(0, |(_, rest)| {
                rest.split("\r\n").next().unwrap().parse::<usize>().unwrap()
            });
            if read.len() >= head + 4 + length {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

/// An authority for web servers, made for one test.
pub struct WebAuthority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub pem: String,
}

impl WebAuthority {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    fn server(&self, names: &[&str]) -> tokio_rustls::TlsAcceptor {
        use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate =
            rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}

/// A network where names have the addresses of the test, and every address is the test's peer. What was looked up and
/// contacted is told.
pub struct StandIn {
    names: HashMap<String, Vec<SocketAddr>>,
    others: Vec<SocketAddr>,
    peer: SocketAddr,
    pub resolved: Arc<Mutex<Vec<String>>>,
    pub contacted: Arc<Mutex<Vec<SocketAddr>>>,
}

impl StandIn {
    /// Every name has these addresses.
    pub fn new(found: &[&str], peer: SocketAddr) -> Self {
        Self {
            names: HashMap::new(),
            others: addresses(found),
            peer,
            resolved: Arc::default(),
            contacted: Arc::default(),
        }
    }

    /// This name has other ones.
    pub fn with(mut self, name: &str, found: &[&str]) -> Self {
        self.names.insert(name.to_owned(), addresses(found));
        self
    }
}

fn addresses(found: &[&str]) -> Vec<SocketAddr> {
    found.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 80)).collect()
}

impl Network for StandIn {
    fn resolve<'a>(&'a self, name: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.resolved.lock().unwrap().push(name.to_owned());
        Box::pin(async { Ok(self.names.get(name).unwrap_or(&self.others).clone()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.contacted.lock().unwrap().push(address);
        Box::pin(TcpStream::connect(self.peer))
    }
}

pub const KEY_ID: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The file-system server of the s3s project, which verifies signatures by itself. It has the bucket `pki`, in which
/// nobody may read what is below `forbidden/`.
pub struct S3Server {
    address: SocketAddr,
}

impl S3Server {
    pub async fn start(directory: &Path) -> Self {
        use s3s::config::{S3Config, StaticConfigProvider};
        std::fs::create_dir_all(directory.join("pki")).unwrap();
        let mut config = S3Config::default();
        // Requests are signed at the tests' fixed time.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut builder =
            s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory).unwrap());
        builder.set_auth(s3s::auth::SimpleAuth::from_single(KEY_ID, SECRET));
        builder.set_access(Access);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = hyper_util::rt::TokioIo::new(stream);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(stream, service.clone());
                tokio::spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    #[allow(clippy::unused_self)]
    pub fn variables<'a>(&self, endpoint: &'a str, secret: &'a str) -> [(&'a str, &'a str); 4] {
        aws(endpoint, secret)
    }
}

/// The environment of a function that reads from an S3 server of the tests.
pub fn aws<'a>(endpoint: &'a str, secret: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]
}

struct Access;

impl S3Access for Access {
    fn check<'a, 'b, 'c, 'd>(
        &'a self,
        context: &'b mut S3AccessContext<'c>,
    ) -> Pin<Box<dyn Future<Output = s3s::S3Result<()>> + Send + 'd>>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        let forbidden =
            context.s3_path().as_object().is_none_or(|(_, key)| key.starts_with("forbidden/"));
        let denied = forbidden || context.credentials().is_none();
        Box::pin(async move { if denied { Err(s3s::s3_error!(AccessDenied)) } else { Ok(()) } })
    }
}
