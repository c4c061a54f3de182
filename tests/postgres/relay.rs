//! A relay between premerge and the server that has one mishap.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a relay does to the traffic once so many bytes have gone through it.
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    /// Both directions end at once.
    Cut,
    /// The server's answer is lost, but what was sent arrived.
    LoseAnswer,
}

/// A relay to the server that has one mishap at the n-th message from the client.
pub struct Relay {
    pub port: u16,
    pub messages: Arc<AtomicUsize>,
}

impl Relay {
    pub fn start(server: u16, at: usize, mishap: Mishap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&messages);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (mut from, mut to, is_client) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap(), true), (server, client, false)]
                {
                    let counted = Arc::clone(&counted);
                    std::thread::spawn(move || {
                        let mut buffer = [0; 65536];
                        while let Ok(read @ 1..) = from.read(&mut buffer) {
                            let struck = is_client && counted.fetch_add(1, Ordering::Relaxed) + 1 == at;
                            if struck && matches!(mishap, Mishap::LoseAnswer) {
                                // Away from the client first, so that no answer gets through.
                                let _ = from.shutdown(Shutdown::Both);
                                let _ = to.write_all(&buffer[..read]);
                                std::thread::sleep(Duration::from_millis(200));
                                let _ = to.shutdown(Shutdown::Both);
                                return;
                            }
                            if struck || to.write_all(&buffer[..read]).is_err() {
                                break;
                            }
                        }
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, messages }
    }
}
