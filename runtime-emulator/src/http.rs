//! As much of HTTP/1.1 (RFC 9112) as Lambda runtimes speak: requests with a `Content-Length` or a
//! chunked body, kept-alive connections, `Expect: 100-continue` and trailers.
//!
//! Not checked: obsolete line folding, the `Host` header, transfer codings other than `chunked`.

use std::io::{self, BufRead, Read, Write};

/// Longest request head, and longest trailer section, that is read.
const HEAD_LIMIT: u64 = 64 * 1024;

/// One request with its whole body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    /// The body, or none where it was over the limit; it has been read past in either case.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the connection ends after the answer.
    pub(crate) close: bool,
}

impl Request {
    /// The first value of a header or trailer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// Reads the next request; none where the connection ended between two requests.
///
/// `continue_to` is where `100 Continue` goes if the client waits for it.
pub(crate) fn read_request(
    reader: &mut impl BufRead,
    continue_to: &mut impl Write,
    body_limit: usize,
) -> io::Result<Option<Request>> {
    let Some(start) = read_line(&mut reader.take(HEAD_LIMIT))? else { return Ok(None) };
    let mut words = start.split(' ');
    let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(malformed("the request line has no three parts"));
    };
    let mut headers = read_headers(reader)?;
    if find(&headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        continue_to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let chunked = find(&headers, "transfer-encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
    let body = if chunked {
        let body = read_chunked(reader, body_limit)?;
        headers.extend(read_headers(reader)?);
        body
    } else {
        let length = match find(&headers, "content-length") {
            None => 0,
            Some(text) => text.parse().map_err(|_| malformed("the content length is no number"))?,
        };
        read_body(reader, length, body_limit)?
    };
    let close = match find(&headers, "connection") {
        Some(value) => value.eq_ignore_ascii_case("close"),
        None => version == "HTTP/1.0",
    };
    Ok(Some(Request { method: method.to_owned(), path: path.to_owned(), headers, body, close }))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut reader = reader.take(HEAD_LIMIT);
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| malformed("a header has no colon"))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

/// A line without its end; none at the end of the stream.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(malformed("a line of the head does not end, or the head is too long"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| malformed("the head is not UTF-8"))
}

fn read_body(
    reader: &mut impl BufRead,
    length: usize,
    limit: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut part = reader.take(length as u64);
    if length > limit {
        io::copy(&mut part, &mut io::sink())?;
        return Ok(None);
    }
    let mut body = Vec::with_capacity(length);
    part.read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(body))
}

/// The chunks up to the last one; the trailer section, with its empty line, is left.
fn read_chunked(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut body = Some(Vec::new());
    loop {
        let line = read_line(&mut reader.take(HEAD_LIMIT))?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16)
            .map_err(|_| malformed("the length of a chunk is no hexadecimal number"))?;
        if length == 0 {
            return Ok(body);
        }
        let room = limit.saturating_sub(body.as_ref().map_or(0, Vec::len));
        let chunk = read_body(reader, length, room)?;
        body = match (body, chunk) {
            (Some(mut body), Some(chunk)) => {
                body.extend_from_slice(&chunk);
                Some(body)
            }
            _ => None,
        };
        if read_line(&mut reader.take(HEAD_LIMIT))?.is_none_or(|line| !line.is_empty()) {
            return Err(malformed("a chunk is longer than its length"));
        }
    }
}

/// Writes an answer in one piece, so that it leaves in one segment.
pub(crate) fn write_response(
    to: &mut impl Write,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut message = Vec::with_capacity(512 + body.len());
    write!(message, "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n")?;
    for (name, value) in headers {
        write!(message, "{name}: {value}\r\n")?;
    }
    write!(message, "content-length: {}\r\n\r\n", body.len())?;
    message.extend_from_slice(body);
    to.write_all(&message)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], limit: usize) -> io::Result<Option<Request>> {
        read_request(&mut io::BufReader::with_capacity(3, bytes), &mut io::sink(), limit)
    }

    #[test]
    fn a_sized_body_is_read_whole() {
        let request = read(b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 5);
        assert_eq!(request.unwrap().unwrap().body.unwrap(), b"hello");
    }

    #[test]
    fn a_body_over_the_limit_is_read_past() {
        let bytes = b"POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
        assert!(read(bytes, 4).unwrap().unwrap().body.is_none());
        let bytes =
            b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert!(read(bytes, 4).unwrap().unwrap().body.is_none());
    }

    #[test]
    fn a_chunked_body_is_joined_and_its_trailers_become_headers() {
        let request = read(
            b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Late: yes\r\n\r\n",
            5,
        )
        .unwrap()
        .unwrap();
        assert_eq!(request.body.as_deref(), Some(b"hello".as_slice()));
        assert_eq!(request.header("x-late"), Some("yes"));
    }

    #[test]
    fn a_client_that_waits_for_it_is_told_to_continue() {
        let mut told = Vec::new();
        let bytes = b"POST /a HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx";
        read_request(&mut bytes.as_slice(), &mut told, 1).unwrap().unwrap();
        assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn a_connection_ended_between_requests_is_no_error_but_one_inside_is() {
        assert!(read(b"", 0).unwrap().is_none());
        assert!(read(b"GET /a HT", 0).is_err());
        assert!(read(b"GET /a HTTP/1.1\r\nhost: x\r\n", 0).is_err());
        assert!(read(b"POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhell", 9).is_err());
    }
}
