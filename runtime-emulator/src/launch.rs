//! How a bootstrap is started: the program, its environment, its limits, and where its log goes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use crate::bootstrap::Bootstrap;

/// Variables of the caller that a bootstrap is given: without them programs may not start, and
/// coverage of one that does is lost. Everything else it has comes from here.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

/// Which output stream a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that the process wrote, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written to.
    pub stream: LogStream,
    /// What was written; bytes that are not UTF-8 are replaced.
    pub text: String,
}

pub(crate) type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// How a bootstrap is started. One value can start any number of them, one after the other or
/// beside each other, each with an endpoint of its own.
#[derive(Clone)]
pub struct Launch {
    pub(crate) program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    inherit_environment: bool,
    directory: Option<PathBuf>,
    function_name: String,
    memory_mb: u32,
    pub(crate) timeout: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) log_sink: Option<LogSink>,
}

impl Launch {
    /// A function of 128 MB and 3 seconds, Lambda's defaults, with 10 seconds to initialise.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            inherit_environment: false,
            directory: None,
            function_name: "authorizer".to_owned(),
            memory_mb: 128,
            timeout: Duration::from_secs(3),
            init_timeout: Duration::from_secs(10),
            log_sink: None,
        }
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable, also in place of one of Lambda's own.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Hands on all variables of this process, below Lambda's own and those set with
    /// [`env`](Self::env). Without this a bootstrap sees the latter two, and the few that programs
    /// need to start.
    #[must_use]
    pub fn inherit_env(mut self) -> Self {
        self.inherit_environment = true;
        self
    }

    /// The working directory; the caller's own if not set.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// The function's name: in its variables and in the ARN that it is invoked by.
    #[must_use]
    pub fn function_name(mut self, name: impl Into<String>) -> Self {
        self.function_name = name.into();
        self
    }

    /// The memory that the function is told it has. Nothing enforces it.
    #[must_use]
    pub fn memory_mb(mut self, memory: u32) -> Self {
        self.memory_mb = memory;
        self
    }

    /// How long an invocation may take before the process is ended.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the process may take until it asks for its first event.
    #[must_use]
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.init_timeout = timeout;
        self
    }

    /// Sends every line that the process writes to `sink`, on a thread of its own for each stream,
    /// instead of keeping it for [`Bootstrap::log`].
    #[must_use]
    pub fn on_log_line(mut self, sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.log_sink = Some(Arc::new(sink));
        self
    }

    /// Starts the process with an endpoint of its own.
    ///
    /// # Errors
    /// Where the endpoint cannot listen, or the program cannot be started.
    pub fn spawn(&self) -> io::Result<Bootstrap> {
        self.spawn_with(Command::spawn)
    }

    /// Starts the process with `start`, for a caller that has something to arrange on the starting
    /// thread (a child inherits its CPU affinity) or on the command. The emulator's own threads
    /// are not started inside it.
    ///
    /// # Errors
    /// Where the endpoint cannot listen, or `start` fails.
    pub fn spawn_with(
        &self,
        start: impl FnOnce(&mut Command) -> io::Result<Child>,
    ) -> io::Result<Bootstrap> {
        Bootstrap::start(self, start)
    }

    /// The ARN that events name as the one invoked.
    pub(crate) fn function_arn(&self) -> String {
        format!("arn:aws:lambda:us-east-1:123456789012:function:{}", self.function_name)
    }

    /// The command, with the environment that Lambda gives a custom runtime.
    pub(crate) fn command(&self, endpoint: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if !self.inherit_environment {
            command.env_clear();
            for name in INHERITED {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
        }
        let task_root = self.program.parent().unwrap_or(Path::new("."));
        command
            .env("AWS_LAMBDA_RUNTIME_API", endpoint)
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.function_name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.memory_mb.to_string())
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.function_name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]local")
            .env("LAMBDA_TASK_ROOT", task_root)
            .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
            .env("_HANDLER", "bootstrap")
            .env("TZ", ":UTC")
            .env("LANG", "en_US.UTF-8");
        if !self.inherit_environment {
            command.env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
        }
        command.envs(&self.environment);
        command
    }
}

impl fmt::Debug for Launch {
    // Values of variables may be secrets: names alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Launch")
            .field("program", &self.program)
            .field("environment", &self.environment.keys())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
