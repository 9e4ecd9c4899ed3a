//! How the API says no: problem details (RFC 9457), one form for every refusal, ours and the framework's.
//!
//! `type` is a reference that stays the same for the same kind of problem, for programs; `title` and `detail` are for
//! people; `errors` name each field that does not fit. This is the one place that chooses a status for an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as ResponseObject, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::management::{Cause, FieldError, ManagementError};

/// A refusal on its way to the client.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<FieldError>,
    /// Boxed, since nearly every function of the edge carries a problem in its result, and few have a header.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    cause: Option<Cause>,
}

/// Why an answer is a failure of ours, for the request log: travels in the response's extensions, never on the wire.
#[derive(Debug, Clone)]
pub struct FailureCause(pub Arc<Cause>);

/// The kinds of problems. Their slugs are part of the API: they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    MalformedRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    NoSuchRoute,
    MethodNotAllowed,
    Timeout,
    Conflict,
    Busy,
    Gone,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    InvalidFields,
    Internal,
    Unavailable,
    NoSpace,
}

impl Kind {
    const ALL: [Self; 18] = [
        Self::MalformedRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchRoute,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::Conflict,
        Self::Busy,
        Self::Gone,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::InvalidFields,
        Self::Internal,
        Self::Unavailable,
        Self::NoSpace,
    ];

    const fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed-request", "The request cannot be read"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token may not do this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "no-such-route", "The API has no such address"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This cannot be done at this address")
            }
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "The request did not arrive in time"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "The request conflicts with what is there"),
            Self::Busy => (StatusCode::CONFLICT, "busy", "Busy: try again in a moment"),
            Self::Gone => (StatusCode::GONE, "gone", "This is not kept any more"),
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "A condition of the request does not hold")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request's body is too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another type than asked")
            }
            Self::RangeNotSatisfiable => {
                (StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", "The file has no such range")
            }
            Self::InvalidFields => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-fields", "Some fields do not fit: see errors")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The gateway failed"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The gateway cannot do this at the moment")
            }
            Self::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no-space", "No space is left for files"),
        }
    }
}

impl Problem {
    fn new(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), header: None, cause: None }
    }

    fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some(Box::new((name, HeaderValue::from_static(value)))), ..self }
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Kind::MalformedRequest).saying(detail)
    }

    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(Kind::Unauthenticated).saying(detail).with_header(WWW_AUTHENTICATE, "Bearer realm=\"lucca-gateway\"")
    }

    pub fn forbidden(detail: &str) -> Self {
        Self::new(Kind::Forbidden).saying(detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound).saying(detail)
    }

    pub fn no_such_route() -> Self {
        Self::new(Kind::NoSuchRoute).saying("See /v1/openapi.json for what there is.")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(Kind::MethodNotAllowed).saying("The header Allow says what can be done here.")
    }

    pub fn timeout() -> Self {
        Self::new(Kind::Timeout)
    }

    pub fn precondition_failed(detail: &str) -> Self {
        Self::new(Kind::PreconditionFailed).saying(detail)
    }

    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(Kind::TooLarge).saying(format!("A body here has at most {limit_bytes} bytes."))
    }

    pub fn unsupported_media_type(detail: &str) -> Self {
        Self::new(Kind::UnsupportedMediaType).saying(detail)
    }

    pub fn range_not_satisfiable(size: u64) -> Self {
        let range = HeaderValue::from_str(&format!("bytes */{size}")).expect("digits are a header value");
        let problem = Self::new(Kind::RangeNotSatisfiable).saying(format!("The file has {size} bytes."));
        Self { header: Some(Box::new((CONTENT_RANGE, range))), ..problem }
    }

    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(Kind::InvalidFields) }
    }

    pub fn internal(cause: Cause) -> Self {
        Self { cause: Some(cause), ..Self::new(Kind::Internal) }
    }

    pub fn unavailable(cause: Cause) -> Self {
        let problem = Self::new(Kind::Unavailable).with_header(RETRY_AFTER, "5");
        Self { cause: Some(cause), ..problem }
    }
}

