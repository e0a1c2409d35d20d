//! The BGP core of dualhome: wire format, RIBs, decision process, policy. Plain Rust, no I/O, no clock.
//!
//! Bytes go in and come out (`wire`); begin reading at `wire::update` and `attributes`.
#![forbid(unsafe_code)]

pub mod attributes;
pub mod block;
pub mod index;
pub mod policy;
pub mod prefix;
pub mod rib;
pub mod trie;
pub mod wire;
