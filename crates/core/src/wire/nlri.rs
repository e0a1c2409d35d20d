//! Prefixes on the wire: a length in bits, then as many octets as hold them (RFC 4271 section 4.3, RFC 4760 section 5).

use crate::prefix::{Prefix, width};

/// IPv4 and IPv6 unicast, the families we know, as (AFI, SAFI) (RFC 4760 section 3).
pub fn version_of(afi: u16, safi: u8) -> Option<u8> {
    match (afi, safi) {
        (1, 1) => Some(4),
        (2, 1) => Some(6),
        _ => None,
    }
}

/// Read all prefixes of a field; an error says in words what is wrong with the first that is none.
pub fn read(octets: &[u8], version: u8, out: &mut Vec<Prefix>) -> Result<(), String> {
    let width = width(version);
    out.reserve(octets.len() / 4);
    let mut rest = octets;
    while let Some((&length, after)) = rest.split_first() {
        if length > width {
            return Err(format!("prefix length {length} is over {width}"));
        }
        let Some((value, after)) = after.split_at_checked(octets_of(length)) else {
            return Err(format!("a prefix of length {length} has {} octets", after.len()));
        };
        // "The value of trailing bits is irrelevant" (RFC 4271 section 4.3): they are cleared.
        if version == 4 {
            let bits = value.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet));
            let host = 8 * value.len() - usize::from(length);
            let bits = bits >> host << (32 - u32::from(length));
            out.push(Prefix {
                version,
                bits: u128::from(bits),
                length,
            });
        } else {
            let mut address = [0; 16];
            address[..value.len()].copy_from_slice(value);
            out.push(Prefix::new(version, u128::from_be_bytes(address), length));
        }
        rest = after;
    }
    Ok(())
}

/// Octets a prefix takes on the wire, its length's included.
pub fn size(prefix: &Prefix) -> usize {
    1 + octets_of(prefix.length)
}

/// Append one prefix.
pub fn write(prefix: &Prefix, out: &mut Vec<u8>) {
    out.push(prefix.length);
    let count = octets_of(prefix.length);
    if prefix.version == 4 {
        out.extend_from_slice(&(prefix.bits as u32).to_be_bytes()[..count.min(4)]);
    } else {
        out.extend_from_slice(&prefix.bits.to_be_bytes()[..count.min(16)]);
    }
}

/// Append prefixes as long as there is room and they are of the first's IP version; how many were written.
pub fn write_some(prefixes: &[Prefix], room: usize, out: &mut Vec<u8>) -> usize {
    let mut left = room;
    for (count, prefix) in prefixes.iter().enumerate() {
        if prefix.version != prefixes[0].version {
            return count;
        }
        match left.checked_sub(size(prefix)) {
            Some(rest) => left = rest,
            None => return count,
        }
        write(prefix, out);
    }
    prefixes.len()
}

fn octets_of(length: u8) -> usize {
    usize::from(length.div_ceil(8))
}
