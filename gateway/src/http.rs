//! HTTP/1.1 messages, with header names exactly as they were sent.
//!
//! Common libraries normalise header names, and what a gateway does to `X-Client-Cert-Sub` and to
//! `x-client-cert-sub` is the very thing to be shown here. So this module reads and writes the
//! messages itself, on top of `httparse`: names keep their letter case and order, repeated headers
//! stay apart. Values are bytes; they are held as text in which each character is one byte
//! (ISO 8859-1), which loses nothing.
//!
//! What is refused rather than interpreted: `Transfer-Encoding` other than `chunked` alone, a
//! length stated twice or beside a transfer coding (RFC 9112, section 6.3), white space before a
//! colon, folded header lines, a request without exactly one `Host`. HTTP/2 is not spoken.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What API Gateway takes as request line and headers together.
pub const HEAD_LIMIT: usize = 10_240;

/// What API Gateway takes, and gives, as a body.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;

const MAX_HEADERS: usize = 256;
const READ_AT_ONCE: usize = 8 * 1024;

/// Header fields in the order and letter case in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of a field, whatever the letter case of its name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of a field, whatever the letter case of its name.
    #[must_use]
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Adds a field, also beside others of its name.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Removes the fields whose name is accepted.
    pub fn remove(&mut self, mut name: impl FnMut(&str) -> bool) {
        self.0.retain(|(own, _)| !name(own));
    }

    /// The bytes that the fields take on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.chars().count() + 4).sum()
    }
}

/// A request as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, in the letter case it was sent in.
    pub method: String,
    /// The path as it was sent: nothing decoded, nothing normalised.
    pub path: String,
    /// What follows the first `?`, as it was sent.
    pub query: Option<String>,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub protocol: &'static str,
    /// The header fields.
    pub headers: Headers,
    /// The body, with a chunked coding taken off.
    pub body: Vec<u8>,
    /// Whether the client wants the connection closed afterwards.
    pub close: bool,
}

/// A response as it is to be written, or was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, without those that frame the message.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut headers = Headers::new();
        headers.push("Content-Type", "application/json");
        Self { status, headers, body: body.into() }
    }
}

