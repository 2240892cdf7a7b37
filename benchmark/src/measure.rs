//! One environment's life, measured, and rounds of many.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use runtime_emulator::{Bootstrap, Outcome};

use crate::contender::{Contender, Job};
use crate::machine::{Placement, cpu_time, peak_memory};
use crate::statistics::spread;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// How often each is started in a round. One start alone says little: what ran before it, and the host, make it
    /// half as long or twice.
    pub(crate) starts: usize,
    /// Calls before those that are measured; compilers that work at run time are done by then.
    pub(crate) warm_up: usize,
    pub(crate) blocks: usize,
    pub(crate) calls_in_block: usize,
    /// Rounds, and blocks in one, of a growth curve.
    pub(crate) curve_rounds: usize,
}

impl Plan {
    pub(crate) fn full() -> Self {
        Self {
            quick: false,
            rounds: 18,
            starts: 6,
            warm_up: 1000,
            blocks: 10,
            calls_in_block: 200,
            curve_rounds: 7,
        }
    }

    pub(crate) fn quick() -> Self {
        Self {
            quick: true,
            rounds: 3,
            starts: 2,
            warm_up: 200,
            blocks: 3,
            calls_in_block: 100,
            curve_rounds: 1,
        }
    }

    pub(crate) fn for_curves(self) -> Self {
        Self { rounds: self.curve_rounds, warm_up: self.warm_up / 5, ..self }
    }
}

/// What one contender did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// From the start of the process to its first request for an event, in ms.
    pub(crate) start_ms: f64,
    /// CPU from the start of the process to its request for the second event, in ms.
    pub(crate) first_cpu_ms: f64,
    /// From the event written to the answer read, in µs.
    pub(crate) warm_wall_us: f64,
    /// CPU of a call, all of the process's threads, from request to request for an event, in µs.
    pub(crate) warm_cpu_us: f64,
    pub(crate) peak_mib: f64,
}

/// Counts log lines.
#[derive(Default)]
struct Lines {
    count: Mutex<usize>,
    changed: Condvar,
}

struct Environment<'a> {
    contender: &'a Contender,
    bootstrap: Bootstrap,
    lines: Arc<Lines>,
    answer: Vec<u8>,
    calls: usize,
}

/// Starts a contender once, without measuring: it answers, logs, and refuses the stranger.
pub(crate) fn rehearse(contender: &Contender, placement: &Placement) -> Result<(), String> {
    let mut environment = Environment::start(contender, placement)?;
    environment.call()?;
    if let Job::Authorize(expected) = &contender.job {
        match environment.bootstrap.invoke(&expected.stranger) {
            Outcome::Response(body) if Job::refuses(&body) => environment.calls += 1,
            other => return Err(format!("does not refuse a stranger: {}", words(&other))),
        }
    }
    environment.lines_arrived()
}

