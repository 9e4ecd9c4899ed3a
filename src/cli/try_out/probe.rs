//! Whether every listener answers: only then is it said that one may begin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::RunningApp;
use crate::cli::CommandError;

const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until all answer.
pub(super) async fn all(app: &RunningApp) -> Result<(), CommandError> {
    for address in app.sftp_addresses() {
        // RFC 4253 §4.2: the server may speak first, and ours does.
        check("SFTP", *address, answers(*address, b"", b"SSH-2.0-")).await?;
    }
    check("the internal listener", app.internal_address(), answers(app.internal_address(), HEALTH, b"HTTP/1.1 200"))
        .await?;
    // In TLS or not: that it takes the connection is what can be seen without a certificate to check.
    check("the API", app.api_address(), answers(app.api_address(), b"", b"")).await
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

async fn check(
    what: &str,
    address: SocketAddr,
    answer: impl Future<Output = std::io::Result<bool>>,
) -> Result<(), CommandError> {
    let problem = match timeout(PATIENCE, answer).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => "answers something else".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "does not answer".to_owned(),
    };
    Err(CommandError::Refused(format!("{what} on {address}: {problem}")))
}

/// Whether what comes back begins with `expected`.
async fn answers(address: SocketAddr, request: &[u8], expected: &[u8]) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(reachable(address)).await?;
    stream.write_all(request).await?;
    let mut start = vec![0u8; expected.len()];
    stream.read_exact(&mut start).await?;
    Ok(start == expected)
}

/// Where a program of this machine reaches a listener that is on every address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net;

    #[tokio::test]
    async fn a_listener_is_asked_what_it_says() {
        let listener = net::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_address();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await;
                let _ = stream.write_all(b"SSH-2.0-x\r\n").await;
            }
        });
        assert!(answers(address, b"", b"SSH-2.0-").await.unwrap());
        assert!(!answers(address, b"", b"HTTP/1.1").await.unwrap());
        let told = check("SFTP", address, async { Ok(false) }).await.unwrap_err().to_string();
        assert!(told.contains(&address.to_string()), "{told}");
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:22".parse().unwrap()).to_string(), "127.0.0.1:22");
        assert_eq!(reachable("[::]:22".parse().unwrap()).to_string(), "[::1]:22");
        assert_eq!(reachable("10.0.0.1:22".parse().unwrap()).to_string(), "10.0.0.1:22");
    }
}
