//! The Runtime API itself: the four calls a function makes, and the state between them.
//!
//! A connection that asks for the next event is *parked*: its writing half waits in the state
//! until [`Endpoint::invoke`] takes it and writes the event there itself, while the connection's
//! own thread already reads for the answer. So an invocation costs the emulator one thread switch.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitStatus;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{iter, thread};

use crate::http::{self, Request};
use crate::outcome::{Invocation, Outcome};

/// What Lambda takes as a payload: 6 MB and a little for the envelope.
const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024 + 100;

/// Answers are read up to here, to be refused with Lambda's own error above its limit.
const RESPONSE_TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

/// The endpoint of one process.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Told of every connection that ends, which may mean that the process has.
    connection_ended: Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    parked: Option<Parked>,
    first_parked_at: Option<Instant>,
    /// What an answer is awaited for.
    current: Option<Current>,
    answer: Option<(Outcome, Instant)>,
    init_error: Option<Outcome>,
    connections: usize,
    process: Process,
}

#[derive(Debug, Clone)]
struct Current {
    request_id: String,
    /// Another one for every invocation, also of one request id. A runtime that knows of it sends it back.
    invocation_id: String,
}

#[derive(Debug)]
struct Parked {
    connection: SocketAddr,
    stream: TcpStream,
}

/// A process that has ended may have left answers behind, in connections not yet read or not yet
/// accepted. `Ended` waits for a connection of our own, the last in the queue, to come through.
#[derive(Debug, Default, Clone, Copy)]
enum Process {
    #[default]
    Running,
    Ended {
        status: Option<ExitStatus>,
        last_connection: Option<SocketAddr>,
    },
    Drained {
        status: Option<ExitStatus>,
    },
}

/// What a wait ended with.
enum Wait<T> {
    Done(T),
    Failed(Outcome),
}

