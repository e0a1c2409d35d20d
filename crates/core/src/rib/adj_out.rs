//! Adj-RIB-Out by update groups: peers that are told the same share one table and one encoded stream.
//!
//! ```text
//!   Loc-RIB changes ──> Group::update ──> table ──> chunks in a log, each with those who are to read it
//!                                           │           ^       ^
//!                                           │         cursor  cursor of each peer that keeps up (stream.rs)
//!                                           └──> prefixes still owed to each peer that does not
//! ```
//!
//! Split horizon is within a group: a route's source is told another one (a summary of others' routes, or the second best where its policy says so), or
//! nothing. So when a best route moves from peer A to peer B, A is told
//! the new one and B is told that the old one is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::export::{Audience, Identity, export};
use super::loc::{Loc, OURSELVES, Path, Source, same};
use super::stream::{Chunk, Cursor, Log, Readers, Run, Snapshot, write_runs};
use crate::attributes::{Attributes, Interner};
use crate::policy::OwnBest;
use crate::prefix::Prefix;

/// What is told of a prefix, and where it comes from.
#[derive(Clone, Debug)]
pub struct Out {
    /// As on the wire.
    pub attributes: Arc<Attributes>,
    /// Split horizon: not told to this one.
    pub source: Arc<Source>,
}

/// One prefix in the table of a group.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Told to all but its source.
    pub primary: Out,
    /// Told to the source of the first: a summary's first contributor from elsewhere, or the second best.
    pub secondary: Option<Box<Out>>,
}

/// What a peer is told of an entry.
pub fn view(entry: Option<&Entry>, peer: i32) -> Option<&Out> {
    let entry = entry?;
    if entry.primary.source.peer == peer {
        entry.secondary.as_deref()
    } else {
        Some(&entry.primary)
    }
}

