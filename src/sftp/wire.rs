//! The stream below russh: reads ahead, holds small writes back while there is more to read, and can be cut.
//!
//! russh reads each packet in two steps and flushes after each that it handled. Both would be system calls; with this
//! in between a burst of small requests is read at once and its replies leave together. The cut is for a peer that
//! stopped reading: russh then waits for the socket and sees nothing else.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::overheard::Listening;

/// What an idle connection keeps to read into: it counts once for each.
const IDLE_READ: usize = 8 * 1024;
/// What a connection that receives much reads at a time.
const BUSY_READ: usize = 64 * 1024;
/// How much is held back at most.
const HOLD: usize = 64 * 1024;

/// A stream as the module says.
pub(super) struct Wire<S> {
    inner: S,
    read: Vec<u8>,
    read_from: usize,
    read_to: usize,
    busy: bool,
    held: Vec<u8>,
    held_from: usize,
    cut: CancellationToken,
    until_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    listening: Listening,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `cut` makes every further read and write fail.
    pub(super) fn new(inner: S, cut: CancellationToken, listening: Listening) -> Self {
        Self {
            inner,
            read: Vec::new(),
            read_from: 0,
            read_to: 0,
            busy: false,
            held: Vec::new(),
            held_from: 0,
            until_cut: Box::pin(cut.clone().cancelled_owned()),
            cut,
            listening,
        }
    }

    fn has_more_to_read(&self) -> bool {
        self.read_from < self.read_to
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let size = if self.busy { BUSY_READ } else { IDLE_READ };
        if self.read.len() != size {
            self.read = vec![0; size];
        }
        let mut buffer = ReadBuf::new(&mut self.read);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        self.read_from = 0;
        self.read_to = buffer.filled().len();
        if self.read_to == size {
            self.busy = true;
        } else if self.read_to < IDLE_READ / 8 {
            self.busy = false;
        }
        self.listening.hear(&self.read[..self.read_to]);
        Poll::Ready(Ok(()))
    }

    fn poll_send_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held_from < self.held.len() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held[self.held_from..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held_from += sent;
        }
        // Given back, not kept: most connections are idle most of the time.
        self.held = Vec::new();
        self.held_from = 0;
        Poll::Ready(Ok(()))
    }

    /// What is not ready is over when the stream is cut.
    fn or_cut<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_pending() && self.until_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        poll
    }

    fn poll_write_through(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send_held(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_held(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if wire.cut.is_cancelled() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !wire.has_more_to_read() {
            // Not waited for: the peer may have to be read before it reads.
            if let Poll::Ready(Err(error)) = wire.poll_send_held(cx) {
                return Poll::Ready(Err(error));
            }
            let filled = wire.poll_fill(cx);
            ready!(wire.or_cut(cx, filled))?;
        }
        let count = into.remaining().min(wire.read_to - wire.read_from);
        into.put_slice(&wire.read[wire.read_from..wire.read_from + count]);
        wire.read_from += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let wire = &mut *self;
        if wire.cut.is_cancelled() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if wire.has_more_to_read() && wire.held.len() + data.len() <= HOLD {
            wire.held.extend_from_slice(data);
            return Poll::Ready(Ok(data.len()));
        }
        let written = wire.poll_write_through(cx, data);
        wire.or_cut(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if wire.has_more_to_read() {
            // It is sent when all that was received has been looked at.
            return Poll::Ready(Ok(()));
        }
        let flushed = wire.poll_flush_through(cx);
        wire.or_cut(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        let flushed = wire.poll_flush_through(cx);
        ready!(wire.or_cut(cx, flushed))?;
        let shut = Pin::new(&mut wire.inner).poll_shutdown(cx);
        wire.or_cut(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::super::overheard::Introduction;
    use super::*;

    fn wire(size: usize) -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream, CancellationToken) {
        let (near, far) = duplex(size);
        let cut = CancellationToken::new();
        let listening = Listening::new(Arc::default(), Arc::default());
        (Wire::new(near, cut.clone(), listening), far, cut)
    }

    #[tokio::test]
    async fn what_the_client_calls_itself_is_heard() {
        let (near, mut far) = duplex(1024);
        let introduction = Arc::<Introduction>::default();
        let listening = Listening::new(Arc::clone(&introduction), Arc::default());
        let mut wire = Wire::new(near, CancellationToken::new(), listening);
        far.write_all(b"SSH-2.0-WinSCP_6.3\r\nrest").await.unwrap();
        let mut start = [0; 3];
        wire.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"SSH");
        assert_eq!(introduction.identification(), Some("SSH-2.0-WinSCP_6.3"));
    }

    #[tokio::test]
    async fn small_writes_leave_together_when_the_input_is_read() {
        let (mut wire, mut far, _) = wire(1024);
        far.write_all(b"ab").await.unwrap();
        let mut one = [0; 1];
        wire.read_exact(&mut one).await.unwrap();
        wire.write_all(b"1").await.unwrap();
        wire.flush().await.unwrap();
        wire.write_all(b"2").await.unwrap();
        assert_eq!(wire.held, b"12");
        wire.read_exact(&mut one).await.unwrap();
        wire.flush().await.unwrap();
        let mut both = [0; 2];
        far.read_exact(&mut both).await.unwrap();
        assert_eq!(&both, b"12");
    }

    #[tokio::test]
    async fn a_cut_ends_a_write_that_nobody_reads() {
        let (mut wire, _far, cut) = wire(16);
        let (written, ()) = tokio::join!(wire.write_all(&[0; 64]), async { cut.cancel() });
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(wire.read_u8().await.is_err());
    }
}
