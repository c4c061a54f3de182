//! A relay between premerge and the server that has one mishap.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;

/// What happens to the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Both directions end in order.
    Cut,
    /// Both directions end by a reset.
    Reset,
    /// The server's answer is lost, but what was sent arrived.
    LoseAnswer,
    /// A byte is missing; what follows goes through.
    LoseByte,
    /// From then on nothing goes through on any connection, and nobody is told.
    Silence,
    /// Everything is late by this much.
    Delay(Duration),
}

/// When it happens, counted over all connections and from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At a message of the client's.
    Message(usize),
    /// At a byte that the client sends.
    Sent(usize),
    /// At a byte that the server answers.
    Answered(usize),
    Never,
}

/// What has gone through a relay.
#[derive(Default)]
pub struct Traffic {
    messages: AtomicUsize,
    sent: AtomicUsize,
    answered: AtomicUsize,
    silent: AtomicBool,
}

impl Traffic {
    pub fn messages(&self) -> usize {
        self.messages.load(Ordering::Relaxed)
    }

    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Counts what was read; how much of it still goes through if the moment is in it.
    fn struck(&self, is_client: bool, read: usize, moment: Moment) -> Option<usize> {
        let within = |before: usize, at: usize| (before < at && at <= before + read).then(|| at - before - 1);
        if !is_client {
            let before = self.answered.fetch_add(read, Ordering::Relaxed);
            return if let Moment::Answered(at) = moment { within(before, at) } else { None };
        }
        let message = self.messages.fetch_add(1, Ordering::Relaxed) + 1;
        let before = self.sent.fetch_add(read, Ordering::Relaxed);
        match moment {
            Moment::Message(at) => (message == at).then_some(0),
            Moment::Sent(at) => within(before, at),
            Moment::Answered(_) | Moment::Never => None,
        }
    }
}

/// A relay to the server that has one mishap.
pub struct Relay {
    pub port: u16,
    pub traffic: Arc<Traffic>,
}

impl Relay {
    pub fn start(server: u16, moment: Moment, mishap: Mishap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(Traffic::default());
        let counted = Arc::clone(&traffic);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                let reset = Arc::new(AtomicBool::new(false));
                for (from, to, is_client) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap(), true), (server, client, false)]
                {
                    let (traffic, reset) = (Arc::clone(&counted), Arc::clone(&reset));
                    let direction = Direction { from, to, is_client, traffic, reset };
                    std::thread::spawn(move || direction.pass_on(moment, mishap));
                }
            }
        });
        Self { port, traffic }
    }
}

/// One way of one connection.
struct Direction {
    from: TcpStream,
    to: TcpStream,
    is_client: bool,
    traffic: Arc<Traffic>,
    /// The client's side is to end by a reset, which takes that nobody ends it in order.
    reset: Arc<AtomicBool>,
}

impl Direction {
    fn pass_on(mut self, moment: Moment, mishap: Mishap) {
        let mut buffer = vec![0; 65536];
        while let Ok(read @ 1..) = self.from.read(&mut buffer) {
            let struck = self.traffic.struck(self.is_client, read, moment);
            if let Mishap::Delay(by) = mishap {
                std::thread::sleep(by);
            }
            if self.traffic.silent.load(Ordering::Relaxed) {
                continue;
            }
            let passing = struck.unwrap_or(read);
            if mishap == Mishap::LoseAnswer && struck.is_some() {
                // Away from the client first, so that no answer gets through.
                let _ = self.from.shutdown(Shutdown::Both);
                let _ = self.to.write_all(&buffer[..read]);
                std::thread::sleep(Duration::from_millis(200));
                let _ = self.to.shutdown(Shutdown::Both);
                return;
            }
            if self.to.write_all(&buffer[..passing]).is_err() {
                break;
            }
            match mishap {
                _ if struck.is_none() => {}
                Mishap::LoseByte => {
                    if self.to.write_all(&buffer[passing + 1..read]).is_err() {
                        break;
                    }
                }
                Mishap::Silence => self.traffic.silent.store(true, Ordering::Relaxed),
                Mishap::Reset => {
                    self.reset.store(true, Ordering::Relaxed);
                    let client = if self.is_client { &self.from } else { &self.to };
                    SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
                    break;
                }
                Mishap::Cut | Mishap::LoseAnswer | Mishap::Delay(_) => break,
            }
        }
        let (client, server) = if self.is_client { (&self.from, &self.to) } else { (&self.to, &self.from) };
        if !self.reset.load(Ordering::Relaxed) {
            let _ = client.shutdown(Shutdown::Both);
        } else {
            // The other direction reads from the client and lets go of it only when that ends.
            let _ = client.shutdown(Shutdown::Read);
        }
        let _ = server.shutdown(Shutdown::Both);
    }
}
