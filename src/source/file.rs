//! Files, read whole and bounded.
//!
//! They are read in the calling thread: Lambda serves one call at a time, and a time-out for a local disk
//! would need a thread that nothing could stop. Only regular files are read, so no pipe or device can block.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{FetchFault, Outcome, Receive, Validator};

/// What identifies a state of a file: a file that is replaced, rewritten or touched differs in one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether something is at a path. What can't be looked at is taken to be there, and told of when it is read.
#[must_use]
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().err().is_none_or(|error| error.kind() != ErrorKind::NotFound)
}

/// Reads a file unless it is still in the state that the validator describes.
pub(super) fn read(
    path: &Path,
    validator: Option<&Validator>,
    limit: usize,
    private: bool,
    receiver: &mut dyn Receive,
) -> Result<Outcome, FetchFault> {
    const WORLD_READABLE: u32 = 0o004;
    // Looked at before it is opened: to open a pipe would wait for its other end.
    let metadata = path.metadata().map_err(|error| FetchFault::file(&error))?;
    if !metadata.is_file() {
        return Err(FetchFault::NotAFile);
    }
    let mut file = File::open(path).map_err(|error| FetchFault::file(&error))?;
    let metadata = file.metadata().map_err(|error| FetchFault::file(&error))?;
    if private && metadata.mode() & WORLD_READABLE != 0 {
        return Err(FetchFault::WorldReadable);
    }
    let state = FileState::of(&metadata);
    if validator == Some(&Validator::file(state)) {
        return Ok(Outcome::NotModified);
    }
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FetchFault::TooLarge { limit });
    }
    receiver.begin(Some(length));
    let mut buffer = vec![0; CHUNK.min(length.saturating_add(1))];
    let mut total = 0_usize;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(FetchFault::file(&error)),
        };
        total = total.saturating_add(read);
        if total > limit {
            return Err(FetchFault::TooLarge { limit });
        }
        receiver.take(buffer.get(..read).unwrap_or_default());
    }
    // Half of what somebody is writing may read like a whole, and a deny list cut short denies less.
    let after = file.metadata().map_err(|error| FetchFault::file(&error))?;
    if FileState::of(&after) != state || total != length {
        return Err(FetchFault::File("it changed while it was read".to_owned()));
    }
    Ok(Outcome::Complete(Some(Validator::file(state))))
}

const CHUNK: usize = 64 * 1024;
