//! Netlink's format: messages of a header, a fixed part and attributes, all aligned to 4 octets, numbers in host order (RFC 3549; netlink(7)).

use libc::{NLM_F_ACK, NLM_F_REQUEST};

/// Octets of `nlmsghdr`.
pub const HEADER_BYTES: usize = 16;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// Messages that are being written one after the other.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize, // of the message that is being written, or was last
}

impl Buffer {
    /// What was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Begin a request: `nlmsghdr` and the fixed part.
    pub fn begin(&mut self, kind: u16, flags: i32, sequence: u32, fixed: &[u8]) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&((flags | NLM_F_REQUEST) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.fixed(fixed);
    }

    /// A fixed part, here or inside a nested attribute.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.align();
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).expect("an attribute is shorter than 64 KiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.fixed(value);
    }

    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Text with its final zero.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.attribute(kind | NESTED, &[]);
        write(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a nested attribute is shorter than 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// The message is complete.
    pub fn end(&mut self) {
        let length = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Ask that the last message be acknowledged even where it succeeds.
    pub fn acknowledge_last(&mut self) {
        self.bytes[self.start + 6] |= (NLM_F_ACK as u16).to_ne_bytes()[0];
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message as received.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The messages of a datagram; a torn one ends it.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = number(bytes, 0)? as usize;
        let kind = half(bytes, 4)?;
        let flags = half(bytes, 6)?;
        let sequence = number(bytes, 8)?;
        let body = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind,
            flags,
            sequence,
            body,
        })
    })
}

/// The attributes that follow, kinds without their flags; a torn one ends them.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = half(bytes, 0)? as usize;
        let kind = half(bytes, 2)? & libc::NLA_TYPE_MASK as u16;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A number of 32 bits at this offset.
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A number of 16 bits at this offset.
pub fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Text up to its final zero.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_attributes_read_as_they_were_written() {
        let mut buffer = Buffer::default();
        buffer.begin(16, 0x400, 7, &[1, 2, 3, 4, 5]);
        buffer.text(3, "eth0");
        buffer.nested(18, |b| b.number(1, 0x0102_0304));
        buffer.end();
        buffer.begin(17, 0, 8, &[]);
        buffer.end();
        buffer.acknowledge_last();
        let read: Vec<_> = messages(buffer.bytes()).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].flags, read[0].sequence), (16, 0x401, 7));
        let inner: Vec<_> = attributes(&read[0].body[8..]).collect();
        assert_eq!(inner[0], (3, &b"eth0\0"[..]));
        assert_eq!(inner[1].0, 18);
        assert_eq!(
            attributes(inner[1].1).collect::<Vec<_>>(),
            [(1, &0x0102_0304_u32.to_ne_bytes()[..])]
        );
        assert_eq!((read[1].kind, read[1].flags, read[1].sequence), (17, 0x5, 8));
        assert_eq!(read[1].body, b"");
    }

    #[test]
    fn torn_bytes_end_the_reading_and_never_panic() {
        let mut buffer = Buffer::default();
        buffer.begin(16, 0, 1, &[0; 4]);
        buffer.text(3, "eth0");
        buffer.end();
        for cut in 0..buffer.len() {
            assert_eq!(messages(&buffer.bytes()[..cut]).count(), 0);
        }
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0); // shorter than its own header
        assert_eq!(messages(&[0; 64]).count(), 0);
    }
}
