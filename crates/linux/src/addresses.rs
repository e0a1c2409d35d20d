//! Addresses of interfaces, and permanent neighbors.

use std::net::IpAddr;

use libc::{NLM_F_CREATE, NLM_F_REPLACE, RTM_DELADDR, RTM_DELNEIGH, RTM_NEWADDR, RTM_NEWNEIGH};

use crate::error::{Error, Result, first_failure};
use crate::links::{Device, check_mac};
use crate::socket::{Requests, Socket};

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    pub address: IpAddr,
    pub length: u8,
}

impl std::str::FromStr for Interface {
    type Err = Error;

    /// `10.1.2.4/32`; without a length, of one address.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(format_args!("{text:?} is no address with a prefix length"));
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), |l| l.parse().ok().filter(|l| *l <= most).ok_or_else(wrong))?;
        Ok(Self { address, length })
    }
}

/// AF_INET or AF_INET6.
pub fn family(address: &IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

/// The octets of an address.
pub fn octets(address: &IpAddr) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(a) => bytes[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => bytes = a.octets(),
    }
    (bytes, if address.is_ipv4() { 4 } else { 16 })
}

/// Give interfaces addresses and take them away; IPv6 ones are good at once, without duplicate address detection.
pub fn addresses(socket: &mut Socket, put: &[(Device, Interface)], drop: &[(Device, Interface)]) -> Result<()> {
    let rows: Vec<_> = put.iter().map(|r| (r, true)).chain(drop.iter().map(|r| (r, false))).collect();
    let numbers = rows
        .iter()
        .map(|((device, _), _)| device.number(socket))
        .collect::<Result<Vec<_>>>()?;
    let mut requests = Requests::new(socket);
    for (((_, i), put), number) in rows.iter().zip(numbers) {
        let mut header = [family(&i.address), i.length, 0, 0, 0, 0, 0, 0];
        header[4..8].copy_from_slice(&number.to_ne_bytes());
        let (kind, flags) = if *put {
            (RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE)
        } else {
            (RTM_DELADDR, 0)
        };
        requests.push(kind, flags, &header, |b| {
            let (bytes, length) = octets(&i.address);
            b.attribute(libc::IFA_LOCAL, &bytes[..length]);
            b.attribute(libc::IFA_ADDRESS, &bytes[..length]);
            if *put && i.address.is_ipv6() {
                b.number(libc::IFA_FLAGS, libc::IFA_F_NODAD);
            }
        })?;
    }
    first_failure(&requests.finish()?, |index| {
        let ((device, i), _) = rows[index];
        format!("address {}/{} of {device}", i.address, i.length)
    })
}

/// Permanent neighbors: whose MAC is said once, and never asked for.
pub fn neighbors(socket: &mut Socket, put: &[(Device, IpAddr, Vec<u8>)], drop: &[(Device, IpAddr)]) -> Result<()> {
    put.iter()
        .try_for_each(|(_, address, mac)| check_mac(format_args!("neighbor {address}"), mac))?;
    let puts = put.iter().map(|(device, address, mac)| (device, address, Some(mac)));
    let rows: Vec<_> = puts.chain(drop.iter().map(|(device, address)| (device, address, None))).collect();
    let numbers = rows.iter().map(|(device, ..)| device.number(socket)).collect::<Result<Vec<_>>>()?;
    let mut requests = Requests::new(socket);
    for ((_, address, mac), number) in rows.iter().zip(numbers) {
        let mut header = [0; 12]; // ndmsg
        header[0] = family(address);
        header[4..8].copy_from_slice(&number.to_ne_bytes());
        header[8..10].copy_from_slice(&libc::NUD_PERMANENT.to_ne_bytes());
        let (kind, flags) = if mac.is_some() {
            (RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE)
        } else {
            (RTM_DELNEIGH, 0)
        };
        requests.push(kind, flags, &header, |b| {
            let (bytes, length) = octets(address);
            b.attribute(libc::NDA_DST, &bytes[..length]);
            if let Some(mac) = mac {
                b.attribute(libc::NDA_LLADDR, mac);
            }
        })?;
    }
    first_failure(&requests.finish()?, |index| {
        format!("neighbor {} of {}", rows[index].1, rows[index].0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_length_that_is_written_or_its_own() {
        let read = |text: &str| text.parse::<Interface>().map(|i| (i.address.to_string(), i.length));
        assert_eq!(read("10.1.2.4/24"), Ok(("10.1.2.4".into(), 24)));
        assert_eq!(read("10.1.2.4"), Ok(("10.1.2.4".into(), 32)));
        assert_eq!(read("fd00::4/128"), Ok(("fd00::4".into(), 128)));
        for text in ["10.1.2.4/33", "10.1.2", "fd00::/129", "", "10.1.2.4/"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
