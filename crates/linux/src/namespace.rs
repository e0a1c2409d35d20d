//! Network namespaces: made, removed, and handled. No caller's thread ever changes its own namespace: what must happen inside one happens in a thread
//! that lives for it alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::{ffi::OsStrExt, fs::OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{ffi::CString, thread};

use libc::c_int;

use crate::error::{Error, Result};
use crate::socket::Socket;

const OWN: &str = "/proc/thread-self/ns/net";

/// An open namespace, with one rtnetlink socket in it.
#[derive(Debug)]
pub struct Namespace {
    path: PathBuf,
    fd: OwnedFd,
    socket: Mutex<Socket>,
}

impl Namespace {
    pub fn open(path: &Path) -> Result<Self> {
        let fd: OwnedFd = File::open(path).map_err(|e| Error::of(&e, at(path)))?.into();
        let socket = inside(fd.as_fd(), path, Socket::open)?;
        Ok(Self {
            path: path.to_path_buf(),
            fd,
            socket: Mutex::new(socket),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The namespace's own file descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The rtnetlink socket; one caller at a time. A caller that panicked left no half-read answer that matters: sequence numbers part the batches.
    pub fn rtnetlink(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Do it in a thread inside the namespace.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        inside(self.fd.as_fd(), &self.path, work)
    }

    /// A socket that was made inside, nonblocking and closed on exec: it stays in the namespace wherever it is used.
    pub fn socket(&self, family: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd> {
        self.inside(|| {
            let fd = unsafe { libc::socket(family, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) };
            if fd < 0 {
                return Err(Error::last(format_args!(
                    "socket {family}/{kind}/{protocol} in {}",
                    self.path.display()
                )));
            }
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        })
    }

    /// Write keys below `net` (`net.ipv4.ip_forward`, or with slashes where an interface's name has a dot); the first that fails ends it.
    ///
    /// /proc/sys/net shows the namespace of the thread that looks. Any other key would be the whole machine's, and is refused.
    pub fn sysctl<K: AsRef<str> + Sync, V: AsRef<str> + Sync>(&self, pairs: &[(K, V)]) -> Result<()> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| Ok((key.as_ref(), sysctl_path(key.as_ref())?, value.as_ref())))
            .collect::<Result<_>>()?;
        self.inside(|| {
            pairs.iter().try_for_each(|(key, path, value)| {
                let written = OpenOptions::new()
                    .write(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(value.as_bytes()));
                written.map_err(|e| Error::of(&e, format_args!("sysctl {key}={value}")))
            })
        })
    }
}

/// Make a namespace at each path: an empty file on which the namespace is mounted. Their directories must be there.
///
/// Where one fails, those before it stay.
pub fn create(paths: &[PathBuf]) -> Result<()> {
    let mut directories: Vec<&Path> = paths.iter().filter_map(|p| p.parent()).collect();
    directories.sort_unstable();
    directories.dedup();
    directories.into_iter().try_for_each(share)?;
    thread::scope(|scope| scope.spawn(|| paths.iter().try_for_each(|path| create_one(path))).join())
        .unwrap_or_else(|_| unreachable!("no panic"))
}

/// In a thread of its own, which leaves its namespace for the new one.
fn create_one(path: &Path) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::of(&e, at(path)))?;
    let made = if unsafe { libc::unshare(libc::CLONE_NEWNET) } < 0 {
        Err(Error::last(format_args!("new network namespace for {}", path.display())))
    } else {
        mount(Some(Path::new(OWN)), path, libc::MS_BIND)
    };
    if made.is_err() {
        let _ = fs::remove_file(path); // the first error is the one to tell
    }
    made
}

/// Unmount and unlink each; one that isn't there, or isn't mounted, is fine. The namespace ends when nobody uses it.
pub fn delete(paths: &[PathBuf]) -> Result<()> {
    paths.iter().try_for_each(|path| {
        unmount(path)?;
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::of(&e, at(path))),
            _ => Ok(()),
        }
    })
}

