//! Links: veth pairs, taps, up and down, and away with them (rtnetlink(7), Linux's include/uapi/linux/if_link.h and veth.h).

use std::mem;
use std::os::fd::{AsRawFd, RawFd};

use libc::{IFF_UP, NLM_F_CREATE, NLM_F_EXCL, RTM_DELLINK, RTM_NEWLINK};
use rustc_hash::FxHashSet;

use crate::error::{Error, Failure, Result, first_failure};
use crate::message::Buffer;
use crate::namespace::Namespace;
use crate::socket::{Requests, Socket, interface_name};

const VETH_INFO_PEER: u16 = 1;
/// A group of links that are to be deleted.
const DYING: u32 = 0x6468_0001;
const TUNSETPERSIST: u64 = 0x4004_54cb;
const TUNSETIFF: u64 = 0x4004_54ca;
const TUNSETIFINDEX: u64 = 0x4004_54da;

/// An interface of a namespace, by name or by index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Device {
    Name(String),
    Number(u32),
}

impl Device {
    /// Its index.
    pub fn number(&self, socket: &Socket) -> Result<u32> {
        match self {
            Self::Name(name) => socket.interface(name),
            Self::Number(number) => Ok(*number),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Number(number) => write!(out, "interface {number}"),
        }
    }
}

/// One end of a veth pair. Number 0 and an empty MAC leave the choice to the kernel.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    pub name: &'a str,
    pub number: u32,
    pub mac: &'a [u8],
}

/// A pair: an end here, the other one in that namespace.
#[derive(Debug, Clone, Copy)]
pub struct Veth<'a> {
    pub here: End<'a>,
    pub there: End<'a>,
    pub namespace: &'a Namespace,
}

/// Make pairs, both ends up if asked; the first that was refused is the error, the others are made.
///
/// The far end comes up by a request of its own: while it is made it has no peer yet, and Linux won't open half a pair.
pub fn veths(namespace: &Namespace, pairs: &[Veth<'_>], mtu: u32, up: bool) -> Result<()> {
    for end in pairs.iter().flat_map(|p| [&p.here, &p.there]) {
        interface_name(end.name)?;
        check_mac(end.name, end.mac)?;
    }
    let mut socket = namespace.rtnetlink();
    let mut requests = Requests::new(&mut socket);
    for pair in pairs {
        let fd = pair.namespace.fd().as_raw_fd();
        requests.push(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link_header(pair.here.number, up), |b| {
            write_veth(b, &pair.here, &pair.there, mtu, fd)
        })?;
    }
    let failures = requests.finish()?;
    drop(socket); // a pair may have both ends here
    if up {
        let failed: FxHashSet<usize> = failures.iter().map(|f| f.index).collect();
        let made = pairs.iter().enumerate().filter(|(index, _)| !failed.contains(index));
        made.map(|(_, pair)| pair)
            .try_for_each(|pair| bring_up(pair.namespace, pair.there.name))?;
    }
    first_failure(&failures, |index| {
        let pair = &pairs[index];
        format!(
            "veth {} ({}) with {} ({})",
            pair.here.name, pair.here.number, pair.there.name, pair.there.number
        )
    })
}

fn bring_up(namespace: &Namespace, name: &str) -> Result<()> {
    let mut socket = namespace.rtnetlink();
    let mut requests = Requests::new(&mut socket);
    requests.push(RTM_NEWLINK, 0, &link_header(0, true), |b| b.text(libc::IFLA_IFNAME, name))?;
    first_failure(&requests.finish()?, |_| format!("link {name} up"))
}

fn write_veth(buffer: &mut Buffer, here: &End<'_>, there: &End<'_>, mtu: u32, fd: RawFd) {
    write_end(buffer, here, mtu);
    buffer.nested(libc::IFLA_LINKINFO, |b| {
        b.attribute(libc::IFLA_INFO_KIND, b"veth");
        b.nested(libc::IFLA_INFO_DATA, |b| {
            b.nested(VETH_INFO_PEER, |b| {
                b.fixed(&link_header(there.number, false));
                write_end(b, there, mtu);
                b.number(libc::IFLA_NET_NS_FD, fd as u32);
            });
        });
    });
}

fn write_end(buffer: &mut Buffer, end: &End<'_>, mtu: u32) {
    buffer.text(libc::IFLA_IFNAME, end.name);
    buffer.number(libc::IFLA_MTU, mtu);
    if !end.mac.is_empty() {
        buffer.attribute(libc::IFLA_ADDRESS, end.mac);
    }
}

/// `ifinfomsg`, family and type unspecified. Down is left as it is.
fn link_header(number: u32, up: bool) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&number.to_ne_bytes());
    if up {
        header[8..12].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
        header[12..16].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
    }
    header
}