/// Measures the contenders in turns. The samples of each contender, round by round.
pub(crate) fn rounds(
    contenders: &[Contender],
    plan: &Plan,
    placement: &Placement,
    what: &str,
) -> Result<Vec<Vec<Sample>>, String> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..plan.rounds {
        eprintln!("{what}: round {} of {}", round + 1, plan.rounds);
        let order = order(round, contenders.len());
        let running: Vec<&Contender> =
            order.iter().filter_map(|index| contenders.get(*index)).collect();
        for (index, sample) in order.iter().zip(one_round(&running, plan, placement)?) {
            if let Some(samples) = samples.get_mut(*index) {
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

/// Who comes when in a round. Who starts after a large contender finds the processor's caches full of that one, so
/// over as many rounds as there are contenders (twice as many, where their number is odd) each comes right after each
/// other equally often: the balanced squares of E. J. Williams (1949).
fn order(round: usize, contenders: usize) -> Vec<usize> {
    let shift = |index: usize| (index + round) % contenders;
    // 0, 1, n-1, 2, n-2 …: each step is of another length.
    let zigzag = (0..contenders).map(|step| match step % 2 {
        0 => (contenders - step / 2) % contenders,
        _ => step / 2 + 1,
    });
    let mut order: Vec<usize> = zigzag.map(shift).collect();
    if contenders % 2 == 1 && round / contenders % 2 == 1 {
        order.reverse();
    }
    order
}

fn one_round(
    contenders: &[&Contender],
    plan: &Plan,
    placement: &Placement,
) -> Result<Vec<Sample>, String> {
    let mut starts = vec![(Vec::new(), Vec::new()); contenders.len()];
    let mut running = Vec::new();
    for turn in 1..=plan.starts {
        for (contender, (walls, cpus)) in contenders.iter().zip(&mut starts) {
            let (environment, wall, cpu) = cold(contender, placement)?;
            walls.push(wall);
            cpus.push(cpu);
            environment.lines_arrived()?;
            if turn == plan.starts {
                running.push(environment);
            }
        }
    }
    for environment in &mut running {
        for _ in 0..plan.warm_up {
            environment.call()?;
        }
    }
    let mut blocks = vec![(Vec::new(), Vec::new()); running.len()];
    for _ in 0..plan.blocks {
        for (environment, (walls, cpus)) in running.iter_mut().zip(&mut blocks) {
            let (wall, cpu) = environment.block(plan.calls_in_block)?;
            walls.push(wall);
            cpus.push(cpu);
        }
    }
    let mut samples = Vec::new();
    for ((environment, starts), (walls, cpus)) in running.into_iter().zip(starts).zip(blocks) {
        environment.lines_arrived()?;
        samples.push(Sample {
            start_ms: spread(starts.0).median,
            first_cpu_ms: spread(starts.1).median,
            warm_wall_us: spread(walls).median,
            warm_cpu_us: spread(cpus).median,
            peak_mib: peak_memory(environment.bootstrap.pid())?,
        });
    }
    Ok(samples)
}

/// Starts a contender and makes its first call.
fn cold<'a>(
    contender: &'a Contender,
    placement: &Placement,
) -> Result<(Environment<'a>, f64, f64), String> {
    let mut environment = Environment::start(contender, placement)?;
    let start = environment.ready()?;
    environment.call()?;
    environment.ready()?;
    let cpu = cpu_time(environment.bootstrap.pid())?;
    Ok((environment, milliseconds(start), milliseconds(cpu)))
}

impl<'a> Environment<'a> {
    fn start(contender: &'a Contender, placement: &Placement) -> Result<Self, String> {
        let lines = Arc::new(Lines::default());
        let of_sink = Arc::clone(&lines);
        let launch = contender
            .launch
            .clone()
            .timeout(Duration::from_secs(30))
            .init_timeout(Duration::from_secs(120))
            .on_log_line(move |line| {
                // A first word of warning from an interpreter is no decision.
                if line.text.contains("decision") {
                    *of_sink.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    of_sink.changed.notify_all();
                }
            });
        let bootstrap = launch.spawn_with(|command| {
            placement.to_contender().map_err(std::io::Error::other)?;
            let child = command.spawn();
            placement.to_emulator().map_err(std::io::Error::other)?;
            child
        });
        let bootstrap = bootstrap.map_err(|error| format!("cannot be started: {error}"))?;
        Ok(Self { contender, bootstrap, lines, answer: Vec::new(), calls: 0 })
    }

    fn ready(&mut self) -> Result<Duration, String> {
        self.bootstrap.ready().map_err(|outcome| self.fault(&words(&outcome)))
    }

    /// One call, its answer checked.
    fn call(&mut self) -> Result<Duration, String> {
        let invocation = self.bootstrap.invoke_measured(&self.contender.event);
        let Outcome::Response(body) = invocation.outcome else {
            return Err(self.fault(&words(&invocation.outcome)));
        };
        self.calls += 1;
        // An answer seen to be right is right when it comes again.
        if body != self.answer {
            self.contender.job.check(&body).map_err(|wrong| self.fault(&wrong))?;
            self.answer = body;
        }
        Ok(invocation.duration)
    }

    /// Some calls in a row: the median of their time and their mean CPU, in µs.
    fn block(&mut self, calls: usize) -> Result<(f64, f64), String> {
        self.ready()?;
        let pid = self.bootstrap.pid();
        let before = cpu_time(pid)?;
        let mut walls = Vec::with_capacity(calls);
        for _ in 0..calls {
            walls.push(microseconds(self.call()?));
        }
        self.ready()?;
        let used = cpu_time(pid)?.saturating_sub(before);
        Ok((spread(walls).median, microseconds(used) / calls as f64))
    }

    /// Waits until a log line has come for every call, where the contender's job has one.
    fn lines_arrived(&self) -> Result<(), String> {
        if matches!(self.contender.job, Job::Nothing { .. }) {
            return Ok(());
        }
        let count = self.lines.count.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(10);
        let waited =
            self.lines.changed.wait_timeout_while(count, patience, |count| *count < self.calls);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *count < self.calls {
            return Err(self.fault(&format!("{} log lines for {} calls", *count, self.calls)));
        }
        Ok(())
    }

    fn fault(&self, what: &str) -> String {
        format!("{}: {what}", self.contender.name)
    }
}

/// An outcome that is no answer, without what may be long or private in it.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(_) => "answered".to_owned(),
        Outcome::Error { error_type, .. } => {
            format!("reported the error {}", error_type.as_deref().unwrap_or("without a type"))
        }
        Outcome::InitError { error_type, body } => {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let message = body.get("errorMessage").and_then(|message| message.as_str());
            let message = message.unwrap_or_default().lines().next().unwrap_or_default();
            let error_type = error_type.as_deref().unwrap_or("an error");
            format!("reported {error_type} at start: {message}")
        }
        Outcome::Exited(Some(status)) => format!("ended with {status}"),
        Outcome::Exited(None) => "ended".to_owned(),
        Outcome::TimedOut => "took too long".to_owned(),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::order;

    #[test]
    fn each_comes_right_after_each_other_equally_often() {
        for contenders in 1..=8 {
            let rounds = if contenders % 2 == 0 { contenders } else { 2 * contenders };
            let mut pairs: HashMap<(usize, usize), usize> = HashMap::new();
            for round in 0..rounds {
                let order = order(round, contenders);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..contenders).collect::<Vec<_>>());
                for pair in order.iter().copied().zip(order.iter().copied().skip(1)) {
                    *pairs.entry(pair).or_default() += 1;
                }
            }
            let often = rounds / contenders;
            assert_eq!(pairs.len(), contenders * (contenders - 1), "of {contenders}");
            assert!(pairs.values().all(|times| *times == often), "{pairs:?}");
        }
        assert!(order(3, 0).is_empty());
    }
}
