//! The size of a deployment package.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::DeflateEncoder;

/// What a zip archive holds for a file besides its name and contents: local header, central
/// header, and one end record for the archive.
const LOCAL: usize = 30;
const CENTRAL: usize = 46;
const END: usize = 22;

/// What is deployed: files and directories, each below the root beside it.
pub(crate) type Package = Vec<(PathBuf, PathBuf)>;

/// The size of a zip of these files and directories, deflated as well as it goes, in KB.
///
/// Bytecode caches are left out.
pub(crate) fn zipped_kb(paths: &[(PathBuf, PathBuf)]) -> io::Result<f64> {
    let mut bytes = END;
    for (root, path) in paths {
        bytes += zipped(root, &root.join(path))?;
    }
    Ok(bytes as f64 / 1000.0)
}

fn zipped(root: &Path, path: &Path) -> io::Result<usize> {
    if path.file_name().is_some_and(|name| name == "__pycache__") {
        return Ok(0);
    }
    if path.is_dir() {
        let mut bytes = 0;
        for entry in fs::read_dir(path)? {
            bytes += zipped(root, &entry?.path())?;
        }
        return Ok(bytes);
    }
    let name = path.strip_prefix(root).unwrap_or(path).as_os_str().len();
    let mut deflated = DeflateEncoder::new(fs::File::open(path)?, Compression::best());
    let mut contents = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match deflated.read(&mut buffer)? {
            0 => return Ok(contents + LOCAL + CENTRAL + 2 * name),
            read => contents += read,
        }
    }
}
