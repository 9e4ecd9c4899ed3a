//! What holds for every request, and needs nothing behind the edge.

use std::time::Duration;

use axum::extract::Json;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use serde::Deserialize;

use super::*;
use crate::http::body::{JsonBody, MAX_JSON_BYTES, PageQuery, QueryOf};
use crate::http::problem::Problem;
use crate::http::router::{to_the_end, with_manners};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    #[serde(default)]
    inner: Vec<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    text: Option<String>,
}

async fn take(JsonBody(body): JsonBody<Outer>) -> Json<Vec<Option<String>>> {
    Json(body.inner.into_iter().map(|inner| inner.text).collect())
}

async fn page(QueryOf(query): QueryOf<PageQuery>) -> Result<String, Problem> {
    query.request().map(|page| format!("{page:?}"))
}

fn router() -> Router {
    let routes = Router::new().route("/body", post(take)).route("/page", get(page));
    with_manners(routes, Metrics::default())
}

async fn ask(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&router(), request.body(body.into()).unwrap()).await
}

async fn post_json(body: impl Into<Body>) -> Answer {
    ask(Method::POST, "/body", &[("content-type", "application/json")], body).await
}

fn kind(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["status"], answer.status);
    answer.json()["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_unknown_route_is_a_problem() {
    let answer = ask(Method::GET, "/v1/nothing", &[], "").await.expect(404);
    assert_eq!(kind(&answer), "/problems/no-such-route");
}

#[tokio::test]
async fn another_method_is_a_problem_that_says_which_are_right() {
    let answer = ask(Method::DELETE, "/page", &[], "").await.expect(405);
    assert_eq!(kind(&answer), "/problems/method-not-allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_body_is_json_and_not_too_large() {
    let answer = ask(Method::POST, "/body", &[("content-type", "text/plain")], "{}").await.expect(415);
    assert_eq!(kind(&answer), "/problems/unsupported-media-type");
    let answer = post_json(vec![b' '; MAX_JSON_BYTES + 1]).await.expect(413);
    assert_eq!(kind(&answer), "/problems/too-large");
    for text in ["", "[]", " [1]", "{", "{]", "{} {}", "\u{feff}{}"] {
        let answer = post_json(text).await.expect(400);
        assert_eq!(kind(&answer), "/problems/malformed-request", "{text}");
    }
    assert_eq!(post_json(r#"{"inner": [{"text": "é"}, {}]}"#).await.expect(200).json(), json!(["é", null]));
}

#[tokio::test]
async fn a_field_that_is_unknown_or_of_another_type_is_named_by_its_path() {
    let cases = [
        (r#"{"inner": [{}, {"text": 1}]}"#, "inner[1].text", "malformed"),
        (r#"{"inner": [{}, {"texte": "x"}]}"#, "inner[1].texte", "unknown"),
        (r#"{"outer": 1}"#, "outer", "unknown"),
        (r#"{"inner": {}}"#, "inner", "malformed"),
        (r#""text""#, ".", "malformed"),
    ];
    for (body, field, code) in cases {
        let answer = post_json(body).await.expect(422);
        assert_eq!(answer.fields(), [(field.to_owned(), code.to_owned())], "{body}");
    }
}

#[tokio::test]
async fn a_query_is_read_as_strictly_as_a_body() {
    ask(Method::GET, "/page?limit=5", &[], "").await.expect(200);
    for (query, field) in [("limit=many", "limit"), ("limit=1&limit=2", "limit"), ("page=2", "page")] {
        let answer = ask(Method::GET, &format!("/page?{query}"), &[], "").await.expect(422);
        assert_eq!(answer.fields()[0].0, field, "{query}");
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_an_id() {
    for path in ["/page", "/v1/nothing"] {
        let answer = ask(Method::GET, path, &[("x-request-id", "abc-1")], "").await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("x-request-id"), "abc-1", "{path}");
    }
    let answer = ask(Method::GET, "/page", &[("x-request-id", "a b")], "").await;
    assert!(!matches!(answer.header("x-request-id"), "" | "a b"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = tokio::time::timeout(Duration::from_secs(120), post_json(never)).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let parts = [Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))];
    let answer = post_json(Body::from_stream(futures_util::stream::iter(parts))).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_change_goes_on_when_the_client_hangs_up_and_a_panic_is_an_answer() {
    let (begin, mut begun) = tokio::sync::mpsc::channel(1);
    let (finish, mut finished) = tokio::sync::mpsc::channel(1);
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let change = move || {
        let (begin, finish, held) = (begin.clone(), finish.clone(), held.clone());
        async move {
            begin.send(()).await.unwrap();
            let _permit = held.acquire().await.unwrap();
            finish.send(()).await.unwrap();
        }
    };
    async fn fail() {
        panic!("a fault in a handler");
    }
    let routes =
        Router::new().route("/change", post(change)).route("/fail", post(fail)).route_layer(from_fn(to_the_end));
    let router = with_manners(routes, Metrics::default());

    let request = Request::post("/change").body(Body::empty()).unwrap();
    let client = tokio::spawn(router.clone().oneshot(request));
    begun.recv().await.unwrap();
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    finished.recv().await.unwrap();

    let answer = send(&router, Request::post("/fail").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, kind(&answer).as_str()), (500, "/problems/internal"));
}

#[test]
fn the_committed_api_document_is_current() {
    let committed = include_str!("../../../docs/generated/openapi.json");
    let current = crate::http::openapi();
    assert!(committed == current, "run: cargo run -- openapi > docs/generated/openapi.json");
}

#[test]
fn the_api_document_describes_every_operation_with_its_problems() {
    let document: Value = serde_json::from_str(&crate::http::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["security"], json!([{"token": []}]));
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            if !operation.is_object() {
                continue;
            }
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            for status in ["401", "403", "404", "422", "500"] {
                let response = &operation["responses"][status]["$ref"];
                assert_eq!(*response, format!("#/components/responses/Problem{status}"), "{method} {path}");
                let response = &document["components"]["responses"][format!("Problem{status}")];
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem", "{status}");
            }
        }
    }
    assert_eq!(operations.len(), 53, "{operations:?}");
    let mut distinct = operations.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), operations.len());
    // Every schema that is referred to is there.
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}