/// Bring a link up or down, and give it a MAC unless empty.
pub fn set(socket: &mut Socket, device: &Device, up: bool, mac: &[u8]) -> Result<()> {
    check_mac(device, mac)?;
    let number = device.number(socket)?;
    let mut requests = Requests::new(socket);
    let mut header = link_header(number, up);
    header[12..16].copy_from_slice(&(IFF_UP as u32).to_ne_bytes());
    requests.push(RTM_NEWLINK, 0, &header, |b| {
        if !mac.is_empty() {
            b.attribute(libc::IFLA_ADDRESS, mac);
        }
    })?;
    first_failure(&requests.finish()?, |_| format!("link {device} {}", if up { "up" } else { "down" }))
}

/// Delete links; what was refused, by index.
///
/// Alone, each would wait 20 ms until nobody looks at it; so they are given a group, and the group is deleted at once.
pub fn delete(socket: &mut Socket, devices: &[Device]) -> Result<Vec<Failure>> {
    let numbers: Vec<_> = devices.iter().map(|d| d.number(socket)).collect();
    let mut requests = Requests::new(socket);
    for number in numbers {
        match number {
            Ok(number) => requests.push(RTM_NEWLINK, 0, &link_header(number, false), |b| b.number(libc::IFLA_GROUP, DYING))?,
            Err(error) => requests.refuse(&error),
        }
    }
    let mut failures = requests.finish()?;
    if failures.len() < devices.len() {
        let mut requests = Requests::new(socket);
        requests.push(RTM_DELLINK, 0, &link_header(0, false), |b| b.number(libc::IFLA_GROUP, DYING))?;
        let refused = requests.finish()?;
        let failed: FxHashSet<usize> = failures.iter().map(|f| f.index).collect();
        let marked = (0..devices.len()).filter(|index| !failed.contains(index));
        failures.extend(
            refused
                .first()
                .into_iter()
                .flat_map(|f| marked.clone().map(|index| Failure { index, ..f.clone() })),
        );
        failures.sort_by_key(|f| f.index);
    }
    Ok(failures)
}

/// Make a tap that stays; its index. Up if asked.
pub fn tap(namespace: &Namespace, name: &str, number: u32, mac: &[u8], up: bool) -> Result<u32> {
    interface_name(name)?;
    check_mac(name, mac)?;
    namespace.inside(|| make_tap(name, number))?;
    let device = Device::Name(name.to_string());
    let mut socket = namespace.rtnetlink();
    set(&mut socket, &device, up, mac)?;
    device.number(&socket)
}

/// In the namespace in which /dev/net/tun is opened.
fn make_tap(name: &str, number: u32) -> Result<()> {
    let what = || format!("tap {name}");
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|e| Error::of(&e, "/dev/net/tun"))?;
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_TUN_EXCL) as libc::c_short;
    if number != 0 && unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFINDEX as _, &raw const number) } < 0 {
        return Err(Error::last(what()));
    }
    let made = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF as _, &raw mut request) };
    if made < 0 || unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETPERSIST as _, 1_u64) } < 0 {
        return Err(Error::last(what()));
    }
    Ok(())
}

/// An Ethernet address has six octets; none at all is the kernel's choice.
pub fn check_mac(what: impl std::fmt::Display, mac: &[u8]) -> Result<()> {
    if matches!(mac.len(), 0 | 6) {
        Ok(())
    } else {
        Err(Error::invalid(format_args!("{what}: a MAC address of {} octets", mac.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{attributes, messages};

    #[test]
    fn a_pair_is_one_request_with_both_ends_in_it() {
        let here = End {
            name: "p16",
            number: 16,
            mac: &[2, 0, 0, 0, 0, 1],
        };
        let there = End {
            name: "eth0",
            number: 0,
            mac: &[],
        };
        let mut buffer = Buffer::default();
        buffer.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, &link_header(16, true));
        write_veth(&mut buffer, &here, &there, 1500, 9);
        buffer.end();
        let message = messages(buffer.bytes()).next().unwrap();
        assert_eq!(message.body[..16], [0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        let outer: Vec<_> = attributes(&message.body[16..]).collect();
        assert_eq!(outer[0], (libc::IFLA_IFNAME, &b"p16\0"[..]));
        assert_eq!(outer[1], (libc::IFLA_MTU, &1500_u32.to_ne_bytes()[..]));
        assert_eq!(outer[2], (libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1][..]));
        let info: Vec<_> = attributes(outer[3].1).collect();
        assert_eq!(info[0], (libc::IFLA_INFO_KIND, &b"veth"[..]));
        let (kind, peer) = attributes(info[1].1).next().unwrap();
        assert_eq!(kind, VETH_INFO_PEER);
        assert_eq!(peer[..16], [0; 16]);
        let inner: Vec<_> = attributes(&peer[16..]).collect();
        assert_eq!(inner[0], (libc::IFLA_IFNAME, &b"eth0\0"[..]));
        assert_eq!(inner.last(), Some(&(libc::IFLA_NET_NS_FD, &9_u32.to_ne_bytes()[..])));
        assert_eq!(inner.len(), 3);
    }
}
