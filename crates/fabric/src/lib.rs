//! The fabric in the kernel: its program is loaded once and pinned with its maps, so that it lives on without the process that loaded it; a port is
//! attached by a classifier at its ingress. A map is written and read in columns of packed bytes; what they mean, `src/dualhome/fabric/kernel.py` says.
//!
//! Begin with `Fabric`; `maps` speaks to the kernel about maps, `attach` about ports.

mod attach;
pub mod maps;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use aya::programs::SchedClassifier;
use aya::{EbpfLoader, VerifierLogLevel};
use dualhome_linux::{Error, Namespace, Result};

pub use maps::Map;

const PROGRAM: &str = "fabric";
const LOG_LINES: usize = 3;

/// A program that is loaded, and its maps by name.
#[derive(Debug)]
pub struct Fabric {
    program: OwnedFd,
    maps: BTreeMap<String, Map>,
}

impl Fabric {
    /// Load the compiled object, with so many entries in each map, and pin all of it in a directory of a bpffs.
    pub fn create(object: &[u8], entries: &[(String, u32)], pins: &Path) -> Result<Self> {
        if !maps::can_pin(pins)? {
            return Err(Error::invalid(format_args!(
                "{} is no file system for eBPF (mount -t bpf)",
                pins.display()
            )));
        }
        let mut loader = EbpfLoader::new();
        loader.verifier_log_level(VerifierLogLevel::STATS);
        for (name, count) in entries {
            loader.set_max_entries(name, *count);
        }
        let mut loaded = loader.load(object).map_err(|e| refused("the maps", &e))?;
        for (name, map) in loaded.maps() {
            if !name.starts_with('.') {
                map.pin(pins.join(name))
                    .map_err(|e| refused(&format!("pinning the map {name}"), &e))?;
            }
        }
        let program: &mut SchedClassifier = loaded
            .program_mut(PROGRAM)
            .and_then(|each| each.try_into().ok())
            .ok_or_else(|| Error::invalid("the object holds no classifier called fabric"))?;
        program.load().map_err(|e| refused("the program", &e))?;
        program.pin(pins.join(PROGRAM)).map_err(|e| refused("pinning the program", &e))?;
        Self::open(pins)
    }

    /// Find again what was pinned.
    pub fn open(pins: &Path) -> Result<Self> {
        let mut maps = BTreeMap::new();
        for entry in fs::read_dir(pins).map_err(|e| Error::of(&e, pins.display()))? {
            let name = entry
                .map_err(|e| Error::of(&e, pins.display()))?
                .file_name()
                .to_string_lossy()
                .into_owned();
            if name != PROGRAM && !name.contains('.') {
                // the kernel's own files there have a dot
                maps.insert(name.clone(), Map::open(&name, &pins.join(&name))?);
            }
        }
        let program = maps::pinned(&pins.join(PROGRAM))?;
        Ok(Self { program, maps })
    }

    /// A map by its name.
    pub fn map(&self, name: &str) -> Result<&Map> {
        self.maps
            .get(name)
            .ok_or_else(|| Error::invalid(format_args!("the fabric has no map {name}")))
    }

    /// Let the program judge what comes in at these interfaces.
    pub fn attach(&self, namespace: &Namespace, ports: &[u32]) -> Result<()> {
        attach::attach(namespace, self.program().as_raw_fd(), ports)
    }

    /// The loaded program.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

/// What the kernel said, the end of the verifier's words with it.
fn refused(what: &str, error: &dyn std::error::Error) -> Error {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    let mut errno = libc::EINVAL;
    while let Some(each) = cause {
        if let Some(io) = each.downcast_ref::<std::io::Error>() {
            errno = io.raw_os_error().unwrap_or(errno);
        }
        words.push(each.to_string());
        cause = each.source();
    }
    let text = words.join(": ");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join(" / ");
    Error::new(errno, format_args!("eBPF: {what}: {last}"))
}
