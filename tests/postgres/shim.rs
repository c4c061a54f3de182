//! Between premerge and a real PostgreSQL: takes out of each statement what only Redshift's grammar has, and
//! writes down what was sent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};

use regex::Regex;

use crate::cluster::Cluster;

/// A server that reads texts as Redshift does: a backslash escapes.
pub fn like_redshift(settings: &[&str]) -> Cluster {
    Cluster::start(&[&["standard_conforming_strings=off", "escape_string_warning=off"], settings].concat())
}

/// The clauses that PostgreSQL lacks.
static CLAUSES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?m) with no schema binding|^backup no$|^diststyle (?:all|even|key distkey \([^)]*\))$|^(?:compound|interleaved) sortkey\([^)]*\)|set query_group to '[^']*';",
    )
    .unwrap()
});

pub struct Shim {
    pub port: u16,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Shim {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (Ok(server), log) = (TcpStream::connect(("127.0.0.1", port)), Arc::clone(&log)) else { continue };
                let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut back);
                    let _ = back.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    let mut server = server;
                    // An end in the middle is the end.
                    let _ = forward(client, &mut server, &log);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port: own, sent }
    }

    /// Everything sent so far.
    pub fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn forward(mut client: TcpStream, server: &mut TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    // The first message has no type.
    server.write_all(&body(&mut client)?)?;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let mut message = body(&mut client)?;
        if kind[0] == b'Q' {
            let sql = String::from_utf8(message[4..message.len() - 1].to_vec()).unwrap();
            // A database beside ours is ours.
            let plain = CLAUSES.replace_all(&sql, "").replace("\"beside\".", "\"ferry\".");
            log.lock().unwrap().push(sql);
            message = u32::try_from(plain.len() + 5).unwrap().to_be_bytes().to_vec();
            message.extend_from_slice(plain.as_bytes());
            message.push(0);
        } else {
            // Passwords, and the end. Anything of the extended protocol would be news.
            assert!(matches!(kind[0], b'p' | b'X'), "message `{}`", char::from(kind[0]));
        }
        server.write_all(&kind)?;
        server.write_all(&message)?;
    }
}

/// A message's length and what follows.
fn body(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut message = length.to_vec();
    message.resize(usize::try_from(u32::from_be_bytes(length)).unwrap(), 0);
    client.read_exact(&mut message[4..])?;
    Ok(message)
}