/// Why a message could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// Request line and headers exceed [`HEAD_LIMIT`].
    HeadTooLarge,
    /// The body exceeds [`BODY_LIMIT`].
    BodyTooLarge,
    /// It is no HTTP/1.1 message, or an ambiguous one.
    Malformed(&'static str),
    /// The connection failed, or ended within a message.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLarge => write!(formatter, "more than {HEAD_LIMIT} bytes of headers"),
            Self::BodyTooLarge => write!(formatter, "a body of more than {BODY_LIMIT} bytes"),
            Self::Malformed(what) => write!(formatter, "malformed HTTP: {what}"),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection with the bytes that were read ahead.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection on which nothing has been read yet.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Waits for the first byte of the next message; false where the peer has ended the connection.
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn has_more(&mut self) -> io::Result<bool> {
        Ok(!self.buffer.is_empty() || self.fill().await? > 0)
    }

    /// Reads request line and headers.
    ///
    /// # Errors
    /// Where they are too large, malformed, or the connection fails.
    pub async fn read_request_head(&mut self) -> Result<RequestHead, ReadError> {
        loop {
            if let Some((head, length)) = parse_request_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(ReadError::HeadTooLarge);
            }
            self.fill_or_fail().await?;
        }
    }

    /// Reads the body of the request whose head was read before, asking for it where the client
    /// waits to be asked.
    ///
    /// # Errors
    /// Where it is too large, malformed, or the connection fails.
    pub async fn read_request_body(&mut self, head: RequestHead) -> Result<Request, ReadError> {
        let RequestHead { mut request, framing, expects_continue } = head;
        if expects_continue && framing != Framing::Length(0) {
            if matches!(framing, Framing::Length(length) if length > BODY_LIMIT) {
                return Err(ReadError::BodyTooLarge);
            }
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        request.body = self.read_body(framing).await?;
        Ok(request)
    }

    /// Writes a response; its body is left out for a request by `HEAD`.
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn write_response(
        &mut self,
        response: &Response,
        to_head: bool,
        close: bool,
    ) -> io::Result<()> {
        let bodiless = matches!(response.status, 100..=199 | 204 | 304);
        let mut bytes =
            format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status)).into_bytes();
        write_fields(&mut bytes, &response.headers);
        // The answer to a HEAD may tell the length of a body that is not there.
        let told = to_head && response.headers.first("Content-Length").is_some();
        if !bodiless && !told {
            bytes.extend(format!("Content-Length: {}\r\n", response.body.len()).into_bytes());
        }
        bytes.extend_from_slice(if close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        if !bodiless && !to_head {
            bytes.extend_from_slice(&response.body);
        }
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Writes a request to `target`, with its body's length.
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn write_request(&mut self, request: &Request, target: &str) -> io::Result<()> {
        let mut bytes = format!("{} {target} HTTP/1.1\r\n", request.method).into_bytes();
        write_fields(&mut bytes, &request.headers);
        if !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
            bytes.extend(format!("Content-Length: {}\r\n", request.body.len()).into_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Reads a final response, passing over interim ones.
    ///
    /// # Errors
    /// Where it is too large, malformed, or the connection fails.
    pub async fn read_response(&mut self, to_head: bool) -> Result<Response, ReadError> {
        loop {
            let Some((mut response, framing, length)) = parse_response_head(&self.buffer, to_head)?
            else {
                // A response has no limit of its own in the documentation; this one is generous.
                if self.buffer.len() > 8 * HEAD_LIMIT {
                    return Err(ReadError::HeadTooLarge);
                }
                self.fill_or_fail().await?;
                continue;
            };
            self.buffer.drain(..length);
            if (100..200).contains(&response.status) {
                continue;
            }
            response.body = self.read_body(framing).await?;
            return Ok(response);
        }
    }

    /// Ends the connection, reading on for a little so that the peer is not reset before it has
    /// read the last response.
    pub async fn close(mut self, at_most: usize) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut left = at_most;
        self.buffer.clear();
        while left > 0 {
            match self.fill().await {
                Ok(read) if read > 0 => left = left.saturating_sub(read),
                _ => return,
            }
            self.buffer.clear();
        }
    }

    async fn read_body(&mut self, framing: Framing) -> Result<Vec<u8>, ReadError> {
        match framing {
            Framing::Length(length) if length > BODY_LIMIT => Err(ReadError::BodyTooLarge),
            Framing::Length(length) => self.take(length).await,
            Framing::Chunked => self.read_chunks().await,
            Framing::UntilEnd => {
                while self.fill().await? > 0 {
                    if self.buffer.len() > BODY_LIMIT {
                        return Err(ReadError::BodyTooLarge);
                    }
                }
                Ok(std::mem::take(&mut self.buffer))
            }
        }
    }

    async fn read_chunks(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        self.buffer.drain(..length);
                        break usize::try_from(size).map_err(|_| ReadError::BodyTooLarge)?;
                    }
                    Ok(httparse::Status::Partial) if self.buffer.len() > HEAD_LIMIT => {
                        return Err(ReadError::Malformed("an endless chunk size"));
                    }
                    Ok(httparse::Status::Partial) => self.fill_or_fail().await?,
                    Err(_) => return Err(ReadError::Malformed("a bad chunk size")),
                }
            };
            if size == 0 {
                self.skip_trailers().await?;
                return Ok(body);
            }
            if size > BODY_LIMIT.saturating_sub(body.len()) {
                return Err(ReadError::BodyTooLarge);
            }
            body.append(&mut self.take(size).await?);
            if self.take(2).await? != b"\r\n" {
                return Err(ReadError::Malformed("a chunk longer than its size"));
            }
        }
    }

    async fn skip_trailers(&mut self) -> Result<(), ReadError> {
        let mut read = 0;
        loop {
            let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
                if self.buffer.len() > HEAD_LIMIT {
                    return Err(ReadError::HeadTooLarge);
                }
                self.fill_or_fail().await?;
                continue;
            };
            read += end;
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            if line == b"\r\n" || line == b"\n" {
                return Ok(());
            }
            if read > HEAD_LIMIT {
                return Err(ReadError::HeadTooLarge);
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer.len() < length {
            self.fill_or_fail().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn fill_or_fail(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_AT_ONCE);
        self.stream.read_buf(&mut self.buffer).await
    }
}

/// Request line and headers, read; the body is still to come.
#[derive(Debug)]
pub struct RequestHead {
    request: Request,
    framing: Framing,
    expects_continue: bool,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

fn parse_request_head(bytes: &[u8]) -> Result<Option<(RequestHead, usize)>, ReadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length > HEAD_LIMIT => {
            return Err(ReadError::HeadTooLarge);
        }
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ReadError::HeadTooLarge),
        Err(_) => return Err(ReadError::Malformed("no valid request line and headers")),
    };
    let headers = fields_of(parsed.headers);
    let old = parsed.version == Some(0);
    if headers.all("Host").count() != 1 && !old {
        return Err(ReadError::Malformed("not exactly one Host header"));
    }
    let framing = match (chunked(&headers)?, content_length(&headers)?) {
        (true, None) if !old => Framing::Chunked,
        (true, _) => return Err(ReadError::Malformed("a body framed in two ways")),
        (false, length) => Framing::Length(length.unwrap_or(0)),
    };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = split_target(target)?;
    let asks = |token: &str| {
        headers
            .all("Connection")
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path,
        query,
        protocol: if old { "HTTP/1.0" } else { "HTTP/1.1" },
        close: asks("close") || (old && !asks("keep-alive")),
        headers: headers.clone(),
        body: Vec::new(),
    };
    let expects_continue =
        headers.first("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    Ok(Some((RequestHead { request, framing, expects_continue }, length)))
}

