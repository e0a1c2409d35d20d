//! eBPF maps by bpf(2): opened from their pins, written, emptied and read in columns of packed bytes.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{io, mem};

use dualhome_linux::{Error, Result};

const LOOKUP_ELEM: u32 = 1;
const UPDATE_ELEM: u32 = 2;
const DELETE_ELEM: u32 = 3;
const GET_NEXT_KEY: u32 = 4;
const OBJ_GET: u32 = 7;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const LOOKUP_BATCH: u32 = 24;
const UPDATE_BATCH: u32 = 26;
const DELETE_BATCH: u32 = 27;

const ARRAY: u32 = 2;
const PERCPU_ARRAY: u32 = 6;

const AT_ONCE: usize = 8192; // elements that are read by one call

/// `union bpf_attr`, as far as it is used here: what operations on one element take.
#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    _pad: u32,
    key: u64,
    value: u64, // or the next key
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct InfoRequest {
    fd: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    name: [u8; 16],
}

/// A map of the kernel's.
#[derive(Debug)]
pub struct Map {
    name: String,
    fd: OwnedFd,
    kind: u32,
    key_bytes: usize,
    value_bytes: usize,
    entries: u32,
}

impl Map {
    /// The map that is pinned here.
    pub fn open(name: &str, path: &Path) -> Result<Self> {
        let fd = pinned(path)?;
        let mut info = MapInfo::default();
        let mut request = InfoRequest {
            fd: fd.as_raw_fd() as u32,
            length: mem::size_of::<MapInfo>() as u32,
            info: &raw mut info as u64,
        };
        call(OBJ_GET_INFO_BY_FD, &mut request).map_err(|e| Error::of(&e, format_args!("eBPF map {name}")))?;
        Ok(Self {
            name: name.to_string(),
            fd,
            kind: info.kind,
            key_bytes: info.key_bytes as usize,
            value_bytes: info.value_bytes as usize,
            entries: info.entries,
        })
    }

    /// Octets of a key and of a value.
    pub fn widths(&self) -> (usize, usize) {
        (self.key_bytes, self.value_bytes)
    }

    /// Write elements: keys and values one after the other, as many of these as of those.
    pub fn update(&self, keys: &[u8], values: &[u8]) -> Result<()> {
        let count = self.count(keys, self.key_bytes)?;
        if self.count(values, self.value_bytes)? != count {
            return Err(Error::invalid(format_args!(
                "eBPF map {}: {count} keys and another number of values",
                self.name
            )));
        }
        if count < 2 || self.kind == ARRAY {
            let pairs = keys.chunks_exact(self.key_bytes).zip(values.chunks_exact(self.value_bytes));
            return pairs.into_iter().try_for_each(|(key, value)| self.update_one(key, value));
        }
        self.batch(UPDATE_BATCH, keys, values, count)
    }

    /// Take elements away; one that is not there is none.
    pub fn delete(&self, keys: &[u8]) -> Result<()> {
        if self.kind == ARRAY {
            let zero = vec![0; self.value_bytes];
            return keys.chunks_exact(self.key_bytes).try_for_each(|key| self.update_one(key, &zero));
        }
        let count = self.count(keys, self.key_bytes)?;
        if count > 1 && self.batch(DELETE_BATCH, keys, &[], count).is_ok() {
            return Ok(());
        }
        keys.chunks_exact(self.key_bytes).try_for_each(|key| {
            let mut request = self.element(key.as_ptr() as u64, 0, 0);
            match call(DELETE_ELEM, &mut request) {
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(self.failed("delete", &error)),
                _ => Ok(()),
            }
        })
    }

    /// All elements: keys, and values. Of an array those that aren't zero.
    pub fn read(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let (keys, values) = self.scan(self.value_bytes)?;
        if self.kind != ARRAY {
            return Ok((keys, values));
        }
        let pairs = keys.chunks_exact(self.key_bytes).zip(values.chunks_exact(self.value_bytes));
        let found: Vec<_> = pairs.filter(|(_, value)| value.iter().any(|byte| *byte != 0)).collect();
        Ok((
            found.iter().flat_map(|(key, _)| key.iter().copied()).collect(),
            found.iter().flat_map(|(_, value)| value.iter().copied()).collect(),
        ))
    }

    /// Of an array per CPU whose values are pairs of 64-bit numbers: by index the sums over all CPUs, where they aren't zero.
    pub fn sums(&self) -> Result<Vec<(u32, u64, u64)>> {
        if self.kind != PERCPU_ARRAY || self.value_bytes != 16 {
            return Err(Error::invalid(format_args!("eBPF map {} holds no counters", self.name)));
        }
        let width = self.value_bytes * cpus()?;
        let (keys, values) = self.scan(width)?;
        let mut found = Vec::new();
        for (key, value) in keys.chunks_exact(self.key_bytes).zip(values.chunks_exact(width)) {
            let (mut packets, mut bytes) = (0, 0);
            for each in value.chunks_exact(16) {
                packets += u64::from_ne_bytes(each[..8].try_into().expect("8 octets"));
                bytes += u64::from_ne_bytes(each[8..].try_into().expect("8 octets"));
            }
            if packets > 0 {
                found.push((u32::from_ne_bytes(key.try_into().expect("an index")), packets, bytes));
            }
        }
        Ok(found)
    }

