//! Numbers by the hash of what they stand for: open addressing with what is compared first beside each number.
//!
//! The hash itself is the place: entries stand in the order of their hashes, or a little after. So growing is one walk from one end to the other,
//! and a question mostly looks at one line of memory before it looks at the thing itself.

/// No number.
const EMPTY: u64 = u64::MAX;

/// Numbers below 2^32 - 1 by 32-bit hashes. Who asks compares the things.
#[derive(Default, Debug)]
pub struct Index {
    /// Hash in the upper half, number in the lower.
    entries: Vec<u64>,
    len: usize,
}

impl Index {
    /// Octets that an entry takes, between one that is nearly full and one that has just grown.
    pub const ENTRY: usize = 16;

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn place(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.entries.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.entries.len() { 0 } else { at + 1 }
    }

    /// The number of this hash for which it holds.
    pub fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let mut at = self.place(hash);
        loop {
            let entry = self.entries[at];
            if entry == EMPTY {
                return None;
            }
            if (entry >> 32) as u32 == hash && is_it(entry as u32) {
                return Some(entry as u32);
            }
            at = self.after(at);
        }
    }

    /// What stands where a hash has its place: a number that may be the one asked for. For who is going to ask, so that memory comes in time.
    pub fn peek(&self, hash: u32) -> Option<u32> {
        let entry = *self.entries.get(self.place(hash))?;
        (entry != EMPTY).then_some(entry as u32)
    }

    /// Put in a number that is not there.
    pub fn insert(&mut self, hash: u32, number: u32) {
        if self.len + 1 > self.entries.len() / 4 * 3 {
            self.resize(self.len * 2 + 16);
        }
        self.place_in((u64::from(hash) << 32) | u64::from(number));
        self.len += 1;
    }

    fn place_in(&mut self, entry: u64) {
        let mut at = self.place((entry >> 32) as u32);
        while self.entries[at] != EMPTY {
            at = self.after(at);
        }
        self.entries[at] = entry;
    }

    fn resize(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; size]);
        for entry in old {
            if entry != EMPTY {
                self.place_in(entry);
            }
        }
    }

    /// Take out a number of this hash; whether it was there.
    pub fn remove(&mut self, hash: u32, number: u32) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let wanted = (u64::from(hash) << 32) | u64::from(number);
        let mut at = self.place(hash);
        while self.entries[at] != wanted {
            if self.entries[at] == EMPTY {
                return false;
            }
            at = self.after(at);
        }
        self.close(at);
        self.len -= 1;
        true
    }

    /// Those after a gap that were pushed over it move back.
    fn close(&mut self, mut gap: usize) {
        let size = self.entries.len();
        let mut at = self.after(gap);
        while self.entries[at] != EMPTY {
            let home = self.place((self.entries[at] >> 32) as u32);
            // How far it is from its place, and from the gap, both round the end.
            if (at + size - home) % size >= (at + size - gap) % size {
                self.entries[gap] = self.entries[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.entries[gap] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((any::<bool>(), 0u32..40, any::<bool>()), 0..400)) {
            let (mut index, mut map) = (Index::default(), BTreeMap::new());
            for (is_new, number, is_low) in steps {
                // Few hashes, some at the very end, so that entries push each other around.
                let hash = if is_low { number % 3 } else { u32::MAX - number % 5 };
                if is_new {
                    if map.insert((hash, number), ()).is_none() {
                        index.insert(hash, number);
                    }
                } else {
                    prop_assert_eq!(index.remove(hash, number), map.remove(&(hash, number)).is_some());
                }
                prop_assert_eq!(index.len(), map.len());
                for number in 0..40 {
                    for hash in [number % 3, u32::MAX - number % 5] {
                        prop_assert_eq!(index.find(hash, |other| other == number).is_some(), map.contains_key(&(hash, number)));
                    }
                }
            }
        }
    }

    #[test]
    fn it_grows() {
        let mut index = Index::default();
        for number in 0..100_000u32 {
            index.insert(number.wrapping_mul(2_654_435_769), number);
        }
        assert!((0..100_000u32).all(|number| index.find(number.wrapping_mul(2_654_435_769), |other| other == number) == Some(number)));
    }
}
