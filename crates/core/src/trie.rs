//! Longest match: a path-compressed binary trie in one vector, about 48 bytes a prefix and at most one joint beside each.

use crate::prefix::{Prefix, width};

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node<T> {
    prefix: Prefix,
    value: Option<T>,
    /// What lies beneath, by the first bit after the prefix.
    children: [u32; 2],
}

/// From prefixes of both IP versions to values.
#[derive(Clone, Debug)]
pub struct Trie<T> {
    nodes: Vec<Node<T>>,
    /// For IPv4 and IPv6.
    roots: [u32; 2],
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            roots: [NONE; 2],
        }
    }
}

/// The bit of an address at this place, the first being 0.
fn bit(prefix: &Prefix, place: u8) -> usize {
    (prefix.bits >> (width(prefix.version) - 1 - place) & 1) as usize
}

/// The longest prefix that contains both, which are of one version.
fn joint(a: &Prefix, b: &Prefix) -> Prefix {
    let unused = 128 - width(a.version);
    let common = ((a.bits ^ b.bits) << unused).leading_zeros() as u8;
    Prefix::new(a.version, a.bits, common.min(a.length).min(b.length))
}

impl<T> Trie<T> {
    /// Put a value at a prefix; a former one goes.
    pub fn insert(&mut self, prefix: Prefix, value: T) {
        let root = usize::from(prefix.version != 4);
        let mut place: Option<(usize, usize)> = None;
        loop {
            let at = match place {
                None => self.roots[root],
                Some((node, side)) => self.nodes[node].children[side],
            };
            let Some(found) = self.nodes.get(at as usize).map(|node| node.prefix) else {
                let new = self.push(prefix, Some(value));
                return self.link(root, place, new);
            };
            if found == prefix {
                self.nodes[at as usize].value = Some(value);
                return;
            }
            if found.contains(&prefix) {
                place = Some((at as usize, bit(&prefix, found.length)));
                continue;
            }
            let above = joint(&found, &prefix);
            let new = if above == prefix {
                self.push(prefix, Some(value))
            } else {
                let leaf = self.push(prefix, Some(value));
                let new = self.push(above, None);
                self.nodes[new as usize].children[bit(&prefix, above.length)] = leaf;
                new
            };
            self.nodes[new as usize].children[bit(&found, above.length)] = at;
            return self.link(root, place, new);
        }
    }

    /// The longest prefix that covers the address, with its value.
    pub fn lookup(&self, version: u8, bits: u128) -> Option<(Prefix, &T)> {
        let host = Prefix::new(version, bits, width(version));
        let mut at = self.roots[usize::from(version != 4)];
        let mut best = None;
        while let Some(node) = self.nodes.get(at as usize) {
            if !node.prefix.contains(&host) {
                break;
            }
            if let Some(value) = &node.value {
                best = Some((node.prefix, value));
            }
            if node.prefix.length == host.length {
                break;
            }
            at = node.children[bit(&host, node.prefix.length)];
        }
        best
    }

    fn push(&mut self, prefix: Prefix, value: Option<T>) -> u32 {
        self.nodes.push(Node {
            prefix,
            value,
            children: [NONE; 2],
        });
        (self.nodes.len() - 1) as u32
    }

    fn link(&mut self, root: usize, place: Option<(usize, usize)>, node: u32) {
        match place {
            None => self.roots[root] = node,
            Some((above, side)) => self.nodes[above].children[side] = node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_wins_and_the_last_put_stays() {
        let mut trie = Trie::default();
        for (i, text) in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.1.0.0/16", "fd00::/8"]
            .iter()
            .enumerate()
        {
            trie.insert(text.parse().unwrap(), i);
        }
        let find = |text: &str| {
            let prefix: Prefix = text.parse().unwrap();
            trie.lookup(prefix.version, prefix.bits).map(|(p, v)| (p.to_string(), *v))
        };
        assert_eq!(find("10.1.2.3/32"), Some(("10.1.2.3/32".into(), 3)));
        assert_eq!(find("10.1.2.4/32"), Some(("10.1.0.0/16".into(), 4)));
        assert_eq!(find("10.2.0.0/32"), Some(("10.0.0.0/8".into(), 1)));
        assert_eq!(find("192.0.2.1/32"), Some(("0.0.0.0/0".into(), 0)));
        assert_eq!(find("fd00::1/128"), Some(("fd00::/8".into(), 5)));
        assert_eq!(find("fe00::1/128"), None);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_search_through_all_finds(rows in prop::collection::vec((any::<u16>(), 0u8..=32), 0..60), address in any::<u16>()) {
            let address = u128::from(address) << 12;
            let prefixes: Vec<Prefix> = rows.iter().map(|(bits, length)| Prefix::new(4, u128::from(*bits) << 12, *length)).collect();
            let mut trie = Trie::default();
            for prefix in &prefixes {
                trie.insert(*prefix, *prefix);
            }
            let host = Prefix::new(4, address, 32);
            let expected = prefixes.iter().filter(|p| p.contains(&host)).max_by_key(|p| p.length).copied();
            prop_assert_eq!(trie.lookup(4, address).map(|(_, p)| *p), expected);
        }
    }
}
