//! The bytes of files: out of a download into an answer, out of a request into a file.

use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use crate::management::{Abandonment, Download, FileInfo, IncomingFile, StoredFile};

use super::problem::Problem;
use super::range::{self, Range};

/// How long the next bytes of an upload may take.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Whether the answer to a GET can do without the bytes of the file. Then it should not be opened, which would be
/// recorded as a download that broke off.
pub fn is_conditional(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH, RANGE].iter().any(|header| headers.contains_key(header))
}

/// The answer that needs no bytes of the file, if there is one: 304, 412 or 416.
pub fn without_bytes(info: &FileInfo, headers: &HeaderMap) -> Option<Response> {
    if is_another(info, headers) {
        return Some(another());
    }
    if is_unchanged(info, headers) {
        return Some(not_modified(info));
    }
    let unsatisfiable = asked_range(headers, info.size) == Range::NotSatisfiable;
    unsatisfiable.then(|| Problem::range_not_satisfiable(info.size).into_response())
}

fn asked_range(headers: &HeaderMap, size: u64) -> Range {
    // `If-Range` asks for the whole file unless it is the same one, told by a strong validator (RFC 9110 §13.1.5). We
    // have none, so it never is.
    let wanted = if headers.contains_key(IF_RANGE) { None } else { text(headers, &RANGE) };
    range::of(wanted, size)
}

/// The answer to a GET of a file.
pub fn send(mut download: Download, headers: &HeaderMap) -> Response {
    let info = download.info().clone();
    if let Some(answer) = without_bytes(&info, headers) {
        return answer;
    }
    let (status, first, end) = match asked_range(headers, info.size) {
        Range::Whole => (StatusCode::OK, 0, info.size),
        Range::Part { first, end } => (StatusCode::PARTIAL_CONTENT, first, end),
        Range::NotSatisfiable => return Problem::range_not_satisfiable(info.size).into_response(),
    };
    download.limit_to(first, end);
    let chunks = futures_util::stream::unfold(Some(download), |download| async {
        let mut download = download?;
        match download.next_chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(download))),
            Ok(None) => None,
            // The status is on its way already; breaking the connection is how HTTP says that the rest is missing.
            Err(error) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "A download broke off");
                Some((Err(error), None))
            }
        }
    });
    let mut response = (status, Body::from_stream(chunks)).into_response();
    describe(&info, response.headers_mut());
    set(response.headers_mut(), CONTENT_LENGTH, &(end - first).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        // `first < end` for every part.
        set(response.headers_mut(), CONTENT_RANGE, &format!("bytes {first}-{}/{}", end - 1, info.size));
    }
    response
}

/// The answer to a HEAD: as for GET, without the bytes and without opening the file.
pub fn describe_only(info: &FileInfo, headers: &HeaderMap) -> Response {
    if is_another(info, headers) {
        return another();
    }
    if is_unchanged(info, headers) {
        return not_modified(info);
    }
    let mut response = StatusCode::OK.into_response();
    describe(info, response.headers_mut());
    set(response.headers_mut(), CONTENT_LENGTH, &info.size.to_string());
    response
}

/// Takes the body of a PUT into a file and publishes it when it came whole.
pub async fn receive(mut file: IncomingFile, headers: &HeaderMap, body: Body) -> Result<StoredFile, Problem> {
    let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if let Some(announced) = announced {
        file.announce(announced).await?;
    }
    let mut chunks = body.into_data_stream();
    loop {
        let chunk: Bytes = match tokio::time::timeout(STALL_TIME, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                file.abandon(Abandonment::ConnectionLost).await;
                return Err(Problem::malformed("The body did not arrive whole; nothing was stored."));
            }
            Err(_) => {
                file.abandon(Abandonment::Stalled).await;
                return Err(Problem::timeout());
            }
        };
        file.write(&chunk).await?;
    }
    if announced.is_some_and(|announced| announced != file.received()) {
        file.abandon(Abandonment::ConnectionLost).await;
        return Err(Problem::malformed("The body was not as long as Content-Length says; nothing was stored."));
    }
    Ok(file.publish().await?)
}

/// Whether the conditions of a PUT ask not to replace a file (`If-None-Match: *`). A condition that is not served is
/// refused, here and in `router`: ignoring it could destroy what it was to protect.
pub fn is_exclusive(headers: &HeaderMap) -> Result<bool, Problem> {
    match text(headers, &IF_NONE_MATCH) {
        None if headers.contains_key(IF_NONE_MATCH) => {
            Err(Problem::malformed("The condition If-None-Match cannot be read."))
        }
        None => Ok(false),
        Some("*") => Ok(true),
        Some(_) => Err(Problem::malformed("Of If-None-Match only * is served here: store the file if there is none.")),
    }
}

/// Refuses a PUT whose body is not the file itself.
pub fn check_form(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_RANGE) {
        // RFC 9110 §14.5: taking a part for the whole would destroy the rest.
        return Err(Problem::malformed("A part of a file cannot be stored: send the whole, without Content-Range."));
    }
    match text(headers, &CONTENT_ENCODING) {
        None | Some("identity") => Ok(()),
        Some(_) => Err(Problem::unsupported_media_type("Send the file as it is, without Content-Encoding.")),
    }
}

