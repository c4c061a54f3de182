//! A server between premerge and GitHub: it records every request, passes it on or answers itself, and can
//! lose an answer on the way back, which is what a real network does to a POST.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
    /// What the validator behind us said about the request itself.
    pub(crate) violations: Vec<String>,
}

/// What becomes of a request.
pub(crate) enum Fate {
    /// Passed on, and the answer back.
    Pass,
    /// Passed on, and the answer lost.
    PassAndLose,
    /// Answered here: status, headers, body.
    Say(u16, &'static str, String),
    /// Never answered.
    Hang,
}

/// Says what becomes of a request; `nth` counts requests of the same method and path without query, from 0.
pub(crate) type Script = dyn Fn(&Request, usize) -> Fate + Send + Sync;

pub(crate) struct Middleman {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Middleman {
    pub(crate) fn start(
        upstream: Option<&str>,
        script: impl Fn(&Request, usize) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let upstream = upstream.map(|address| address.trim_start_matches("http://").to_owned());
        let shared = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (requests, script, upstream) = (Arc::clone(&shared), Arc::clone(&script), upstream.clone());
                std::thread::spawn(move || serve(connection, &requests, &*script, upstream.as_deref()));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panicked").clone()
    }

    /// The requests as `METHOD /path`, without queries.
    pub(crate) fn lines(&self) -> Vec<String> {
        let bare = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        self.requests().iter().map(|request| format!("{} {}", request.method, bare(&request.path))).collect()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }
}

fn serve(
    mut connection: TcpStream,
    requests: &Mutex<Vec<Request>>,
    script: &Script,
    upstream: Option<&str>,
) -> Option<()> {
    let (head, body) = read_message(&mut connection)?;
    let mut words = head.lines().next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let authorization = header(&head, "authorization").unwrap_or_default();
    let request = Request { method, path, authorization, body, violations: Vec::new() };
    let place = |request: &Request| request.path.split('?').next().map(str::to_owned);
    let (index, nth) = {
        let mut all = requests.lock().ok()?;
        let alike = |other: &&Request| other.method == request.method && place(other) == place(&request);
        let nth = all.iter().filter(alike).count();
        all.push(request.clone());
        (all.len() - 1, nth)
    };
    let fate = script(&request, nth);
    match fate {
        Fate::Say(status, headers, body) => {
            let length = body.len();
            let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
            let answer = format!(
                "HTTP/1.1 {status} X\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            connection.write_all(answer.as_bytes()).ok()
        }
        Fate::Hang => {
            std::thread::sleep(Duration::from_secs(20));
            None
        }
        Fate::Pass | Fate::PassAndLose => {
            let answer = passed_on(&head, &request, upstream?)?;
            let text = String::from_utf8_lossy(&answer);
            if let Some(violations) = header(&text, "sl-violations") {
                let violations: Vec<serde_json::Value> = serde_json::from_str(&violations).ok()?;
                let of_request = violations
                    .iter()
                    .filter(|violation| violation.pointer("/location/0").is_some_and(|place| place == "request"));
                let mut all = requests.lock().ok()?;
                all.get_mut(index)?.violations.extend(of_request.map(ToString::to_string));
            }
            if matches!(fate, Fate::Pass) { connection.write_all(&answer).ok() } else { None }
        }
    }
}

fn passed_on(head: &str, request: &Request, upstream: &str) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).ok()?;
    let mut lines = head.lines();
    let mut message = format!("{}\r\n", lines.next()?);
    for line in lines.filter(|line| !line.is_empty()) {
        let name = line.split(':').next()?.to_ascii_lowercase();
        if name != "host" && name != "connection" {
            message.push_str(&format!("{line}\r\n"));
        }
    }
    message.push_str(&format!("host: {upstream}\r\nconnection: close\r\n\r\n{}", request.body));
    server.write_all(message.as_bytes()).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// The head and the body of one HTTP/1.1 message with a `content-length`.
fn read_message(connection: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
            let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(bytes.get(end + 4..end + 4 + length)?).into_owned();
                return Some((head, body));
            }
        }
        let read = connection.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(buffer.get(..read)?);
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let head = head.split("\r\n\r\n").next()?;
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}
