//! The report: tables in Markdown, and the plots beside them.

use std::fmt::Write;
use std::path::Path;

use crate::contender::Contender;
use crate::curve::Curve;
use crate::machine::{self, Placement};
use crate::measure::{Plan, Sample};
use crate::package::{self, Package};
use crate::plot::{self, Series};
use crate::statistics::{Spread, ratios, spread};
use crate::workload;

/// All that was measured.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) placement: &'a Placement,
    pub(crate) versions: &'a [String],
    pub(crate) contenders: &'a [Contender],
    /// Of each contender, round by round.
    pub(crate) samples: &'a [Vec<Sample>],
    pub(crate) left_out: &'a [(String, String)],
    /// The package of the authorizer without its feature `network`.
    pub(crate) offline: Option<&'a Package>,
    pub(crate) curves: &'a [Curve],
}

/// A quantity of a sample.
struct Quantity {
    name: &'static str,
    unit: &'static str,
    of: fn(&Sample) -> f64,
}

const FIRST: Quantity =
    Quantity { name: "CPU to the first answer", unit: "ms", of: |sample| sample.first_cpu_ms };
const WARM: Quantity =
    Quantity { name: "warm call, CPU", unit: "µs", of: |sample| sample.warm_cpu_us };
const PEAK: Quantity = Quantity { name: "peak memory", unit: "MiB", of: |sample| sample.peak_mib };
const WALL: Quantity =
    Quantity { name: "warm call, wall", unit: "µs", of: |sample| sample.warm_wall_us };
const START: Quantity =
    Quantity { name: "start to first `next`", unit: "ms", of: |sample| sample.start_ms };
const QUANTITIES: [Quantity; 5] = [START, FIRST, WALL, WARM, PEAK];

/// What the project holds itself to: of which contender, against which, at most or at least.
const TARGETS: [(&str, Quantity, &str, Bound); 6] = [
    ("warm call, wall", WALL, "noop", Bound::AtMost(0.70)),
    ("warm call, CPU", WARM, "noop", Bound::AtMost(0.70)),
    ("CPU to the first answer", FIRST, "noop", Bound::AtMost(0.95)),
    ("warm call, wall", WALL, "node", Bound::TimesFaster(5.0)),
    ("warm call, CPU", WARM, "node", Bound::TimesFaster(5.0)),
    ("CPU to the first answer", FIRST, "node", Bound::TimesFaster(20.0)),
];
const PEAK_MIB_AT_MOST: f64 = 6.0;
/// A warm call with the most clients, against one client.
const CLIENTS_AT_MOST: f64 = 1.1;
/// Packages, zipped: without the feature `network`, and with it.
const OFFLINE_KB_AT_MOST: f64 = 1500.0;
const WHOLE_KB_AT_MOST: f64 = 3500.0;

enum Bound {
    AtMost(f64),
    TimesFaster(f64),
}

