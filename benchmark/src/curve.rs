//! How the authorizer's cost grows with what it is given.

use std::fs;
use std::path::Path;

use runtime_emulator::Launch;

use crate::contender::{Contender, Job};
use crate::machine::Placement;
use crate::measure::{self, Plan, Sample};
use crate::pki;
use crate::workload::{self, Workload, by_name, with_certificate};

/// One quantity grown, all else the same.
pub(crate) struct Curve {
    /// Of the plot's file.
    pub(crate) name: &'static str,
    /// What is counted on the x axis.
    pub(crate) quantity: &'static str,
    /// What else the reader must know.
    pub(crate) note: &'static str,
    /// The samples at each point, or why there are none.
    pub(crate) points: Result<Vec<(u64, Vec<Sample>)>, String>,
}

type Make = fn(&Path, u64) -> Result<Workload, String>;

/// All curves; one whose configuration is refused says so instead of having points.
pub(crate) fn all(
    binary: &Path,
    scratch: &Path,
    plan: &Plan,
    placement: &Placement,
) -> Result<Vec<Curve>, String> {
    let curves: [(&'static str, &'static str, &'static str, &[u64], Make); 5] = [
        (
            "clients",
            "clients in the policy",
            "whole names (`subject_dn`), the client that matches is the last",
            &[1, 10, 100, 1000, 10_000],
            clients,
        ),
        (
            "crl",
            "entries of the revocation list",
            "one list, signed by the issuing CA, 16-byte serials; read and verified at start",
            &[0, 1000, 10_000, 100_000, 1_000_000],
            revocation,
        ),
        (
            "anchors",
            "trust anchors",
            "P-256, the one that the path ends in is the last; its path is kept between calls, and \
             its times judged on each",
            &[1, 10, 100, 1000],
            anchors,
        ),
        (
            "sans",
            "DNS names in the certificate",
            "the policy names the last one with `san_dns`; 100 clients",
            &[1, 10, 100],
            names,
        ),
        (
            "chain",
            "certificates in the path, anchor included",
            "P-256; intermediates come from the configuration",
            &[2, 3, 4, 5],
            chain,
        ),
    ];
    let plan = plan.for_curves();
    curves
        .into_iter()
        .map(|(name, quantity, note, counts, make)| {
            let directory = scratch.join(name);
            let points = points(binary, &directory, counts, make, name, &plan, placement);
            Ok(Curve { name, quantity, note, points })
        })
        .collect()
}

fn points(
    binary: &Path,
    directory: &Path,
    counts: &[u64],
    make: Make,
    name: &str,
    plan: &Plan,
    placement: &Placement,
) -> Result<Vec<(u64, Vec<Sample>)>, String> {
    let mut contenders = Vec::new();
    for count in counts {
        let directory = directory.join(count.to_string());
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let workload = make(&directory, *count)?;
        let contender = Contender {
            name: format!("{name} {count}"),
            description: String::new(),
            launch: Launch::new(binary).env("AUTHORIZER_CONFIG", &workload.config),
            event: workload.event.clone(),
            job: Job::Authorize(workload.expected),
            package: Vec::new(),
        };
        measure::rehearse(&contender, placement)?;
        contenders.push(contender);
    }
    let samples = measure::rounds(&contenders, plan, placement, name)?;
    Ok(counts.iter().copied().zip(samples).collect())
}

fn clients(directory: &Path, count: u64) -> Result<Workload, String> {
    workload::clients(directory, usize::try_from(count).map_err(|error| error.to_string())?)
}

fn revocation(directory: &Path, count: u64) -> Result<Workload, String> {
    let root = pki::root("Acme Issuing CA")?;
    workload::write(&directory.join("root.pem"), root.pem.as_bytes())?;
    workload::write(&directory.join("clients.crl"), &pki::revocation_list(&root, count)?)?;
    let leaf = pki::leaf(&root, 1)?;
    let sections = "[trust]\nanchors = [\"root.pem\"]\n\n\
                    [revocation]\ncheck = [\"crl\"]\ncrls = [\"clients.crl\"]\n\n";
    with_certificate(directory, &leaf, sections, by_name(&leaf))
}

fn anchors(directory: &Path, count: u64) -> Result<Workload, String> {
    let mut bundle = String::new();
    for number in 1..count {
        bundle.push_str(&pki::root(&format!("Acme CA {number}"))?.pem);
    }
    let last = pki::root("Acme Issuing CA")?;
    bundle.push_str(&last.pem);
    workload::write(&directory.join("anchors.pem"), bundle.as_bytes())?;
    let leaf = pki::leaf(&last, 1)?;
    let sections = "[trust]\nanchors = [\"anchors.pem\"]\n\n";
    with_certificate(directory, &leaf, sections, by_name(&leaf))
}

fn names(directory: &Path, count: u64) -> Result<Workload, String> {
    let count = usize::try_from(count).map_err(|error| error.to_string())?;
    let leaf = pki::leaf(&pki::root("Acme Issuing CA")?, count)?;
    with_certificate(directory, &leaf, "", |number| match number {
        Some(number) => format!("san_dns = [\"service-{number:05}.acme.example\"]"),
        None => format!("san_dns = [\"san-{count}.acme.example\"]"),
    })
}

fn chain(directory: &Path, count: u64) -> Result<Workload, String> {
    let root = pki::root("Acme Root CA")?;
    workload::write(&directory.join("root.pem"), root.pem.as_bytes())?;
    let mut intermediates = Vec::new();
    for number in 2..count {
        let above = intermediates.last().unwrap_or(&root);
        let below = pki::intermediate(&format!("Acme Issuing CA {number}"), above)?;
        intermediates.push(below);
    }
    let leaf = pki::leaf(intermediates.last().unwrap_or(&root), 1)?;
    let bundle: String = intermediates.iter().map(|authority| authority.pem.as_str()).collect();
    let mut sections = "[trust]\nanchors = [\"root.pem\"]\n".to_owned();
    if !bundle.is_empty() {
        workload::write(&directory.join("intermediates.pem"), bundle.as_bytes())?;
        sections.push_str("intermediates = [\"intermediates.pem\"]\n");
    }
    sections.push('\n');
    with_certificate(directory, &leaf, &sections, by_name(&leaf))
}
