//! A TLS handshake that does not wait for the kernel.
//!
//! The server's side of TCP holds acknowledgements back, for 40 ms on Linux, in the hope of sending them with data of its
//! own. A client without TCP_NODELAY (RFC 896) that says the end of its handshake in two pieces, as GnuTLS does under
//! TLS 1.3 ("change cipher spec", then "finished"), keeps the second until the first is acknowledged: each waits for the
//! other. FTP has a handshake for every file, and lftp would fetch twenty small files a second.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

/// Completes a handshake, acknowledging at once what comes. `socket` finds the TCP connection in the stream below TLS.
pub async fn promptly<S>(mut accepting: Accept<S>, socket: impl Fn(&S) -> &TcpStream) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|context| {
        let outcome = Pin::new(&mut accepting).poll(context);
        if outcome.is_pending()
            && let Some(stream) = accepting.get_ref()
        {
            // The kernel forgets it with the next bytes that it sends, hence before each wait. Without it the handshake
            // is slower, no more.
            let _ = socket(stream).set_quickack(true);
        }
        outcome
    })
    .await
}
