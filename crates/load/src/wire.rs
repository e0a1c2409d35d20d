//! BGP messages, as a speaker of the load writes them and as strictly as it reads them (RFC 4271 section 4).

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::table::Prefix;

pub const HEADER: usize = 19;
pub const LARGEST: usize = 4096;
pub const OPEN: u8 = 1;
pub const UPDATE: u8 = 2;
pub const NOTIFICATION: u8 = 3;
pub const KEEPALIVE: u8 = 4;
pub const ROUTE_REFRESH: u8 = 5;

const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const MED: u8 = 4;
const COMMUNITIES: u8 = 8;
const LARGE_COMMUNITIES: u8 = 32;
const WELL_KNOWN: u8 = 0x40;
const OPTIONAL_TRANSITIVE: u8 = 0xc0;
const OPTIONAL: u8 = 0x80;
const EXTENDED: u8 = 0x10;
const AS_SEQUENCE: u8 = 2;
const AS_TRANS: u16 = 23_456;

/// Path attributes as octets, and what they are known by when they come back.
#[derive(Debug)]
pub struct Attributes {
    pub octets: Vec<u8>,
    pub identity: u64,
}

/// What an UPDATE says.
#[derive(Debug)]
pub struct Update<'a> {
    pub withdrawn: &'a [u8],
    pub nlri: &'a [u8],
    pub identity: u64,
    pub next_hop: Option<u32>,
}

/// Our OPEN: four-octet AS numbers and IPv4 unicast (RFC 6793, RFC 4760).
pub fn open(asn: u32, hold_s: u16, identifier: u32) -> Vec<u8> {
    let mut body = vec![4];
    body.extend(u16::try_from(asn).unwrap_or(AS_TRANS).to_be_bytes());
    body.extend(hold_s.to_be_bytes());
    body.extend(identifier.to_be_bytes());
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 65, 4];
    capabilities.extend(asn.to_be_bytes());
    body.extend([capabilities.len() as u8 + 2, 2, capabilities.len() as u8]);
    body.extend(capabilities);
    let mut out = Vec::new();
    message(OPEN, &[&body], &mut out);
    out
}

pub fn keepalive() -> Vec<u8> {
    let mut out = Vec::new();
    message(KEEPALIVE, &[], &mut out);
    out
}

fn message(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend([0xff; 16]);
    out.extend((length as u16).to_be_bytes());
    out.push(kind);
    parts.iter().for_each(|part| out.extend(*part));
}

/// The attributes of a path.
pub fn attributes(path: &[u32], next_hop: u32, med: Option<u32>, communities: &[u32], large: &[[u32; 3]]) -> Attributes {
    let numbers: Vec<u8> = path.iter().flat_map(|asn| asn.to_be_bytes()).collect();
    let communities: Vec<u8> = communities.iter().flat_map(|each| each.to_be_bytes()).collect();
    let large: Vec<u8> = large.iter().flatten().flat_map(|each| each.to_be_bytes()).collect();
    let mut octets = vec![WELL_KNOWN, ORIGIN, 1, 0];
    octets.extend([WELL_KNOWN, AS_PATH, numbers.len() as u8 + 2, AS_SEQUENCE, path.len() as u8]);
    octets.extend(&numbers);
    octets.extend([WELL_KNOWN, NEXT_HOP, 4]);
    octets.extend(next_hop.to_be_bytes());
    if let Some(med) = med {
        octets.extend([OPTIONAL, MED, 4]);
        octets.extend(med.to_be_bytes());
    }
    for (kind, value) in [(COMMUNITIES, &communities), (LARGE_COMMUNITIES, &large)] {
        if !value.is_empty() {
            octets.extend([OPTIONAL_TRANSITIVE, kind, value.len() as u8]);
            octets.extend(value);
        }
    }
    Attributes {
        octets,
        identity: identity(&numbers, &communities, &large),
    }
}

/// Append an UPDATE that announces.
pub fn announce(attributes: &[u8], nlri: &[Prefix], out: &mut Vec<u8>) {
    let nlri = pack(nlri);
    message(UPDATE, &[&[0, 0], &(attributes.len() as u16).to_be_bytes(), attributes, &nlri], out);
}

