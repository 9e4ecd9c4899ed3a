//! Who asks: the bearer token of the request (RFC 6750).

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::management::{Management, Operator};

use super::problem::Problem;
use super::request_id::RequestId;

/// Lets a request through that carries a token of an operator's, and tells handlers whose.
pub async fn require_token(State(management): State<Arc<Management>>, mut request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return Problem::unauthenticated("Send a token: Authorization: Bearer lgw_…").into_response();
    };
    let operator = match management.authenticate(token).await {
        Ok(Some(operator)) => operator,
        // One answer for malformed, unknown, ended and revoked.
        Ok(None) => return Problem::unauthenticated("The token is not valid, or no longer.").into_response(),
        Err(error) => return Problem::from(error).into_response(),
    };
    let id = request.extensions().get::<RequestId>().and_then(|RequestId(id)| id.to_str().ok());
    let operator = match id {
        Some(id) => operator.in_request(id),
        None => operator,
    };
    request.extensions_mut().insert(operator.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(operator);
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The operator whose token the request carries.
pub struct Acting(pub Operator);

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Only a route outside the token's layer could get here without one; it then says no.
        let operator = parts.extensions.get::<Operator>().cloned();
        operator.map(Self).ok_or_else(|| Problem::unauthenticated("Send a token: Authorization: Bearer lgw_…"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_found_behind_its_scheme_alone() {
        let token = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token(&["Bearer lgw_x"]).as_deref(), Some("lgw_x"));
        assert_eq!(token(&["bearer  lgw_x"]).as_deref(), Some("lgw_x"));
        for values in [&[][..], &["lgw_x"], &["Basic lgw_x"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(token(values), None, "{values:?}");
        }
    }
}