impl From<ManagementError> for Problem {
    fn from(error: ManagementError) -> Self {
        match error {
            ManagementError::NotFound { what } => Self::not_found(format!("There is no such {what}.")),
            ManagementError::Forbidden { detail } => Self::forbidden(detail),
            ManagementError::Invalid(errors) => Self::invalid(errors),
            ManagementError::Conflict { field, detail } => {
                Self { errors: vec![FieldError::new(field, "conflict", detail)], ..Self::new(Kind::Conflict) }
            }
            ManagementError::Gone { detail } => Self::new(Kind::Gone).saying(detail),
            ManagementError::AlreadyThere => Self::precondition_failed("A file of this name is there already."),
            ManagementError::Busy => Self::new(Kind::Busy).with_header(RETRY_AFTER, "2"),
            ManagementError::NoSpace => Self::new(Kind::NoSpace),
            ManagementError::Unavailable(cause) => Self::unavailable(cause),
            ManagementError::Internal(cause) => Self::internal(cause),
        }
    }
}

/// Problem details (RFC 9457), as every refusal of the API is told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-fields")]
    kind: String,
    /// The kind of problem, for people.
    title: &'a str,
    /// The status of the answer.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong here, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Each field that does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<ProblemField<'a>>,
}

/// A field that does not fit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemField<'a> {
    /// Where it is.
    #[schema(example = "folders[1].path")]
    field: &'a str,
    /// What is wrong, for programs.
    #[schema(example = "malformed")]
    code: &'a str,
    /// What would be right.
    detail: &'a str,
}

impl<'a> From<&'a FieldError> for ProblemField<'a> {
    fn from(error: &'a FieldError) -> Self {
        let FieldError { field, code, detail } = error;
        Self { field, code, detail }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, slug, title) = self.kind.describe();
        let body = ProblemBody {
            kind: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: self.detail.as_deref(),
            errors: self.errors.iter().map(ProblemField::from).collect(),
        };
        let body = serde_json::to_vec(&body).expect("texts and numbers can be written as JSON");
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(FailureCause(Arc::new(cause)));
        }
        response
    }
}

/// For the API document: every operation may end in one of these.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<ResponseObject>> {
        let named = |status: String| (status.clone(), Ref::from_response_name(format!("Problem{status}")).into());
        documented().into_keys().map(|status| named(status.to_string())).collect()
    }
}

/// The responses that the operations of the API document refer to, by status.
pub fn documented() -> BTreeMap<u16, ResponseObject> {
    let mut titles: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for kind in Kind::ALL {
        let (status, slug, title) = kind.describe();
        titles.entry(status.as_u16()).or_default().push(format!("{title} (`/problems/{slug}`)"));
    }
    let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = |titles: Vec<String>| {
        ResponseBuilder::new().description(titles.join("; ")).content("application/problem+json", body()).build()
    };
    titles.into_iter().map(|(status, titles)| (status, response(titles))).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn rendered(problem: Problem) -> (Response, serde_json::Value) {
        let mut response = problem.into_response();
        let body = std::mem::take(response.body_mut()).collect().await.unwrap().to_bytes();
        (response, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_problem_names_each_field() {
        let errors = vec![
            FieldError::new("name", "required", "A name is needed."),
            FieldError::new("folders[1].path", "malformed", "A path is absolute."),
        ];
        let (response, body) = rendered(ManagementError::Invalid(errors).into()).await;
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let expected = serde_json::json!({
            "type": "/problems/invalid-fields",
            "title": "Some fields do not fit: see errors",
            "status": 422,
            "errors": [
                {"field": "name", "code": "required", "detail": "A name is needed."},
                {"field": "folders[1].path", "code": "malformed", "detail": "A path is absolute."},
            ],
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn a_failure_of_ours_tells_its_cause_to_the_log_alone() {
        let problem = ManagementError::Internal("/srv/files/x: input/output error".into()).into();
        let (response, body) = rendered(problem).await;
        assert_eq!(response.status(), 500);
        assert!(!body.to_string().contains("/srv"), "{body}");
        let FailureCause(cause) = response.extensions().get().unwrap();
        assert_eq!(cause.to_string(), "/srv/files/x: input/output error");
    }

    #[test]
    fn each_kind_has_a_slug_of_its_own() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.describe().1).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }
}
