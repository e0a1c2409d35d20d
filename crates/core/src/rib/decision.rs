//! The decision process: rounds of removal (RFC 4271 section 9.1.2.2), with Azure's routing preference as rounds of its own (R107, R108, D12).
//!
//! Every loser knows its round. The slow form that this is compared with is `tests/reference/decision.py`.

use std::cmp::Reverse;
use std::net::Ipv4Addr;

use smallvec::SmallVec;

use super::source::Source;
use crate::block::{Head, has};
use crate::policy::RouteClass;

/// One path as the rounds see it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Where it comes from.
    pub source: &'a Source,
    /// Its attributes after import.
    pub head: &'a Head,
    /// Its weight after import.
    pub weight: u32,
}

/// Few paths stand beside each other.
type Few<T> = SmallVec<[T; 12]>;

/// One round: some stay, the others have lost in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// Next hops that can't be used go, even the last (RFC 4271 section 9.1.2.1).
    NextHop,
    /// The class that the routing preference names, if any route is of it (R107).
    Preference,
    /// Highest weight.
    Weight,
    /// Highest LOCAL_PREF (RFC 4271 section 9.1.1).
    LocalPreference,
    /// Own routes, if there are any.
    Own,
    /// Shortest AS_PATH (RFC 4271 section 9.1.2.2 a).
    AsPath,
    /// Under preference ASPath ExpressRoute goes before others (D12).
    PreferenceTie,
    /// Lowest ORIGIN (RFC 4271 section 9.1.2.2 b).
    Origin,
    /// Lowest MED within each neighboring AS (RFC 4271 section 9.1.2.2 c).
    Med,
    /// Lowest MED, whatever the neighboring AS.
    MedOfAny,
    /// eBGP before iBGP (RFC 4271 section 9.1.2.2 d).
    Ebgp,
    /// Lowest router ID or ORIGINATOR_ID (RFC 4271 section 9.1.2.2 f, RFC 4456 section 9).
    RouterId,
    /// Shortest CLUSTER_LIST (RFC 4456 section 9).
    ClusterList,
    /// Lowest address of the peer (RFC 4271 section 9.1.2.2 g).
    PeerAddress,
    /// Lowest number of the peer.
    Peer,
}

const ROUNDS: [(Round, &str); 15] = [
    (Round::NextHop, "next-hop"),
    (Round::Preference, "preference"),
    (Round::Weight, "weight"),
    (Round::LocalPreference, "local-preference"),
    (Round::Own, "self"),
    (Round::AsPath, "as-path"),
    (Round::PreferenceTie, "preference-tie"),
    (Round::Origin, "origin"),
    (Round::Med, "med"),
    (Round::MedOfAny, "med-of-any"),
    (Round::Ebgp, "ebgp"),
    (Round::RouterId, "router-id"),
    (Round::ClusterList, "cluster-list"),
    (Round::PeerAddress, "peer-address"),
    (Round::Peer, "peer"),
];

impl Round {
    /// As in `rounds` and `lost_in`.
    pub fn name(self) -> &'static str {
        ROUNDS.iter().find(|(round, _)| *round == self).map_or("", |(_, name)| name)
    }
}

/// Azure's routing preference (R107).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preference {
    /// ExpressRoute first.
    ExpressRoute,
    /// VPN and appliances first.
    VpnGateway,
    /// No class first; but ExpressRoute among equals (D12).
    AsPath,
}

/// The rounds of one speaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    rounds: Vec<Round>,
    /// Where the tie-breakers begin.
    bar: usize,
    preference: Preference,
    /// The most paths of a multipath set.
    multipath: usize,
    /// Multipath only among routes of the best one's neighboring AS ("|=").
    same_neighbor: bool,
}

/// What was decided; numbers are places in the list of paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// None where no next hop can be used.
    pub best: Option<usize>,
    /// The multipath set, ascending.
    pub equal: Few<usize>,
    /// Of each path the number of the round in which it lost; `usize::MAX` for the best.
    lost: Few<usize>,
}