/// Whether two views are one on the wire.
pub fn is_told_alike(a: Option<&Out>, b: Option<&Out>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(&a.attributes, &b.attributes),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// One update group.
pub struct Group {
    /// Its key.
    pub audience: Audience,
    /// Those who are told, by number.
    pub members: BTreeMap<u32, Cursor>,
    /// The Adj-RIB-Out of all.
    pub table: FxHashMap<Prefix, Entry>,
    /// Summaries by prefix, each with what its contributors make of it.
    summaries: BTreeMap<Prefix, BTreeMap<Prefix, Out>>,
    /// Of each contributor its summaries.
    made: FxHashMap<Prefix, Vec<Prefix>>,
    log: Log,
    /// How often the table was changed.
    version: u64,
    /// The last snapshot, and the version that it shows.
    snapshot: (u64, Weak<Snapshot>),
}

/// Results that hang on attributes and source alone.
type Cache = FxHashMap<(usize, usize, u8), Option<Arc<Attributes>>>;

impl Group {
    /// A group whose table holds what is to be told of the Loc-RIB.
    pub fn new(audience: Audience, loc: &Loc, us: &Identity, interner: &mut Interner) -> Self {
        let mut group = Self {
            audience,
            members: BTreeMap::new(),
            table: FxHashMap::default(),
            summaries: BTreeMap::new(),
            made: FxHashMap::default(),
            log: Log::default(),
            version: 0,
            snapshot: (0, Weak::new()),
        };
        group.update(&loc.prefixes(), loc, us, interner);
        group
    }

    /// These prefixes have another best route.
    pub fn update(&mut self, changed: &[Prefix], loc: &Loc, us: &Identity, interner: &mut Interner) {
        let mut cache = Cache::default();
        let mut runs = Runs::default();
        let mut beside: Vec<Prefix> = Vec::new();
        let mut directs = Vec::with_capacity(changed.len());
        for prefix in changed {
            directs.push(self.judge(*prefix, loc, us, interner, &mut cache, Some(&mut beside)));
        }
        beside.extend(changed.iter().filter(|prefix| self.summaries.contains_key(prefix)));
        beside.sort_unstable();
        beside.dedup();
        for (prefix, direct) in changed.iter().zip(directs) {
            if beside.binary_search(prefix).is_err() {
                let entry = direct.map(|primary| Entry {
                    secondary: self.second(*prefix, &primary, loc, us, interner, &mut cache).map(Box::new),
                    primary,
                });
                self.set(*prefix, entry, &mut runs);
            }
        }
        for prefix in beside {
            let direct = self.judge(prefix, loc, us, interner, &mut cache, None);
            let mut all = self
                .summaries
                .get(&prefix)
                .into_iter()
                .flat_map(BTreeMap::values)
                .cloned()
                .chain(direct);
            let found = all.next().map(|primary| {
                let secondary = all.find(|out| out.source.peer != primary.source.peer);
                (primary, secondary)
            });
            let entry = found.map(|(primary, secondary)| Entry {
                secondary: secondary
                    .or_else(|| self.second(prefix, &primary, loc, us, interner, &mut cache))
                    .map(Box::new),
                primary,
            });
            self.set(prefix, entry, &mut runs);
        }
        if !self.members.is_empty() {
            let mut chunks = Vec::new();
            write_runs(runs.sorted(), &self.audience.encoding(), &mut chunks);
            for chunk in chunks {
                self.log.append(chunk, &mut self.members);
            }
            self.log.trim(&mut self.members, self.table.len());
        }
    }

    /// What is told of the best route to this prefix under its own prefix; what summaries it makes is noted, and which ones changed.
    fn judge(
        &mut self,
        prefix: Prefix,
        loc: &Loc,
        us: &Identity,
        interner: &mut Interner,
        cache: &mut Cache,
        touched: Option<&mut Vec<Prefix>>,
    ) -> Option<Out> {
        let best = loc.best(&prefix);
        if !self.audience.needs_prefix() {
            return self.plain(prefix, best?, us, interner, cache);
        }
        let mut direct = None;
        let mut summaries = Vec::new();
        let told = best.and_then(|path| Some((path, export(prefix, path, &self.audience, us, &mut None).ok()?)));
        for (path, route) in told
            .into_iter()
            .flat_map(|(path, routes)| routes.into_iter().map(move |route| (path, route)))
        {
            let out = Out {
                attributes: interner.intern(Arc::unwrap_or_clone(route.attributes)),
                source: Arc::clone(&path.source),
            };
            if route.summary {
                summaries.push((route.prefix, out));
            } else {
                direct = Some(out);
            }
        }
        if let Some(touched) = touched {
            self.contribute(prefix, summaries, touched);
        }
        direct
    }

    /// What a path becomes where results don't hang on the prefix.
    fn plain(&self, prefix: Prefix, path: &Path, us: &Identity, interner: &mut Interner, cache: &mut Cache) -> Option<Out> {
        let key = (
            Arc::as_ptr(&path.attributes) as usize,
            Arc::as_ptr(&path.source) as usize,
            prefix.version,
        );
        let told = cache.entry(key).or_insert_with(|| {
            let routes = export(prefix, path, &self.audience, us, &mut None).ok()?;
            routes
                .into_iter()
                .next()
                .map(|route| interner.intern(Arc::unwrap_or_clone(route.attributes)))
        });
        told.as_ref().map(|attributes| Out {
            attributes: Arc::clone(attributes),
            source: Arc::clone(&path.source),
        })
    }

    /// What the source of a route is told in its place, where this audience is told the second best: it makes no summaries.
    fn second(&self, prefix: Prefix, primary: &Out, loc: &Loc, us: &Identity, interner: &mut Interner, cache: &mut Cache) -> Option<Out> {
        if self.audience.own == OwnBest::None {
            return None;
        }
        let path = loc.second(&prefix).filter(|path| path.source.peer != primary.source.peer)?;
        if !self.audience.needs_prefix() {
            return self.plain(prefix, path, us, interner, cache);
        }
        let routes = export(prefix, path, &self.audience, us, &mut None).ok()?;
        let route = routes.into_iter().find(|route| !route.summary)?;
        Some(Out {
            attributes: interner.intern(Arc::unwrap_or_clone(route.attributes)),
            source: Arc::clone(&path.source),
        })
    }

    /// How many prefixes a peer is told.
    pub fn count(&self, peer: u32) -> usize {
        self.table.values().filter(|entry| view(Some(entry), peer as i32).is_some()).count()
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

    /// Put in an entry, and find out who is to be told what.
    fn set(&mut self, prefix: Prefix, new: Option<Entry>, runs: &mut Runs) {
        self.version += 1;
        let old = match &new {
            Some(entry) => self.table.insert(prefix, entry.clone()),
            None => self.table.remove(&prefix),
        };
        if self.members.is_empty() {
            return;
        }
        let source = |entry: &Option<Entry>| entry.as_ref().map_or(OURSELVES, |e| e.primary.source.peer);
        let (before, after) = (old.as_ref().map(|e| &e.primary), new.as_ref().map(|e| &e.primary));
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
            if all_are_told && is_told_alike(has, after) {
                apart[i] = OURSELVES; // It reads what all read.
            } else {
                runs.add(Readers::Only(*peer), has, prefix, &old);
            }
        }
        if all_are_told {
            apart.sort_unstable();
            runs.add(Readers::Except(apart), after, prefix, &old);
        }
    }

    /// All of the table in an order that does not hang on its history, for one who has been told nothing.
    fn snapshot(&mut self) -> Arc<Snapshot> {
        if let (at, Some(snapshot)) = (self.snapshot.0, self.snapshot.1.upgrade())
            && at == self.version
        {
            return snapshot;
        }
        let mut prefixes: Vec<&Prefix> = self.table.keys().collect();
        prefixes.sort_unstable();
        let mut runs = Runs::default();
        for prefix in prefixes {
            let Some(entry) = self.table.get(prefix) else { continue };
            let source = entry.primary.source.peer;
            runs.add(Readers::Except([OURSELVES, source]), Some(&entry.primary), *prefix, &None);
            if let Some(secondary) = &entry.secondary {
                runs.add(Readers::Only(source), Some(secondary), *prefix, &None);
            }
        }
        let mut chunks: Vec<Chunk> = Vec::new();
        write_runs(runs.sorted(), &self.audience.encoding(), &mut chunks);
        let snapshot = Arc::new(Snapshot { chunks });
        self.snapshot = (self.version, Arc::downgrade(&snapshot));
        snapshot
    }

    /// A peer that was told nothing so far: it gets all, then End-of-RIB of these families.
    pub fn join(&mut self, peer: u32, end_of_rib: Vec<(u16, u8)>) {
        let snapshot = self.snapshot();
        self.members
            .insert(peer, Cursor::new(peer as i32, snapshot, self.log.end(), end_of_rib));
    }

    /// A peer that leaves: what it was told as far as that differs from its view of the table.
    pub fn leave(&mut self, peer: u32) -> Option<Cursor> {
        let mut cursor = self.members.remove(&peer)?;
        cursor.fall_behind(&self.log);
        self.log.trim(&mut self.members, self.table.len());
        Some(cursor)
    }

    /// A peer that comes from another group: it is owed the difference between what it was told there and what it is to be told here.
    pub fn move_in(&mut self, peer: u32, mut cursor: Cursor, former: &Group) {
        cursor.follow(&former.table, &self.table, self.log.end());
        self.members.insert(peer, cursor);
    }

    /// The peer asks for all of an IP version again (RFC 2918).
    pub fn refresh(&mut self, peer: u32, version: u8) {
        if let Some(cursor) = self.members.get_mut(&peer) {
            cursor.fall_behind(&self.log);
            cursor.owe_again(&self.table, version);
        }
    }

    /// The next whole messages for a peer.
    pub fn output(&mut self, peer: u32, max_bytes: usize) -> Vec<u8> {
        let encoding = self.audience.encoding();
        let Some(cursor) = self.members.get_mut(&peer) else {
            return Vec::new();
        };
        let out = cursor.output(&self.log, &self.table, &encoding, max_bytes);
        let is_through = cursor.is_through(&self.log);
        if is_through {
            self.log.trim(&mut self.members, self.table.len());
        }
        out
    }

    /// Members for whom `output` has something, ascending.
    pub fn pending(&mut self) -> Vec<u32> {
        let encoding = self.audience.encoding();
        let (log, table) = (&self.log, &self.table);
        let members = self.members.iter_mut();
        members
            .filter_map(|(peer, cursor)| cursor.has_output(log, table, &encoding).then_some(*peer))
            .collect()
    }
}

/// Changes of one batch, gathered by readers and attributes.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    places: FxHashMap<(Readers, usize), usize>,
}

impl Runs {
    fn add(&mut self, readers: Readers, told: Option<&Out>, prefix: Prefix, old: &Option<Entry>) {
        let address = told.map_or(0, |out| Arc::as_ptr(&out.attributes) as usize);
        let place = *self.places.entry((readers, address)).or_insert_with(|| {
            self.runs.push(Run {
                readers,
                attributes: told.map(|out| Arc::clone(&out.attributes)),
                changes: Vec::new(),
            });
            self.runs.len() - 1
        });
        self.runs[place].changes.push((prefix, old.clone()));
    }

    /// By readers, withdrawals first, else in the order in which they began.
    fn sorted(mut self) -> Vec<Run> {
        self.runs.sort_by_key(|run| (run.readers, run.attributes.is_some()));
        self.runs
    }
}
