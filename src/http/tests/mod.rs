//! The API as a client sees it: requests into the router, with everything behind it real and in a temporary directory.

mod accounts;
mod audit;
mod feed;
mod files;
mod history;
mod manners;
mod quotas;
mod resources;
mod retention;
mod scopes;
mod webhooks;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::domain::OsRandom;
use crate::management::fixture::Bench;
use crate::management::{NewToken, Operator, tokens};
use crate::telemetry::Metrics;

/// A client of the API with a valid token.
struct Client {
    bench: Bench,
    router: Router,
    token: String,
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The fields that a problem names, with their codes, in order of name.
    #[track_caller]
    fn fields(&self) -> Vec<(String, String)> {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let body = self.json();
        let errors = body["errors"].as_array().unwrap();
        let mut fields: Vec<_> = errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect();
        fields.sort();
        fields
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body }
}

impl Client {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let (_, token) = tokens::create(
            &bench.store,
            &Operator::named("bench"),
            &NewToken::named("tests"),
            &*bench.clock,
            &OsRandom,
        )
        .await
        .unwrap();
        let router = super::router::api(bench.management.clone(), Metrics::default());
        Self { bench, router, token: token.expose().to_owned() }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.router, request.body(body.into()).unwrap()).await
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[(CONTENT_TYPE.as_str(), "application/json")], body.to_string()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, &body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Body::empty()).await
    }

    /// An instance's path, such as `/v1/instances/…`.
    async fn instance(&self, key: &str) -> String {
        let answer = self.post("/v1/instances", json!({"key": key, "name": key})).await.expect(201);
        answer.header("location").to_owned()
    }

    /// A new account under `epaye`, as it was answered.
    async fn account(&self, instance: &str) -> Value {
        let new = json!({"name": "Paie", "preset": "epaye"});
        self.post(&format!("{instance}/accounts"), new).await.expect(201).json()
    }
}

/// The path of an account that was answered.
fn path_of(account: &Value) -> String {
    format!("/v1/accounts/{}", account["id"].as_str().unwrap())
}

/// The path of a folder of an account that was answered, by its own path.
fn folder_of(account: &Value, path: &str) -> String {
    let folders = account["folders"].as_array().unwrap();
    let folder = folders.iter().find(|folder| folder["path"] == path).unwrap();
    format!("{}/folders/{}", path_of(account), folder["id"].as_str().unwrap())
}
