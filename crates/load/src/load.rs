//! The loop: all speakers on one thread.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::ledger::Ledger;
use crate::peer::{Lost, Peer, State};
use crate::plan::Plan;
use crate::sys::{self, Epoll};
use crate::table::Table;
use crate::wire;

const BUFFER: usize = 1 << 20;
const READS: usize = 4; // in one turn, so that others get theirs
const RETRY: Duration = Duration::from_millis(500);

/// A session that ended without our will.
#[derive(Clone, Debug)]
pub struct LostSession {
    pub peer: usize,
    pub why: Lost,
}

/// All speakers, and what they hold.
#[derive(Debug)]
pub struct Load {
    pub plan: Plan,
    pub table: Table,
    pub ledger: Ledger,
    pub peers: Vec<Peer>,
    /// Whose announcements stand.
    pub announcing: Vec<bool>,
    pub lost: Vec<LostSession>,
    /// When the last UPDATE came.
    pub updated: Instant,
    /// Since when all is right.
    pub right: Option<Instant>,
    /// Since when nothing waits to be written.
    pub sent: Option<Instant>,
    epoll: Epoll,
    buffer: Vec<u8>,
    tidied: Instant,
    /// Whether what must be held has changed by sessions that ended; that is reckoned once a turn, however many they are.
    changed: bool,
    /// Until it ends, sessions that can't be had are tried again.
    connecting: bool,
}

impl Load {
    /// Nobody is connected yet.
    pub fn new(plan: Plan) -> Result<Self, String> {
        let table = Table::new(&plan)?;
        let (ledger, now) = (Ledger::new(&plan, &table), Instant::now());
        Ok(Self {
            peers: (0..plan.peers()).map(|_| Peer::new()).collect(),
            announcing: vec![false; plan.senders],
            lost: Vec::new(),
            updated: now,
            right: None,
            sent: None,
            epoll: Epoll::new().map_err(|error| error.to_string())?,
            buffer: vec![0; BUFFER],
            tidied: now,
            changed: false,
            connecting: true,
            plan,
            table,
            ledger,
        })
    }

    /// Bring all sessions up.
    pub fn establish(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs_f64(self.plan.timeout_s);
        while self.established() < self.peers.len() {
            let now = Instant::now();
            if now > deadline {
                let why = self.lost.last().map_or("no answer".to_string(), |last| last.why.clone());
                return Err(format!(
                    "{} of {} sessions came up; the last that failed: {why}",
                    self.established(),
                    self.peers.len()
                ));
            }
            for peer in 0..self.peers.len() {
                if self.peers[peer].state == State::Down && self.peers[peer].retry <= now {
                    self.connect(peer);
                }
            }
            self.turn(Duration::from_millis(50))?;
        }
        self.connecting = false;
        self.lost.clear();
        Ok(())
    }

    pub fn established(&self) -> usize {
        self.peers.iter().filter(|peer| peer.state == State::Established).count()
    }

    fn connect(&mut self, peer: usize) {
        let to: SocketAddrV4 = self.plan.to;
        let made = sys::connect(self.plan.address(peer), to).and_then(|stream| {
            self.epoll.add(&stream, peer, true)?;
            Ok(stream)
        });
        match made {
            Ok(stream) => {
                let each = &mut self.peers[peer];
                (each.stream, each.state, each.waiting) = (Some(stream), State::Connecting, true);
            }
            Err(error) => self.lose(peer, error.to_string()),
        }
    }

    /// One turn of the loop: what is ready, and once a second KEEPALIVEs and hold timers.
    pub fn turn(&mut self, wait: Duration) -> Result<(), String> {
        for ready in self.epoll.wait(wait.as_millis() as u64).map_err(|error| error.to_string())? {
            let done = (if ready.writable { self.writable(ready.key) } else { Ok(()) })
                .and_then(|()| if ready.readable { self.readable(ready.key) } else { Ok(()) });
            done.unwrap_or_else(|why| self.lose(ready.key, why));
        }
        let now = Instant::now();
        if self.tidied.elapsed() >= Duration::from_secs(1) {
            self.tidied = now;
            self.tidy(now);
        }
        if std::mem::take(&mut self.changed) {
            self.ledger.expect(&self.table, &self.announcing);
        }
        self.right = if self.ledger.all_wrong == 0 {
            self.right.or(Some(now))
        } else {
            None
        };
        self.sent = if self.peers.iter().all(Peer::sent_all) {
            self.sent.or(Some(now))
        } else {
            None
        };
        Ok(())
    }

    fn writable(&mut self, peer: usize) -> Result<(), Lost> {
        let each = &mut self.peers[peer];
        if each.state == State::Connecting {
            if let Some(error) = each.stream.as_ref().and_then(|stream| stream.take_error().ok().flatten()) {
                return Err(error.to_string());
            }
            each.state = State::OpenSent;
            each.heard = Instant::now();
            let open = wire::open(self.plan.asn_of(peer), self.plan.hold_s, u32::from(self.plan.address(peer)));
            each.send(&open)?;
        } else {
            each.write()?;
        }
        self.await_room(peer)
    }

