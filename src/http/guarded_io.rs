//! A connection that does not let a silent peer hold it: the opening bytes come in time, and what we send is taken.
//!
//! hyper bounds how long a request's head may take, but only once it knows the version of HTTP, and never how long a
//! peer may leave our bytes unread. Between requests and during a handler's work silence is no fault, so reads are
//! otherwise unguarded here; the bodies of requests have their own limits where they are read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What HTTP/2 clients send first (RFC 9113 §3.4); hyper reads on as long as the bytes could become it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The guard around a connection.
pub struct GuardedIo<T> {
    inner: T,
    /// Until the version is known: how much of the preface has come, and until when the rest may.
    opening: Option<Opening>,
    write_time: Duration,
    /// While a write waits for the peer: until when.
    write_deadline: Option<Pin<Box<Sleep>>>,
}

struct Opening {
    matched: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<T> GuardedIo<T> {
    pub fn new(inner: T, opening_time: Duration, write_time: Duration) -> Self {
        let opening = Opening { matched: 0, deadline: Box::pin(sleep(opening_time)) };
        Self { inner, opening: Some(opening), write_time, write_deadline: None }
    }

    /// Starts or checks the timer of a write that waits; forgets it when the write got on.
    fn watch_write<R>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.write_deadline = None;
            return outcome;
        }
        let time = self.write_time;
        let deadline =
            self.write_deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + time)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not take what is sent")))
    }
}

impl Opening {
    /// Whether the version is still open after these bytes.
    fn goes_on(&mut self, bytes: &[u8]) -> bool {
        let expected = &PREFACE[self.matched..];
        self.matched += bytes.len();
        bytes.len() < expected.len() && expected.starts_with(bytes)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(context, buffer);
        let Some(opening) = &mut this.opening else { return outcome };
        if outcome.is_pending() {
            ready!(opening.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sends no request")));
        }
        if !opening.goes_on(&buffer.filled()[before..]) {
            this.opening = None;
        }
        outcome
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(context, data);
        this.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(context, data);
        this.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(context);
        this.watch_write(context, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_shutdown(context);
        this.watch_write(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_could_still_become_http_2_has_no_for_ever() {
        let (mut peer, ours) = duplex(64);
        let mut ours = GuardedIo::new(ours, SECOND, SECOND);
        peer.write_all(b"PRI * HT").await.unwrap();
        let mut buffer = [0; 8];
        ours.read_exact(&mut buffer).await.unwrap();
        assert_eq!(ours.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_the_opening_is_no_fault() {
        for opening in [&b"GET /"[..], PREFACE] {
            let (mut peer, ours) = duplex(64);
            let mut ours = GuardedIo::new(ours, SECOND, SECOND);
            peer.write_all(opening).await.unwrap();
            let mut buffer = vec![0; opening.len()];
            ours.read_exact(&mut buffer).await.unwrap();
            let later = async {
                sleep(60 * SECOND).await;
                peer.write_all(b"x").await.unwrap();
            };
            let (read, ()) = tokio::join!(ours.read_u8(), later);
            assert_eq!(read.unwrap(), b'x');
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_left() {
        let (_peer, ours) = duplex(4);
        let mut ours = GuardedIo::new(ours, SECOND, SECOND);
        assert_eq!(ours.write_all(b"too much").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
