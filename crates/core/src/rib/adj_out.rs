//! Adj-RIB-Out by update groups: peers that are told the same share one encoded stream, and no table.
//!
//! ```text
//!   Loc-RIB changes ──> Group::update ──> chunks in a log, each with those who are to read it
//!                                           ^       ^
//!                                         cursor  cursor of each peer that keeps up (stream.rs)
//!   Loc-RIB ──> Judge::entry ──> prefixes still owed to each peer that does not
//! ```
//!
//! What is told of a prefix is a function of its best route (and the second best, for its sender), so it is worked out anew wherever it is asked for, of
//! the former best route too. Only a group whose policy makes summaries keeps a table: there several routes meet in one prefix.
//!
//! Split horizon is within a group: a route's source is told another one (a summary of others' routes, or the second best where its policy says so), or
//! nothing. So when a best route moves from peer A to peer B, A is told
//! the new one and B is told that the old one is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::export::{Audience, Identity, TOO_LONG, export};
use super::loc::{Decided, Loc, Slot, Undo};
use super::source::{OURSELVES, Sources};
use super::stream::{Cursor, Log, Old, Readers, Runs, Snapshot};
use crate::block::{Block, Blocks, Marks, has};
use crate::policy::{NextHopMode, OwnBest};
use crate::prefix::Prefix;

/// What is told of a prefix, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// As on the wire.
    pub block: Block,
    /// Split horizon: not told to this peer.
    pub peer: i32,
    /// Number of its source.
    pub source: u32,
}

/// What is told of one prefix.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where the first comes from.
    pub peer: i32,
    /// Number of its source.
    pub source: u32,
    /// Told to all but that peer.
    pub primary: Option<Out>,
    /// Told to that peer: a summary's first contributor from elsewhere, or the second best.
    pub secondary: Option<Out>,
}

/// What a peer is told of an entry.
pub fn view(entry: Option<&Entry>, peer: i32) -> Option<&Out> {
    let entry = entry?;
    let out = if entry.peer == peer { &entry.secondary } else { &entry.primary };
    out.as_ref()
}

/// Whether two views are one on the wire.
pub fn is_told_alike(a: Option<&Out>, b: Option<&Out>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.block == b.block,
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// What is needed to work out what is told; for one round, as it remembers results.
pub struct Judge<'a> {
    /// To whom.
    pub audience: &'a Audience,
    /// Of which routes; new attributes come in.
    pub loc: &'a mut Loc,
    /// Who we are.
    pub us: &'a Identity,
    known: FxHashMap<Key, Option<Block>>,
    /// The last of them: mostly it is asked for again.
    last: Option<(Key, Option<Block>)>,
    is_verbatim: bool,
    needs_prefix: bool,
    /// How many routes no message of the audience's sessions can hold.
    too_long: u64,
}

/// Attributes, source, IP version.
type Key = (Block, u32, u8);

impl<'a> Judge<'a> {
    /// For one round.
    pub fn new(audience: &'a Audience, loc: &'a mut Loc, us: &'a Identity) -> Self {
        Self {
            is_verbatim: is_verbatim(audience),
            needs_prefix: audience.needs_prefix(),
            too_long: 0,
            audience,
            loc,
            us,
            known: FxHashMap::default(),
            last: None,
        }
    }

    /// What is told of a path to a prefix under that prefix.
    fn out(&mut self, id: u32, slot: Slot) -> Option<Out> {
        let block = if self.needs_prefix {
            self.by_prefix(id, slot)
        } else {
            self.plain(id, slot)
        };
        Some(Out {
            block: block?,
            peer: self.loc.sources.peer(slot.source),
            source: slot.source,
        })
    }

    fn by_prefix(&mut self, id: u32, slot: Slot) -> Option<Block> {
        let routes = export(self.loc.prefix(id), &self.loc.path(&slot), self.audience, self.us, &mut None);
        let routes = routes.inspect_err(|why| self.too_long += u64::from(why.reason == TOO_LONG)).ok()?;
        let route = routes.into_iter().find(|route| !route.summary)?;
        Some(self.loc.blocks.of(&route.attributes))
    }

