//! The encoded stream of an update group, and where each peer is in it.
//!
//! A peer that keeps up reads the log at its cursor. One that falls behind further than the log goes back leaves it: for it is noted what it was
//! last told of each prefix that changed since, and it is caught up from the table. So memory is bounded by the table, not by the slowest peer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::adj_out::{Name, Out, Views};
use super::loc::Loc;
use super::source::OURSELVES;
use crate::block::{Block, Marks};
use crate::prefix::Prefix;
use crate::wire::update::write_withdrawals;
use crate::wire::{AttributeBlock, EncodeOptions, ParseOptions, Updates, encode_end_of_rib};

/// A chunk is closed once it has this many octets.
const CHUNK_BYTES: usize = 16 * 1024;
/// The log may hold this many changes more than two for each prefix that is told: where a best route moves, its former and its new source are told apart.
const LOG_SLACK: usize = 65_536;
/// So many prefixes at a time are caught up from the table.
const CATCH_UP: usize = 4096;

/// Who reads a chunk; `OURSELVES` stands for nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Readers {
    /// All but these.
    Except([i32; 2]),
    /// This one.
    Only(i32),
}

impl Readers {
    fn include(self, peer: i32) -> bool {
        match self {
            Self::Except(peers) => !peers.contains(&peer),
            Self::Only(only) => only == peer,
        }
    }
}

/// What was told before of a prefix that changed.
#[derive(Clone, Copy, Debug)]
pub struct Old {
    block: Option<Block>,
    /// The one that it came from was told nothing.
    peer: i32,
}

impl Old {
    /// To all but its source.
    pub fn of(out: Option<&Out>) -> Self {
        Self {
            block: out.map(|out| out.block),
            peer: out.map_or(OURSELVES, |out| out.peer),
        }
    }

    /// To the reader, whoever it came from.
    pub fn exactly(out: Option<&Out>) -> Self {
        Self {
            block: out.map(|out| out.block),
            peer: OURSELVES,
        }
    }

    /// What this reader was told.
    fn told(&self, reader: i32) -> Told {
        match self.block {
            Some(block) if self.peer != reader => Told::This(block),
            _ => Told::Nothing,
        }
    }
}

/// Changes of one batch, gathered by readers and attributes.
#[derive(Default)]
pub struct Runs {
    runs: Vec<(Readers, Option<Block>)>,
    items: Vec<Item>,
    /// Prefixes that were given without a number.
    prefixes: Vec<Prefix>,
    places: FxHashMap<(Readers, Option<Block>), u32>,
    last: Option<((Readers, Option<Block>), u32)>,
}

struct Item {
    run: u32,
    /// The prefix's number, or `NAMED` and its place in `Runs::prefixes`.
    prefix: u32,
    old: Old,
}

const NAMED: u32 = 1 << 31;

