//! Prefixes of both IP versions as one small value.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A prefix without host bits; orders by version, first address, length.
///
/// `bits` is the first address as a number: an IPv4 address stands in the lower 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Prefix {
    /// 4 or 6.
    pub version: u8,
    /// The first address as a number.
    pub bits: u128,
    /// 0 to 32 or 128.
    pub length: u8,
}

/// Number of bits of an address of this IP version.
pub const fn width(version: u8) -> u8 {
    if version == 4 { 32 } else { 128 }
}

/// The address as (version, bits).
pub fn address_bits(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(a) => (4, u128::from(u32::from(a))),
        IpAddr::V6(a) => (6, u128::from(a)),
    }
}

impl Prefix {
    /// A prefix of these bits; host bits are cleared, a too great length becomes a host's.
    pub fn new(version: u8, bits: u128, length: u8) -> Self {
        let width = width(version);
        let length = length.min(width);
        Self {
            version,
            bits: bits & mask(width, length),
            length,
        }
    }

    /// The prefix that holds this address alone.
    pub fn host(address: IpAddr) -> Self {
        let (version, bits) = address_bits(address);
        Self {
            version,
            bits,
            length: width(version),
        }
    }

    /// Whether `other` is equal to or beneath this prefix.
    pub fn contains(&self, other: &Prefix) -> bool {
        self.version == other.version
            && self.length <= other.length
            && (self.bits ^ other.bits) & mask(width(self.version), self.length) == 0
    }

    /// Whether this prefix covers the address.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        self.contains(&Prefix::host(address))
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        if self.version == 4 {
            IpAddr::V4(Ipv4Addr::from(self.bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.bits))
        }
    }

    /// Address family of the Internet registry: 1 for IPv4, 2 for IPv6 (RFC 4760 section 3).
    pub fn afi(&self) -> u16 {
        if self.version == 4 { 1 } else { 2 }
    }
}

/// The upper `length` of `width` bits.
fn mask(width: u8, length: u8) -> u128 {
    let all = if width == 32 { u128::from(u32::MAX) } else { u128::MAX };
    match width - length {
        128 => 0,
        host => (all >> host) << host,
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length)
    }
}

/// Why a text is no prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrefixError(pub String);

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PrefixError {}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// From `10.0.0.0/8` or `fd00::/8`; an address with host bits, or without a length, is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PrefixError(format!("'{text}' is no prefix (like 10.0.0.0/8)"));
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let (version, bits) = address_bits(address);
        if length > width(version) {
            return Err(wrong());
        }
        let prefix = Prefix::new(version, bits, length);
        if prefix.bits == bits {
            Ok(prefix)
        } else {
            Err(PrefixError(format!("'{text}' has host bits (write {prefix})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_prefix_and_text_again() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/8", "2001:db8::1/128"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_itself_and_what_is_beneath() {
        let parse = |t: &str| t.parse::<Prefix>().unwrap();
        assert!(parse("10.0.0.0/8").contains(&parse("10.0.0.0/8")));
        assert!(parse("10.0.0.0/8").contains(&parse("10.255.0.0/16")));
        assert!(!parse("10.0.0.0/8").contains(&parse("11.0.0.0/8")));
        assert!(!parse("10.0.0.0/8").contains(&parse("0.0.0.0/0")));
        assert!(parse("0.0.0.0/0").contains(&parse("11.0.0.0/8")));
        assert!(!parse("0.0.0.0/0").contains(&parse("fd00::/8")));
        assert!(parse("::/0").contains(&parse("fd00::/8")));
        assert!(parse("10.0.0.0/8").contains_address("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn order_is_version_then_address_then_length() {
        let mut all: Vec<Prefix> = ["fd00::/8", "10.1.0.0/16", "10.0.0.0/16", "10.0.0.0/8"]
            .iter()
            .map(|t| t.parse().unwrap())
            .collect();
        all.sort();
        let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "fd00::/8"]);
    }
}
