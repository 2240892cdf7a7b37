//! The authorizer: child processes behind the Lambda Runtime API.
//!
//! As in Lambda, a process handles one event at a time, calls at once run in processes of their
//! own, and a process is kept for the next event. One that crashes, or overruns its time and is
//! ended, fails its call; the next call gets a new one. A process that ended while it was idle is
//! replaced without anybody noticing. When the configuration file changes, processes are replaced
//! as by a deployment.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use runtime_emulator::{Bootstrap, Ender, Launch, Outcome};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::configuration::Configuration;

/// Processes at once; further calls wait.
const CONCURRENCY: usize = 8;

/// An authorizer that can be called.
pub struct Authorizer {
    launch: Launch,
    configuration: Option<Configuration>,
    processes: Mutex<Processes>,
    running: Arc<Semaphore>,
}

#[derive(Default)]
struct Processes {
    idle: Vec<Bootstrap>,
    /// Those with a call, by their process id.
    busy: HashMap<u32, Ender>,
    ended: bool,
    /// What the configuration's file was like when they were started.
    seen: Option<FileState>,
    generation: u64,
}

/// When a file was changed last, and its length.
type FileState = (Option<SystemTime>, u64);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The authorizer reported an error whose message is exactly `Unauthorized`.
    Unauthorized,
    /// It failed otherwise; the text says how, in words fit for a log.
    Failed(String),
}

impl Authorizer {
    /// An authorizer that is started by `launch` with this configuration when it is called first,
    /// and anew after the configuration's file has changed.
    #[must_use]
    pub fn new(launch: Launch, configuration: Option<Configuration>) -> Self {
        Self {
            launch,
            configuration,
            processes: Mutex::default(),
            running: Arc::new(Semaphore::new(CONCURRENCY)),
        }
    }

    /// Starts a process and waits until it asks for its first event.
    ///
    /// # Errors
    /// Where it can't be started, or fails before.
    pub async fn start(self: &Arc<Self>) -> Result<(), CallError> {
        let authorizer = Arc::clone(self);
        blocking(move || {
            let generation = authorizer.look_for_changes();
            let mut process = authorizer.spawn()?;
            let ready = authorizer.while_busy(&mut process, |process| process.ready())?;
            ready.map_err(|outcome| failure(&outcome))?;
            authorizer.put_back(process, generation);
            Ok(())
        })
        .await
    }

    /// Calls it with an event.
    ///
    /// # Errors
    /// Where it fails, or reports an error.
    pub async fn call(self: &Arc<Self>, event: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let permit = permit.map_err(|_| CallError::Failed("it is shutting down".to_owned()))?;
        let authorizer = Arc::clone(self);
        blocking(move || {
            let answer = authorizer.call_blocking(&event);
            drop(permit);
            answer
        })
        .await
    }

    /// Ends every process, those with a call too, and refuses further calls.
    pub fn shut_down(&self) {
        self.running.close();
        let (idle, busy) = {
            let mut processes = self.lock();
            processes.ended = true;
            (std::mem::take(&mut processes.idle), std::mem::take(&mut processes.busy))
        };
        drop(idle);
        for ender in busy.values() {
            ender.end();
        }
    }

    fn call_blocking(&self, event: &[u8]) -> Result<Vec<u8>, CallError> {
        let generation = self.look_for_changes();
        let mut process = self.idle_process()?;
        let outcome = self.while_busy(&mut process, |process| process.invoke(event))?;
        if matches!(outcome, Outcome::Response(_) | Outcome::Error { .. }) {
            self.put_back(process, generation);
        }
        match outcome {
            Outcome::Response(answer) => Ok(answer),
            outcome => Err(failure(&outcome)),
        }
    }

    /// Does something with a process while [`shut_down`](Self::shut_down) knows of it.
    fn while_busy<T>(
        &self,
        process: &mut Bootstrap,
        work: impl FnOnce(&mut Bootstrap) -> T,
    ) -> Result<T, CallError> {
        let id = process.pid();
        let ended = {
            let mut processes = self.lock();
            processes.busy.insert(id, process.ender());
            processes.ended
        };
        if ended {
            return Err(CallError::Failed("it is shutting down".to_owned()));
        }
        let done = work(process);
        self.lock().busy.remove(&id);
        Ok(done)
    }

    /// An idle process that is alive, or a new one.
    fn idle_process(&self) -> Result<Bootstrap, CallError> {
        loop {
            let process = self.lock().idle.pop();
            match process {
                Some(mut process) => {
                    if process.is_running() && process.ready().is_ok() {
                        return Ok(process);
                    }
                }
                None => return self.spawn(),
            }
        }
    }

    fn spawn(&self) -> Result<Bootstrap, CallError> {
        let environment = self.configuration.iter().flat_map(Configuration::environment);
        let launch =
            environment.fold(self.launch.clone(), |launch, (name, value)| launch.env(name, value));
        launch.spawn().map_err(|error| CallError::Failed(format!("it can't be started: {error}")))
    }

    fn put_back(&self, process: Bootstrap, generation: u64) {
        let mut processes = self.lock();
        if processes.generation == generation && !processes.ended {
            processes.idle.push(process);
        } else {
            // Ended without the lock, since that takes a moment.
            drop(processes);
            drop(process);
        }
    }

    /// Ends idle processes that were started before the configuration's file changed.
    fn look_for_changes(&self) -> u64 {
        let file = self.configuration.as_ref().map(|configuration| &configuration.file);
        let state = file.and_then(|path| fs::metadata(path).ok());
        let state = state.map(|metadata| (metadata.modified().ok(), metadata.len()));
        let (old, generation) = {
            let mut processes = self.lock();
            let mut old = Vec::new();
            if processes.seen != state {
                processes.seen = state;
                processes.generation += 1;
                old = std::mem::take(&mut processes.idle);
            }
            (old, processes.generation)
        };
        drop(old);
        generation
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authorizer").field("launch", &self.launch).finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CallError> + Send + 'static,
) -> Result<T, CallError> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|_| Err(CallError::Failed("the gateway failed".to_owned())))
}

fn failure(outcome: &Outcome) -> CallError {
    let described = |body: &[u8], error_type: &Option<String>| {
        let report: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| report.get(key).and_then(Value::as_str).map(str::to_owned);
        (error_type.clone().or_else(|| text("errorType")), text("errorMessage"))
    };
    let said = |what: &str, kind: Option<String>, message: Option<String>| {
        let parts: Vec<String> = [kind, message].into_iter().flatten().collect();
        CallError::Failed(format!("{what}: {}", parts.join(": ")))
    };
    match outcome {
        Outcome::Response(_) => CallError::Failed("it answered".to_owned()),
        Outcome::Error { error_type, body } => match described(body, error_type) {
            (_, Some(message)) if message == "Unauthorized" => CallError::Unauthorized,
            (kind, message) => said("it reported an error", kind, message),
        },
        Outcome::InitError { error_type, body } => {
            let (kind, message) = described(body, error_type);
            said("it could not initialise", kind, message)
        }
        Outcome::Exited(Some(status)) => CallError::Failed(format!("it ended with {status}")),
        Outcome::Exited(None) => CallError::Failed("it ended".to_owned()),
        Outcome::TimedOut => CallError::Failed("it took too long and was ended".to_owned()),
    }
}