impl Runs {
    /// These readers are told this of a prefix.
    pub fn add(&mut self, readers: Readers, told: Option<&Out>, name: Name, old: Old) {
        let key = (readers, told.map(|out| out.block));
        let run = match self.last {
            Some((last, run)) if last == key => run,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.runs.push(key);
                self.runs.len() as u32 - 1
            }),
        };
        self.last = Some((key, run));
        let prefix = match name {
            Name::Id(id) => id,
            Name::Prefix(prefix) => {
                self.prefixes.push(prefix);
                NAMED | (self.prefixes.len() as u32 - 1)
            }
        };
        self.items.push(Item { run, prefix, old });
    }

    /// Write all as chunks: by readers, withdrawals first, else in the order in which they began.
    pub fn write(self, loc: &Loc, encoding: &EncodeOptions, chunks: &mut Vec<Chunk>) {
        let mut order: Vec<u32> = (0..self.runs.len() as u32).collect();
        order.sort_by_key(|run| {
            let (readers, block) = &self.runs[*run as usize];
            (*readers, block.is_some())
        });
        let mut starts = vec![0usize; self.runs.len() + 1];
        for item in &self.items {
            starts[item.run as usize + 1] += 1;
        }
        for run in 0..self.runs.len() {
            starts[run + 1] += starts[run];
        }
        let (mut sorted, mut next) = (vec![0u32; self.items.len()], starts.clone());
        for (at, item) in self.items.iter().enumerate() {
            sorted[next[item.run as usize]] = at as u32;
            next[item.run as usize] += 1;
        }
        let mut prefixes: Vec<Prefix> = Vec::new();
        for run in order {
            let (readers, block) = self.runs[run as usize];
            let items = &sorted[starts[run as usize]..starts[run as usize + 1]];
            prefixes.clear();
            prefixes.extend(items.iter().map(|at| match self.items[*at as usize].prefix {
                named if named & NAMED != 0 => self.prefixes[(named & !NAMED) as usize],
                id => loc.prefix(id),
            }));
            let olds = items.iter().map(|at| self.items[*at as usize].old);
            let block = block.map(|block| AttributeBlock::of(&loc.blocks, block, encoding));
            write_run(readers, block.as_ref(), &prefixes, olds, encoding, chunks);
        }
    }
}

/// Whole messages for the same readers, and what was told before of their prefixes, in the order of these.
pub struct Chunk {
    readers: Readers,
    bytes: Vec<u8>,
    olds: Vec<Old>,
}

impl Chunk {
    /// What it changes, from this octet on.
    fn changes(&self, from: usize, encoding: &EncodeOptions) -> Vec<(Prefix, &Old)> {
        let options = ParseOptions {
            four_octet: encoding.four_octet,
            ebgp: false,
            ..ParseOptions::ALL
        };
        let updates = Updates::new(self.bytes.get(from..).unwrap_or_default(), options).flatten();
        let prefixes: Vec<Prefix> = updates
            .flat_map(|update| update.withdrawn.into_iter().chain(update.announced))
            .collect();
        debug_assert!(from > 0 || prefixes.len() == self.olds.len());
        let skipped = self.olds.len().saturating_sub(prefixes.len());
        prefixes.into_iter().zip(&self.olds[skipped..]).collect()
    }
}

/// All as chunks, for those who have been told nothing.
pub struct Snapshot {
    pub chunks: Vec<Chunk>,
}

fn write_run(
    readers: Readers,
    block: Option<&AttributeBlock<'_>>,
    prefixes: &[Prefix],
    mut olds: impl Iterator<Item = Old>,
    encoding: &EncodeOptions,
    chunks: &mut Vec<Chunk>,
) {
    let mut rest = prefixes;
    while !rest.is_empty() {
        if chunks.last().is_none_or(|c| c.readers != readers || c.bytes.len() >= CHUNK_BYTES) {
            chunks.push(Chunk {
                readers,
                bytes: Vec::new(),
                olds: Vec::new(),
            });
        }
        let Some(chunk) = chunks.last_mut() else { return };
        match write_message(block, rest, encoding, &mut chunk.bytes) {
            Some(written) => {
                chunk.olds.extend(olds.by_ref().take(written));
                rest = &rest[written..];
            }
            None => {
                olds.next();
                rest = &rest[1..];
            }
        }
    }
}

/// Append one message; how many prefixes are done with. None: the first can't be written. That was sorted out on export; were it not, it would be
/// passed over.
fn write_message(block: Option<&AttributeBlock<'_>>, prefixes: &[Prefix], encoding: &EncodeOptions, out: &mut Vec<u8>) -> Option<usize> {
    match block {
        Some(block) => block.message(prefixes, out).ok(),
        None => Some(write_withdrawals(prefixes, encoding, out)),
    }
}

impl Chunk {
    /// Name all blocks that are remembered here.
    fn name(&self, marks: &mut Marks) {
        self.olds.iter().filter_map(|old| old.block).for_each(|block| marks.name(block));
    }
}

