//! AS_PATH on the wire, with AS numbers of two or four octets (RFC 4271 section 4.3 b, RFC 6793).

use super::open::AS_TRANS;
use super::reader::Reader;
use crate::attributes::{AsPath, Segment};

const AS_SET: u8 = 1;
const AS_SEQUENCE: u8 = 2;
const AS_CONFED_SEQUENCE: u8 = 3;
const AS_CONFED_SET: u8 = 4;
const LONGEST_SEGMENT: usize = 255;

/// Read an AS_PATH; an error says in words what is malformed.
///
/// Confederation segments are malformed here (RFC 5065 section 5), AS 0 is too (RFC 7607 section 2).
pub fn read(value: &[u8], four_octet: bool) -> Result<Vec<Segment>, String> {
    segments(value, four_octet, false)
}

/// Read an AS4_PATH: confederation segments are left out (RFC 6793 section 3).
pub fn read_as4(value: &[u8]) -> Result<Vec<Segment>, String> {
    segments(value, true, true)
}

fn segments(value: &[u8], four_octet: bool, skip_confederations: bool) -> Result<Vec<Segment>, String> {
    let mut reader = Reader::new(value);
    let mut path = Vec::new();
    while let Some(kind) = reader.u8() {
        let count = reader.u8().ok_or("a segment ends after its type")?;
        if count == 0 {
            return Err("an empty segment".into());
        }
        let octets = usize::from(count) * if four_octet { 4 } else { 2 };
        let octets = reader
            .take(octets)
            .ok_or_else(|| format!("a segment of {count} AS numbers has {} octets", reader.rest().len()))?;
        let asns = if four_octet {
            numbers(octets, u32::from_be_bytes)
        } else {
            numbers(octets, |octets| u32::from(u16::from_be_bytes(octets)))
        };
        if asns.contains(&0) {
            return Err("AS number 0".into());
        }
        match kind {
            AS_SET => path.push(Segment::Set(asns)),
            AS_SEQUENCE => path.push(Segment::Sequence(asns)),
            AS_CONFED_SEQUENCE | AS_CONFED_SET if skip_confederations => {}
            _ => return Err(format!("segment type {kind}")),
        }
    }
    path.normalize();
    Ok(path)
}

/// The octets as numbers of N octets each.
pub fn numbers<const N: usize, T>(octets: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    octets
        .chunks_exact(N)
        .filter_map(|chunk| chunk.try_into().ok())
        .map(number)
        .collect()
}

/// Put back what a 2-octet speaker could not say: the true path from AS_PATH and AS4_PATH.
///
/// Source: RFC 6793 section 4.2.3.
pub fn merge(as_path: Vec<Segment>, as4_path: Vec<Segment>) -> Vec<Segment> {
    let Some(mut extra) = as_path.length().checked_sub(as4_path.length()) else {
        return as_path;
    };
    let mut merged = Vec::new();
    for segment in as_path {
        if extra == 0 {
            break;
        }
        match segment {
            Segment::Set(asns) => {
                merged.push(Segment::Set(asns));
                extra -= 1;
            }
            Segment::Sequence(mut asns) => {
                asns.truncate(extra);
                extra -= asns.len();
                merged.push(Segment::Sequence(asns));
            }
        }
    }
    merged.extend(as4_path);
    merged.normalize();
    merged
}

/// The AS number in two octets: AS_TRANS where it needs four (RFC 6793 section 4.2.2).
pub fn two_octets(asn: u32) -> u16 {
    u16::try_from(asn).unwrap_or(AS_TRANS)
}

/// Whether a 2-octet speaker needs an AS4_PATH beside (RFC 6793 section 4.2.2).
pub fn needs_as4(path: &[Segment]) -> bool {
    path.iter().flat_map(|s| s.asns()).any(|&asn| asn > u32::from(u16::MAX))
}

/// The path's octets; segments of more than 255 AS numbers are cut.
pub fn write(path: &[Segment], four_octet: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in path {
        let kind = match segment {
            Segment::Set(_) => AS_SET,
            Segment::Sequence(_) => AS_SEQUENCE,
        };
        for asns in segment.asns().chunks(LONGEST_SEGMENT) {
            out.extend_from_slice(&[kind, asns.len() as u8]);
            for &asn in asns {
                if four_octet {
                    out.extend_from_slice(&asn.to_be_bytes());
                } else {
                    out.extend_from_slice(&two_octets(asn).to_be_bytes());
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::parse_as_path;

    fn path(text: &str) -> Vec<Segment> {
        parse_as_path(text).unwrap()
    }

    #[test]
    fn paths_have_two_widths() {
        let p = path("65001 {7,4200000000}");
        assert_eq!(write(&p, true), [2, 1, 0, 0, 0xFD, 0xE9, 1, 2, 0, 0, 0, 7, 0xFA, 0x56, 0xEA, 0]);
        assert_eq!(write(&p, false), [2, 1, 0xFD, 0xE9, 1, 2, 0, 7, 0x5B, 0xA0]);
        assert_eq!(read(&write(&p, true), true), Ok(p));
    }

    #[test]
    fn long_sequences_are_cut_and_joined() {
        let p = vec![Segment::Sequence((1..=600).collect())];
        let octets = write(&p, true);
        assert_eq!(octets.len(), 600 * 4 + 3 * 2);
        assert_eq!(read(&octets, true), Ok(p));
    }

    #[test]
    fn malformed_paths_are_named() {
        for (octets, reason) in [
            (&[2][..], "a segment ends after its type"),
            (&[2, 0], "an empty segment"),
            (&[2, 2, 0, 1], "a segment of 2 AS numbers has 2 octets"),
            (&[2, 1, 0, 0], "AS number 0"),
            (&[3, 1, 0, 1], "segment type 3"),
            (&[9, 1, 0, 1], "segment type 9"),
        ] {
            assert_eq!(read(octets, false), Err(reason.to_string()));
        }
    }

    #[test]
    fn as4_path_fills_the_tail() {
        // RFC 6793 section 4.2.3: the leading AS numbers of AS_PATH stay, the rest is AS4_PATH.
        for (as_path, as4_path, merged) in [
            ("23456 23456 3", "4200000001 4200000002 3", "4200000001 4200000002 3"),
            ("1 2 23456 4", "4200000000 4", "1 2 4200000000 4"),
            ("1 {2,3} 23456", "4200000000", "1 {2,3} 4200000000"),
            ("1 23456", "7 8 4200000000", "1 23456"),
            ("1 23456", "", "1 23456"),
        ] {
            assert_eq!(merge(path(as_path), path(as4_path)).text(), merged);
        }
    }
}