impl Decision {
    /// From names; without "|" the best route alone is the multipath set, with "|=" it holds only routes of the best one's neighboring AS. The last round is "peer", named or not.
    pub fn new<S: AsRef<str>>(rounds: &[S], preference: &str, multipath: usize) -> Result<Self, String> {
        let preference = match preference {
            "ExpressRoute" => Preference::ExpressRoute,
            "VpnGateway" => Preference::VpnGateway,
            "ASPath" => Preference::AsPath,
            other => return Err(format!("preference '{other}' is none of ExpressRoute, VpnGateway, ASPath")),
        };
        let (mut parsed, mut bar, mut same_neighbor) = (Vec::new(), None, false);
        for name in rounds.iter().map(AsRef::as_ref) {
            if name == "|" || name == "|=" {
                same_neighbor = name == "|=";
                if bar.replace(parsed.len()).is_some() {
                    return Err("rounds: '|' stands there twice".into());
                }
                continue;
            }
            let round = ROUNDS.iter().find(|(_, n)| *n == name).map(|(round, _)| *round);
            let round = round.ok_or_else(|| format!("rounds: no round '{name}'"))?;
            if parsed.contains(&round) {
                return Err(format!("rounds: '{name}' stands there twice"));
            }
            parsed.push(round);
        }
        if parsed.last() != Some(&Round::Peer) {
            parsed.retain(|round| *round != Round::Peer);
            parsed.push(Round::Peer);
        }
        if multipath == 0 {
            return Err("multipath must be 1 or more".into());
        }
        Ok(Self {
            bar: bar.unwrap_or(parsed.len()),
            rounds: parsed,
            preference,
            multipath,
            same_neighbor,
        })
    }

    /// Whether `rank` says anything: what can't be used goes before anything else.
    pub fn ranks(&self) -> bool {
        self.rounds.first() == Some(&Round::NextHop)
    }

    /// The greatest multipath set.
    pub fn multipath(&self) -> usize {
        self.multipath
    }

    /// How a path stands in the rounds before the first one that looks at several paths together: of two paths the one with the lower rank goes before
    /// the other whatever others there are; of equal ranks nothing is known. u64::MAX for one that can't be used.
    ///
    /// Greater weights than 65535 and paths of more than 1023 hops are of one rank each.
    pub fn rank(&self, path: &Candidate<'_>) -> u64 {
        if !path.source.usable {
            return u64::MAX;
        }
        let mut rank = 0u64;
        for round in self.rounds.iter().take(self.bar) {
            let (bits, value) = match round {
                Round::NextHop => continue,
                Round::Preference => match self.preference {
                    Preference::ExpressRoute => (1, u64::from(!(path.source.is_own() || is_er(path)))),
                    Preference::VpnGateway => (1, u64::from(!path.source.is_own() && is_er(path))),
                    Preference::AsPath => continue,
                },
                Round::PreferenceTie if self.preference != Preference::AsPath => continue,
                Round::Weight => (16, 0xFFFF - u64::from(path.weight.min(0xFFFF))),
                Round::LocalPreference => (32, u64::from(u32::MAX - path.head.local_preference)),
                Round::Own => (1, u64::from(!path.source.is_own())),
                Round::AsPath => (10, u64::from(path.head.path_length.min(0x3FF))),
                Round::Origin => (2, path.head.origin as u64),
                _ => break,
            };
            rank = rank << bits | value;
        }
        rank
    }

    /// The paths are of one destination, by peer.
    pub fn decide(&self, paths: &[Candidate<'_>]) -> Chosen {
        if let [only] = paths {
            let lost = self.rounds.iter().position(|r| *r == Round::NextHop && !only.source.usable);
            return Chosen {
                best: if lost.is_none() { Some(0) } else { None },
                equal: if lost.is_none() { Few::from_slice(&[0]) } else { Few::new() },
                lost: Few::from_slice(&[lost.unwrap_or(usize::MAX)]),
            };
        }
        let mut lost: Few<usize> = SmallVec::from_elem(usize::MAX, paths.len());
        let mut alive: Few<usize> = (0..paths.len()).collect();
        let mut equal = Few::new();
        for (number, round) in self.rounds.iter().enumerate() {
            if number == self.bar {
                equal.clone_from(&alive);
            }
            self.remove(*round, paths, &mut alive, &mut lost, number);
            if *round == Round::NextHop {
                equal.retain(|i| alive.contains(i)); // Wherever the round stands, no packet goes by what can't be used.
            }
        }
        if self.bar >= self.rounds.len() {
            equal.clone_from(&alive);
        }
        let mut chosen = Chosen {
            best: alive.first().copied(),
            equal,
            lost,
        };
        if let (true, Some(best)) = (self.same_neighbor, chosen.best) {
            chosen.equal.retain(|i| neighbor_as(&paths[*i]) == neighbor_as(&paths[best]));
        }
        if chosen.equal.len() > self.multipath {
            chosen.equal = chosen.order().into();
            chosen.equal.truncate(self.multipath);
            chosen.equal.sort_unstable();
        }
        chosen
    }

    /// The name of the round in which a path lost; None for the best.
    pub fn lost_in(&self, chosen: &Chosen, place: usize) -> Option<&'static str> {
        let number = *chosen.lost.get(place)?;
        self.rounds.get(number).map(|round| round.name())
    }