/// Chunks that somebody still has to read.
#[derive(Default)]
pub struct Log {
    chunks: VecDeque<Chunk>,
    /// Number of the first chunk.
    start: u64,
    changes: usize,
}

impl Log {
    /// Number that the next chunk will have.
    pub fn end(&self) -> u64 {
        self.start + self.chunks.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Chunk> {
        self.chunks.get(usize::try_from(number.checked_sub(self.start)?).ok()?)
    }

    /// Add a chunk; those who are behind note what it changes.
    pub fn append(&mut self, chunk: Chunk, members: &mut BTreeMap<u32, Cursor>, encoding: &EncodeOptions) {
        if members
            .values()
            .any(|cursor| cursor.owed.is_some() && chunk.readers.include(cursor.peer))
        {
            let changes = chunk.changes(0, encoding);
            for cursor in members.values_mut().filter(|cursor| chunk.readers.include(cursor.peer)) {
                cursor.note(&changes);
            }
        }
        self.changes += chunk.olds.len();
        self.chunks.push_back(chunk);
        let end = self.end();
        members.values_mut().filter(|c| c.owed.is_some()).for_each(|c| c.at = end);
    }

    /// Drop what all have read, and what makes the log too long: those who have not read it fall behind.
    pub fn trim(&mut self, members: &mut BTreeMap<u32, Cursor>, told: usize, encoding: &EncodeOptions) {
        let needed = members
            .values()
            .filter(|c| c.owed.is_none())
            .map(|c| c.at)
            .min()
            .unwrap_or(self.end());
        while self.start < needed {
            self.drop_first();
        }
        if self.changes <= 2 * told + LOG_SLACK {
            return;
        }
        let (mut keep, mut changes) = (self.end(), 0);
        for chunk in self.chunks.iter().rev() {
            changes += chunk.olds.len();
            if changes > 2 * told + LOG_SLACK {
                break;
            }
            keep -= 1;
        }
        members
            .values_mut()
            .filter(|c| c.at < keep)
            .for_each(|c| c.fall_behind(self, encoding));
        while self.start < keep {
            self.drop_first();
        }
    }

    /// Name all blocks that are remembered here.
    pub fn name(&self, marks: &mut Marks) {
        self.chunks.iter().for_each(|chunk| chunk.name(marks));
    }

    fn drop_first(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.changes -= chunk.olds.len();
            self.start += 1;
        }
    }
}

/// What a peer was last told of a prefix.
#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    This(Block),
    /// Something; whatever it is, it is to be told again.
    Again,
}

/// Where one peer is.
pub struct Cursor {
    peer: i32,
    /// The table as it was when it came, and the next chunk of it.
    snapshot: Option<(Arc<Snapshot>, usize)>,
    /// The next chunk of the log.
    at: u64,
    /// Octets of the next chunk that are sent.
    offset: usize,
    /// Where it fell behind: what it was told of prefixes that changed since.
    owed: Option<BTreeMap<Prefix, Told>>,
    /// Messages for it alone, and how many octets of them are sent.
    buffer: (Vec<u8>, usize),
    /// Families whose End-of-RIB is to be sent once the log is read up to here.
    end_of_rib: Vec<(u16, u8)>,
    end_of_rib_at: Option<u64>,
    /// Messages that follow what is owed.
    after_owed: Vec<u8>,
}

impl Cursor {
    /// Of a peer that has been told nothing.
    pub fn new(peer: i32, snapshot: Arc<Snapshot>, at: u64, end_of_rib: Vec<(u16, u8)>) -> Self {
        Self {
            peer,
            snapshot: Some((snapshot, 0)),
            at,
            offset: 0,
            owed: None,
            buffer: (Vec::new(), 0),
            end_of_rib,
            end_of_rib_at: None,
            after_owed: Vec::new(),
        }
    }

