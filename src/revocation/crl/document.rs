//! From the bytes of a source to lists in DER: one list in DER, or any number of them in PEM (RFC 7468).
//!
//! A list of a million entries is 68 MB of PEM, so the text is decoded in place: the octets are written over
//! the text that they came from, and memory never holds both. Text between the blocks is skipped, as
//! RFC 7468 allows it; a block that is no list is an error, since it is a file put in the wrong place.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::der::Reader;

/// The lists that a source holds, in DER.
#[derive(Debug)]
pub struct Document {
    buffer: Vec<u8>,
    lists: Vec<Range<usize>>,
}

/// Why bytes hold no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// Neither one DER element and nothing else, nor PEM.
    NeitherDerNorPem,
    /// A PEM block of another label, which begins at this line.
    OtherLabel {
        /// The line of the block's `BEGIN`, from 1.
        line: usize,
    },
    /// A PEM block whose `END` line is missing or of another label, which begins at this line.
    Unended {
        /// The line of the block's `BEGIN`, from 1.
        line: usize,
    },
    /// A PEM block that is not base64, at this line or a little before it.
    Base64 {
        /// The line, from 1.
        line: usize,
    },
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeitherDerNorPem => {
                f.write_str("neither one revocation list in DER nor any in PEM (`X509 CRL`)")
            }
            Self::OtherLabel { line } => {
                write!(f, "the PEM block at line {line} is no `X509 CRL`")
            }
            Self::Unended { line } => {
                write!(f, "the PEM block at line {line} has no `END X509 CRL`")
            }
            Self::Base64 { line } => write!(f, "what stands before line {line} is not base64"),
        }
    }
}

impl std::error::Error for DocumentError {}

const BEGIN: &[u8] = b"-----BEGIN ";
const BEGIN_LIST: &[u8] = b"-----BEGIN X509 CRL-----";
const END_LIST: &[u8] = b"-----END X509 CRL-----";

impl Document {
    /// Finds the lists in what a source gave.
    ///
    /// # Errors
    /// The bytes are neither DER nor PEM, or a PEM block is not well formed or no list.
    pub fn read(bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let mut reader = Reader::new(&bytes);
        if reader.any().is_ok() && reader.is_empty() {
            let lists = std::iter::once(0..bytes.len()).collect();
            return Ok(Self { buffer: bytes, lists });
        }
        decode_pem(bytes)
    }

    /// The lists, each in DER.
    pub fn lists(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lists.iter().map(|range| self.buffer.get(range.clone()).unwrap_or_default())
    }

    /// The octets themselves where there is but one list, which then need not be copied to be kept.
    pub(super) fn into_single(self) -> Option<Vec<u8>> {
        let [list] = self.lists.as_slice() else { return None };
        let mut buffer = self.buffer;
        buffer.truncate(list.end);
        buffer.drain(..list.start);
        buffer.shrink_to_fit();
        Some(buffer)
    }
}

fn decode_pem(mut buffer: Vec<u8>) -> Result<Document, DocumentError> {
    let mut decoder = InPlace::default();
    let mut lists = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let (mut read, mut number) = (0, 0);
    while read < buffer.len() {
        let rest = buffer.get(read..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default().trim_ascii();
        let at = read..read + length;
        read += length + 1;
        number += 1;
        match open {
            None if line == BEGIN_LIST => open = Some((number, decoder.written)),
            None if line.starts_with(BEGIN) => {
                return Err(DocumentError::OtherLabel { line: number });
            }
            None => {}
            Some((_, start)) if line == END_LIST => {
                decoder.end(&mut buffer).ok_or(DocumentError::Base64 { line: number })?;
                lists.push(start..decoder.written);
                open = None;
            }
            Some((begin, _)) if line.starts_with(b"-----") => {
                return Err(DocumentError::Unended { line: begin });
            }
            Some(_) => {
                decoder.push(&mut buffer, at).ok_or(DocumentError::Base64 { line: number })?;
            }
        }
    }
    match open {
        Some((begin, _)) => Err(DocumentError::Unended { line: begin }),
        None if lists.is_empty() => Err(DocumentError::NeitherDerNorPem),
        None => {
            buffer.truncate(decoder.written);
            buffer.shrink_to_fit();
            Ok(Document { buffer, lists })
        }
    }
}

/// Base64 decoding in blocks of this many characters, which bounds how far behind the text the octets lag.
const CHARACTERS: usize = 4096;

/// Decodes base64 over the text itself: four characters leave three octets, so the octets never catch up.
struct InPlace {
    characters: [u8; CHARACTERS],
    pending: usize,
    /// Padding has been read: nothing may follow in this block.
    padded: bool,
    /// How much of the buffer holds octets.
    written: usize,
}

impl Default for InPlace {
    fn default() -> Self {
        Self { characters: [0; CHARACTERS], pending: 0, padded: false, written: 0 }
    }
}

impl InPlace {
    /// Takes the characters of one line.
    fn push(&mut self, buffer: &mut [u8], line: Range<usize>) -> Option<()> {
        let mut at = line.start;
        while at < line.end {
            let room = self.characters.get_mut(self.pending..)?;
            let end = line.end.min(at + room.len());
            let part = buffer.get(at..end)?;
            let part = if end == line.end { part.trim_ascii_end() } else { part };
            room.get_mut(..part.len())?.copy_from_slice(part);
            self.pending += part.len();
            if self.pending == CHARACTERS {
                self.decode(buffer)?;
            }
            at = end;
        }
        Some(())
    }

    /// Ends a block.
    fn end(&mut self, buffer: &mut [u8]) -> Option<()> {
        if self.pending > 0 {
            self.decode(buffer)?;
        }
        self.padded = false;
        Some(())
    }

    fn decode(&mut self, buffer: &mut [u8]) -> Option<()> {
        if self.padded {
            return None;
        }
        let mut octets = [0; CHARACTERS / 4 * 3];
        let characters = self.characters.get(..self.pending)?;
        let length = STANDARD.decode_slice(characters, &mut octets).ok()?;
        self.padded = length * 4 != self.pending * 3;
        buffer.get_mut(self.written..self.written + length)?.copy_from_slice(octets.get(..length)?);
        self.written += length;
        self.pending = 0;
        Some(())
    }
}