    fn remove(&self, round: Round, paths: &[Candidate<'_>], alive: &mut Few<usize>, lost: &mut [usize], number: usize) {
        if alive.len() < 2 && round != Round::NextHop {
            return;
        }
        match round {
            Round::NextHop => keep_where(paths, alive, lost, number, |p| p.source.usable),
            Round::Preference => match self.preference {
                Preference::ExpressRoute => keep_any(paths, alive, lost, number, |p| p.source.is_own() || is_er(p)),
                Preference::VpnGateway => keep_any(paths, alive, lost, number, |p| p.source.is_own() || !is_er(p)),
                Preference::AsPath => {}
            },
            Round::PreferenceTie => {
                if self.preference == Preference::AsPath && alive.iter().any(|i| !paths[*i].source.is_own() && is_er(&paths[*i])) {
                    keep_any(paths, alive, lost, number, |p| p.source.is_own() || is_er(p));
                }
            }
            Round::Own => keep_any(paths, alive, lost, number, |p| p.source.is_own()),
            Round::Weight => keep_least(paths, alive, lost, number, |p| Reverse(p.weight)),
            Round::LocalPreference => keep_least(paths, alive, lost, number, |p| Reverse(p.head.local_preference)),
            Round::AsPath => keep_least(paths, alive, lost, number, |p| p.head.path_length),
            Round::Origin => keep_least(paths, alive, lost, number, |p| p.head.origin),
            Round::Med => {
                let least: Few<(u32, u32)> = alive
                    .iter()
                    .filter_map(|i| Some((neighbor_as(&paths[*i])?, med(&paths[*i]))))
                    .collect();
                keep_where(paths, alive, lost, number, |p| match neighbor_as(p) {
                    Some(asn) => least.iter().all(|(other, m)| *other != asn || med(p) <= *m),
                    None => true,
                });
            }
            Round::MedOfAny => keep_least(paths, alive, lost, number, med),
            Round::Ebgp => keep_any(paths, alive, lost, number, |p| p.source.ebgp || p.source.is_own()),
            Round::RouterId => keep_least(paths, alive, lost, number, |p| {
                if p.head.has(has::ORIGINATOR) {
                    Ipv4Addr::from(p.head.originator)
                } else {
                    p.source.router_id
                }
            }),
            Round::ClusterList => keep_least(paths, alive, lost, number, |p| p.head.cluster_length),
            Round::PeerAddress => keep_least(paths, alive, lost, number, |p| p.source.address),
            Round::Peer => keep_least(paths, alive, lost, number, |p| p.source.peer),
        }
    }
}

impl Chosen {
    /// The best first, then in the order in which they lost, the latest first; of one round by peer.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.lost.len()).collect();
        order.sort_by_key(|i| (Reverse(self.lost[*i]), *i));
        order
    }
}

fn is_er(path: &Candidate<'_>) -> bool {
    path.source.class == RouteClass::Er
}

fn med(path: &Candidate<'_>) -> u32 {
    path.head.med
}

/// The AS that a MED speaks for; None for own routes, which are not compared.
///
/// A path that begins with no sequence was made by the peer: an external one's AS, or our own (RFC 4271 section 9.1.2.2 c).
fn neighbor_as(path: &Candidate<'_>) -> Option<u32> {
    if path.source.is_own() {
        return None;
    }
    Some(if path.head.neighbor_as == 0 {
        path.source.asn
    } else {
        path.head.neighbor_as
    })
}

/// Those for which it holds stay, if there are any.
fn keep_any(paths: &[Candidate<'_>], alive: &mut Few<usize>, lost: &mut [usize], number: usize, stays: impl Fn(&Candidate<'_>) -> bool) {
    keep_least(paths, alive, lost, number, |path| !stays(path));
}

/// Those with the least key stay.
fn keep_least<K: Ord>(
    paths: &[Candidate<'_>],
    alive: &mut Few<usize>,
    lost: &mut [usize],
    number: usize,
    key: impl Fn(&Candidate<'_>) -> K,
) {
    if let Some(least) = alive.iter().map(|i| key(&paths[*i])).min() {
        keep_where(paths, alive, lost, number, |path| key(path) == least);
    }
}

/// Those for which it holds stay, be it none.
fn keep_where(paths: &[Candidate<'_>], alive: &mut Few<usize>, lost: &mut [usize], number: usize, stays: impl Fn(&Candidate<'_>) -> bool) {
    alive.retain(|i| {
        let stays = stays(&paths[*i]);
        if !stays {
            lost[*i] = number;
        }
        stays
    });
}
