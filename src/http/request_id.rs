//! The id by which client and operator find the same request in both their logs.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that a handler works on.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

const MAX_LENGTH: usize = 64;

/// The client's own id when it is harmless in a log, else a new one.
///
/// New ones are a process-wide count: they need to differ, not to be hard to guess, and so need no randomness.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    match headers.get(X_REQUEST_ID) {
        Some(given) if is_well_formed(given.as_bytes()) => given.clone(),
        _ => {
            let text = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            HeaderValue::from_str(&text).expect("digits and - are a header value")
        }
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let id = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
            of(&headers).as_bytes().to_vec()
        };
        assert_eq!(id(b"abc-1.2_3"), b"abc-1.2_3");
        for given in [&b""[..], b"a b", b"\xc3\xa9", b"x\"y", &[b'a'; 65]] {
            assert_ne!(id(given), given);
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