impl Endpoint {
    pub(crate) fn listen(connection_ended: Sender<()>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), connection_ended };
        let endpoint = Self { address: listener.local_addr()?, shared: Arc::new(shared) };
        let shared = Arc::clone(&endpoint.shared);
        thread::Builder::new()
            .name("runtime-api".to_owned())
            .spawn(move || accept(&listener, &shared))?;
        Ok(endpoint)
    }

    /// When the process asked for its first event, waiting for it until `until`.
    pub(crate) fn ready(&self, until: Instant) -> Result<Instant, Outcome> {
        match self.shared.wait(until, |state| state.parked.as_ref().and(state.first_parked_at)) {
            Wait::Done(at) => Ok(at),
            Wait::Failed(outcome) => Err(outcome),
        }
    }

    /// Hands `payload` to the process, which must be [`ready`](Self::ready), and awaits its answer.
    pub(crate) fn invoke(&self, payload: &[u8], arn: &str, timeout: Duration) -> Invocation {
        let request_id = request_id();
        let current = Current { request_id: request_id.clone(), invocation_id: random_hex(16) };
        let now = SystemTime::now();
        let deadline = now.checked_add(timeout).unwrap_or(now);
        let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let deadline = deadline.to_string();
        let trace_id = trace_id();
        let headers = [
            ("Lambda-Runtime-Aws-Request-Id", request_id.as_str()),
            ("Lambda-Runtime-Deadline-Ms", deadline.as_str()),
            ("Lambda-Runtime-Invoked-Function-Arn", arn),
            ("Lambda-Runtime-Trace-Id", trace_id.as_str()),
            ("Lambda-Runtime-Invocation-Id", current.invocation_id.as_str()),
        ];

        let started = Instant::now();
        let until = started.checked_add(timeout).unwrap_or(started);
        let mut handed_over = started;
        let outcome = loop {
            let parked = self.shared.wait(until, |state| {
                let parked = state.parked.take()?;
                state.answer = None;
                state.current = Some(current.clone());
                Some(parked)
            });
            let mut parked = match parked {
                Wait::Done(parked) => parked,
                Wait::Failed(outcome) => break (outcome, Instant::now()),
            };
            handed_over = Instant::now();
            let written = parked.stream.set_write_timeout(Some(timeout)).and_then(|()| {
                http::write_response(&mut parked.stream, "200 OK", &headers, payload)
            });
            if written.is_err() {
                // The process has given this connection up; it may ask on another.
                self.shared.lock().current = None;
                continue;
            }
            break match self.shared.wait(until, |state| state.answer.take()) {
                Wait::Done(answer) => answer,
                Wait::Failed(outcome) => (outcome, Instant::now()),
            };
        };
        self.shared.lock().current = None;
        let (outcome, ended) = outcome;
        let duration = ended.saturating_duration_since(handed_over);
        Invocation { request_id, outcome, duration }
    }

    /// Takes note that the process has ended, and stops listening.
    pub(crate) fn process_ended(&self, status: Option<ExitStatus>) {
        let mut state = self.shared.lock();
        if !matches!(state.process, Process::Running) {
            return;
        }
        // Kept locked, so that the accepting thread meets the connection after it is written down.
        let last = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        let last_connection = last.and_then(|stream| stream.local_addr()).ok();
        state.process = match last_connection {
            Some(_) => Process::Ended { status, last_connection },
            None => Process::Drained { status },
        };
        self.shared.changed.notify_all();
    }

    /// Whether the process is known to have ended.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.shared.lock().process, Process::Running)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `take` finds what it looks for, the process can no longer give it, or `until`.
    fn wait<T>(&self, until: Instant, take: impl Fn(&mut State) -> Option<T>) -> Wait<T> {
        let mut state = self.lock();
        loop {
            if let Some(found) = take(&mut state) {
                return Wait::Done(found);
            }
            if let Some(outcome) = &state.init_error {
                return Wait::Failed(outcome.clone());
            }
            if let (Process::Drained { status }, 0) = (state.process, state.connections) {
                return Wait::Failed(Outcome::Exited(status));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wait::Failed(match state.process {
                    Process::Running => Outcome::TimedOut,
                    Process::Ended { status, .. } | Process::Drained { status } => {
                        Outcome::Exited(status)
                    }
                });
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Takes connections until the process has ended and the last of them is in.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let Ok(peer) = stream.peer_addr() else { continue };
        let mut state = shared.lock();
        if let Process::Ended { status, last_connection } = state.process
            && last_connection == Some(peer)
        {
            state.process = Process::Drained { status };
            shared.changed.notify_all();
            return;
        }
        state.connections += 1;
        drop(state);
        let of_thread = Arc::clone(shared);
        let started =
            thread::Builder::new().name("runtime-api-connection".to_owned()).spawn(move || {
                // An error ends the connection, as it would Lambda's.
                let _ = serve(&stream, peer, &of_thread);
                connection_ended(&of_thread, peer);
            });
        if started.is_err() {
            connection_ended(shared, peer);
        }
    }
}

fn connection_ended(shared: &Shared, peer: SocketAddr) {
    let mut state = shared.lock();
    state.connections = state.connections.saturating_sub(1);
    if state.parked.as_ref().is_some_and(|parked| parked.connection == peer) {
        state.parked = None;
    }
    shared.changed.notify_all();
    drop(state);
    // Nobody listens any more where the process has already been reaped.
    let _ = shared.connection_ended.send(());
}

/// Serves one connection to its end.
fn serve(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut writer = stream;
    while let Some(request) = http::read_request(&mut reader, &mut writer, PAYLOAD_LIMIT)? {
        let arrived = Instant::now();
        let close = request.close;
        let call = call(&request);
        let next = matches!(call, Call::Next);
        match call {
            Call::Next => {
                if !park(stream, peer, shared)? {
                    let body = refusal("InvalidStateTransition");
                    http::write_response(&mut writer, "403 Forbidden", &[], &body)?;
                }
            }
            Call::Answer { request_id, error } => {
                let (status, body) = answer(shared, &request_id, error, request, arrived);
                http::write_response(&mut writer, status, &[], &body)?;
            }
            Call::InitError => {
                let error_type = request.header(ERROR_TYPE).map(str::to_owned);
                let body = request.body.unwrap_or_default();
                shared.lock().init_error = Some(Outcome::InitError { error_type, body });
                shared.changed.notify_all();
                http::write_response(&mut writer, "202 Accepted", &[], OK)?;
            }
            Call::Unknown => {
                let body = refusal("UnknownPath");
                http::write_response(&mut writer, "404 Not Found", &[], &body)?;
            }
        }
        // A parked connection still waits for its event, and the function ends it after that.
        if close && !next {
            return Ok(());
        }
    }
    Ok(())
}

/// What a request asks for.
enum Call {
    Next,
    Answer { request_id: String, error: bool },
    InitError,
    Unknown,
}

fn call(request: &Request) -> Call {
    let Some(path) = request.path.strip_prefix("/2018-06-01/runtime/") else {
        return Call::Unknown;
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["invocation", "next"]) => Call::Next,
        ("POST", ["invocation", id, "response"]) => {
            Call::Answer { request_id: (*id).to_owned(), error: false }
        }
        ("POST", ["invocation", id, "error"]) => {
            Call::Answer { request_id: (*id).to_owned(), error: true }
        }
        ("POST", ["init", "error"]) => Call::InitError,
        _ => Call::Unknown,
    }
}

