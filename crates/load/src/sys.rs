//! What the standard library doesn't have: epoll, sockets that are bound before they connect, clocks and memory of other processes.

use std::fs;
use std::io::{Error, Result};
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, c_void};

const EVENTS: usize = 1024;

/// What happened on a socket.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub key: usize,
    pub writable: bool,
    pub readable: bool,
}

/// An epoll instance; level-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub fn new() -> Result<Self> {
        // SAFETY: no pointers; the descriptor that comes back is nobody else's.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: as above.
        Ok(Self {
            fd: unsafe { OwnedFd::from_raw_fd(checked(fd)?) },
        })
    }

    pub fn add(&self, stream: &TcpStream, key: usize, writing: bool) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, stream, key, writing)
    }

    pub fn change(&self, stream: &TcpStream, key: usize, writing: bool) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, stream, key, writing)
    }

    fn control(&self, how: c_int, stream: &TcpStream, key: usize, writing: bool) -> Result<()> {
        let events = (libc::EPOLLIN | if writing { libc::EPOLLOUT } else { 0 }) as u32;
        let mut event = libc::epoll_event { events, u64: key as u64 };
        // SAFETY: `event` lives through the call.
        checked(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), how, stream.as_raw_fd(), &mut event) }).map(drop)
    }

    /// Wait so long at most; an empty answer when nothing happened.
    pub fn wait(&self, timeout_ms: u64) -> Result<Vec<Ready>> {
        let mut found = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: the array has room for as many events as are asked for.
        let count = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                found.as_mut_ptr(),
                EVENTS as c_int,
                timeout_ms.min(60_000) as c_int,
            )
        };
        match checked(count) {
            Ok(count) => Ok(found[..count as usize].iter().map(|event| ready(*event)).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn ready(event: libc::epoll_event) -> Ready {
    let (events, key) = (event.events as c_int, event.u64 as usize);
    Ready {
        key,
        writable: events & libc::EPOLLOUT != 0,
        readable: events & !libc::EPOLLOUT != 0,
    }
}

/// Begin to connect from an address of ours; the socket is writable when that is done.
pub fn connect(from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream> {
    // SAFETY: no pointers; the descriptor that comes back is nobody else's.
    let fd = checked(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: as above.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    let (near, far) = (address(SocketAddrV4::new(from, 0)), address(to));
    let length = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the addresses live through the calls, and `length` is theirs.
    checked(unsafe { libc::bind(fd, (&raw const near).cast(), length) })?;
    match checked(unsafe { libc::connect(fd, (&raw const far).cast(), length) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => stream.set_nodelay(true).map(|()| stream),
    }
}

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*of.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// Octets that were written and that the far end has not acknowledged.
pub fn unread(stream: &TcpStream) -> usize {
    let mut count: c_int = 0;
    // SAFETY: TIOCOUTQ writes one int.
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, (&raw mut count).cast::<c_void>()) };
    if done < 0 { 0 } else { count as usize }
}

/// Let this process have as many descriptors as it may.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through both calls; a refusal leaves the limit as it is.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Seconds of processor time of processes, of their ended threads as well; one that is gone counts 0.
pub fn cpu_s(pids: &[i32]) -> f64 {
    pids.iter().map(|pid| clock(*pid).unwrap_or(0.0)).sum()
}

fn clock(pid: i32) -> Option<f64> {
    let mut id = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both are written before they are read, where the calls say that they succeeded.
    let done = unsafe { libc::clock_getcpuclockid(pid, &mut id) == 0 && libc::clock_gettime(id, &mut time) == 0 };
    done.then_some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// Resident memory of processes, and the most that it ever was, in KiB.
pub fn memory_kib(pids: &[i32]) -> (u64, u64) {
    let texts: Vec<String> = pids
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .collect();
    let sum = |key: &str| texts.iter().filter_map(|text| line(text, key)).sum();
    (sum("VmRSS:"), sum("VmHWM:"))
}

fn line(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn checked(result: c_int) -> Result<c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
