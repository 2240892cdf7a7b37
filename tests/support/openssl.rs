//! The OpenSSL command line, to compare with.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// What `openssl` with these arguments prints, standard error included; `None`, said loudly, where it is missing.
pub fn openssl(test: &str, arguments: &[&str]) -> Option<String> {
    let (_, text) = openssl_status(test, arguments)?;
    Some(text)
}

/// Whether `openssl` with these arguments succeeded, and what it printed.
pub fn openssl_status(test: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("openssl").args(arguments).env("TZ", "UTC").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            super::skip(test, "openssl");
            return None;
        }
        output => output.unwrap(),
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// `openssl ocsp` as a server, ended with this value. It answers one request at a time.
pub struct Responder {
    child: Child,
    /// Where it listens, on loopback among others.
    pub port: u16,
    log: PathBuf,
}

impl Responder {
    /// Starts it with these arguments and waits until it listens. It writes its log to a file of this path.
    pub fn start(test: &str, arguments: &[&str], log: PathBuf) -> Option<Self> {
        let child = Command::new("openssl")
            // Otherwise it ends after a question that it does not understand.
            .args(["ocsp", "-port", "0", "-ignore_err"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn();
        let mut child = match child {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                super::skip(test, "openssl");
                return None;
            }
            child => child.unwrap(),
        };
        // It says `ACCEPT [::]:44539 PID=4711` once it listens, and ends its output where it can't.
        let mut output = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let port = output.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?.split(' ').next()?;
            address.rsplit(':').next()?.parse().ok()
        });
        let mut responder = Self { child, port: 0, log };
        let Some(port) = port else { panic!("openssl ocsp does not listen: {}", responder.log()) };
        responder.port = port;
        Some(responder)
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// The methods of the requests that it got.
    pub fn methods(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| line.split_once("1st line: "));
        lines.map(|(_, line)| line.split(' ').next().unwrap().to_owned()).collect()
    }

    /// Ends it, as dropping it does.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end();
    }
}
