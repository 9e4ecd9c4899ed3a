//! A client that posts to addresses which others chose: no address that is not public, nothing that takes without end, no
//! redirect followed.
//!
//! One connection for one request. A name is resolved once, each address that came of it is checked, and one that passed
//! is dialled; TLS still verifies the name.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::address_guard::AddressGuard;
use super::tls::{self, TlsError};
use crate::domain::WebhookUrl;

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;
/// How much of an answer's head is read.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// How much of an answer's body is read; the rest is left.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Resolving the name, and connecting.
    pub connect: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Sending the request, until the head of the answer is there.
    pub answer: Duration,
    /// The body of the answer.
    pub body: Duration,
}

impl Patience {
    /// All parts together.
    pub fn total(&self) -> Duration {
        self.connect + self.handshake + self.answer + self.body
    }
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    #[error("the name {0} could not be resolved: {1}")]
    Resolve(String, String),
    #[error("the address of {0} is not a public one, and webhooks.allow_networks does not have it")]
    Refused(String),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no TLS: {0}")]
    Tls(std::io::Error),
    #[error("no TLS handshake within {0:?}")]
    TlsTimeout(Duration),
    #[error("no answer: {0}")]
    Answer(String),
    #[error("no answer within {0:?}")]
    AnswerTimeout(Duration),
    /// The head was there.
    #[error("an answer with the status {status} that did not come whole: {problem}")]
    Body { status: u16, problem: String },
}

impl HttpClientError {
    /// The status of an answer of which not all came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Body { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Posts to addresses that others chose.
pub struct HttpClient {
    guard: AddressGuard,
    tls: TlsConnector,
    patience: Patience,
}

impl HttpClient {
    /// Trusts the authorities of the operating system and those in the PEM file `authorities`. Blocking.
    pub fn new(guard: AddressGuard, authorities: Option<&Path>, patience: Patience) -> Result<Self, TlsError> {
        let mut roots = rustls::RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        if let Some(path) = authorities {
            for certificate in tls::certificates(path)? {
                let wrong = |error: rustls::Error| tls::wrong(path, format!("holds what is no authority: {error}"));
                roots.add(certificate).map_err(wrong)?;
            }
        }
        if added == 0 {
            tracing::warn!(
                problems = ?system.errors,
                "The operating system has no certificates of authorities: webhooks over https reach those of webhooks.ca alone"
            );
        }
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { guard, tls: TlsConnector::from(Arc::new(config)), patience })
    }

    /// How long a request may take in all.
    pub fn longest(&self) -> Duration {
        self.patience.total()
    }

    /// Posts `body`, and yields the status of the answer once all of it (or as much as is read) has come.
    pub async fn post(
        &self,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<u16, HttpClientError> {
        let connecting = self.connect(url);
        let stream = timeout(self.patience.connect, connecting)
            .await
            .map_err(|_| HttpClientError::ConnectTimeout(self.patience.connect))??;
        if !url.is_secure() {
            return self.converse(stream, url, headers, body).await;
        }
        let host = url.host();
        let name = ServerName::try_from(host).map_err(|error| HttpClientError::Tls(std::io::Error::other(error)))?;
        let stream = timeout(self.patience.handshake, self.tls.connect(name, stream))
            .await
            .map_err(|_| HttpClientError::TlsTimeout(self.patience.handshake))?
            .map_err(HttpClientError::Tls)?;
        self.converse(stream, url, headers, body).await
    }

    async fn connect(&self, url: &WebhookUrl) -> Result<TcpStream, HttpClientError> {
        let host = url.host();
        let resolved = tokio::net::lookup_host((host.as_str(), url.port())).await;
        let found: Vec<SocketAddr> =
            resolved.map_err(|error| HttpClientError::Resolve(host.clone(), error.to_string()))?.collect();
        if found.is_empty() {
            return Err(HttpClientError::Resolve(host, String::from("it has no address")));
        }
        let allowed = found.into_iter().filter(|address| self.guard.allows(address.ip()));
        let mut failure = HttpClientError::Refused(host);
        for address in allowed.take(MOST_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // A small request goes out at once. Without it all is slower, no more.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failure = HttpClientError::Connect(error),
            }
        }
        Err(failure)
    }

    async fn converse<S>(
        &self,
        stream: S,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<u16, HttpClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: &dyn std::error::Error| HttpClientError::Answer(deepest(error));
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.path_and_query())
            .header(HOST, url.authority())
            .header(USER_AGENT, concat!("lucca-gateway/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let answering = async {
            let handshake = http1::Builder::new().max_buf_size(MOST_HEAD_BYTES).handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
            let connection = AbortOnDropHandle::new(tokio::spawn(connection));
            let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
            Ok((answer, connection))
        };
        let (answer, _connection) = timeout(self.patience.answer, answering)
            .await
            .map_err(|_| HttpClientError::AnswerTimeout(self.patience.answer))??;
        let status = answer.status().as_u16();
        let cut = |problem: String| HttpClientError::Body { status, problem };
        let mut body = answer.into_body();
        let reading = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| cut(deepest(&error)))?;
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST_BODY_BYTES {
                    break;
                }
            }
            Ok(())
        };
        timeout(self.patience.body, reading)
            .await
            .map_err(|_| cut(format!("its end did not come within {:?}", self.patience.body)))??;
        Ok(status)
    }
}

