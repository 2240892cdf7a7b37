//! The machine: which CPU runs what, what a process has used, and a line to name it by.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::ClockId;
use nix::unistd::Pid;

/// Which CPU the contenders run on, one at a time, and which the emulator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) contender: usize,
    pub(crate) emulator: usize,
}

impl Placement {
    /// Takes the last CPU for the contenders and, if asked to, the first for the emulator, and
    /// moves this process there; threads started from now on stay with it.
    pub(crate) fn choose(other_cpu: bool) -> Result<Self, String> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(|error| error.to_string())?;
        let cpus: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
        let (Some(first), Some(last)) = (cpus.first(), cpus.last()) else {
            return Err("no CPU to run on".to_owned());
        };
        let placement = Self { contender: *last, emulator: if other_cpu { *first } else { *last } };
        placement.to_emulator()?;
        Ok(placement)
    }

    /// Moves this thread to the contenders' CPU, for a child to inherit.
    pub(crate) fn to_contender(self) -> Result<(), String> {
        pin(self.contender)
    }

    /// Moves this thread to the emulator's CPU.
    pub(crate) fn to_emulator(self) -> Result<(), String> {
        pin(self.emulator)
    }

    /// The placement in words.
    pub(crate) fn describe(self) -> String {
        if self.contender == self.emulator {
            format!("contenders and emulator on CPU {}", self.contender)
        } else {
            format!(
                "contenders pinned to CPU {}, emulator on CPU {}",
                self.contender, self.emulator
            )
        }
    }
}

fn pin(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| format!("cannot move to CPU {cpu}: {error}"))
}

/// CPU time that a process has used, all its threads together, those that have ended included.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, String> {
    let pid = i32::try_from(pid).map_err(|error| error.to_string())?;
    let now = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).and_then(ClockId::now);
    now.map(Duration::from).map_err(|error| format!("no CPU clock of process {pid}: {error}"))
}

/// The most memory that a process has had resident so far, in MiB.
pub(crate) fn peak_memory(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let kib = field(&status, "VmHWM").and_then(|value| value.split(' ').next()?.parse().ok());
    kib.map(|kib: f64| kib / 1024.0).ok_or(format!("{path} has no VmHWM"))
}

/// Processor, cores, memory and kernel.
pub(crate) fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cpus = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let model = field(&cpu, "model name").unwrap_or("unknown processor");
    let gib = field(&memory, "MemTotal")
        .and_then(|value| value.split(' ').next()?.parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0 / 1024.0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let hypervisor = if cpu.contains("hypervisor") { ", virtual" } else { "" };
    format!("{model}, {cpus} CPUs{hypervisor}, {gib:.0} GiB, Linux {}", kernel.trim())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