    /// Every element, in batches where the kernel knows them for this kind of map. `width`: octets of a value as the kernel hands it out.
    fn scan(&self, width: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let (mut some_keys, mut some_values) = (vec![0; AT_ONCE * self.key_bytes], vec![0; AT_ONCE * width]);
        let (mut from, mut onward) = (Vec::new(), vec![0; self.key_bytes.max(mem::size_of::<u64>())]);
        loop {
            let mut request = Batch {
                in_batch: if keys.is_empty() { 0 } else { from.as_ptr() as u64 },
                out_batch: onward.as_mut_ptr() as u64,
                keys: some_keys.as_mut_ptr() as u64,
                values: some_values.as_mut_ptr() as u64,
                count: AT_ONCE as u32,
                map: self.fd.as_raw_fd() as u32,
                ..Batch::default()
            };
            let done = call(LOOKUP_BATCH, &mut request);
            let last = match &done {
                Ok(()) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(_) if keys.is_empty() => return self.scan_one_by_one(width),
                Err(error) => return Err(self.failed("read", error)),
            };
            let count = request.count as usize;
            keys.extend_from_slice(&some_keys[..count * self.key_bytes]);
            values.extend_from_slice(&some_values[..count * width]);
            if last || count == 0 {
                return Ok((keys, values));
            }
            from.clone_from(&onward);
        }
    }

    fn scan_one_by_one(&self, width: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let (mut key, mut value) = (Vec::new(), vec![0; width]);
        while let Some(next) = self.next_key(&key)? {
            key = next;
            if self.lookup(&key, &mut value)? {
                keys.extend_from_slice(&key);
                values.extend_from_slice(&value);
            }
        }
        Ok((keys, values))
    }

    fn count(&self, column: &[u8], width: usize) -> Result<usize> {
        if !column.len().is_multiple_of(width) {
            return Err(Error::invalid(format_args!(
                "eBPF map {}: {} octets are no elements of {width}",
                self.name,
                column.len()
            )));
        }
        Ok(column.len() / width)
    }

    fn batch(&self, command: u32, keys: &[u8], values: &[u8], count: usize) -> Result<()> {
        let mut request = Batch {
            keys: keys.as_ptr() as u64,
            values: if values.is_empty() { 0 } else { values.as_ptr() as u64 },
            count: count as u32,
            map: self.fd.as_raw_fd() as u32,
            ..Batch::default()
        };
        call(command, &mut request).map_err(|e| self.failed(&format!("{} of {count} elements done", request.count), &e))
    }

    fn update_one(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut request = self.element(key.as_ptr() as u64, value.as_ptr() as u64, 0);
        call(UPDATE_ELEM, &mut request).map_err(|e| self.failed("update", &e))
    }

    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool> {
        let mut request = self.element(key.as_ptr() as u64, value.as_mut_ptr() as u64, 0);
        match call(LOOKUP_ELEM, &mut request) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.failed("lookup", &error)),
        }
    }

    fn next_key(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut next = vec![0; self.key_bytes];
        let from = if key.is_empty() { 0 } else { key.as_ptr() as u64 };
        let mut request = self.element(from, next.as_mut_ptr() as u64, 0);
        match call(GET_NEXT_KEY, &mut request) {
            Ok(()) => Ok(Some(next)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(self.failed("next key", &error)),
        }
    }

    fn element(&self, key: u64, value: u64, flags: u64) -> Element {
        Element {
            map: self.fd.as_raw_fd() as u32,
            key,
            value,
            flags,
            ..Element::default()
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> Error {
        let full = if error.raw_os_error() == Some(libc::ENOSPC) || error.raw_os_error() == Some(libc::E2BIG) {
            format!(": it holds {} elements at most", self.entries)
        } else {
            String::new()
        };
        Error::of(error, format_args!("eBPF map {}: {what}{full}", self.name))
    }
}

/// Whether a directory is one of a bpffs.
pub fn can_pin(directory: &Path) -> Result<bool> {
    let text = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Error::invalid("a path with a zero in it"))?;
    let mut found = mem::MaybeUninit::<libc::statfs>::uninit();
    if unsafe { libc::statfs(text.as_ptr(), found.as_mut_ptr()) } < 0 {
        return Err(Error::last(directory.display()));
    }
    Ok(unsafe { found.assume_init() }.f_type == libc::BPF_FS_MAGIC)
}

/// A descriptor of what is pinned here.
pub fn pinned(path: &Path) -> Result<OwnedFd> {
    let text = CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::invalid("a path with a zero in it"))?;
    let mut request = Object {
        path: text.as_ptr() as u64,
        ..Object::default()
    };
    let fd = call_for(OBJ_GET, &mut request).map_err(|e| Error::of(&e, format_args!("eBPF object {}", path.display())))?;
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Of CPUs that the machine may have, which is how many values an element per CPU has.
fn cpus() -> Result<usize> {
    let path = Path::new("/sys/devices/system/cpu/possible");
    let text = std::fs::read_to_string(path).map_err(|e| Error::of(&e, path.display()))?;
    let last = text
        .trim()
        .rsplit(['-', ','])
        .next()
        .and_then(|number| number.parse::<usize>().ok());
    last.map(|number| number + 1)
        .ok_or_else(|| Error::invalid(format_args!("{}: {text}", path.display())))
}

fn call<T>(command: u32, request: &mut T) -> io::Result<()> {
    call_for(command, request).map(|_| ())
}

fn call_for<T>(command: u32, request: &mut T) -> io::Result<RawFd> {
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *request, mem::size_of::<T>()) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(done as RawFd)
    }
}
