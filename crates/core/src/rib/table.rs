//! Prefixes by number, so that all else about them is columns: each prefix that somebody announced has one number as long as any path of it is there.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::prefix::Prefix;

/// The bit of keys that are places in `wide`.
const WIDE: u64 = 1 << 63;
const FREE: u64 = u64::MAX;

/// The numbers of prefixes.
#[derive(Default)]
pub struct Table {
    /// By number: an IPv4 prefix itself (`key_of`), or `WIDE` and the place of another one; `FREE`.
    keys: Vec<u64>,
    wide: Vec<Prefix>,
    free_wide: Vec<u32>,
    free: Vec<u32>,
    narrow_index: HashTable<u32>,
    wide_index: HashTable<u32>,
    hasher: RandomState,
}

/// An IPv4 prefix as its address, then its length in the lowest octet; None for another one.
pub fn key_of(prefix: &Prefix) -> Option<u64> {
    (prefix.version == 4).then_some((prefix.bits as u64) << 8 | u64::from(prefix.length))
}

fn prefix_of(key: u64) -> Prefix {
    Prefix {
        version: 4,
        bits: u128::from(key >> 8),
        length: key as u8,
    }
}

impl Table {
    /// How many prefixes have a number.
    pub fn len(&self) -> usize {
        self.keys.len() - self.free.len()
    }

    /// Every number is below this one.
    pub fn end(&self) -> u32 {
        self.keys.len() as u32
    }

    /// The number of an IPv4 prefix by its key.
    pub fn find_key(&self, key: u64) -> Option<u32> {
        let found = self.narrow_index.find(self.hasher.hash_one(key), |id| self.keys[*id as usize] == key);
        found.copied()
    }

    /// The number of a prefix.
    pub fn find(&self, prefix: &Prefix) -> Option<u32> {
        if let Some(key) = key_of(prefix) {
            return self.find_key(key);
        }
        let is_it = |id: &u32| self.wide[(self.keys[*id as usize] & !WIDE) as usize] == *prefix;
        self.wide_index.find(self.hasher.hash_one(prefix), is_it).copied()
    }

    /// The number of an IPv4 prefix by its key, a new one if need be.
    pub fn number_key(&mut self, key: u64) -> u32 {
        let hash = self.hasher.hash_one(key);
        let keys = &self.keys;
        if let Some(id) = self.narrow_index.find(hash, |id| keys[*id as usize] == key) {
            return *id;
        }
        let id = self.take(key);
        let (keys, hasher) = (&self.keys, &self.hasher);
        self.narrow_index
            .insert_unique(hash, id, |id| hasher.hash_one(keys[*id as usize]));
        id
    }

    /// The number of a prefix, a new one if need be.
    pub fn number(&mut self, prefix: &Prefix) -> u32 {
        if let Some(key) = key_of(prefix) {
            return self.number_key(key);
        }
        if let Some(id) = self.find(prefix) {
            return id;
        }
        let place = match self.free_wide.pop() {
            Some(place) => {
                self.wide[place as usize] = *prefix;
                place
            }
            None => {
                self.wide.push(*prefix);
                self.wide.len() as u32 - 1
            }
        };
        let id = self.take(WIDE | u64::from(place));
        let (keys, wide, hasher) = (&self.keys, &self.wide, &self.hasher);
        self.wide_index.insert_unique(hasher.hash_one(prefix), id, |id| {
            hasher.hash_one(wide[(keys[*id as usize] & !WIDE) as usize])
        });
        id
    }

    fn take(&mut self, key: u64) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.keys[id as usize] = key;
                id
            }
            None => {
                self.keys.push(key);
                self.keys.len() as u32 - 1
            }
        }
    }

    /// The prefix of a number that is in use.
    pub fn prefix(&self, id: u32) -> Prefix {
        let key = self.keys[id as usize];
        if key & WIDE == 0 {
            prefix_of(key)
        } else {
            self.wide[(key & !WIDE) as usize]
        }
    }

    /// IP version and length of the prefix of a number that is in use.
    pub fn shape(&self, id: u32) -> (u8, u8) {
        let key = self.keys[id as usize];
        if key & WIDE == 0 { (4, key as u8) } else { (6, self.prefix(id).length) }
    }

    /// The prefix needs its number no more.
    pub fn release(&mut self, id: u32) {
        let key = self.keys[id as usize];
        if key & WIDE == 0 {
            let hash = self.hasher.hash_one(key);
            if let Ok(entry) = self.narrow_index.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
        } else {
            let place = (key & !WIDE) as u32;
            let hash = self.hasher.hash_one(self.wide[place as usize]);
            if let Ok(entry) = self.wide_index.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
            self.free_wide.push(place);
        }
        self.keys[id as usize] = FREE;
        self.free.push(id);
    }

    /// Give memory back where all is gone.
    pub(super) fn shrink(&mut self) {
        if self.len() == 0 {
            *self = Self::default();
        }
    }

    /// All numbers in use, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.end()).filter(|id| self.keys[*id as usize] != FREE)
    }

    /// Of these numbers the prefixes, sorted, each with its number.
    pub fn sorted(&self, ids: impl Iterator<Item = u32>) -> Vec<(Prefix, u32)> {
        let mut all: Vec<(Prefix, u32)> = ids.map(|id| (self.prefix(id), id)).collect();
        all.sort_unstable();
        all
    }
}

