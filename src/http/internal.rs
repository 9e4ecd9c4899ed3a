//! The internal listener: is the process alive, does the gateway take work, how is it doing. Not for the public.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::management::Readiness;
use crate::telemetry::Metrics;

use super::security_headers;

/// How long the check of readiness may take, before that is the answer.
const CHECK_TIME: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router(readiness: Arc<dyn Readiness>, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| std::future::ready("alive\n")))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(render).with_state(metrics))
        .layer(from_fn(|request: Request, next: Next| security_headers::add(request, next)))
}

async fn ready(State(readiness): State<Arc<dyn Readiness>>) -> Response {
    let reason = match tokio::time::timeout(CHECK_TIME, readiness.check()).await {
        Ok(Ok(())) => return "ready\n".into_response(),
        Ok(Err(reason)) => reason,
        Err(_) => format!("the check of readiness took more than {} s", CHECK_TIME.as_secs()),
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

async fn render(State(metrics): State<Metrics>) -> Response {
    let mut response = metrics.render().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response
}