fn parse_response_head(
    bytes: &[u8],
    to_head: bool,
) -> Result<Option<(Response, Framing, usize)>, ReadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ReadError::Malformed("no valid status line and headers")),
    };
    let status = parsed.code.unwrap_or_default();
    let headers = fields_of(parsed.headers);
    let framing = if to_head || matches!(status, 100..=199 | 204 | 304) {
        Framing::Length(0)
    } else if chunked(&headers)? {
        Framing::Chunked
    } else {
        content_length(&headers)?.map_or(Framing::UntilEnd, Framing::Length)
    };
    Ok(Some((Response { status, headers, body: Vec::new() }, framing, length)))
}

fn fields_of(fields: &[httparse::Header<'_>]) -> Headers {
    let text = |value: &[u8]| value.iter().map(|byte| char::from(*byte)).collect();
    Headers(fields.iter().map(|field| (field.name.to_owned(), text(field.value))).collect())
}

fn chunked(headers: &Headers) -> Result<bool, ReadError> {
    let mut codings = headers.all("Transfer-Encoding");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.trim().eq_ignore_ascii_case("chunked") => Ok(true),
        _ => Err(ReadError::Malformed("a transfer coding other than chunked")),
    }
}

fn content_length(headers: &Headers) -> Result<Option<usize>, ReadError> {
    let mut lengths = headers.all("Content-Length");
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() || length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(ReadError::Malformed("not one decimal Content-Length"));
    }
    // What does not even fit is too large all the same.
    Ok(Some(length.parse().unwrap_or(usize::MAX)))
}

fn split_target(target: &str) -> Result<(String, Option<String>), ReadError> {
    // A client that takes this for a proxy sends the whole URL.
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find(['/', '?']).map_or("/", |start| rest.split_at(start).1)
        }
        _ => target,
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    match path {
        "" => Ok(("/".to_owned(), query)),
        path if path.starts_with('/') => Ok((path.to_owned(), query)),
        _ => Err(ReadError::Malformed("a target that is no path")),
    }
}

fn write_fields(bytes: &mut Vec<u8>, headers: &Headers) {
    for (name, value) in headers.iter() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        // Nothing that is written was made from characters above U+00FF: see the module's text.
        bytes.extend(value.chars().map(|character| u8::try_from(character).unwrap_or(b'?')));
        bytes.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    async fn read(bytes: &str) -> Result<Request, ReadError> {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        client.write_all(bytes.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut connection = Connection::new(server);
        let head = connection.read_request_head().await?;
        connection.read_request_body(head).await
    }

    #[tokio::test]
    async fn header_names_keep_case_order_and_repetition() {
        let request =
            read("GET /a?b=c HTTP/1.1\r\nhOsT: x\r\nX-A: 1\r\nx-a: 2\r\n\r\n").await.unwrap();
        let fields: Vec<_> = request.headers.iter().collect();
        assert_eq!(fields, [("hOsT", "x"), ("X-A", "1"), ("x-a", "2")]);
        assert_eq!((request.path.as_str(), request.query.as_deref()), ("/a", Some("b=c")));
    }

    #[tokio::test]
    async fn chunked_body_is_joined() {
        let request = read(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
        );
        assert_eq!(request.await.unwrap().body, b"abcde");
    }

    #[tokio::test]
    async fn ambiguous_framing_is_refused() {
        for headers in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: +3",
            "Transfer-Encoding: gzip, chunked",
            "Host: y",
        ] {
            let text = format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nabc");
            assert!(matches!(read(&text).await, Err(ReadError::Malformed(_))), "{headers}");
        }
    }

    #[tokio::test]
    async fn head_over_the_limit_is_refused_and_one_at_it_is_not() {
        let head = |length: usize| {
            let rest = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(length - rest))
        };
        assert!(read(&head(HEAD_LIMIT)).await.is_ok());
        assert!(matches!(read(&head(HEAD_LIMIT + 1)).await, Err(ReadError::HeadTooLarge)));
    }
}