    /// Ask to be told when the socket takes more, if something waits.
    fn await_room(&mut self, peer: usize) -> Result<(), Lost> {
        let each = &mut self.peers[peer];
        let wanted = !each.sent_all();
        if let (true, Some(stream)) = (wanted != each.waiting, &each.stream) {
            self.epoll.change(stream, peer, wanted).map_err(|error| error.to_string())?;
            each.waiting = wanted;
        }
        Ok(())
    }

    /// Have a speaker say something now.
    pub fn say(&mut self, peer: usize, octets: &[u8]) {
        self.send(peer, octets);
        self.sent = None;
    }

    fn send(&mut self, peer: usize, octets: &[u8]) {
        let done = self.peers[peer].send(octets).and_then(|()| self.await_room(peer));
        done.unwrap_or_else(|why| self.lose(peer, why));
    }

    /// Have a speaker say much, from the next turn on.
    pub fn say_whole(&mut self, peer: usize, octets: Vec<u8>) {
        self.peers[peer].send_whole(octets);
        self.await_room(peer).unwrap_or_else(|why| self.lose(peer, why));
        self.sent = None;
    }

    fn readable(&mut self, peer: usize) -> Result<(), Lost> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut done = Ok(true);
        for _ in 0..READS {
            done = self.read_once(peer, &mut buffer);
            if !matches!(done, Ok(true)) {
                break;
            }
        }
        self.buffer = buffer;
        done.map(drop)
    }

    fn read_once(&mut self, peer: usize, buffer: &mut [u8]) -> Result<bool, Lost> {
        let (filled, more) = self.peers[peer].read(buffer)?;
        let mut at = 0;
        while filled - at >= wire::HEADER {
            let length = usize::from(u16::from_be_bytes([buffer[at + 16], buffer[at + 17]]));
            if buffer[at..at + 16] != [0xff; 16] || !(wire::HEADER..=wire::LARGEST).contains(&length) {
                return Err("what came is no BGP message".to_string());
            }
            if filled - at < length {
                break;
            }
            self.message(peer, buffer[at + 18], &buffer[at + wire::HEADER..at + length])?;
            at += length;
        }
        self.peers[peer].rest.extend(&buffer[at..filled]);
        Ok(more)
    }

    fn message(&mut self, peer: usize, kind: u8, body: &[u8]) -> Result<(), Lost> {
        if kind != wire::UPDATE || self.peers[peer].state != State::Established {
            self.peers[peer].turn(kind, body, self.plan.asn, self.plan.hold_s)?;
            return self.await_room(peer);
        }
        self.updated = Instant::now();
        let counts = &mut self.ledger.counts;
        counts.updates += 1;
        counts.octets += (wire::HEADER + body.len()) as u64;
        let update = match wire::update(body, self.plan.asn) {
            Ok(update) => update,
            Err(why) => {
                counts.malformed += 1;
                return Err(format!("a malformed UPDATE: {why}"));
            }
        };
        let mut malformed = false;
        for prefix in wire::Nlri(update.withdrawn) {
            match prefix {
                Ok(prefix) => self.ledger.withdrawn(&self.table, peer, prefix),
                Err(_) => malformed = true,
            }
        }
        if !update.nlri.is_empty() {
            let route = self.table.route(update.identity);
            let changed = route.is_some_and(|route| update.next_hop != Some(self.table.next_hop(route.sender)));
            self.ledger.counts.next_hops += u64::from(changed);
            let prefixes = wire::Nlri(update.nlri)
                .inspect(|each| malformed |= each.is_err())
                .filter_map(Result::ok);
            self.ledger.announced(&self.table, peer, route, prefixes);
        }
        if malformed {
            self.ledger.counts.malformed += 1;
            return Err("a malformed UPDATE: a prefix that can't be one".to_string());
        }
        Ok(())
    }

    /// KEEPALIVEs that are due, and sessions of which nothing was heard for too long.
    fn tidy(&mut self, now: Instant) {
        for peer in 0..self.peers.len() {
            let each = &self.peers[peer];
            if each.state != State::Established || each.hold_s == 0 {
                continue;
            }
            if now - each.heard > Duration::from_secs(u64::from(each.hold_s)) {
                self.lose(peer, "nothing was heard for the hold time".to_string());
            } else if each.sent_all() && now - each.said >= Duration::from_secs(u64::from(each.hold_s / 3).max(1)) {
                self.send(peer, &wire::keepalive());
            }
        }
    }

    /// A session ended without our will.
    fn lose(&mut self, peer: usize, why: Lost) {
        self.lost.push(LostSession { peer, why });
        if self.connecting {
            self.peers[peer].end(State::Down);
            self.peers[peer].retry = Instant::now() + RETRY;
        } else {
            self.end(peer);
        }
    }

    /// End a speaker's session, and reckon with what it announced no longer.
    pub fn end(&mut self, peer: usize) {
        self.peers[peer].end(State::Ended);
        self.ledger.lost(peer);
        if peer < self.announcing.len() && self.announcing[peer] {
            self.announcing[peer] = false;
            self.changed = true;
        }
        self.right = None;
    }

    /// Octets that the route server has not read yet.
    pub fn unread(&self) -> usize {
        self.peers.iter().filter_map(|peer| peer.stream.as_ref()).map(sys::unread).sum()
    }
}
