//! One line and one measurement for each request: what was asked of which route, and what came of it. Never the query,
//! the body or the path itself, which hold names of files and people.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use crate::management::Operator;
use crate::telemetry::Metrics;

use super::problem::FailureCause;
use super::request_id::{self, RequestId};

pub async fn write(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id::of(request.headers());
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(request_id::X_REQUEST_ID, id.clone());

    let took = begun.elapsed();
    let status = response.status().as_u16();
    metrics.http_request(route, method, status, took);
    let id = id.to_str().unwrap_or_default();
    let operator = response.extensions().get::<Operator>().map_or("-", Operator::name);
    let milliseconds = took.as_secs_f64() * 1000.0;
    match response.extensions().get::<FailureCause>() {
        Some(FailureCause(cause)) => tracing::error!(
            id,
            method,
            route,
            status,
            milliseconds,
            operator,
            cause = chain(&***cause),
            "{method} {route} failed with {status}"
        ),
        None => tracing::info!(id, method, route, status, milliseconds, operator, "{method} {route} answered {status}"),
    }
    response
}

/// A method as a label: whatever else the network sends is one word, so that it cannot fill the metrics.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
