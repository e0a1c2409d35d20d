//! Cutting a byte stream into messages (RFC 4271 sections 4.1 and 6.1, RFC 8654).

use super::notification::{NotificationError, code};
use super::{HEADER_LENGTH, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, message_type};

/// What the framer hands out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// One or more UPDATEs in a row, whole, with their headers.
    Updates(Vec<u8>),
    /// Any other message: its type and its body without header.
    Other(u8, Vec<u8>),
}

/// Cuts the bytes of one transport into messages, however they arrive.
#[derive(Default, Debug)]
pub struct Framer {
    /// The beginning of a message that is not complete yet.
    partial: Vec<u8>,
    extended: bool,
    failed: bool,
}

impl Framer {
    /// For a new transport.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on messages up to 65535 octets are fine, but OPEN and KEEPALIVE (RFC 8654 section 4).
    pub fn extend(&mut self) {
        self.extended = true;
    }

    /// The messages that are complete now, and what is wrong with the one after them. After an error there is nothing more.
    pub fn feed(&mut self, data: &[u8]) -> (Vec<Message>, Option<NotificationError>) {
        if self.failed {
            return (Vec::new(), None);
        }
        if self.partial.is_empty() {
            let (messages, used, error) = cut(data, self.extended);
            self.partial = data[used..].to_vec();
            return self.done(messages, error);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(data);
        let (messages, used, error) = cut(&joined, self.extended);
        joined.drain(..used);
        self.partial = joined;
        self.done(messages, error)
    }

    fn done(&mut self, messages: Vec<Message>, error: Option<NotificationError>) -> (Vec<Message>, Option<NotificationError>) {
        if error.is_some() {
            self.failed = true;
            self.partial = Vec::new();
        }
        (messages, error)
    }
}

/// The complete messages at the beginning, how many octets they take, and the error in the header after them.
fn cut(data: &[u8], extended: bool) -> (Vec<Message>, usize, Option<NotificationError>) {
    let mut messages = Vec::new();
    let mut at = 0;
    let mut updates_from = None;
    let mut error = None;
    loop {
        let rest = &data[at..];
        let (kind, length) = match header(rest, extended) {
            Ok(Some(found)) if found.1 <= rest.len() => found,
            Ok(_) => break,
            Err(wrong) => {
                error = Some(wrong);
                break;
            }
        };
        if kind == message_type::UPDATE {
            updates_from.get_or_insert(at);
        } else {
            messages.extend(updates_from.take().map(|from| Message::Updates(data[from..at].to_vec())));
            messages.push(Message::Other(kind, rest[HEADER_LENGTH..length].to_vec()));
        }
        at += length;
    }
    messages.extend(updates_from.map(|from| Message::Updates(data[from..at].to_vec())));
    (messages, at, error)
}

/// Type and length in octets of the message that begins here; None where its header is not complete.
///
/// Source: RFC 4271 section 6.1.
pub fn header(data: &[u8], extended: bool) -> Result<Option<(u8, usize)>, NotificationError> {
    let Some((header, _)) = data.split_first_chunk::<HEADER_LENGTH>() else {
        return Ok(None);
    };
    let [marker @ .., high, low, kind] = header;
    if *marker != [0xFF; 16] {
        return Err(NotificationError::new(
            code::HEADER,
            code::NOT_SYNCHRONIZED,
            [],
            "marker is not all ones",
        ));
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (shortest, longest) = match *kind {
        message_type::OPEN => (29, MAX_MESSAGE),
        message_type::UPDATE => (23, longest(extended)),
        message_type::NOTIFICATION => (21, longest(extended)),
        message_type::KEEPALIVE => (HEADER_LENGTH, HEADER_LENGTH),
        // Its exact length is judged with its body, as the error is its own (RFC 7313 section 5).
        message_type::ROUTE_REFRESH => (HEADER_LENGTH, longest(extended)),
        _ => (HEADER_LENGTH, longest(extended)),
    };
    if length < shortest || length > longest {
        let reason = format!("message of type {kind} has length {length} (allowed: {shortest} to {longest})");
        return Err(NotificationError::new(code::HEADER, code::BAD_LENGTH, [*high, *low], reason));
    }
    if !(message_type::OPEN..=message_type::ROUTE_REFRESH).contains(kind) {
        return Err(NotificationError::new(
            code::HEADER,
            code::BAD_TYPE,
            [*kind],
            format!("unknown message type {kind}"),
        ));
    }
    Ok(Some((*kind, length)))
}

/// How many messages there are in a run of whole ones.
pub fn count(messages: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some([high, low]) = messages.get(at + 16..at + 18) {
        at += usize::from(u16::from_be_bytes([*high, *low])).max(HEADER_LENGTH);
        count += 1;
    }
    count
}

fn longest(extended: bool) -> usize {
    if extended { MAX_EXTENDED_MESSAGE } else { MAX_MESSAGE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{encode_keepalive, message};

    fn raw(length: u16, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0xFF; 16];
        bytes.extend(length.to_be_bytes());
        bytes.push(kind);
        bytes
    }

    fn stream() -> (Vec<u8>, Vec<Message>) {
        let update = message(2, &[0, 0, 0, 0]);
        let bytes = [
            encode_keepalive(),
            update.clone(),
            update.clone(),
            message(5, &[0, 1, 0, 1]),
            update.clone(),
        ];
        let messages = vec![
            Message::Other(4, vec![]),
            Message::Updates([&update[..], &update[..]].concat()),
            Message::Other(5, vec![0, 1, 0, 1]),
            Message::Updates(update),
        ];
        (bytes.concat(), messages)
    }

    #[test]
    fn a_stream_is_cut_whole() {
        let (bytes, messages) = stream();
        assert_eq!(Framer::new().feed(&bytes), (messages, None));
    }

    #[test]
    fn a_stream_is_cut_anywhere() {
        let (bytes, messages) = stream();
        let flat = |messages: Vec<Message>| -> Vec<u8> {
            messages
                .into_iter()
                .flat_map(|m| match m {
                    Message::Updates(octets) => octets,
                    Message::Other(kind, body) => message(kind, &body),
                })
                .collect()
        };
        for step in 1..bytes.len() {
            let mut framer = Framer::new();
            let mut got = Vec::new();
            for part in bytes.chunks(step) {
                let (some, error) = framer.feed(part);
                assert_eq!(error, None);
                got.extend(some);
            }
            assert_eq!(flat(got), flat(messages.clone()), "step {step}");
        }
    }

    #[test]
    fn headers_are_judged_by_section_6_1() {
        let mut unsynchronized = raw(19, 4);
        unsynchronized[7] = 0;
        let table: [(Vec<u8>, u8, Vec<u8>); 9] = [
            (unsynchronized, 1, vec![]),
            (raw(18, 4), 2, vec![0, 18]),
            (raw(20, 4), 2, vec![0, 20]),
            (raw(4097, 2), 2, vec![0x10, 0x01]),
            (raw(28, 1), 2, vec![0, 28]),
            (raw(22, 2), 2, vec![0, 22]),
            (raw(20, 3), 2, vec![0, 20]),
            (raw(19, 6), 3, vec![6]),
            (raw(19, 0), 3, vec![0]),
        ];
        for (bytes, subcode, data) in table {
            let mut framer = Framer::new();
            let (messages, error) = framer.feed(&[encode_keepalive(), bytes].concat());
            assert_eq!(messages, [Message::Other(4, vec![])]);
            let error = error.unwrap();
            assert_eq!((error.code, error.subcode, error.data), (1, subcode, data));
            assert_eq!(framer.feed(&encode_keepalive()), (vec![], None));
        }
    }

    #[test]
    fn extended_messages_are_for_update_notification_and_refresh() {
        let mut framer = Framer::new();
        framer.extend();
        assert_eq!(framer.feed(&raw(65535, 2)), (vec![], None));
        for kind in [1, 4] {
            let mut framer = Framer::new();
            framer.extend();
            assert_eq!(framer.feed(&raw(4097, kind)).1.unwrap().subcode, 2);
        }
    }
}
