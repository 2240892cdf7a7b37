//! A running bootstrap: the process, its endpoint and its log.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::launch::{Launch, LogLine, LogSink, LogStream};
use crate::outcome::{Invocation, Outcome};

/// A running bootstrap with its endpoint. The process is ended when this is dropped.
#[derive(Debug)]
pub struct Bootstrap {
    endpoint: Endpoint,
    child: Arc<Mutex<Child>>,
    pid: u32,
    log: Arc<Log>,
    started: Instant,
    function_arn: String,
    timeout: Duration,
    init_timeout: Duration,
}

impl Bootstrap {
    pub(crate) fn start(
        launch: &Launch,
        start: impl FnOnce(&mut Command) -> io::Result<Child>,
    ) -> io::Result<Self> {
        let (something_ended, hints) = mpsc::channel();
        let endpoint = Endpoint::listen(something_ended.clone())?;
        let mut command = launch.command(&endpoint.address.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let spawned = start(&mut command);
        let mut child = spawned.inspect_err(|_| endpoint.process_ended(None))?;

        let pid = child.id();
        let log = Arc::new(Log::default());
        let sink = launch.log_sink.as_ref();
        follow(child.stdout.take(), LogStream::Stdout, &log, sink, &something_ended);
        follow(child.stderr.take(), LogStream::Stderr, &log, sink, &something_ended);
        let child = Arc::new(Mutex::new(child));
        let (of_thread, its_endpoint) = (Arc::clone(&child), endpoint.clone());
        let reaper = thread::Builder::new().name("bootstrap-reaper".to_owned());
        reaper.spawn(move || reap(&of_thread, &its_endpoint, &hints))?;
        Ok(Self {
            endpoint,
            child,
            pid,
            log,
            started,
            function_arn: launch.function_arn(),
            timeout: launch.timeout,
            init_timeout: launch.init_timeout,
        })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process can take another event, as far as is known.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.endpoint.has_ended()
    }

    /// Waits until the process asks for an event, and says how long after the start it first did.
    ///
    /// Between invocations this waits until the last one has been finished altogether.
    ///
    /// # Errors
    /// What an invocation would end with: it can't initialise, has exited, or takes too long.
    pub fn ready(&mut self) -> Result<Duration, Outcome> {
        let latest = self.started.checked_add(self.init_timeout).unwrap_or(self.started);
        // Past its first event, a process that is not ready again has the time of an invocation.
        let again = Instant::now().checked_add(self.timeout).unwrap_or(latest);
        match self.endpoint.ready(latest.max(again)) {
            Ok(at) => Ok(at.saturating_duration_since(self.started)),
            Err(outcome) => {
                if outcome == Outcome::TimedOut {
                    self.kill();
                }
                Err(outcome)
            }
        }
    }

    /// Invokes the function: waits until it has initialised, hands it `payload` and awaits the end.
    pub fn invoke(&mut self, payload: &[u8]) -> Outcome {
        self.invoke_measured(payload).outcome
    }

    /// [`invoke`](Self::invoke), with the request id and the time it took.
    pub fn invoke_measured(&mut self, payload: &[u8]) -> Invocation {
        if let Err(outcome) = self.ready() {
            return Invocation { request_id: String::new(), outcome, duration: Duration::ZERO };
        }
        let invocation = self.endpoint.invoke(payload, &self.function_arn, self.timeout);
        if invocation.outcome == Outcome::TimedOut {
            self.kill();
        }
        invocation
    }

    /// The lines written so far, oldest first; none where [`Launch::on_log_line`] takes them.
    ///
    /// A line may arrive after the answer that it was written before: see
    /// [`log_line`](Self::log_line).
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.log.lock().lines.clone()
    }

    /// Removes and returns the lines written so far.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.log.lock().lines)
    }

    /// The first line that `wanted` accepts, waiting for it until `patience` is over or both
    /// streams have ended.
    pub fn log_line(
        &self,
        patience: Duration,
        wanted: impl Fn(&LogLine) -> bool,
    ) -> Option<LogLine> {
        let until = Instant::now().checked_add(patience)?;
        let mut lines = self.log.lock();
        loop {
            if let Some(line) = lines.lines.iter().find(|line| wanted(line)) {
                return Some(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.ended == 2 {
                return None;
            }
            let woken = self.log.changed.wait_timeout(lines, left);
            lines = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the process and waits for its end.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        self.ender().end()
    }

    /// What another thread can end the process with, also during an invocation.
    #[must_use]
    pub fn ender(&self) -> Ender {
        Ender { endpoint: self.endpoint.clone(), child: Arc::clone(&self.child) }
    }
}

/// Ends a process from another thread than the one that invokes it.
#[derive(Debug, Clone)]
pub struct Ender {
    endpoint: Endpoint,
    child: Arc<Mutex<Child>>,
}

impl Ender {
    /// Ends the process and waits for its end; an invocation under way ends with
    /// [`Outcome::Exited`].
    pub fn end(&self) -> Option<ExitStatus> {
        let status = {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            // Refused only where it has ended by itself.
            let _ = child.kill();
            child.wait().ok()
        };
        self.endpoint.process_ended(status);
        status
    }
}

impl Drop for Bootstrap {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<LogLine>,
    /// Streams that have ended, of two.
    ended: usize,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one output stream line by line on a thread of its own.
fn follow(
    stream: Option<impl Read + Send + 'static>,
    name: LogStream,
    log: &Arc<Log>,
    sink: Option<&LogSink>,
    ended: &Sender<()>,
) {
    let Some(stream) = stream else { return };
    let (log, sink, ended) = (Arc::clone(log), sink.cloned(), ended.clone());
    let thread = thread::Builder::new().name("bootstrap-log".to_owned());
    // Where no thread can be had the stream closes, and the process learns of it by writing.
    let _ = thread.spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let line = LogLine { stream: name, text: String::from_utf8_lossy(text).into_owned() };
            bytes.clear();
            match &sink {
                Some(sink) => sink(&line),
                None => {
                    log.lock().lines.push(line);
                    log.changed.notify_all();
                }
            }
        }
        log.lock().ended += 1;
        log.changed.notify_all();
        let _ = ended.send(());
    });
}

/// Notices that the process has ended. A connection or a stream that ends is a hint to look at
/// once, and for a moment after, since they close a little before the process is gone.
fn reap(child: &Mutex<Child>, endpoint: &Endpoint, hints: &Receiver<()>) {
    const IDLE: Duration = Duration::from_secs(1);
    const FIRST: Duration = Duration::from_millis(1);
    let mut pause = IDLE;
    loop {
        pause = match hints.recv_timeout(pause) {
            Ok(()) => FIRST,
            Err(RecvTimeoutError::Timeout) => pause.saturating_mul(2).min(IDLE),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let waited = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        match waited {
            Ok(None) => {}
            Ok(Some(status)) => return endpoint.process_ended(Some(status)),
            Err(_) => return endpoint.process_ended(None),
        }
    }
}
