//! What each fuzzer does with its octets. A panic is a fault found; nothing here is built into what is shipped.
//!
//! `TARGETS` names them all: `fuzz_targets/` makes a libFuzzer program of each, `tests/corpus.rs` feeds each its corpus on any toolchain.
#![forbid(unsafe_code)]

pub mod fast;
pub mod framer;
pub mod notification;
pub mod open;
pub mod policy;
pub mod prefix;
pub mod refresh;
pub mod rib;
pub mod strict;
pub mod update;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("framer", framer::run),
    ("open", open::run),
    ("notification", notification::run),
    ("refresh", refresh::run),
    ("update", update::run),
    ("fast", fast::run),
    ("policy", policy::run),
    ("prefix", prefix::run),
    ("rib", rib::run),
];

/// A whole message of this type (RFC 4271 section 4.1).
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).expect("a target bounds its messages");
    [&[0xFF; 16], &length.to_be_bytes()[..], &[kind], body].concat()
}