    /// Name all blocks that are remembered here.
    pub fn name(&self, marks: &mut Marks) {
        for told in self.owed.iter().flat_map(BTreeMap::values) {
            if let Told::This(block) = told {
                marks.name(*block);
            }
        }
    }

    /// Leave the log: what is unread becomes prefixes that are owed.
    pub fn fall_behind(&mut self, log: &Log, encoding: &EncodeOptions) {
        if self.owed.is_some() {
            return;
        }
        let mut owed = BTreeMap::new();
        if let Some((snapshot, next)) = self.snapshot.take() {
            let rest = snapshot.chunks.get(next..).unwrap_or_default();
            self.owe_unread(rest.iter(), &mut owed, encoding);
        }
        let mut unread = Vec::new();
        while let Some(chunk) = log.get(self.at) {
            unread.push(chunk);
            self.at += 1;
        }
        self.owe_unread(unread.into_iter(), &mut owed, encoding);
        self.owed = Some(owed);
    }

    fn owe_unread<'a>(&mut self, chunks: impl Iterator<Item = &'a Chunk>, owed: &mut BTreeMap<Prefix, Told>, encoding: &EncodeOptions) {
        for chunk in chunks.filter(|chunk| chunk.readers.include(self.peer)) {
            if self.offset > 0 {
                // The chunk that was begun is sent to its end.
                self.buffer.0.extend_from_slice(chunk.bytes.get(self.offset..).unwrap_or_default());
                self.offset = 0;
                continue;
            }
            note(owed, &chunk.changes(0, encoding), self.peer);
        }
    }

    fn note(&mut self, changes: &[(Prefix, &Old)]) {
        if let Some(owed) = &mut self.owed {
            note(owed, changes, self.peer);
        }
    }

    /// A prefix is owed of which it was told this. It has left the log.
    pub fn owe(&mut self, prefix: Prefix, was: Option<Out>) {
        let told = was.map_or(Told::Nothing, |out| Told::This(out.block));
        self.owed.get_or_insert_default().entry(prefix).or_insert(told);
    }

    /// From here on it reads another log, once nothing is owed any more.
    pub fn go_on(&mut self, at: u64) {
        self.owed.get_or_insert_default();
        self.at = at;
    }

    /// What is owed now stands between these messages.
    pub fn mark(&mut self, begin: &[u8], end: Vec<u8>) {
        self.owed.get_or_insert_default();
        self.buffer.0.extend_from_slice(begin);
        self.after_owed.extend(end);
    }

    /// A prefix is owed again, whatever it was told. It has left the log.
    pub fn owe_again(&mut self, prefix: Prefix) {
        let told = self.owed.get_or_insert_default().entry(prefix).or_insert(Told::Again);
        if matches!(told, Told::This(_)) {
            *told = Told::Again;
        }
    }

    /// Whether it has read all that is in the log.
    pub fn is_through(&self, log: &Log) -> bool {
        self.owed.is_none() && self.snapshot.is_none() && self.at == log.end()
    }

    /// The next whole messages, one at least where there is one.
    pub fn output(&mut self, log: &Log, views: &mut Views<'_>, encoding: &EncodeOptions, max_bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while self.has_output(log, views, encoding) {
            let (source, offset) = self.next(log);
            let end = take(source, offset, max_bytes.saturating_sub(out.len()), out.is_empty());
            if end == offset {
                break;
            }
            out.extend_from_slice(&source[offset..end]);
            let is_done = end == source.len();
            self.advance(end, is_done);
        }
        out
    }

    /// Whether there is something to send; moves on to it.
    pub fn has_output(&mut self, log: &Log, views: &mut Views<'_>, encoding: &EncodeOptions) -> bool {
        loop {
            if !self.buffer.0.is_empty() {
                return true;
            }
            if let Some((snapshot, next)) = &mut self.snapshot {
                while snapshot.chunks.get(*next).is_some_and(|chunk| !chunk.readers.include(self.peer)) {
                    *next += 1;
                }
                if *next < snapshot.chunks.len() {
                    return true;
                }
                self.snapshot = None;
            }
            if let Some(owed) = &mut self.owed {
                catch_up(owed, views, encoding, &mut self.buffer.0);
                if owed.is_empty() {
                    self.owed = None;
                    self.at = log.end();
                    self.buffer.0.append(&mut self.after_owed);
                }
                continue;
            }
            while log.get(self.at).is_some_and(|chunk| !chunk.readers.include(self.peer)) {
                self.at += 1;
            }
            if !self.end_of_rib.is_empty() && self.at >= *self.end_of_rib_at.get_or_insert(log.end()) {
                for (afi, safi) in std::mem::take(&mut self.end_of_rib) {
                    self.buffer.0.extend(encode_end_of_rib(afi, safi));
                }
                continue;
            }
            return self.at < log.end();
        }
    }

    fn next<'a>(&'a self, log: &'a Log) -> (&'a [u8], usize) {
        if !self.buffer.0.is_empty() {
            return (&self.buffer.0, self.buffer.1);
        }
        let chunk = match &self.snapshot {
            Some((snapshot, next)) => snapshot.chunks.get(*next),
            None => log.get(self.at),
        };
        (chunk.map_or(&[], |chunk| &chunk.bytes), self.offset)
    }

    fn advance(&mut self, end: usize, is_done: bool) {
        if !self.buffer.0.is_empty() {
            self.buffer = if is_done {
                (Vec::new(), 0)
            } else {
                (std::mem::take(&mut self.buffer.0), end)
            };
            return;
        }
        self.offset = if is_done { 0 } else { end };
        match &mut self.snapshot {
            _ if !is_done => {}
            Some((_, next)) => *next += 1,
            None => self.at += 1,
        }
    }
}