    /// Where results don't hang on the prefix.
    fn plain(&mut self, id: u32, slot: Slot) -> Option<Block> {
        let (version, _) = self.loc.shape(id);
        let key = (self.loc.block(&slot), slot.source, version);
        if let Some((last, told)) = self.last
            && last == key
        {
            return told;
        }
        let told = if self.is_verbatim && self.goes_verbatim(slot, version) {
            Some(key.0)
        } else if let Some(told) = self.known.get(&key) {
            *told
        } else {
            let told = self.by_prefix(id, slot);
            self.known.insert(key, told);
            told
        };
        self.last = Some((key, told));
        told
    }

    /// Whether a verbatim audience is told a path as it is: `export` would say the same.
    fn goes_verbatim(&self, slot: Slot, version: u8) -> bool {
        let block = self.loc.block(&slot);
        let (head, session) = (self.loc.blocks.head(block), &self.audience.session);
        let is_agreed = if version == 4 { session.ipv4 } else { session.ipv6 };
        is_agreed
            && head.next_hop.is_ipv4() == (version == 4)
            && !head.has(has::INTERNAL | has::WELL_KNOWN | has::OTHERS)
            && self.loc.sources.peer(slot.source) != OURSELVES
            && self
                .loc
                .blocks
                .octets(block)
                .is_some_and(|octets| octets.len() + 300 <= session.max_message)
    }

    /// What is told of these best and second best routes.
    fn entry(&mut self, id: u32, best: Option<Slot>, second: Option<Slot>) -> Option<Entry> {
        let best = best?;
        let primary = self.out(id, best);
        let peer = self.loc.sources.peer(best.source);
        let secondary = self.second(id, peer, second);
        (primary.is_some() || secondary.is_some()).then_some(Entry {
            peer,
            source: best.source,
            primary,
            secondary,
        })
    }

    /// What the source of a route is told in its place, where this audience is told the second best: it makes no summaries.
    fn second(&mut self, id: u32, source: i32, second: Option<Slot>) -> Option<Out> {
        let second = second.filter(|_| self.audience.own != OwnBest::None)?;
        if self.loc.sources.peer(second.source) == source {
            return None;
        }
        self.out(id, second)
    }

    /// What is told of a prefix as of the last decision.
    fn decided(&mut self, id: u32) -> Option<Entry> {
        let decided = self.loc.decided(id)?;
        self.entry(id, Some(decided.best), decided.second)
    }
}

/// Whether routes of others mostly go to this audience as they came: `Judge::goes_verbatim` looks at each one's attributes.
fn is_verbatim(to: &Audience) -> bool {
    let is_plain = to.stages.is_empty() && to.role.is_none() && !to.lacks_policy;
    to.ebgp && to.transparent && is_plain && to.send_communities && to.next_hop == NextHopMode::Unchanged
}

/// The table of a group whose policy makes summaries.
#[derive(Default)]
struct Book {
    table: FxHashMap<Prefix, Entry>,
    /// Summaries by prefix, each with what its contributors make of it.
    summaries: BTreeMap<Prefix, BTreeMap<Prefix, Out>>,
    /// Of each contributor its summaries.
    made: FxHashMap<Prefix, Vec<Prefix>>,
}

/// One update group.
pub struct Group {
    /// Its key.
    pub audience: Audience,
    /// Those who are told, by number.
    pub members: BTreeMap<u32, Cursor>,
    book: Option<Book>,
    log: Log,
    /// How many prefixes are told at all; of these by their first route's source, and of these with something for the source.
    told: usize,
    told_of: Vec<usize>,
    told_beside: Vec<usize>,
    /// How often attributes were too long for a message of its sessions; of several prefixes with the same ones mostly once.
    pub too_long: u64,
    /// How often anything was told.
    version: u64,
    /// The last snapshot, and the version that it shows.
    snapshot: (u64, Weak<Snapshot>),
}