/// Append an UPDATE that withdraws.
pub fn withdraw(prefixes: &[Prefix], out: &mut Vec<u8>) {
    let withdrawn = pack(prefixes);
    message(UPDATE, &[&(withdrawn.len() as u16).to_be_bytes(), &withdrawn, &[0, 0]], out);
}

fn pack(prefixes: &[Prefix]) -> Vec<u8> {
    let mut out = Vec::with_capacity(prefixes.len() * 5);
    for each in prefixes {
        out.push(each.length);
        out.extend(&each.address.to_be_bytes()[..usize::from(each.length).div_ceil(8)]);
    }
    out
}

/// The hold time and the AS number of an OPEN's body, or what is wrong with it.
pub fn read_open(body: &[u8]) -> Result<(u16, u32), &'static str> {
    let [4, a, b, c, d, _, _, _, _, length, parameters @ ..] = body else {
        return Err("an OPEN of another shape");
    };
    if usize::from(*length) != parameters.len() {
        return Err("an OPEN whose parameters don't end with it");
    }
    let mut asn = u32::from(u16::from_be_bytes([*a, *b]));
    let mut rest = parameters;
    while let [kind, length, after @ ..] = rest {
        let (value, more) = after
            .split_at_checked(usize::from(*length))
            .ok_or("an OPEN's parameter runs over")?;
        rest = more;
        let mut inner = if *kind == 2 { value } else { &[] };
        while let [code, length, after @ ..] = inner {
            let (value, more) = after.split_at_checked(usize::from(*length)).ok_or("a capability runs over")?;
            inner = more;
            if *code == 65 {
                asn = u32::from_be_bytes(value.try_into().map_err(|_| "a capability of the wrong length")?);
            }
        }
    }
    Ok((u16::from_be_bytes([*c, *d]), asn))
}

/// Read an UPDATE's body; the route server's own AS may stand before a path.
pub fn update(body: &[u8], own: u32) -> Result<Update<'_>, &'static str> {
    let (withdrawn, rest) = counted(body).ok_or("withdrawn routes run over")?;
    let (mut rest, nlri) = counted(rest).ok_or("attributes run over")?;
    let (mut path, mut communities, mut large, mut next_hop): (_, &[u8], &[u8], _) = (None, &[], &[], None);
    let mut seen = [0u64; 4];
    while let [flags, kind, after @ ..] = rest {
        let (length, after) = match (flags & EXTENDED, after) {
            (0, [length, after @ ..]) => (usize::from(*length), after),
            (EXTENDED, [high, low, after @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), after),
            _ => return Err("an attribute without its length"),
        };
        let (value, more) = after.split_at_checked(length).ok_or("an attribute runs over")?;
        let (word, bit) = (usize::from(kind / 64), 1 << (kind % 64));
        if seen[word] & bit != 0 {
            return Err("an attribute twice");
        }
        seen[word] |= bit;
        match *kind {
            AS_PATH => path = Some(as_numbers(value, own)?),
            NEXT_HOP => next_hop = Some(u32::from_be_bytes(value.try_into().map_err(|_| "a next hop of the wrong length")?)),
            COMMUNITIES => communities = value,
            LARGE_COMMUNITIES => large = value,
            _ => {}
        }
        rest = more;
    }
    if !rest.is_empty() {
        return Err("an attribute without its length");
    }
    if !nlri.is_empty() && (path.is_none() || next_hop.is_none() || seen[0] & 1 << ORIGIN == 0) {
        return Err("a route without a mandatory attribute");
    }
    Ok(Update {
        withdrawn,
        nlri,
        identity: identity(path.unwrap_or_default(), communities, large),
        next_hop,
    })
}

/// The AS numbers of a path of one sequence, without the route server's own.
fn as_numbers(value: &[u8], own: u32) -> Result<&[u8], &'static str> {
    let [AS_SEQUENCE, count, numbers @ ..] = value else {
        return if value.is_empty() {
            Ok(value)
        } else {
            Err("a path that is no sequence")
        };
    };
    if numbers.len() != 4 * usize::from(*count) {
        return Err("a path in more than one segment");
    }
    Ok(numbers.strip_prefix(&own.to_be_bytes()).unwrap_or(numbers))
}

fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))
}

fn identity(path: &[u8], communities: &[u8], large: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    for part in [path, communities, large] {
        hasher.write(part);
        hasher.write_usize(part.len());
    }
    hasher.finish()
}

/// The prefixes of a field; what can't be one ends it.
pub struct Nlri<'a>(pub &'a [u8]);

impl Iterator for Nlri<'_> {
    type Item = Result<Prefix, &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&length, rest) = self.0.split_first()?;
        let octets = usize::from(length).div_ceil(8);
        if length > 32 || rest.len() < octets {
            self.0 = &[];
            return Some(Err("a prefix that can't be one"));
        }
        let mut address = [0; 4];
        address[..octets].copy_from_slice(&rest[..octets]);
        self.0 = &rest[octets..];
        let address = u32::from_be_bytes(address) & if length == 0 { 0 } else { u32::MAX << (32 - length) };
        Some(Ok(Prefix { address, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Prefix = Prefix {
        address: 0x1401_0000,
        length: 16,
    };
    const B: Prefix = Prefix {
        address: 0x1402_0380,
        length: 25,
    };

    #[test]
    fn an_update_comes_back_as_it_was_written() {
        let made = attributes(&[100_001, 7], 0xc612_0101, Some(5), &[0x0001_0002], &[[1, 2, 3]]);
        let mut out = Vec::new();
        announce(&made.octets, &[A, B], &mut out);
        assert_eq!((out[16], usize::from(out[17]), out[18]), (0, out.len(), UPDATE));
        let read = update(&out[HEADER..], 65000).unwrap();
        assert_eq!(
            (read.identity, read.next_hop, read.withdrawn.len()),
            (made.identity, Some(0xc612_0101), 0)
        );
        assert_eq!(Nlri(read.nlri).map(Result::unwrap).collect::<Vec<_>>(), [A, B]);
    }

    #[test]
    fn a_path_with_the_route_servers_as_before_it_is_the_same_one() {
        let plain = attributes(&[100_001, 7], 1, None, &[], &[]);
        let mut out = Vec::new();
        announce(&attributes(&[65000, 100_001, 7], 1, None, &[], &[]).octets, &[A], &mut out);
        assert_eq!(update(&out[HEADER..], 65000).unwrap().identity, plain.identity);
        assert_ne!(update(&out[HEADER..], 65001).unwrap().identity, plain.identity);
    }

    #[test]
    fn every_part_of_a_path_tells_it_apart() {
        let one = attributes(&[1, 2], 1, None, &[3], &[[1, 2, 3]]).identity;
        for other in [
            attributes(&[1, 4], 1, None, &[3], &[[1, 2, 3]]),
            attributes(&[1, 2], 1, None, &[4], &[[1, 2, 3]]),
            attributes(&[1, 2], 1, None, &[3], &[]),
            attributes(&[1, 2], 1, None, &[], &[[1, 2, 3]]),
        ] {
            assert_ne!(one, other.identity);
        }
    }

    #[test]
    fn what_is_malformed_is_told() {
        let made = attributes(&[1], 1, None, &[], &[]);
        let mut twice = made.octets.clone();
        twice.extend(&made.octets);
        let mut out = Vec::new();
        announce(&twice, &[A], &mut out);
        assert_eq!(update(&out[HEADER..], 65000).unwrap_err(), "an attribute twice");
        let mut bare = Vec::new();
        announce(&made.octets[..4], &[A], &mut bare);
        assert_eq!(update(&bare[HEADER..], 65000).unwrap_err(), "a route without a mandatory attribute");
        assert_eq!(update(&[0, 9, 0], 65000).unwrap_err(), "withdrawn routes run over");
        assert!(Nlri(&[33, 1, 2, 3, 4, 5]).next().unwrap().is_err());
        assert!(Nlri(&[24, 1]).next().unwrap().is_err());
    }

    #[test]
    fn an_open_says_its_hold_time_and_its_four_octet_as() {
        let out = open(100_001, 240, 1);
        assert_eq!(read_open(&out[HEADER..]), Ok((240, 100_001)));
        assert!(read_open(&out[HEADER..out.len() - 1]).is_err());
    }
}
