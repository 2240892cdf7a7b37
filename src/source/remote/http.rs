//! One HTTP/1.1 exchange (RFC 9112) on one connection.
//!
//! Connections are not kept: Lambda freezes the process between calls, and a connection that was frozen is
//! usually dead. Redirects are not followed, not even on the same host: a source says where it is. There are
//! no cookies, no compression, and no proxies from the environment.
//!
//! TLS is rustls with ring. Its authorities are Mozilla's, compiled in, or those of the PEM bundle that
//! `SSL_CERT_FILE` names, instead. Nothing of it is built before the first `https` request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::source::address::{AddressFault, Endpoint, Reach, special_purpose};
use crate::source::url::{Host, Scheme};
use crate::source::{Clock, FetchFault, Receive};

/// A boxed future, as [`Network`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Names and connections: the system's, or in tests a network where a public address can be stood in for.
/// The rules of [`crate::source::address`] are applied between the two, whatever the network.
pub trait Network: Send + Sync {
    /// The addresses of a host.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A connection to an address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The network as the system has it.
#[derive(Clone, Copy, Debug)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// What speaks HTTP: a network, and TLS built at first use.
pub(super) struct Client {
    network: Box<dyn Network>,
    authorities: Option<PathBuf>,
    clock: Clock,
    tls: OnceLock<Result<TlsConnector, FetchFault>>,
}

/// A server's answer, its body still to come.
pub(super) struct Answer {
    response: Response<Incoming>,
    /// What drives the connection, ended with the answer.
    _connection: Connection,
}

impl Client {
    pub(super) fn new(
        network: Box<dyn Network>,
        authorities: Option<PathBuf>,
        clock: Clock,
    ) -> Self {
        Self { network, authorities, clock, tls: OnceLock::new() }
    }

    /// Sends a request, whose URI is the path and query, and awaits the head of the answer.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Answer, FetchFault> {
        let url = endpoint.url();
        let host = HeaderValue::try_from(url.authority()).map_err(exchange)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));

        let stream = self.connect(endpoint, deadline).await?;
        let (mut sender, connection) = match url.scheme() {
            Scheme::Http => handshake(stream).await?,
            Scheme::Https => handshake(self.secure(url.host(), stream).await?).await?,
        };
        let response = sender.send_request(request).await.map_err(exchange)?;
        Ok(Answer { response, _connection: connection })
    }

    /// Connects to the first address that answers, of those that the endpoint may be at.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<TcpStream, FetchFault> {
        let addresses = self.addresses(endpoint).await?;
        let mut last = FetchFault::TimedOut;
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            // A dead address must not use up the time of those after it.
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match tokio::time::timeout(
                share.max(Duration::from_millis(1)),
                self.network.connect(address),
            )
            .await
            {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = FetchFault::Connect(error.to_string()),
                Err(_) => last = FetchFault::TimedOut,
            }
        }
        Err(last)
    }

    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, FetchFault> {
        const MOST: usize = 4;
        let url = endpoint.url();
        let port = url.port();
        let found = match url.host() {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            // RFC 6761, 6.3: never asked of a name server, who could answer otherwise.
            Host::Name(name) if name == "localhost" => {
                [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
                    .map(|address| SocketAddr::new(address, port))
                    .to_vec()
            }
            Host::Name(name) => self
                .network
                .resolve(name, port)
                .await
                .map_err(|error| FetchFault::Resolve(error.to_string()))?,
        };
        let mut refused = None;
        let permitted: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| match endpoint.reach() {
                Reach::Anywhere => true,
                Reach::Public => match special_purpose(address.ip()) {
                    None => true,
                    Some(kind) => {
                        refused.get_or_insert(AddressFault::Address(address.ip(), kind));
                        false
                    }
                },
            })
            .take(MOST)
            .collect();
        match refused {
            Some(fault) if permitted.is_empty() => Err(fault.into()),
            None if permitted.is_empty() => Err(FetchFault::Resolve("none was found".to_owned())),
            _ => Ok(permitted),
        }
    }

    async fn secure(
        &self,
        host: &Host,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, FetchFault> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(tls)?,
            Host::Address(address) => ServerName::from(*address),
        };
        let connector =
            self.tls.get_or_init(|| connector(self.authorities.as_ref(), self.clock)).clone()?;
        connector.connect(name, stream).await.map_err(tls)
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Receives the body, which may not be larger than `limit`.
    pub(super) async fn receive(
        self,
        limit: usize,
        receiver: &mut dyn Receive,
    ) -> Result<(), FetchFault> {
        let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !self.headers().get_all(CONTENT_ENCODING).iter().all(identity) {
            return Err(FetchFault::Encoded);
        }
        let too_large = FetchFault::TooLarge { limit };
        let mut body = self.response.into_body();
        let length = match body.size_hint().exact().map(usize::try_from) {
            Some(Ok(length)) if length <= limit => Some(length),
            Some(_) => return Err(too_large),
            None => None,
        };
        receiver.begin(length);
        let mut total = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(exchange)?.into_data() else { continue };
            total = total.saturating_add(data.len());
            if total > limit {
                return Err(too_large);
            }
            receiver.take(&data);
        }
        Ok(())
    }

    /// The first bytes of the body of an error, for the code that stands in them.
    pub(super) async fn excerpt(self) -> Vec<u8> {
        const MOST: usize = 8 * 1024;
        let mut excerpt = Vec::new();
        // Larger, or broken off: what came so far will do.
        let _ = self.receive(MOST, &mut excerpt).await;
        excerpt
    }
}

/// The task that drives a connection, which ends with whoever waits for it.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const AGENT: &str = concat!("mtls-authorizer/", env!("CARGO_PKG_VERSION"));

async fn handshake<S>(
    stream: S,
) -> Result<(hyper::client::conn::http1::SendRequest<Full<Bytes>>, Connection), FetchFault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    const BUFFER: usize = 128 * 1024;
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(exchange)?;
    let connection = tokio::spawn(async move {
        // Its faults reach the request or the body.
        let _ = connection.await;
    });
    Ok((sender, Connection(connection)))
}

fn connector(authorities: Option<&PathBuf>, clock: Clock) -> Result<TlsConnector, FetchFault> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unusable = |error: &dyn std::fmt::Display| {
                FetchFault::Tls(format!("`SSL_CERT_FILE` names `{}`: {error}", path.display()))
            };
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?
            {
                let certificate = certificate.map_err(|error| unusable(&error))?;
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
            if roots.is_empty() {
                return Err(unusable(&"no certificate in it"));
            }
        }
    }
    let config =
        ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(clock))
            .with_safe_default_protocol_versions()
            .map_err(tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().unix_seconds()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// An error of hyper with what is behind it.
fn exchange(error: impl std::error::Error) -> FetchFault {
    FetchFault::Exchange(with_sources(&error))
}

fn tls(error: impl std::error::Error) -> FetchFault {
    FetchFault::Tls(with_sources(&error))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
