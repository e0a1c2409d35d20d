//! Linux as the live network needs it: network namespaces, and a small rtnetlink writer for links, addresses, neighbors, nexthop objects and
//! routes in bulk. Nothing here knows the network of dualhome.
//!
//! `message` makes bytes and reads them, `socket` sends batches and dumps, `namespace` holds the handle; `links`, `addresses` and `routes` say what is
//! sent, `dump` what is read back. Begin with `namespace::Namespace`.

pub mod addresses;
pub mod dump;
pub mod error;
pub mod links;
pub mod message;
pub mod namespace;
pub mod routes;
pub mod socket;

pub use error::{Error, Failure, Result};
pub use namespace::Namespace;
