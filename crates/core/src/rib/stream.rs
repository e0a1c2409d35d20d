//! The encoded stream of an update group, and where each peer is in it.
//!
//! A peer that keeps up reads the log at its cursor. One that falls behind further than the log goes back leaves it: for it is noted what it was
//! last told of each prefix that changed since, and it is caught up from the table. So memory is bounded by the table, not by the slowest peer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::adj_out::{Entry, is_told_alike, view};
use crate::attributes::Attributes;
use crate::prefix::Prefix;
use crate::wire::update::write_withdrawals;
use crate::wire::{AttributeBlock, EncodeOptions, encode_end_of_rib};

/// A chunk is closed once it has this many octets.
const CHUNK_BYTES: usize = 16 * 1024;
/// The log may hold this many changes more than the table has entries.
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

/// Prefixes that get the same attributes, or are withdrawn, for the same readers; each with its entry before.
pub struct Run {
    pub readers: Readers,
    pub attributes: Option<Arc<Attributes>>,
    pub changes: Vec<(Prefix, Option<Entry>)>,
}

/// Whole messages for the same readers, and what they change.
pub struct Chunk {
    readers: Readers,
    bytes: Vec<u8>,
    changes: Vec<(Prefix, Option<Entry>)>,
}

/// The table as chunks, for those who have been told nothing.
pub struct Snapshot {
    pub chunks: Vec<Chunk>,
}

/// Write runs as chunks.
pub fn write_runs(runs: Vec<Run>, encoding: &EncodeOptions, chunks: &mut Vec<Chunk>) {
    for run in runs {
        let prefixes: Vec<Prefix> = run.changes.iter().map(|(prefix, _)| *prefix).collect();
        let mut changes = run.changes.into_iter();
        let block = run.attributes.as_ref().map(|attributes| AttributeBlock::new(attributes, encoding));
        let mut rest = &prefixes[..];
        while !rest.is_empty() {
            if chunks
                .last()
                .is_none_or(|c| c.readers != run.readers || c.bytes.len() >= CHUNK_BYTES)
            {
                chunks.push(Chunk {
                    readers: run.readers,
                    bytes: Vec::new(),
                    changes: Vec::new(),
                });
            }
            let Some(chunk) = chunks.last_mut() else { return };
            let written = write_message(block.as_ref(), rest, encoding, &mut chunk.bytes);
            chunk.changes.extend(changes.by_ref().take(written));
            rest = &rest[written..];
        }
    }
}

