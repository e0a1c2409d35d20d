//! Where paths come from, and one path in the form in which policies judge it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::policy::{RouteClass, Tag};

/// The number that stands for ourselves among peers.
pub const OURSELVES: i32 = -1;

/// Where a path comes from: all that decision and policies ask of a peer. Shared by its paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The peer's number, or `OURSELVES`.
    pub peer: i32,
    /// Its AS number.
    pub asn: u32,
    /// Whether it is external; false for ourselves.
    pub ebgp: bool,
    /// Whether it is our route reflector client.
    pub client: bool,
    /// Whether its next hops can be used.
    pub usable: bool,
    /// For the rounds of the routing preference.
    pub class: RouteClass,
    /// Weight of its routes before rules.
    pub weight: u32,
    /// Its address; None for ourselves.
    pub address: Option<IpAddr>,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// What `from` compares with.
    pub tags: Vec<Tag>,
}

impl Source {
    /// Whether it is ourselves.
    pub fn is_own(&self) -> bool {
        self.peer == OURSELVES
    }
}

/// One path to one prefix, as policies see it.
#[derive(Clone, Debug)]
pub struct Path {
    /// Where it comes from.
    pub source: Arc<Source>,
    /// Its attributes after import.
    pub attributes: Arc<Attributes>,
    /// Its weight after import.
    pub weight: u32,
}

/// Sources by number. A peer whose facts change gets another one: what was told is judged by the former until all that hangs on it is done.
#[derive(Default)]
pub struct Sources {
    all: Vec<Option<Arc<Source>>>,
    /// By number, for those who ask for the peer alone.
    peers: Vec<i32>,
    free: Vec<u32>,
    retired: Vec<u32>,
}

impl Sources {
    /// Give a source a number.
    pub fn add(&mut self, source: Source) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.peers.push(OURSELVES);
            self.all.len() as u32 - 1
        });
        self.peers[id as usize] = source.peer;
        self.all[id as usize] = Some(Arc::new(source));
        id
    }

    /// The source of a number that is in use.
    pub fn get(&self, id: u32) -> &Arc<Source> {
        self.all[id as usize]
            .as_ref()
            .expect("a path's source is there as long as the path")
    }

    /// The peer of a source.
    pub fn peer(&self, id: u32) -> i32 {
        self.peers[id as usize]
    }

    /// Nothing is learned from it any more; it goes once `forget` is called.
    pub fn retire(&mut self, id: u32) {
        self.retired.push(id);
    }

    /// Forget those that were retired: no path has them any more.
    pub fn forget(&mut self) {
        for id in self.retired.drain(..) {
            self.all[id as usize] = None;
            self.free.push(id);
        }
    }
}
