//! BGP messages as bytes (RFC 4271 section 4): what comes in is judged here, what goes out is written here.
//!
//! Nothing a peer sends makes this panic: it becomes a value, a verdict of RFC 7606, or a `NotificationError`. Begin at `update`.

pub mod as_path;
pub mod encode;
pub mod fast;
pub mod framing;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod reader;
pub mod refresh;
pub mod update;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use framing::{Framer, Message};
pub use notification::NotificationError;
pub use update::{
    AttributeBlock, EncodeError, EncodeOptions, ParseOptions, Update, Updates, encode_end_of_rib, encode_update_runs, encode_withdrawals,
};

/// Octets of a message's header (RFC 4271 section 4.1).
pub const HEADER_LENGTH: usize = 19;
/// Longest message without RFC 8654.
pub const MAX_MESSAGE: usize = 4096;
/// Longest message with RFC 8654.
pub const MAX_EXTENDED_MESSAGE: usize = 65535;

/// Type octets of the messages (RFC 4271 section 4.1, RFC 2918 section 3).
pub mod message_type {
    /// OPEN.
    pub const OPEN: u8 = 1;
    /// UPDATE.
    pub const UPDATE: u8 = 2;
    /// NOTIFICATION.
    pub const NOTIFICATION: u8 = 3;
    /// KEEPALIVE.
    pub const KEEPALIVE: u8 = 4;
    /// ROUTE-REFRESH.
    pub const ROUTE_REFRESH: u8 = 5;
}

/// A message of this type: marker, length, type, body. The body must fit in 65535 octets with its header.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LENGTH + body.len());
    begin(&mut out, kind);
    out.extend_from_slice(body);
    finish(&mut out, 0);
    out
}

/// Append a header whose length is still to come.
pub(crate) fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0xFF; 16]);
    out.extend_from_slice(&[0, 0, kind]);
    start
}

/// Write the length of the message that began at `start` and ends here.
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let length = u16::try_from(out.len() - start).expect("the caller bounds a message to 65535 octets");
    out[start + 16..start + 18].copy_from_slice(&length.to_be_bytes());
}

/// A KEEPALIVE (RFC 4271 section 4.4).
pub fn encode_keepalive() -> Vec<u8> {
    message(message_type::KEEPALIVE, &[])
}