/// Append one message; how many prefixes are done with. What can't be written was sorted out on export; were it not, it would be passed over.
fn write_message(block: Option<&AttributeBlock>, prefixes: &[Prefix], encoding: &EncodeOptions, out: &mut Vec<u8>) -> usize {
    match block {
        Some(block) => block.message(prefixes, out).unwrap_or(1),
        None => write_withdrawals(prefixes, encoding, out),
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
    pub fn append(&mut self, chunk: Chunk, members: &mut BTreeMap<u32, Cursor>) {
        for cursor in members.values_mut() {
            cursor.note(&chunk);
        }
        self.changes += chunk.changes.len();
        self.chunks.push_back(chunk);
        let end = self.end();
        members.values_mut().filter(|c| c.owed.is_some()).for_each(|c| c.at = end);
    }

    /// Drop what all have read, and what makes the log too long: those who have not read it fall behind.
    pub fn trim(&mut self, members: &mut BTreeMap<u32, Cursor>, table: usize) {
        let needed = members
            .values()
            .filter(|c| c.owed.is_none())
            .map(|c| c.at)
            .min()
            .unwrap_or(self.end());
        while self.start < needed {
            self.drop_first();
        }
        if self.changes <= table + LOG_SLACK {
            return;
        }
        let (mut keep, mut changes) = (self.end(), 0);
        for chunk in self.chunks.iter().rev() {
            changes += chunk.changes.len();
            if changes > table + LOG_SLACK {
                break;
            }
            keep -= 1;
        }
        members.values_mut().filter(|c| c.at < keep).for_each(|c| c.fall_behind(self));
        while self.start < keep {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.changes -= chunk.changes.len();
            self.start += 1;
        }
    }
}

/// What a peer was last told of a prefix.
#[derive(Clone, Debug)]
enum Told {
    Nothing,
    This(Arc<Attributes>),
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
    end_of_rib: Vec<(u16, u8)>,
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
        }
    }

    /// Leave the log: what is unread becomes prefixes that are owed.
    pub fn fall_behind(&mut self, log: &Log) {
        if self.owed.is_some() {
            return;
        }
        let mut owed = BTreeMap::new();
        if let Some((snapshot, next)) = self.snapshot.take() {
            let rest = snapshot.chunks.get(next..).unwrap_or_default();
            self.owe(rest.iter(), &mut owed);
        }
        let mut unread = Vec::new();
        while let Some(chunk) = log.get(self.at) {
            unread.push(chunk);
            self.at += 1;
        }
        self.owe(unread.into_iter(), &mut owed);
        self.owed = Some(owed);
    }

    fn owe<'a>(&mut self, chunks: impl Iterator<Item = &'a Chunk>, owed: &mut BTreeMap<Prefix, Told>) {
        for chunk in chunks.filter(|chunk| chunk.readers.include(self.peer)) {
            if self.offset > 0 {
                // The chunk that was begun is sent to its end.
                self.buffer.0.extend_from_slice(chunk.bytes.get(self.offset..).unwrap_or_default());
                self.offset = 0;
                continue;
            }
            for (prefix, old) in &chunk.changes {
                owed.entry(*prefix).or_insert_with(|| told(old.as_ref(), self.peer));
            }
        }
    }

    fn note(&mut self, chunk: &Chunk) {
        let peer = self.peer;
        if let Some(owed) = self.owed.as_mut().filter(|_| chunk.readers.include(peer)) {
            for (prefix, old) in &chunk.changes {
                owed.entry(*prefix).or_insert_with(|| told(old.as_ref(), peer));
            }
        }
    }

    /// Go over from one table to another: all that differs is owed. It has left the log of the first.
    pub fn follow(&mut self, from: &FxHashMap<Prefix, Entry>, to: &FxHashMap<Prefix, Entry>, at: u64) {
        let owed = self.owed.get_or_insert_default();
        for prefix in from.keys().chain(to.keys()) {
            if !owed.contains_key(prefix) && !is_told_alike(view(from.get(prefix), self.peer), view(to.get(prefix), self.peer)) {
                owed.insert(*prefix, told(from.get(prefix), self.peer));
            }
        }
        self.at = at;
    }

    /// All of an IP version that it was told is owed again. It has left the log.
    pub fn owe_again(&mut self, table: &FxHashMap<Prefix, Entry>, version: u8) {
        let owed = self.owed.get_or_insert_default();
        for (prefix, entry) in table.iter().filter(|(prefix, _)| prefix.version == version) {
            if view(Some(entry), self.peer).is_some() {
                let told = owed.entry(*prefix).or_insert(Told::Again);
                if matches!(told, Told::This(_)) {
                    *told = Told::Again;
                }
            }
        }
    }

    /// Whether it has read all that is in the log.
    pub fn is_through(&self, log: &Log) -> bool {
        self.owed.is_none() && self.snapshot.is_none() && self.at == log.end()
    }

    /// The next whole messages, one at least where there is one.
    pub fn output(&mut self, log: &Log, table: &FxHashMap<Prefix, Entry>, encoding: &EncodeOptions, max_bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while self.has_output(log, table, encoding) {
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
    pub fn has_output(&mut self, log: &Log, table: &FxHashMap<Prefix, Entry>, encoding: &EncodeOptions) -> bool {
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
                catch_up(owed, table, self.peer, encoding, &mut self.buffer.0);
                if owed.is_empty() {
                    self.owed = None;
                    self.at = log.end();
                }
                continue;
            }
            if !self.end_of_rib.is_empty() {
                for (afi, safi) in std::mem::take(&mut self.end_of_rib) {
                    self.buffer.0.extend(encode_end_of_rib(afi, safi));
                }
                continue;
            }
            while log.get(self.at).is_some_and(|chunk| !chunk.readers.include(self.peer)) {
                self.at += 1;
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

fn told(entry: Option<&Entry>, peer: i32) -> Told {
    view(entry, peer).map_or(Told::Nothing, |out| Told::This(Arc::clone(&out.attributes)))
}

/// Write messages for the first prefixes that are owed: those whose view is not what was told.
fn catch_up(owed: &mut BTreeMap<Prefix, Told>, table: &FxHashMap<Prefix, Entry>, peer: i32, encoding: &EncodeOptions, out: &mut Vec<u8>) {
    let mut runs: Vec<(Option<Arc<Attributes>>, Vec<Prefix>)> = vec![(None, Vec::new())];
    let mut places: FxHashMap<usize, usize> = FxHashMap::default();
    for _ in 0..CATCH_UP {
        let Some((prefix, was)) = owed.pop_first() else { break };
        match (was, view(table.get(&prefix), peer)) {
            (Told::Nothing, None) => {}
            (_, None) => runs[0].1.push(prefix),
            (Told::This(told), Some(now)) if super::loc::same(&told, &now.attributes) => {}
            (_, Some(now)) => {
                let place = *places.entry(Arc::as_ptr(&now.attributes) as usize).or_insert_with(|| {
                    runs.push((Some(Arc::clone(&now.attributes)), Vec::new()));
                    runs.len() - 1
                });
                runs[place].1.push(prefix);
            }
        }
    }
    for (attributes, prefixes) in runs {
        let block = attributes.map(|attributes| AttributeBlock::new(&attributes, encoding));
        let mut rest = &prefixes[..];
        while !rest.is_empty() {
            let written = write_message(block.as_ref(), rest, encoding, out);
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
