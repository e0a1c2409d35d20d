//! One speaker: its connection, what waits to be written, and how far its session is.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::wire;

const WRITE: usize = 1 << 20;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Down,
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
    Ended,
}

/// A speaker of the load.
#[derive(Debug)]
pub struct Peer {
    pub state: State,
    pub stream: Option<TcpStream>,
    /// Of a message that has not come whole.
    pub rest: Vec<u8>,
    unsent: Vec<u8>,
    written: usize,
    pub waiting: bool,
    pub hold_s: u16,
    pub heard: Instant,
    pub said: Instant,
    pub retry: Instant,
}

/// The session can't go on; why.
pub type Lost = String;

impl Peer {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            state: State::Down,
            stream: None,
            rest: Vec::new(),
            unsent: Vec::new(),
            written: 0,
            waiting: false,
            hold_s: 0,
            heard: now,
            said: now,
            retry: now,
        }
    }

    /// Forget the connection.
    pub fn end(&mut self, state: State) {
        (self.stream, self.state, self.written, self.waiting) = (None, state, 0, false);
        self.rest.clear();
        self.unsent = Vec::new();
    }

    pub fn sent_all(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Write this after what waits, as far as the socket takes it.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Lost> {
        if self.stream.is_none() {
            return Ok(()); // a session that ended has nothing to say
        }
        self.unsent.extend(octets);
        self.write()
    }

    /// As `send`, of much.
    pub fn send_whole(&mut self, octets: Vec<u8>) {
        if self.stream.is_none() {
            return;
        }
        if self.unsent.is_empty() {
            self.unsent = octets;
        } else {
            self.unsent.extend(octets);
        }
    }

    /// Write what waits, as far as the socket takes it.
    pub fn write(&mut self) -> Result<(), Lost> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while self.written < self.unsent.len() {
            let end = self.unsent.len().min(self.written + WRITE);
            match stream.write(&self.unsent[self.written..end]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
            self.said = Instant::now();
        }
        self.unsent = Vec::new();
        self.written = 0;
        Ok(())
    }

    /// Read once, behind what was left of an earlier message; how much of the buffer is filled, and whether there may be more.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), Lost> {
        let Some(stream) = &mut self.stream else { return Ok((0, false)) };
        let kept = self.rest.len();
        buffer[..kept].copy_from_slice(&self.rest);
        match stream.read(&mut buffer[kept..]) {
            Ok(0) => Err("the connection was closed".to_string()),
            Ok(count) => {
                self.rest.clear();
                self.heard = Instant::now();
                Ok((kept + count, kept + count == buffer.len()))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok((0, false)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A message other than an UPDATE turns the session; true where it became Established.
    pub fn turn(&mut self, kind: u8, body: &[u8], asn: u32, ours_s: u16) -> Result<bool, Lost> {
        match (self.state, kind) {
            (State::OpenSent, wire::OPEN) => {
                let (theirs_s, theirs) = wire::read_open(body)?;
                if theirs != asn {
                    return Err(format!("it says that it is AS {theirs}"));
                }
                self.hold_s = ours_s.min(theirs_s);
                self.state = State::OpenConfirm;
                self.send(&wire::keepalive())?;
                Ok(false)
            }
            (State::OpenConfirm, wire::KEEPALIVE) => {
                self.state = State::Established;
                Ok(true)
            }
            (State::Established, wire::KEEPALIVE | wire::ROUTE_REFRESH) => Ok(false),
            (_, wire::NOTIFICATION) => match body {
                [code, subcode, ..] => Err(format!("NOTIFICATION {code}/{subcode}")),
                _ => Err("a NOTIFICATION of another shape".to_string()),
            },
            (state, kind) => Err(format!("a message of type {kind} in state {state:?}")),
        }
    }
}