impl Report<'_> {
    /// The whole report; with references to the plots where they are beside it, by their stem.
    pub(crate) fn markdown(&self, plots: Option<&str>) -> String {
        let mut text = String::new();
        self.preamble(&mut text);
        self.table(&mut text);
        if let Some(stem) = plots {
            let _ = writeln!(text, "![Warm calls compared]({stem}-warm.svg)");
            let _ = writeln!(text, "![First answers compared]({stem}-first.svg)\n");
        }
        self.ratio_table(&mut text, "noop");
        self.ratio_table(&mut text, "authorizer");
        self.targets(&mut text);
        self.growth(&mut text, plots);
        self.method(&mut text);
        text
    }

    /// Writes the report, and the plots beside it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("performance");
        let plot = |name: &str, svg: &str| {
            workload::write(&path.with_file_name(format!("{stem}-{name}.svg")), svg.as_bytes())
        };
        workload::write(path, self.markdown(Some(stem)).as_bytes())?;
        plot("warm", &self.bars(&WARM))?;
        plot("first", &self.bars(&FIRST))?;
        for curve in self.curves {
            if let Ok(points) = &curve.points {
                plot(curve.name, &growth_plot(curve, points))?;
            }
        }
        Ok(())
    }

    fn preamble(&self, text: &mut String) {
        let today = time::OffsetDateTime::now_utc().date();
        let _ = writeln!(text, "# Performance\n");
        let _ = writeln!(text, "Made by `cargo benchmark --write docs/performance.md` on {today}.");
        if self.plan.quick {
            let _ = writeln!(text, "**A quick run, to see that it works: not to be quoted.**");
        }
        let _ = writeln!(text, "Machine: {}; {}.", machine::describe(), self.placement.describe());
        let _ = writeln!(text, "Made with: {}.", self.versions.join("; "));
        let _ = writeln!(
            text,
            "{} rounds, {} warm calls each after {} to warm up; every answer checked.\n",
            self.plan.rounds,
            self.plan.blocks * self.plan.calls_in_block,
            self.plan.warm_up,
        );
        for (name, reason) in self.left_out {
            let _ = writeln!(text, "Left out: **{name}** ({reason}).\n");
        }
    }

    fn table(&self, text: &mut String) {
        let _ = write!(text, "## What it takes\n\nMedians of the rounds.\n\n| |");
        for quantity in &QUANTITIES {
            let _ = write!(text, " {} ({}) |", quantity.name, quantity.unit);
        }
        let _ = writeln!(text, " package (KB, zipped) |\n|---|{}---:|", "---:|".repeat(5));
        for (contender, samples) in self.contenders.iter().zip(self.samples) {
            let _ = write!(text, "| **{}**: {} |", contender.name, contender.description);
            for quantity in &QUANTITIES {
                let _ = write!(text, " {} |", number(of(samples, quantity).median));
            }
            match package::zipped_kb(&contender.package) {
                Ok(size) => {
                    let _ = writeln!(text, " {size:.0} |");
                }
                Err(_) => text.push_str(" – |\n"),
            }
        }
        text.push('\n');
    }

    fn ratio_table(&self, text: &mut String, base: &str) {
        let Some(below) = self.samples_of(base) else { return };
        let _ = write!(
            text,
            "## Ratios to {base}\n\nMedian of the ratios within each round, and the least and \
             greatest of them.\n\n| |"
        );
        for quantity in &QUANTITIES {
            let _ = write!(text, " {} |", quantity.name);
        }
        let _ = writeln!(text, "\n|---|{}", "---:|".repeat(QUANTITIES.len()));
        for (contender, above) in self.contenders.iter().zip(self.samples) {
            if contender.name == base {
                continue;
            }
            let _ = write!(text, "| **{}** |", contender.name);
            for quantity in &QUANTITIES {
                let _ = write!(text, " {} |", times(&ratio(above, below, quantity)));
            }
            text.push('\n');
        }
        text.push('\n');
    }

    fn targets(&self, text: &mut String) {
        let Some(authorizer) = self.samples_of("authorizer") else { return };
        let _ =
            writeln!(text, "## What it is held to\n\n| | bound | measured | |\n|---|---|---:|---|");
        self.speed_and_memory(text, "", authorizer);
        if let Some(growth) = self.growth_of("clients") {
            let holds = verdict(growth.median <= CLIENTS_AT_MOST);
            let measured = times(&growth);
            let _ = writeln!(
                text,
                "| 10,000 clients, warm call, CPU | at most {CLIENTS_AT_MOST:.1}× one client | \
                 {measured} | {holds} |"
            );
        }
        let whole = self.contenders.iter().find(|contender| contender.name == "authorizer");
        for (what, package, most) in [
            ("deciding alone", self.offline, OFFLINE_KB_AT_MOST),
            (
                "with sources, trust and revocation",
                whole.map(|contender| &contender.package),
                WHOLE_KB_AT_MOST,
            ),
        ] {
            let (measured, holds) = match package.map(|package| package::zipped_kb(package)) {
                Some(Ok(size)) => (format!("{size:.0}"), verdict(size <= most)),
                _ => ("–".to_owned(), "left out"),
            };
            let _ = writeln!(
                text,
                "| package | {what}, at most {most:.0} KB zipped | {measured} | {holds} |"
            );
        }
        if let Some(linked_statically) = self.samples_of("static") {
            self.speed_and_memory(text, "static: ", linked_statically);
        }
        text.push('\n');
    }

    fn speed_and_memory(&self, text: &mut String, which: &str, ours: &[Sample]) {
        for (name, quantity, base, bound) in &TARGETS {
            let Some(theirs) = self.samples_of(base) else { continue };
            let (bound, measured, holds) = match bound {
                Bound::AtMost(most) => {
                    let ratio = ratio(ours, theirs, quantity);
                    (format!("at most {most:.2}× {base}"), times(&ratio), ratio.median <= *most)
                }
                Bound::TimesFaster(least) => {
                    let ratio = ratio(theirs, ours, quantity);
                    let bound = format!("{base} takes at least {least:.0}×");
                    (bound, times(&ratio), ratio.median >= *least)
                }
            };
            let _ = writeln!(text, "| {which}{name} | {bound} | {measured} | {} |", verdict(holds));
        }
        let peak = of(ours, &PEAK).greatest;
        let holds = verdict(peak <= PEAK_MIB_AT_MOST);
        let _ = writeln!(
            text,
            "| {which}peak memory | at most {PEAK_MIB_AT_MOST:.0} MiB | {peak:.1} | {holds} |"
        );
    }

    fn growth(&self, text: &mut String, plots: Option<&str>) {
        if self.curves.is_empty() {
            return;
        }
        let _ = writeln!(text, "## How it grows\n");
        for curve in self.curves {
            let _ =
                writeln!(text, "### {}\n\n{}.\n", sentence(curve.quantity), sentence(curve.note));
            let points = match &curve.points {
                Ok(points) => points,
                Err(reason) => {
                    let _ = writeln!(text, "Left out: {reason}.\n");
                    continue;
                }
            };
            if let Some(stem) = plots {
                let _ = writeln!(text, "![{}]({stem}-{}.svg)\n", curve.quantity, curve.name);
            }
            let _ = writeln!(
                text,
                "| {} | warm call, CPU (µs) | to the first point | CPU to the first answer (ms) | \
                 peak memory (MiB) |\n|---:|---:|---:|---:|---:|",
                curve.quantity
            );
            let first = points.first().map(|(_, samples)| samples.as_slice()).unwrap_or_default();
            for (count, samples) in points {
                let _ = writeln!(
                    text,
                    "| {count} | {} | {} | {} | {} |",
                    number(of(samples, &WARM).median),
                    times(&ratio(samples, first, &WARM)),
                    number(of(samples, &FIRST).median),
                    number(of(samples, &PEAK).median),
                );
            }
            text.push('\n');
        }
    }

    fn method(&self, text: &mut String) {
        let starts = self.plan.starts;
        let where_the_emulator_runs = if self.placement.contender == self.placement.emulator {
            "on the same CPU, so that wall time holds its work as well, and no call waits for a \
             sleeping CPU to wake"
        } else {
            "on another CPU, so that both times hold what it takes to wake the two"
        };
        let _ = writeln!(
            text,
            "## How it is measured\n\n\
             - Each contender is a process with Lambda's environment, pinned to one CPU, all its \
             threads with it. It speaks the Runtime API over loopback HTTP with the emulator in \
             `runtime-emulator/`, which runs {where_the_emulator_runs}.\n\
             - Start: from before the process is spawned to its first request for an event. CPU to \
             the first answer: the process's CPU clock when it asks for its *second* event, so that \
             the log line and the end of the first call are in it. Warm call: wall time from the \
             event written to the answer read, median of each block of calls; CPU from request to \
             request. Peak memory: `VmHWM`, interpreter included.\n\
             - **authorizer** is what `cargo build --release` makes, linked with the machine's C \
             library; **static** is the binary of a release, which `ci/release.sh` links with musl.\n\
             - The event is `events/rest-allow.json` in all contenders. **authorizer**, **static**, \
             **node** and **python** do one job: parse the certificate, judge validity, usage and key, match one \
             of 100 clients by its whole name (the last one), answer an IAM policy with the \
             certificate's facts, write one log line. They must refuse a stranger first. **noop** \
             and **floor** do nothing: no certificate, no policy, no log line. **noop** is built as \
             `cargo lambda build --release` builds by default (thin LTO, one codegen unit, `abort`).\n\
             - The packages of **node** and **python** are what a function on Lambda's managed \
             runtimes would carry: not the interpreter, nor its runtime client. The package that \
             decides alone is made with `cargo build --profile small --no-default-features`: it reads \
             files and nothing else. It is not timed here (`--binary` times it).\n\
             - In a round, all contenders are started one after the other, {starts} times over (the medians \
             count), the last ones warmed up, and then take \
             turns block by block, in an order in which, over the rounds, each comes right after \
             each other equally often: after an interpreter the processor's caches are full of that."
        );
    }

    fn bars(&self, quantity: &Quantity) -> String {
        let rows: Vec<(String, Spread)> = self
            .contenders
            .iter()
            .zip(self.samples)
            .map(|(contender, samples)| (contender.name.clone(), of(samples, quantity)))
            .collect();
        plot::bars(&format!("{} ({})", sentence(quantity.name), quantity.unit), &rows)
    }

    /// The last point of a curve against its first.
    fn growth_of(&self, name: &str) -> Option<Spread> {
        let curve = self.curves.iter().find(|curve| curve.name == name)?;
        let points = curve.points.as_ref().ok()?;
        Some(ratio(&points.last()?.1, &points.first()?.1, &WARM))
    }

    fn samples_of(&self, name: &str) -> Option<&[Sample]> {
        let index = self.contenders.iter().position(|contender| contender.name == name)?;
        self.samples.get(index).map(Vec::as_slice)
    }
}

/// Warm calls, first answers and memory, as ratios to the first point.
fn growth_plot(curve: &Curve, points: &[(u64, Vec<Sample>)]) -> String {
    let first = points.first().map(|(_, samples)| samples.as_slice()).unwrap_or_default();
    let series = [WARM, FIRST, PEAK].map(|quantity| Series {
        name: quantity.name,
        points: points
            .iter()
            .map(|(count, samples)| (*count as f64, ratio(samples, first, &quantity).median))
            .collect(),
    });
    plot::lines(
        &format!("Cost over {}", curve.quantity),
        curve.quantity,
        "× the first point",
        &series,
    )
}

fn of(samples: &[Sample], quantity: &Quantity) -> Spread {
    spread(samples.iter().map(quantity.of))
}

fn ratio(above: &[Sample], below: &[Sample], quantity: &Quantity) -> Spread {
    ratios(above.iter().map(quantity.of), below.iter().map(quantity.of))
}

fn times(ratio: &Spread) -> String {
    let Spread { median, least, greatest } = ratio;
    format!("{}× ({}–{})", number(*median), number(*least), number(*greatest))
}

/// Three figures, as far as they are worth showing.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "**does not hold**" }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