impl Group {
    /// A group that has been told what is to be told of the Loc-RIB.
    pub fn new(audience: Audience, loc: &mut Loc, us: &Identity) -> Self {
        let mut group = Self {
            book: audience.makes_summaries().then(Book::default),
            audience,
            members: BTreeMap::new(),
            log: Log::default(),
            told: 0,
            told_of: Vec::new(),
            told_beside: Vec::new(),
            too_long: 0,
            version: 0,
            snapshot: (0, Weak::new()),
        };
        let audience = group.audience.clone();
        let mut judge = Judge::new(&audience, loc, us);
        if group.book.is_some() {
            let prefixes = judge.loc.sorted(judge.loc.ids());
            let changed = prefixes
                .into_iter()
                .map(|(prefix, id)| (prefix, id, judge.loc.decided(id)))
                .collect();
            group.update_book(changed, &mut judge, &mut Runs::default());
        } else {
            for id in judge.loc.ids().collect::<Vec<_>>() {
                let entry = judge.decided(id);
                group.count_change(None, entry.as_ref());
            }
        }
        group
    }

    /// These prefixes were decided anew; the Loc-RIB has what is chosen now.
    pub fn update(&mut self, undos: &[Undo], loc: &mut Loc, us: &Identity) {
        let audience = self.audience.clone();
        let mut judge = Judge::new(&audience, loc, us);
        let mut runs = Runs::default();
        if self.book.is_some() {
            let told = undos.iter().filter(|undo| undo.is_told);
            let mut changed: Vec<Changed> = told
                .map(|undo| (judge.loc.prefix(undo.id), undo.id, judge.loc.chosen(undo.id)))
                .collect();
            changed.sort_unstable_by_key(|(prefix, ..)| *prefix);
            self.update_book(changed, &mut judge, &mut runs);
        } else {
            for undo in undos.iter().filter(|undo| undo.is_told) {
                let too_long = judge.too_long;
                let old = judge.entry(undo.id, undo.best, undo.second());
                judge.too_long = too_long; // of what was told before it was counted then
                let chosen = judge.loc.chosen(undo.id);
                let new = judge.entry(undo.id, chosen.map(|c| c.best), chosen.and_then(|c| c.second));
                self.tell(Name::Id(undo.id), old, new, &mut runs);
            }
        }
        self.too_long += judge.too_long;
        if !self.members.is_empty() {
            let (encoding, mut chunks) = (audience.encoding(), Vec::new());
            runs.write(loc, &encoding, &mut chunks);
            for chunk in chunks {
                self.log.append(chunk, &mut self.members, &encoding);
            }
            self.log.trim(&mut self.members, self.told, &encoding);
        }
    }

    /// The same where there is a table: prefix, its number, what is chosen; by prefix.
    fn update_book(&mut self, changed: Vec<Changed>, judge: &mut Judge<'_>, runs: &mut Runs) {
        let Some(mut book) = self.book.take() else { return };
        let mut beside: Vec<Prefix> = Vec::new();
        let mut news: Vec<(Prefix, Option<Entry>)> = Vec::with_capacity(changed.len());
        for (prefix, id, chosen) in &changed {
            let (direct, summaries) = match chosen {
                Some(chosen) => book.exported(*prefix, chosen.best, judge),
                None => (None, Vec::new()),
            };
            book.contribute(*prefix, summaries, &mut beside);
            let entry = chosen.and_then(|chosen| {
                let (peer, source) = (judge.loc.sources.peer(chosen.best.source), chosen.best.source);
                let (primary, secondary) = (direct, judge.second(*id, peer, chosen.second));
                (primary.is_some() || secondary.is_some()).then_some(Entry {
                    peer,
                    source,
                    primary,
                    secondary,
                })
            });
            news.push((*prefix, entry));
        }
        beside.extend(
            news.iter()
                .map(|(prefix, _)| *prefix)
                .filter(|prefix| book.summaries.contains_key(prefix)),
        );
        beside.sort_unstable();
        beside.dedup();
        news.retain(|(prefix, _)| beside.binary_search(prefix).is_err());
        for prefix in beside {
            let entry = book.summarized(prefix, judge);
            news.push((prefix, entry));
        }
        for (prefix, new) in news {
            let old = match &new {
                Some(entry) => book.table.insert(prefix, *entry),
                None => book.table.remove(&prefix),
            };
            self.tell(Name::Prefix(prefix), old, new, runs);
        }
        self.book = Some(book);
    }

    /// What is told of a prefix as of the last decision.
    fn entry(&self, prefix: &Prefix, judge: &mut Judge<'_>) -> Option<Entry> {
        match &self.book {
            Some(book) => book.table.get(prefix).copied(),
            None => judge.decided(judge.loc.find(prefix)?),
        }
    }