/// An error with what it came from, which says what went wrong.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::{Clock as _, SystemClock};
    use crate::net::certificates::demo_ca;

    fn patience() -> Patience {
        let second = Duration::from_secs(20);
        Patience { connect: second, handshake: second, answer: second, body: second }
    }

    fn loopback() -> AddressGuard {
        AddressGuard::allowing(vec!["127.0.0.0/8".parse().unwrap()])
    }

    fn client(guard: AddressGuard, patience: Patience) -> HttpClient {
        HttpClient::new(guard, None, patience).unwrap()
    }

    async fn post(client: &HttpClient, url: &str) -> Result<u16, HttpClientError> {
        client.post(&url.parse().unwrap(), &[("webhook-id", String::from("1"))], Bytes::from("{}")).await
    }

    /// Takes one connection, reads what comes until the request's body, and says `answer`; yields what it read.
    async fn answering(listener: TcpListener, answer: &'static str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
        while !text.ends_with(b"{}") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request was cut: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/events?a=b", listener.local_addr().unwrap().port());
        (listener, url)
    }

    #[tokio::test]
    async fn a_request_is_posted_and_its_answers_status_told() {
        let client = client(loopback(), patience());
        for (answer, expected) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", 204),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
            // A redirect is an answer like any other.
            ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302),
        ] {
            let (listener, url) = listen().await;
            let (told, request) = tokio::join!(post(&client, &url), answering(listener, answer));
            assert_eq!(told.unwrap(), expected);
            let request = request.to_lowercase();
            assert!(request.starts_with("post /events?a=b http/1.1\r\n"), "{request}");
            for header in ["host: 127.0.0.1:", "content-length: 2\r\n", "webhook-id: 1\r\n", "connection: close\r\n"] {
                assert!(request.contains(header), "{header} in {request}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_is_told_with_its_status() {
        let client = client(loopback(), patience());
        let (listener, url) = listen().await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok";
        let (told, _) = tokio::join!(post(&client, &url), answering(listener, answer));
        assert_eq!(told.unwrap_err().status(), Some(200));
        let (listener, url) = listen().await;
        let (told, _) = tokio::join!(post(&client, &url), answering(listener, "HTTP/1.1 200"));
        assert!(matches!(told, Err(HttpClientError::Answer(_))), "{told:?}");
    }

    #[tokio::test]
    async fn whoever_does_not_answer_is_waited_for_no_longer_than_told() {
        let short = Patience { answer: Duration::from_millis(50), ..patience() };
        let client = client(loopback(), short);
        // The kernel takes the connection; nobody else does.
        let (_listener, url) = listen().await;
        assert!(matches!(post(&client, &url).await, Err(HttpClientError::AnswerTimeout(_))));
        let short = Patience { handshake: Duration::from_millis(50), ..patience() };
        let client = HttpClient::new(loopback(), None, short).unwrap();
        let told = post(&client, &url.replace("http:", "https:")).await;
        assert!(matches!(told, Err(HttpClientError::TlsTimeout(_))), "{told:?}");
    }

    #[tokio::test]
    async fn an_address_that_is_not_public_is_not_dialled() {
        let (listener, url) = listen().await;
        let client = client(AddressGuard::default(), patience());
        for url in [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")]
        {
            let told = post(&client, &url).await;
            assert!(matches!(told, Err(HttpClientError::Refused(_))), "{url}: {told:?}");
        }
        let dialled = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(dialled.is_err());
    }

    #[tokio::test]
    async fn the_name_and_the_authority_of_a_certificate_are_verified() {
        let directory = tempfile::tempdir().unwrap();
        let hosts = [String::from("localhost")];
        let made = demo_ca(directory.path(), &hosts, SystemClock.now()).unwrap();
        let config = crate::net::server_config(&made.files, &[]).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let guard = AddressGuard::allowing(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let trusting = HttpClient::new(guard.clone(), Some(&made.authority), patience()).unwrap();
        let other = client(guard, patience());
        for (client, host, works) in
            [(&trusting, "localhost", true), (&trusting, "127.0.0.1", false), (&other, "localhost", false)]
        {
            let (listener, url) = listen().await;
            let url = url.replace("http:", "https:").replace("127.0.0.1", host);
            let serving = async {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                    let _ = stream.shutdown().await;
                }
            };
            let (told, ()) = tokio::join!(post(client, &url), serving);
            match works {
                true => assert_eq!(told.unwrap(), 204),
                false => assert!(matches!(told, Err(HttpClientError::Tls(_))), "{host}: {told:?}"),
            }
        }
    }
}
