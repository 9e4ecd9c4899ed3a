//! What comes with a request: JSON bodies, queries and the parts of a path, each refused as a problem that says where.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;

use crate::management::{FieldError, PageRequest};

use super::fields::Fields;
use super::problem::Problem;

/// The largest JSON body.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;
/// How long a JSON body may take to arrive.
const JSON_TIME: Duration = Duration::from_secs(60);

/// A JSON body.
pub struct JsonBody<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type("Send the body as Content-Type: application/json."));
        }
        let body = Limited::new(request.into_body(), MAX_JSON_BYTES).collect();
        let bytes = match tokio::time::timeout(JSON_TIME, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(problem)) if is_length_limit(&*problem) => return Err(Problem::too_large(MAX_JSON_BYTES)),
            Ok(Err(_)) => return Err(Problem::malformed("The body did not arrive whole.")),
            Err(_) => return Err(Problem::timeout()),
        };
        // serde would also take a list for a structure, its fields in the order of our sources.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Problem::malformed("The body is a list; send an object: {…}."));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = read_fields(&mut json)?;
        json.end().map_err(|problem| Problem::malformed(format!("The body is not JSON: {problem}.")))?;
        Ok(Self(value))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_length_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(inner) = error {
        if inner.is::<LengthLimitError>() {
            return true;
        }
        error = inner.source();
    }
    false
}

/// Reads a structure; a field that is unknown or of another type is named by its path.
fn read_fields<'de, T: DeserializeOwned>(
    source: impl serde::Deserializer<'de, Error = serde_json::Error>,
) -> Result<T, Problem> {
    serde_path_to_error::deserialize(source).map_err(|problem| {
        let field = problem.path().to_string();
        let inner = problem.into_inner();
        if inner.is_syntax() || inner.is_eof() || inner.is_io() {
            return Problem::malformed(format!("The body is not JSON: {inner}."));
        }
        // serde_json adds where it stopped, which says less than the field's path.
        let text = inner.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        let code = if text.starts_with("unknown field") { "unknown" } else { "malformed" };
        Problem::invalid(vec![FieldError::new(field, code, crate::management::sentence(&text))])
    })
}

/// The query.
pub struct QueryOf<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::malformed("The query cannot be read."))?;
        let mut fields = serde_json::Map::new();
        for (name, value) in pairs {
            if fields.insert(name.clone(), Value::String(value)).is_some() {
                return Err(Problem::invalid(vec![FieldError::new(name, "duplicate", "Give this once.")]));
            }
        }
        read_fields(Value::Object(fields)).map(Self)
    }
}

/// The parts of the path. Text that cannot be an id is the id of nothing.
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found("There is nothing at this address.")),
        }
    }
}

/// Which page of a list is wanted, as the query says it.
#[derive(Debug, Default, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1 to 200 items; 50 when not told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    pub limit: Option<String>,
}

impl PageQuery {
    pub fn read(&self, fields: &mut Fields) -> PageRequest {
        page_request(self.cursor.as_ref(), self.limit.as_deref(), fields)
    }

    pub fn request(&self) -> Result<PageRequest, Problem> {
        let mut fields = Fields::default();
        let request = self.read(&mut fields);
        fields.finish().map(|()| request)
    }
}

/// The same for queries that say more.
pub fn page_request(cursor: Option<&String>, limit: Option<&str>, fields: &mut Fields) -> PageRequest {
    let limit =
        fields.optional("limit", limit, |text| text.parse::<u32>().map_err(|_| "a limit is a number, 1 to 200"));
    PageRequest { cursor: cursor.cloned(), limit }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_json_is_taken_for_json() {
        let json = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(
            json("application/json") && json("Application/JSON; charset=utf-8") && json("application/merge-patch+json")
        );
        assert!(!json("text/plain") && !json("text/json") && !json("") && !is_json(&HeaderMap::new()));
    }
}