const PAGE_WORDS: usize = 64;
const PAGE_BITS: u32 = 64 * PAGE_WORDS as u32;

/// A set of numbers of prefixes: bits on pages, and no page where no bit is.
#[derive(Default, Debug)]
pub struct IdSet {
    pages: Vec<Option<Box<[u64; PAGE_WORDS]>>>,
    count: usize,
}

impl IdSet {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it is one of them.
    pub fn contains(&self, id: u32) -> bool {
        let page = self.pages.get((id / PAGE_BITS) as usize).and_then(Option::as_ref);
        page.is_some_and(|page| page[(id % PAGE_BITS / 64) as usize] & 1 << (id % 64) != 0)
    }

    /// Put it in; whether it was not there.
    pub fn insert(&mut self, id: u32) -> bool {
        let page = (id / PAGE_BITS) as usize;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([0; PAGE_WORDS]));
        let word = &mut page[(id % PAGE_BITS / 64) as usize];
        let is_new = *word & 1 << (id % 64) == 0;
        *word |= 1 << (id % 64);
        self.count += usize::from(is_new);
        is_new
    }

    /// Take it out; whether it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(Some(page)) = self.pages.get_mut((id / PAGE_BITS) as usize) else {
            return false;
        };
        let word = &mut page[(id % PAGE_BITS / 64) as usize];
        let was_there = *word & 1 << (id % 64) != 0;
        *word &= !(1 << (id % 64));
        self.count -= usize::from(was_there);
        if self.count == 0 {
            self.pages = Vec::new();
        }
        was_there
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(n, page)| Some((n as u32, page.as_deref()?)));
        pages.flat_map(|(n, page)| {
            let words = page.iter().enumerate();
            words.flat_map(move |(w, word)| {
                let first = n * PAGE_BITS + 64 * w as u32;
                (0..64).filter(move |bit| word & 1 << bit != 0).map(move |bit| first + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_numbers_until_they_are_released() {
        let mut table = Table::default();
        let all: Vec<Prefix> = ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "10.0.0.0/9", "::/0"].map(|t| t.parse().unwrap()).to_vec();
        let ids: Vec<u32> = all.iter().map(|p| table.number(p)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4]);
        for (prefix, id) in all.iter().zip(&ids) {
            assert_eq!((table.find(prefix), table.prefix(*id)), (Some(*id), *prefix));
            assert_eq!((table.number(prefix), table.shape(*id)), (*id, (prefix.version, prefix.length)));
        }
        let sorted: Vec<Prefix> = table.sorted(table.ids()).into_iter().map(|(prefix, _)| prefix).collect();
        assert!(sorted.is_sorted() && sorted.len() == 5);
        table.release(0);
        table.release(2);
        assert_eq!((table.find(&all[0]), table.find(&all[2]), table.len()), (None, None, 3));
        assert_eq!(table.ids().collect::<Vec<_>>(), [1, 3, 4]);
        let new = table.number(&"fd01::/16".parse().unwrap());
        assert!(new == 0 || new == 2);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = IdSet::default();
        let all = [0, 63, 64, 4095, 4096, 1_000_000];
        assert!(all.iter().all(|id| set.insert(*id)) && !set.insert(64));
        assert_eq!((set.iter().collect::<Vec<_>>(), set.len()), (all.to_vec(), 6));
        assert!(set.contains(4096) && !set.contains(4097) && !set.contains(u32::MAX));
        assert!(all.iter().all(|id| set.remove(*id)) && !set.remove(0));
        assert!(set.is_empty() && set.pages.is_empty());
    }
}