fn note(owed: &mut BTreeMap<Prefix, Told>, changes: &[(Prefix, &Old)], peer: i32) {
    for (prefix, old) in changes {
        owed.entry(*prefix).or_insert_with(|| old.told(peer));
    }
}

/// Write messages for the first prefixes that are owed: those whose view is not what was told.
fn catch_up(owed: &mut BTreeMap<Prefix, Told>, views: &mut Views<'_>, encoding: &EncodeOptions, out: &mut Vec<u8>) {
    let mut runs: Vec<(Option<Block>, Vec<Prefix>)> = vec![(None, Vec::new())];
    let mut places: FxHashMap<Block, usize> = FxHashMap::default();
    for _ in 0..CATCH_UP {
        let Some((prefix, was)) = owed.pop_first() else { break };
        match (was, views.of(&prefix)) {
            (Told::Nothing, None) => {}
            (_, None) => runs[0].1.push(prefix),
            (Told::This(told), Some(now)) if told == now => {}
            (_, Some(now)) => {
                let place = *places.entry(now).or_insert_with(|| {
                    runs.push((Some(now), Vec::new()));
                    runs.len() - 1
                });
                runs[place].1.push(prefix);
            }
        }
    }
    for (block, prefixes) in &runs {
        let block = block.map(|block| AttributeBlock::of(views.blocks(), block, encoding));
        let mut rest = &prefixes[..];
        while !rest.is_empty() {
            let written = write_message(block.as_ref(), rest, encoding, out).unwrap_or(1);
            rest = &rest[written..];
        }
    }
}

/// Where to cut, so that whole messages of at most `room` octets lie before; with `one` at least one.
fn take(bytes: &[u8], offset: usize, room: usize, one: bool) -> usize {
    if bytes.len() - offset <= room {
        return bytes.len();
    }
    let mut end = offset;
    while let Some([high, low]) = bytes.get(end + 16..end + 18) {
        let next = end + usize::from(u16::from_be_bytes([*high, *low]));
        if next - offset > room && !(one && end == offset) {
            break;
        }
        end = next;
    }
    end
}
