//! A receiver of webhooks that can misbehave in every way that real ones do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What a receiver does with a request that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Answer(u16),
    /// Says nothing until the sender goes away.
    Hang,
    /// Answers once the sender has gone away.
    AnswerTooLate,
    Reset,
    /// Says 200, and ends in the middle of the answer.
    DieAfter200,
    /// Sends the sender to another address.
    Redirect(&'static str),
}

/// What came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

type Manners = dyn Fn(usize, &Received) -> Manner + Send + Sync;

/// Listens until it is dropped.
pub(super) struct Receiver {
    pub(super) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    /// One that always does the same.
    pub(super) fn always(manner: Manner) -> Self {
        Self::with(move |_, _| manner)
    }

    /// `manners` says what to do with each request, by its number.
    pub(super) fn with(manners: impl Fn(usize, &Received) -> Manner + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", manners)
    }

    pub(super) fn at(address: &str, manners: impl Fn(usize, &Received) -> Manner + Send + Sync + 'static) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let serving = tokio::spawn(serve(listener, Arc::new(manners), received.clone()));
        Self { url, received, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, manners: Arc<Manners>, received: Arc<Mutex<Vec<Received>>>) {
    let number = Arc::new(AtomicUsize::new(0));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (manners, received, number) = (manners.clone(), received.clone(), number.clone());
        connections.spawn(async move {
            // A sender that goes away in the middle is no concern of a receiver.
            let _ = converse(stream, &*manners, &received, &number).await;
        });
    }
}

async fn converse(
    mut stream: TcpStream,
    manners: &Manners,
    all: &Mutex<Vec<Received>>,
    number: &AtomicUsize,
) -> std::io::Result<()> {
    let Some(received) = read(&mut stream).await? else { return Ok(()) };
    let manner = manners(number.fetch_add(1, Ordering::SeqCst), &received);
    all.lock().unwrap().push(received);
    match manner {
        Manner::Answer(status) => {
            let answer = format!("HTTP/1.1 {status} Told\r\nContent-Length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await
        }
        Manner::Redirect(to) => {
            let answer = format!("HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
        Manner::DieAfter200 => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok").await,
        Manner::Hang => until_left(&mut stream).await,
        Manner::AnswerTooLate => {
            until_left(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
        }
        Manner::Reset => {
            stream.set_zero_linger()?;
            Ok(())
        }
    }
}

/// Until the other side has closed.
async fn until_left(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 64];
    let left = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(60), left).await;
    Ok(())
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let headers: HashMap<String, String> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or_default();
            if body.len() >= length {
                return Ok(Some(Received { headers, body: body.to_owned() }));
            }
        }
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