    /// What a peer is told as of the last decision: of one prefix, or of all, sorted.
    pub fn views(&self, prefix: Option<Prefix>, peer: i32, loc: &mut Loc, us: &Identity) -> Vec<(Prefix, Out)> {
        let prefixes = prefix.map_or_else(|| self.prefixes(loc), |prefix| vec![prefix]);
        let mut judge = Judge::new(&self.audience, loc, us);
        let views = prefixes.into_iter().filter_map(|prefix| {
            let entry = self.entry(&prefix, &mut judge);
            Some((prefix, *view(entry.as_ref(), peer)?))
        });
        views.collect()
    }

    /// All prefixes of which something may be told, sorted.
    fn prefixes(&self, loc: &Loc) -> Vec<Prefix> {
        let Some(book) = &self.book else {
            return loc.sorted(loc.ids()).into_iter().map(|(prefix, _)| prefix).collect();
        };
        let mut all: Vec<Prefix> = book.table.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// How many prefixes a peer is told.
    pub fn count(&self, peer: u32, sources: &Sources) -> usize {
        let is_its = |(source, _): &(usize, &usize)| sources.peer(*source as u32) == peer as i32;
        let of = |counts: &[usize]| -> usize { counts.iter().enumerate().filter(is_its).map(|(_, count)| *count).sum() };
        self.told - of(&self.told_of) + of(&self.told_beside)
    }

    fn count_change(&mut self, old: Option<&Entry>, new: Option<&Entry>) {
        for (entry, is_there) in [(old, false), (new, true)] {
            let Some(entry) = entry else { continue };
            let place = entry.source as usize;
            let step = |count: &mut usize| *count = if is_there { *count + 1 } else { *count - 1 };
            let (is_primary, is_secondary) = (entry.primary.is_some(), entry.secondary.is_some());
            if is_primary {
                step(&mut self.told);
            }
            for (counts, is_one) in [(&mut self.told_of, is_primary), (&mut self.told_beside, is_secondary)] {
                if is_one {
                    if counts.len() <= place {
                        counts.resize(place + 1, 0);
                    }
                    step(&mut counts[place]);
                }
            }
        }
    }

    /// Find out who is to be told what of an entry that changed.
    fn tell(&mut self, name: Name, old: Option<Entry>, new: Option<Entry>, runs: &mut Runs) {
        self.version += 1;
        self.count_change(old.as_ref(), new.as_ref());
        if self.members.is_empty() {
            return;
        }
        let source = |entry: &Option<Entry>| entry.as_ref().map_or(OURSELVES, |e| e.peer);
        let (before, after) = (
            old.as_ref().and_then(|e| e.primary.as_ref()),
            new.as_ref().and_then(|e| e.primary.as_ref()),
        );
        let all_are_told = !is_told_alike(before, after);
        let mut except = [source(&old), source(&new)];
        except.sort_unstable();
        let mut apart = except;
        for (i, peer) in except.iter().enumerate() {
            let is_member = u32::try_from(*peer).is_ok_and(|number| self.members.contains_key(&number));
            if !is_member || (i == 1 && except[0] == *peer) {
                apart[i] = OURSELVES;
                continue;
            }
            let (had, has) = (view(old.as_ref(), *peer), view(new.as_ref(), *peer));
            if is_told_alike(had, has) {
                continue;
            }
            if all_are_told && is_told_alike(has, after) && (had.is_none() || *peer != source(&old)) {
                apart[i] = OURSELVES; // It reads what all read.
            } else {
                runs.add(Readers::Only(*peer), has, name, Old::exactly(had));
            }
        }
        if all_are_told {
            apart.sort_unstable();
            runs.add(Readers::Except(apart), after, name, Old::of(before));
        }
    }

    /// All that is told in an order that does not hang on its history, for one who has been told nothing.
    fn snapshot(&mut self, judge: &mut Judge<'_>) -> Arc<Snapshot> {
        if let (at, Some(snapshot)) = (self.snapshot.0, self.snapshot.1.upgrade())
            && at == self.version
        {
            return snapshot;
        }
        let mut runs = Runs::default();
        for prefix in self.prefixes(judge.loc) {
            let Some(entry) = self.entry(&prefix, judge) else { continue };
            let source = entry.peer;
            let nothing = || Old::of(None);
            if let Some(primary) = &entry.primary {
                runs.add(Readers::Except([OURSELVES, source]), Some(primary), Name::Prefix(prefix), nothing());
            }
            if let Some(secondary) = &entry.secondary {
                runs.add(Readers::Only(source), Some(secondary), Name::Prefix(prefix), nothing());
            }
        }
        let mut chunks = Vec::new();
        runs.write(judge.loc, &self.audience.encoding(), &mut chunks);
        let snapshot = Arc::new(Snapshot { chunks });
        self.snapshot = (self.version, Arc::downgrade(&snapshot));
        snapshot
    }

    /// A peer that was told nothing so far: it gets all, then End-of-RIB of these families.
    pub fn join(&mut self, peer: u32, end_of_rib: Vec<(u16, u8)>, loc: &mut Loc, us: &Identity) {
        let audience = self.audience.clone();
        let snapshot = self.snapshot(&mut Judge::new(&audience, loc, us));
        self.members
            .insert(peer, Cursor::new(peer as i32, snapshot, self.log.end(), end_of_rib));
    }

    /// A peer that leaves: what it was told as far as that differs from its view.
    pub fn leave(&mut self, peer: u32) -> Option<Cursor> {
        let mut cursor = self.members.remove(&peer)?;
        cursor.fall_behind(&self.log, &self.audience.encoding());
        self.log.trim(&mut self.members, self.told, &self.audience.encoding());
        Some(cursor)
    }

    /// A peer that comes from another group: it is owed the difference between what it was told there and what it is to be told here.
    pub fn move_in(&mut self, peer: u32, mut cursor: Cursor, former: &Group, loc: &mut Loc, us: &Identity) {
        let mut told = former.views(None, peer as i32, loc, us).into_iter().peekable();
        let mut here = self.views(None, peer as i32, loc, us).into_iter().peekable();
        while let Some(prefix) = [told.peek(), here.peek()].into_iter().flatten().map(|(prefix, _)| *prefix).min() {
            let was = told.next_if(|(p, _)| *p == prefix).map(|(_, out)| out);
            let is = here.next_if(|(p, _)| *p == prefix).map(|(_, out)| out);
            if !is_told_alike(was.as_ref(), is.as_ref()) {
                cursor.owe(prefix, was);
            }
        }
        cursor.go_on(self.log.end());
        self.members.insert(peer, cursor);
    }

    /// The peer asks for all of an IP version again (RFC 2918), with these messages before and after it.
    pub fn refresh(&mut self, peer: u32, version: u8, marks: Option<[Vec<u8>; 2]>, loc: &mut Loc, us: &Identity) {
        let Some(mut cursor) = self.members.remove(&peer) else { return };
        cursor.fall_behind(&self.log, &self.audience.encoding());
        for (prefix, _) in self.views(None, peer as i32, loc, us) {
            if prefix.version == version {
                cursor.owe_again(prefix);
            }
        }
        if let Some([begin, end]) = marks {
            cursor.mark(&begin, end);
        }
        self.members.insert(peer, cursor);
    }

    /// Name all blocks that are remembered here.
    pub fn name(&self, marks: &mut Marks) {
        self.log.name(marks);
        self.members.values().for_each(|cursor| cursor.name(marks));
        let Some(book) = &self.book else { return };
        let entries = book
            .table
            .values()
            .flat_map(|entry| [entry.primary.as_ref(), entry.secondary.as_ref()]);
        let summaries = book.summaries.values().flat_map(BTreeMap::values);
        for out in entries.flatten().chain(summaries) {
            marks.name(out.block);
        }
    }

    /// The next whole messages for a peer.
    pub fn output(&mut self, peer: u32, max_bytes: usize, loc: &mut Loc, us: &Identity) -> Vec<u8> {
        let Some(mut cursor) = self.members.remove(&peer) else {
            return Vec::new();
        };
        let mut views = Views {
            group: self,
            judge: Judge::new(&self.audience, loc, us),
            peer: peer as i32,
        };
        let out = cursor.output(&self.log, &mut views, &self.audience.encoding(), max_bytes);
        let is_through = cursor.is_through(&self.log);
        self.members.insert(peer, cursor);
        if is_through {
            self.log.trim(&mut self.members, self.told, &self.audience.encoding());
        }
        out
    }

    /// Members for whom `output` has something, ascending.
    pub fn pending(&mut self, loc: &mut Loc, us: &Identity) -> Vec<u32> {
        let mut members = std::mem::take(&mut self.members);
        let encoding = self.audience.encoding();
        let mut views = Views {
            group: self,
            judge: Judge::new(&self.audience, loc, us),
            peer: OURSELVES,
        };
        let mut pending = Vec::new();
        for (peer, cursor) in &mut members {
            views.peer = *peer as i32;
            if cursor.has_output(&self.log, &mut views, &encoding) {
                pending.push(*peer);
            }
        }
        self.members = members;
        pending
    }
}

/// What one peer is told, prefix by prefix, as of the last decision.
pub struct Views<'a> {
    group: &'a Group,
    judge: Judge<'a>,
    peer: i32,
}

