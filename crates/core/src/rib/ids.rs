//! Sets of numbers of prefixes.

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
        let pages = self
            .pages
            .iter()
            .enumerate()
            .filter_map(|(n, page)| Some((n as u32, page.as_deref()?)));
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
