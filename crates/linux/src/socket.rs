//! One rtnetlink socket: batches of requests with one acknowledgement at the end of each, and dumps.
//!
//! The kernel does a request while it is being sent, so that every answer is there when `sendto` returns. A refused message doesn't stop its batch; it is
//! answered by an error with its sequence number.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void};

use crate::error::{Error, Failure, Result, errno_text};
use crate::message::{self, Buffer, HEADER_BYTES, Message};

/// A batch is sent when it has grown to this.
const BATCH_BYTES: usize = 48 * 1024;
/// Room for an error each of a batch's messages: about 1 KiB of the kernel's accounting an error.
const RECEIVE_BYTES: c_int = 16 << 20;
const READ_BYTES: usize = 128 * 1024;
const DUMP_TRIES: usize = 5;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NETLINK_GET_STRICT_CHK: c_int = 12;

/// A socket of the namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    read: Vec<u8>,
    sequence: u32, // of the last request; answers with another are left from a batch that failed
}

impl Socket {
    /// Open in the namespace of the calling thread.
    pub fn open() -> Result<Self> {
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(Error::last("rtnetlink socket"));
        }
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let timeout = libc::timeval { tv_sec: 10, tv_usec: 0 };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout)?;
        set_option(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1)?;
        set_option(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, &1)?;
        set_option(&fd, libc::SOL_NETLINK, NETLINK_GET_STRICT_CHK, &1)?;
        // Without CAP_NET_ADMIN nothing could be written anyway; reading needs no room for errors.
        let _ = set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &RECEIVE_BYTES);
        let read = vec![0; READ_BYTES];
        Ok(Self { fd, read, sequence: 1 })
    }

    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The index of an interface of the socket's namespace.
    pub fn interface(&self, name: &str) -> Result<u32> {
        let name = interface_name(name)?;
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        if unsafe { libc::ioctl(self.raw(), libc::SIOCGIFINDEX as _, &raw mut request) } < 0 {
            return Err(Error::last(format_args!("interface {name}")));
        }
        Ok(unsafe { request.ifr_ifru.ifru_ifindex } as u32)
    }

    /// All answers to a dump. One that changed under our hands is read anew; after some tries it is taken as it is.
    pub fn dump<T>(
        &mut self,
        kind: u16,
        fixed: &[u8],
        write: impl Fn(&mut Buffer),
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        for _ in 0..DUMP_TRIES {
            rows.clear();
            let mut buffer = Buffer::default();
            let sequence = self.next_sequence();
            buffer.begin(kind, libc::NLM_F_DUMP, sequence, fixed);
            write(&mut buffer);
            buffer.end();
            self.send(buffer.bytes())?;
            if !self.read_dump(kind, sequence, &mut rows, &read)? {
                break;
            }
        }
        Ok(rows)
    }

    /// Whether it was interrupted by a change.
    fn read_dump<T>(&mut self, kind: u16, sequence: u32, rows: &mut Vec<T>, read: &impl Fn(&Message<'_>) -> Option<T>) -> Result<bool> {
        let mut interrupted = false;
        loop {
            let length = self.receive()?;
            for message in message::messages(&self.read[..length]).filter(|m| m.sequence == sequence) {
                interrupted |= message.flags & libc::NLM_F_DUMP_INTR as u16 != 0;
                match c_int::from(message.kind) {
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        let errno = message::number(message.body, 0).map_or(0, |n| -(n as i32));
                        return if errno == 0 {
                            Ok(interrupted)
                        } else {
                            Err(Error::new(errno, format_args!("rtnetlink dump {kind}")))
                        };
                    }
                    _ => rows.extend(read(&message)),
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        let sent = unsafe { libc::send(self.raw(), bytes.as_ptr().cast::<c_void>(), bytes.len(), 0) };
        if sent < 0 {
            Err(Error::last(format_args!("rtnetlink: {} octets", bytes.len())))
        } else {
            Ok(())
        }
    }

    fn receive(&mut self) -> Result<usize> {
        loop {
            let length = unsafe {
                libc::recv(
                    self.raw(),
                    self.read.as_mut_ptr().cast::<c_void>(),
                    self.read.len(),
                    libc::MSG_TRUNC,
                )
            };
            match usize::try_from(length) {
                Ok(length) if length <= self.read.len() => return Ok(length),
                Ok(length) => return Err(Error::new(libc::EMSGSIZE, format_args!("rtnetlink: an answer of {length} octets"))),
                Err(_) if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                Err(_) => return Err(Error::last("rtnetlink: no answer")),
            }
        }
    }
}

/// Requests on their way: pushed one by one, sent in batches.
pub struct Requests<'a> {
    socket: &'a mut Socket,
    buffer: Buffer,
    base: u32, // sequence number of the first one
    pushed: usize,
    failures: Vec<Failure>,
}

impl<'a> Requests<'a> {
    pub fn new(socket: &'a mut Socket) -> Self {
        let base = socket.sequence.wrapping_add(1);
        Self {
            socket,
            buffer: Buffer::default(),
            base,
            pushed: 0,
            failures: Vec::new(),
        }
    }

    /// One more request, which `write` gives its attributes.
    pub fn push(&mut self, kind: u16, flags: i32, fixed: &[u8], write: impl FnOnce(&mut Buffer)) -> Result<()> {
        let sequence = self.base.wrapping_add(self.pushed as u32);
        self.socket.sequence = sequence;
        self.buffer.begin(kind, flags, sequence, fixed);
        write(&mut self.buffer);
        self.buffer.end();
        self.pushed += 1;
        if self.buffer.len() >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// One that we can't even write: it counts like a refused one.
    pub fn refuse(&mut self, error: &Error) {
        self.failures.push(Failure {
            index: self.pushed,
            errno: error.errno,
            text: error.text.clone(),
        });
        self.pushed += 1;
    }

    /// Send what is left; what was refused, by index.
    pub fn finish(mut self) -> Result<Vec<Failure>> {
        self.flush()?;
        self.failures.sort_by_key(|f| f.index);
        Ok(self.failures)
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.buffer.acknowledge_last();
        let last = message::messages(self.buffer.bytes())
            .last()
            .expect("a batch has messages")
            .sequence;
        self.socket.send(self.buffer.bytes())?;
        self.buffer.clear();
        loop {
            let length = self.socket.receive()?;
            for message in message::messages(&self.socket.read[..length]) {
                let index = message.sequence.wrapping_sub(self.base) as usize;
                if c_int::from(message.kind) != libc::NLMSG_ERROR || index >= self.pushed {
                    continue; // left from a batch that failed
                }
                self.failures.extend(failure(&message, index));
                if message.sequence == last {
                    return Ok(());
                }
            }
        }
    }
}

/// What a `nlmsgerr` says; None where it is an acknowledgement. The kernel's own sentence stands in parentheses.
fn failure(message: &Message<'_>, index: usize) -> Option<Failure> {
    let errno = -(message::number(message.body, 0)? as i32);
    if errno == 0 {
        return None;
    }
    let mut text = errno_text(errno);
    if message.flags & libc::NLM_F_ACK_TLVS as u16 != 0 {
        let tail = message.body.get(4 + HEADER_BYTES..).unwrap_or_default();
        if let Some((_, said)) = message::attributes(tail).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG) {
            text = format!("{text} ({})", message::text(said));
        }
    }
    Some(Failure { index, errno, text })
}

/// The name, if an interface may have it.
pub fn interface_name(name: &str) -> Result<&str> {
    let fits = (1..libc::IFNAMSIZ).contains(&name.len()) && !name.contains(['/', '\0', ' ']) && name != "." && name != "..";
    if fits {
        Ok(name)
    } else {
        Err(Error::invalid(format_args!(
            "{name:?} is no interface name: 1 to 15 octets without / or space"
        )))
    }
}

fn set_option<T>(fd: &OwnedFd, level: c_int, option: c_int, value: &T) -> Result<()> {
    let size = mem::size_of::<T>() as libc::socklen_t;
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const *value).cast::<c_void>(), size) };
    if done < 0 {
        Err(Error::last(format_args!("rtnetlink socket, option {level}/{option}")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_which_request_and_what_the_kernel_thinks() {
        let mut buffer = Buffer::default();
        let mut fixed = (-libc::EINVAL).to_ne_bytes().to_vec();
        fixed.extend_from_slice(&[0; HEADER_BYTES]);
        buffer.begin(libc::NLMSG_ERROR as u16, libc::NLM_F_ACK_TLVS, 41, &fixed);
        buffer.text(NLMSGERR_ATTR_MSG, "Nexthop id does not exist");
        buffer.end();
        let message = message::messages(buffer.bytes()).next().unwrap();
        let text = "Invalid argument (Nexthop id does not exist)".to_string();
        assert_eq!(
            failure(&message, 41),
            Some(Failure {
                index: 41,
                errno: libc::EINVAL,
                text
            })
        );
    }

    #[test]
    fn an_acknowledgement_is_no_failure() {
        let mut buffer = Buffer::default();
        buffer.begin(libc::NLMSG_ERROR as u16, 0, 41, &[0; 4 + HEADER_BYTES]);
        buffer.end();
        assert_eq!(failure(&message::messages(buffer.bytes()).next().unwrap(), 41), None);
    }

    #[test]
    fn names_of_interfaces_have_limits() {
        assert!(interface_name("eth0").is_ok());
        assert!(interface_name("abcdefghijklmno").is_ok());
        for name in ["", "abcdefghijklmnop", "a b", "a/b", ".."] {
            assert_eq!(interface_name(name).unwrap_err().errno, libc::EINVAL, "{name:?}");
        }
    }
}
