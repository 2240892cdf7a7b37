//! What stands behind the gateway: an echo, or an HTTP backend.
//!
//! The echo answers with what reached it, so that one sees what a backend would see: header names
//! in their letter case, and a header that came twice as a list. It verifies `X-Client-Identity` as a
//! backend should ([`crate::identity`]), and shows the claims that it may believe.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::{Connection, Headers, Request, Response};
use crate::template::STAND_IN;

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The built-in echo.
    Echo,
    /// A server, in place of the integration's scheme and host; the integration's path is put
    /// behind its own.
    Server(Url),
    /// The integration's own URI.
    Integration,
}

/// An absolute `http` or `https` URL without query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// Where it is none of these kinds.
    pub fn read(text: &str) -> Result<Self, String> {
        let odd = || format!("`{text}` is no http or https URL");
        let (scheme, rest) = text.split_once("://").ok_or_else(odd)?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(odd()),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| odd())?),
            _ => (authority, if secure { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || authority.contains('@') || !clean(text) {
            return Err(odd());
        }
        Ok(Self { secure, host, port, authority: authority.to_owned(), path: path.to_owned() })
    }

    /// The path, from its slash on.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL with another path behind its own.
    #[must_use]
    pub fn with_path_below(&self, path: &str) -> Self {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        Self { path, ..self.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// The echo's answer to a request. `identity` is what verifying the identity token came to, where there is one.
#[must_use]
pub fn echo(request: &Request, identity: Option<Result<Map<String, Value>, String>>) -> Response {
    let mut headers: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, value) in request.headers.iter() {
        headers
            .entry(name)
            .and_modify(|own| match own {
                Value::Array(values) => values.push(json!(value)),
                own => *own = json!([own.take(), value]),
            })
            .or_insert_with(|| json!(value));
    }
    let mut answer = json!({ "method": request.method, "path": request.path, "headers": headers });
    if let (Value::Object(answer), Some(query)) = (&mut answer, &request.query) {
        answer.insert("query".to_owned(), json!(query));
    }
    if let (Value::Object(answer), Some(identity)) = (&mut answer, identity) {
        let shown = match identity {
            Ok(claims) => json!({ "verified": claims }),
            Err(why) => json!({ "refused": why }),
        };
        answer.insert("identity".to_owned(), shown);
    }
    let mut body = serde_json::to_vec_pretty(&answer).unwrap_or_default();
    body.push(b'\n');
    Response::json(200, body)
}

/// Sends a request to a server and reads its response.
///
/// # Errors
/// Where the server can't be reached or makes no sense; the text is for a log.
pub async fn send(url: &Url, mut request: Request) -> Result<Response, String> {
    if url.host.ends_with(STAND_IN) {
        let parameter = url.host.split('.').next().unwrap_or_default();
        return Err(format!("the template's parameter for `{parameter}` has no value"));
    }
    let mut headers = Headers::new();
    headers.push("Host", &url.authority);
    request.headers.remove(|name| name.eq_ignore_ascii_case("Host"));
    for (name, value) in request.headers.iter() {
        headers.push(name, value);
    }
    headers.push("Connection", "close");
    request.headers = headers;

    let unreachable = |error: std::io::Error| format!("{url} can't be reached: {error}");
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(unreachable)?;
    if !url.secure {
        return exchange(stream, url, &request).await;
    }
    let name = ServerName::try_from(url.host.clone())
        .map_err(|_| format!("`{}` is no name for TLS", url.host))?;
    let connector = TlsConnector::from(tls_client()?);
    exchange(connector.connect(name, stream).await.map_err(unreachable)?, url, &request).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    url: &Url,
    request: &Request,
) -> Result<Response, String> {
    let mut connection = Connection::new(stream);
    let target = match &request.query {
        Some(query) => format!("{}?{query}", url.path),
        None => url.path.clone(),
    };
    let failed = |error: &dyn fmt::Display| format!("{url} did not answer: {error}");
    connection.write_request(request, &target).await.map_err(|error| failed(&error))?;
    let mut response =
        connection.read_response(request.method == "HEAD").await.map_err(|error| failed(&error))?;
    let is_head = request.method == "HEAD";
    response.headers.remove(|name| {
        is_hop_by_hop(name) || (!is_head && name.eq_ignore_ascii_case("Content-Length"))
    });
    Ok(response)
}

/// Header fields that are about one connection.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// TLS towards backends, with the system's roots.
fn tls_client() -> Result<Arc<ClientConfig>, String> {
    static CLIENT: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    CLIENT
        .get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(Arc::new(config))
        })
        .clone()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn urls_are_read_and_others_refused() {
        let url = Url::read("http://[::1]:9000/base/").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 9000));
        assert_eq!(url.with_path_below("/orders").to_string(), "http://[::1]:9000/base/orders");
        assert_eq!(Url::read("https://example.com").unwrap().to_string(), "https://example.com/");
        for odd in
            ["example.com", "ftp://a/", "http://", "http://a:b/", "http://u@a/", "http://a b"]
        {
            assert!(Url::read(odd).is_err(), "{odd}");
        }
    }
}