/// Keeps the connection for the next event; refused while an answer is still due.
fn park(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> io::Result<bool> {
    let stream = stream.try_clone()?;
    let mut state = shared.lock();
    if state.current.is_some() {
        return Ok(false);
    }
    state.parked = Some(Parked { connection: peer, stream });
    state.first_parked_at.get_or_insert_with(Instant::now);
    shared.changed.notify_all();
    Ok(true)
}

const OK: &[u8] = br#"{"status":"OK"}"#;

fn answer(
    shared: &Shared,
    request_id: &str,
    error: bool,
    request: Request,
    arrived: Instant,
) -> (&'static str, Vec<u8>) {
    let mut state = shared.lock();
    let current = state.current.as_ref().filter(|current| current.request_id == request_id);
    let Some(current) = current else {
        return ("400 Bad Request", refusal("InvalidRequestID"));
    };
    if request.header(INVOCATION_ID).is_some_and(|id| id != current.invocation_id) {
        return ("410 Gone", refusal("InvokeTimeout"));
    }
    state.current = None;
    // A stream that broke off says so in a trailer, which names the error.
    let error_type = request.header(ERROR_TYPE).map(str::to_owned);
    let failed = error || error_type.is_some();
    let too_large = request.body.is_none();
    let outcome = match request.body {
        None => {
            let error_type = Some(RESPONSE_TOO_LARGE.to_owned());
            Outcome::Error { error_type, body: refusal(RESPONSE_TOO_LARGE) }
        }
        Some(body) if failed => Outcome::Error { error_type, body },
        Some(body) => Outcome::Response(body),
    };
    state.answer = Some((outcome, arrived));
    shared.changed.notify_all();
    if too_large {
        ("413 Content Too Large", refusal("RequestEntityTooLarge"))
    } else {
        ("202 Accepted", OK.to_vec())
    }
}

fn refusal(error_type: &str) -> Vec<u8> {
    format!(r#"{{"errorType":"{error_type}","errorMessage":"{error_type}"}}"#).into_bytes()
}

/// A random UUID, as Lambda's request ids are.
fn request_id() -> String {
    let hex = random_hex(32);
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// A trace header that is not sampled, in the form of X-Ray.
fn trace_id() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", random_hex(24), random_hex(16))
}

/// Random enough to be told apart: the standard library's hash keys, which are seeded by the system.
fn random_hex(length: usize) -> String {
    let words = iter::repeat_with(|| RandomState::new().build_hasher().finish());
    let text: String = words.take(length.div_ceil(16)).map(|word| format!("{word:016x}")).collect();
    text.get(..length).unwrap_or_default().to_owned()
}