/// Remove all namespaces of a directory and the directory, which `create` made a mount of its own; fine if it isn't there.
pub fn delete_directory(directory: &Path) -> Result<()> {
    unmount(directory)?; // with all that is mounted below
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| Error::of(&e, at(directory)))?,
    };
    let paths = entries
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| Error::of(&e, at(directory)))?;
    delete(&paths)?;
    fs::remove_dir(directory).map_err(|e| Error::of(&e, at(directory)))
}

/// Make the directory a mount that others share, as `ip netns add` does: who copies our mounts hears of it when a namespace is unmounted here, and
/// holds none alive.
fn share(directory: &Path) -> Result<()> {
    match mount(None, directory, libc::MS_SHARED | libc::MS_REC) {
        Err(e) if e.errno == libc::EINVAL => {
            mount(Some(directory), directory, libc::MS_BIND | libc::MS_REC)?;
            mount(None, directory, libc::MS_SHARED | libc::MS_REC)
        }
        other => other,
    }
}

fn mount(source: Option<&Path>, target: &Path, flags: libc::c_ulong) -> Result<()> {
    let source = source.map(c_path).transpose()?;
    let to = c_path(target)?;
    let from = source.as_ref().map_or(c"none".as_ptr(), |s| s.as_ptr());
    if unsafe { libc::mount(from, to.as_ptr(), c"none".as_ptr(), flags, ptr::null()) } < 0 {
        return Err(Error::last(format_args!("mount on {}", target.display())));
    }
    Ok(())
}

/// Until nothing is mounted there.
fn unmount(path: &Path) -> Result<()> {
    let target = c_path(path)?;
    while unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) } == 0 {}
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EINVAL | libc::ENOENT) => Ok(()), // no mount; not there
        _ => Err(Error::last(format_args!("unmount {}", path.display()))),
    }
}

/// Do it in a thread inside the namespace.
fn inside<T: Send>(fd: BorrowedFd<'_>, path: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let enter_and_work = || {
        if unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
            return Err(Error::last(format_args!("{} as a network namespace", path.display())));
        }
        work()
    };
    let done = thread::scope(|scope| {
        thread::Builder::new()
            .spawn_scoped(scope, enter_and_work)
            .map(thread::ScopedJoinHandle::join)
    });
    match done.map_err(|e| Error::of(&e, "thread for a namespace"))? {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// /proc/sys's file of a key below `net`.
fn sysctl_path(key: &str) -> Result<PathBuf> {
    let relative = PathBuf::from(if key.contains('/') {
        key.to_string()
    } else {
        key.replace('.', "/")
    });
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    if !plain || !relative.starts_with("net") {
        return Err(Error::invalid(format_args!(
            "sysctl {key}: only keys below net belong to a network namespace"
        )));
    }
    Ok(Path::new("/proc/sys").join(relative))
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::invalid(format_args!("{path:?} holds a zero octet")))
}

fn at(path: &Path) -> String {
    format!("network namespace {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_a_network_namespace_have_a_path() {
        assert_eq!(
            sysctl_path("net.ipv4.ip_forward").unwrap(),
            Path::new("/proc/sys/net/ipv4/ip_forward")
        );
        assert_eq!(
            sysctl_path("net/ipv4/conf/eth0.1/forwarding").unwrap(),
            Path::new("/proc/sys/net/ipv4/conf/eth0.1/forwarding")
        );
        for key in ["kernel.hostname", "net/../kernel/hostname", "/net/ipv4/ip_forward", "", "network.x"] {
            assert_eq!(sysctl_path(key).unwrap_err().errno, libc::EINVAL, "{key}");
        }
    }

    #[test]
    fn what_is_not_there_is_deleted_already() {
        assert_eq!(delete(&[PathBuf::from("/nonexistent/ns/a")]), Ok(()));
        assert_eq!(delete_directory(Path::new("/nonexistent/ns")), Ok(()));
    }
}
