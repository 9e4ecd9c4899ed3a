//! The routes of the management API and the layers around them, outermost first:
//!
//! request log (with the request's id) → security headers → route → time limit → token → conditions → to the end → handler

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{IF_MATCH, IF_UNMODIFIED_SINCE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::management::{MAX_WAIT, Management};
use crate::telemetry::Metrics;

use super::problem::Problem;
use super::{api, authentication, document, request_log, security_headers};

/// How long an answer may take that changes nothing. The bytes of a download come after it.
const READ_TIME: Duration = Duration::from_secs(30);

/// The management API.
pub fn api(management: Arc<Management>, metrics: Metrics) -> Router {
    let (resources, document) = api::routes().split_for_parts();
    let document: Arc<str> = document::render(document).into();
    let routes = resources
        .route_layer(from_fn(to_the_end))
        .route_layer(from_fn(conditions))
        .route_layer(from_fn_with_state(management.clone(), authentication::require_token))
        .route_layer(from_fn(time_limit))
        // What the API looks like is no secret, and tools fetch it without a token.
        .route("/v1/openapi.json", get(move || std::future::ready(document::answer(&document))))
        .with_state(management);
    with_manners(routes, metrics)
}

/// What holds for every answer, also where there is no route.
pub(super) fn with_manners(routes: Router, metrics: Metrics) -> Router {
    routes
        .fallback(|| std::future::ready(Problem::no_such_route()))
        .method_not_allowed_fallback(|| std::future::ready(Problem::method_not_allowed()))
        .layer(from_fn(security_headers::add))
        .layer(from_fn_with_state(metrics, request_log::write))
}

/// Runs a change in a task of its own, so that it is carried to its end, on disk and in the database, even when the
/// client hangs up in the middle of it. Also turns a panic into an answer.
pub(super) async fn to_the_end(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(problem) => Problem::internal(Box::new(problem)).into_response(),
    }
}

/// Refuses a change under a condition that is not served (RFC 9110 §13.1): ignoring it could overwrite what it was to
/// protect. `If-None-Match` is for the handlers of files.
async fn conditions(request: Request, next: Next) -> Response {
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    for header in [IF_MATCH, IF_UNMODIFIED_SINCE] {
        if is_change && request.headers().contains_key(&header) {
            return Problem::malformed(format!("The condition {header} is not served here.")).into_response();
        }
    }
    next.run(request).await
}

/// What only reads does not keep a caller waiting when the store does not answer.
async fn time_limit(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    // Whoever asks for events may ask to wait for them first.
    let waits = if request.uri().path() == api::FEED_PATH { MAX_WAIT } else { Duration::ZERO };
    match tokio::time::timeout(READ_TIME + waits, next.run(request)).await {
        Ok(response) => response,
        Err(elapsed) => Problem::unavailable(Box::new(elapsed)).into_response(),
    }
}