impl Views<'_> {
    /// What it is told of this one.
    pub fn of(&mut self, prefix: &Prefix) -> Option<Block> {
        view(self.group.entry(prefix, &mut self.judge).as_ref(), self.peer).map(|out| out.block)
    }

    /// The blocks.
    pub fn blocks(&self) -> &Blocks {
        &self.judge.loc.blocks
    }
}

/// A prefix, its number, and what is chosen for it.
type Changed = (Prefix, u32, Option<Decided>);

/// A prefix by its number where it has one.
#[derive(Clone, Copy)]
pub enum Name {
    /// Its number.
    Id(u32),
    /// Itself.
    Prefix(Prefix),
}

impl Book {
    /// What is told of a best route under its own prefix, and what summaries it makes.
    fn exported(&self, prefix: Prefix, best: Slot, judge: &mut Judge<'_>) -> (Option<Out>, Vec<(Prefix, Out)>) {
        let (mut direct, mut summaries) = (None, Vec::new());
        let routes = export(prefix, &judge.loc.path(&best), judge.audience, judge.us, &mut None);
        for route in routes.into_iter().flatten() {
            let out = Out {
                block: judge.loc.blocks.of(&route.attributes),
                peer: judge.loc.sources.peer(best.source),
                source: best.source,
            };
            if route.summary {
                summaries.push((route.prefix, out));
            } else {
                direct = Some(out);
            }
        }
        (direct, summaries)
    }

