//! Connections: the handshake, then one request after the other.
//!
//! Every connection is a task of its own, and everything that a client could draw out has a limit:
//! the handshake, the time between requests, the time and the size of request line and headers, the
//! time and the size of a body.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::gateway::{Client, Gateway, unreadable};
use crate::http::Connection;

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// Until the next request begins.
    pub idle: Duration,
    /// For request line and headers, once begun.
    pub head: Duration,
    /// For the body.
    pub body: Duration,
    /// To take the response.
    pub response: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            response: Duration::from_secs(30),
        }
    }
}

/// What is read after a last response, so that the client gets to see it.
const LINGER_BYTES: usize = 4 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Serves connections until the listener fails for good; to stop, drop the future.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    gateway: Arc<Gateway>,
    limits: Limits,
) {
    let acceptor = TlsAcceptor::from(tls);
    // Dropped with this future, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let (acceptor, gateway) = (acceptor.clone(), Arc::clone(&gateway));
                    connections.spawn(connection(stream, address, acceptor, gateway, limits));
                }
                // Out of descriptors, or a client that was gone again: others may still come.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    gateway: Arc<Gateway>,
    limits: Limits,
) {
    let refused = |reason: &str| {
        (gateway.log)(&format!("--- connection from {} refused: {reason}", address.ip()));
    };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stream = match timeout(limits.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return refused(&handshake_error(&error)),
        Err(_) => return refused("the handshake took too long"),
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    // The handshake has read the first; what comes beside it may be anything.
    let certificates = chain.iter().map_while(|der| Certificate::from_connection(der).ok());
    let certificates = certificates.collect();
    let client = Client { certificates, address: address.ip() };
    let mut connection = Connection::new(stream);
    // An error is a client that is gone.
    if let Ok(true) = requests(&mut connection, &client, &gateway, limits).await {
        let _ = timeout(LINGER_TIME, connection.close(LINGER_BYTES)).await;
    }
}

/// Serves requests until one is the last; true where the connection is still to be closed.
async fn requests<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    client: &Client,
    gateway: &Gateway,
    limits: Limits,
) -> io::Result<bool> {
    loop {
        if !timeout(limits.idle, connection.has_more()).await?? {
            return Ok(true);
        }
        let read = async {
            let head = timeout(limits.head, connection.read_request_head()).await;
            let head = head.map_err(io::Error::from)??;
            timeout(limits.body, connection.read_request_body(head))
                .await
                .map_err(io::Error::from)?
        };
        let (response, to_head, close) = match read.await {
            Ok(request) => {
                let response = gateway.respond(client, &request).await;
                (response, request.method == "HEAD", request.close)
            }
            Err(error) => match unreadable(&error) {
                Some(response) => {
                    (gateway.log)(&format!(
                        "{} from \"{}\": {error}",
                        response.status,
                        client.subject_dn().escape_debug()
                    ));
                    (response, false, true)
                }
                None => return Ok(false),
            },
        };
        timeout(limits.response, connection.write_response(&response, to_head, close)).await??;
        if close {
            return Ok(true);
        }
    }
}

fn handshake_error(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::NoCertificatesPresented) => "no client certificate".to_owned(),
        Some(tls) => format!("the handshake failed: {tls}"),
        None => format!("the handshake failed: {error}"),
    }
}