/// The validator of a version. Weak: see [`FileInfo::version`].
pub fn etag(info: &FileInfo) -> String {
    format!("W/\"{}\"", info.version)
}

/// Whether the client means another version than this one (RFC 9110 §13.1.1 and §13.1.4): going on with it would join
/// the parts of two files.
fn is_another(info: &FileInfo, headers: &HeaderMap) -> bool {
    if headers.contains_key(IF_MATCH) {
        // The comparison is strong, and our validators are weak: none ever matches.
        return text(headers, &IF_MATCH).is_none_or(|tags| tags.trim() != "*");
    }
    let since = text(headers, &IF_UNMODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    since.is_some_and(|since| modified(info) > since)
}

fn another() -> Response {
    Problem::precondition_failed("The file is not, or not surely, the version that is meant.").into_response()
}

fn is_unchanged(info: &FileInfo, headers: &HeaderMap) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = opaque(&etag(info));
    text(headers, &IF_NONE_MATCH)
        .is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == ours))
}

fn not_modified(info: &FileInfo) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    set(response.headers_mut(), ETAG, &etag(info));
    response
}

fn describe(info: &FileInfo, headers: &mut HeaderMap) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    set(headers, ETAG, &etag(info));
    set(headers, LAST_MODIFIED, &httpdate::fmt_http_date(modified(info)));
}

/// As HTTP tells it: its dates begin with the epoch and end with the year 9999; a client may have set any time on its
/// file.
fn modified(info: &FileInfo) -> SystemTime {
    let seconds = u64::try_from(info.modified.as_seconds()).unwrap_or(0).min(253_402_300_799);
    std::time::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("made of digits, letters and punctuation"));
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FileName, Timestamp};
    use crate::management::EntryKind;

    fn info() -> FileInfo {
        FileInfo {
            name: FileName::parse("absences.csv").unwrap(),
            kind: EntryKind::File,
            size: 10,
            modified: Timestamp::from_seconds(1_700_000_000),
            version: "1-a-2".into(),
        }
    }

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_condition_that_is_not_served_is_refused() {
        assert!(!is_exclusive(&headers(&[])).unwrap());
        assert!(is_exclusive(&headers(&[(IF_NONE_MATCH, "*")])).unwrap());
        assert!(is_exclusive(&headers(&[(IF_NONE_MATCH, "\"x\"")])).is_err());
    }

    #[test]
    fn a_part_or_a_compressed_form_is_not_taken_for_the_file() {
        assert!(check_form(&headers(&[(CONTENT_RANGE, "bytes 0-1/2")])).is_err());
        assert!(check_form(&headers(&[(CONTENT_ENCODING, "gzip")])).is_err());
        assert!(check_form(&headers(&[(CONTENT_ENCODING, "identity")])).is_ok());
    }

    #[test]
    fn a_file_that_the_client_has_is_not_sent_again() {
        for tag in ["W/\"1-a-2\"", "\"0\", \"1-a-2\"", "*"] {
            let response = describe_only(&info(), &headers(&[(IF_NONE_MATCH, tag)]));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tag}");
        }
        let response = describe_only(&info(), &headers(&[(IF_NONE_MATCH, "\"1-a-3\"")]));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[LAST_MODIFIED], "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(response.headers()[CONTENT_LENGTH], "10");
    }

    #[test]
    fn a_part_of_another_version_than_the_one_meant_is_not_sent() {
        let early = "Tue, 14 Nov 2023 22:13:19 GMT";
        for (name, value, meant) in [
            (IF_MATCH, "W/\"1-a-2\"", false),
            (IF_MATCH, "\"1-a-2\"", false),
            (IF_MATCH, "*", true),
            (IF_UNMODIFIED_SINCE, early, false),
            (IF_UNMODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT", true),
            (IF_UNMODIFIED_SINCE, "yesterday", true),
        ] {
            let asked = headers(&[(name.clone(), value), (RANGE, "bytes=5-")]);
            assert!(is_conditional(&asked));
            let answer = without_bytes(&info(), &asked).map(|response| response.status());
            assert_eq!(answer, (!meant).then_some(StatusCode::PRECONDITION_FAILED), "{name}: {value}");
            let head = describe_only(&info(), &asked).status();
            assert_eq!(head == StatusCode::PRECONDITION_FAILED, !meant, "{name}: {value}");
        }
        // RFC 9110 §13.2.2: with If-Match, the date is not looked at.
        let both = headers(&[(IF_MATCH, "*"), (IF_UNMODIFIED_SINCE, early)]);
        assert!(without_bytes(&info(), &both).is_none());
    }

    #[test]
    fn a_time_before_the_epoch_is_no_trouble() {
        let info = FileInfo { modified: Timestamp::from_seconds(-5), ..info() };
        let response = describe_only(&info, &HeaderMap::new());
        assert_eq!(response.headers()[LAST_MODIFIED], "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
