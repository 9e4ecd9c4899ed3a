//! The OpenAPI 3.1 document of the management API, made from the handlers themselves.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

use super::api;
use super::problem::{self, ProblemBody, ProblemField};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "lucca-gateway management API",
        description = "Provisions instances, accounts, credentials and remote folders, and exchanges files with them. \
            Guide: docs/API.md.",
        license(name = "proprietary")
    ),
    tags(
        (name = "instances", description = "Customers' tenants"),
        (name = "accounts", description = "Accesses on a server, created under a preset"),
        (name = "credentials", description = "Passwords and keys of an account"),
        (name = "folders", description = "Remote folders of an account"),
        (name = "files", description = "Files of a remote folder, published whole or not at all"),
        (name = "history", description = "Transfers of an account, and attempts to sign in to it"),
        (name = "events", description = "What happened, as a feed to read on from a position"),
        (name = "webhooks", description = "Where events are sent to, and what came of it"),
        (name = "sessions", description = "Who is connected now"),
        (name = "blocks", description = "Logins that are refused from an address for a while"),
        (name = "presets", description = "Parameters of hosting servers"),
        (name = "tokens", description = "Tokens of this API"),
        (name = "audit", description = "Who changed what")
    ),
    components(schemas(ProblemBody, ProblemField))
)]
struct Document;

/// The OpenAPI 3.1 document of the management API, pretty JSON with a final newline.
pub fn openapi() -> String {
    render(api::routes().split_for_parts().1)
}

/// The document without routes, to begin with.
pub(super) fn base() -> OpenApi {
    let mut document = <Document as utoipa::OpenApi>::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("lgw_…")
        .description(Some("A token of an operator's: `lucca-gateway operator token create`, or `POST /v1/tokens`."))
        .build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("token".into(), SecurityScheme::Http(bearer).into());
    let problems = problem::documented().into_iter();
    components.responses.extend(problems.map(|(status, response)| (format!("Problem{status}"), response.into())));
    document.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    document
}

/// As it is published: axum's `{*path}` is OpenAPI's `{path}`.
pub(super) fn render(mut document: OpenApi) -> String {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    let mut text = document.to_pretty_json().expect("the document holds nothing but texts");
    text.push('\n');
    text
}

pub(super) fn answer(document: &str) -> Response {
    let mut response = document.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