    /// What is told of a prefix that is a summary, or was one.
    fn summarized(&self, prefix: Prefix, judge: &mut Judge<'_>) -> Option<Entry> {
        let chosen = judge.loc.find(&prefix).and_then(|id| Some((id, judge.loc.chosen(id)?)));
        let direct = chosen.and_then(|(_, chosen)| self.exported(prefix, chosen.best, judge).0);
        let summaries = self.summaries.get(&prefix).into_iter().flat_map(BTreeMap::values);
        let mut all = summaries.cloned().chain(direct);
        let primary = all.next()?;
        let secondary = all.find(|out| out.peer != primary.peer);
        let secondary = secondary.or_else(|| chosen.and_then(|(id, chosen)| judge.second(id, primary.peer, chosen.second)));
        Some(Entry {
            peer: primary.peer,
            source: primary.source,
            primary: Some(primary),
            secondary,
        })
    }

    fn contribute(&mut self, prefix: Prefix, summaries: Vec<(Prefix, Out)>, touched: &mut Vec<Prefix>) {
        for old in self.made.remove(&prefix).unwrap_or_default() {
            touched.push(old);
            if let Some(contributors) = self.summaries.get_mut(&old) {
                contributors.remove(&prefix);
                if contributors.is_empty() {
                    self.summaries.remove(&old);
                }
            }
        }
        if summaries.is_empty() {
            return;
        }
        let made: Vec<Prefix> = summaries.iter().map(|(summary, _)| *summary).collect();
        touched.extend(&made);
        self.made.insert(prefix, made);
        for (summary, out) in summaries {
            self.summaries.entry(summary).or_default().insert(prefix, out);
        }
    }
}
