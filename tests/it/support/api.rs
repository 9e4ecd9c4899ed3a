//! The management API as an operator's program calls it. Every URL that the tests use is in this file.

use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::Value;

use super::Tree;

/// The API of one gateway, with a token.
#[derive(Clone)]
pub struct Api {
    url: String,
    token: String,
    client: Client,
}

/// What the API answered.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The JSON of a success.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Api {
    pub fn new(url: &str, token: &str) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(300)).build().expect("an HTTP client");
        Self { url: url.trim_end_matches('/').to_owned(), token: token.to_owned(), client }
    }

    /// The same API, asked with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/v1{path}", self.url)).bearer_auth(&self.token)
    }

    fn send(request: RequestBuilder) -> Answer {
        let response = request.send().expect("the API answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().expect("a whole answer").to_vec() }
    }

    pub fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::POST, path).json(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::PATCH, path).json(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path))
    }

    /// Makes an instance; its id.
    pub fn make_instance(&self, key: &str) -> String {
        let made = self.post("/instances", &serde_json::json!({"key": key, "name": "Société d'essai"})).ok();
        made["id"].as_str().expect("an id").to_owned()
    }

    pub fn make_account(&self, instance: &str, account: &Value) -> Answer {
        self.post(&format!("/instances/{instance}/accounts"), account)
    }

    pub fn account(&self, account: &str) -> Answer {
        self.get(&format!("/accounts/{account}"))
    }

    pub fn change_account(&self, account: &str, changes: &Value) -> Answer {
        self.patch(&format!("/accounts/{account}"), changes)
    }

    pub fn remove_account(&self, account: &str) -> Answer {
        self.delete(&format!("/accounts/{account}"))
    }

    /// A password or a key, by its `kind`.
    pub fn add_credential(&self, account: &str, credential: &Value) -> Answer {
        self.post(&format!("/accounts/{account}/credentials"), credential)
    }

    pub fn add_public_key(&self, account: &str, key: &str) -> Answer {
        self.add_credential(account, &serde_json::json!({"kind": "public_key", "public_key": key}))
    }

    pub fn credentials(&self, account: &str) -> Answer {
        self.get(&format!("/accounts/{account}/credentials"))
    }

    pub fn remove_credential(&self, account: &str, credential: &str) -> Answer {
        self.delete(&format!("/accounts/{account}/credentials/{credential}"))
    }

    pub fn add_folder(&self, account: &str, folder: &Value) -> Answer {
        self.post(&format!("/accounts/{account}/folders"), folder)
    }

    pub fn change_folder(&self, account: &str, folder: &str, changes: &Value) -> Answer {
        self.patch(&format!("/accounts/{account}/folders/{folder}"), changes)
    }

    /// Every file of a folder and below, with its contents.
    pub fn tree(&self, account: &str, folder: &str) -> Tree {
        let mut tree = Tree::default();
        let mut folders = vec![String::new()];
        while let Some(below) = folders.pop() {
            for (name, is_folder) in self.entries(account, folder, &below) {
                let path = if below.is_empty() { name } else { format!("{below}/{name}") };
                if is_folder {
                    folders.push(path);
                } else {
                    let file = self.download(account, folder, &path);
                    assert_eq!(file.status, 200, "{path}: {}", String::from_utf8_lossy(&file.body));
                    tree.0.insert(path, file.body);
                }
            }
        }
        tree
    }

    /// All names in a folder, page by page, and whether each is a folder.
    pub fn entries(&self, account: &str, folder: &str, below: &str) -> Vec<(String, bool)> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let query = format!("path={}&limit=200{cursor}", encoded(below));
            let page = self.get(&format!("/accounts/{account}/folders/{folder}/files?{query}")).ok();
            for entry in page["items"].as_array().expect("items") {
                let name = entry["name"].as_str().expect("a name").to_owned();
                entries.push((name, entry["kind"] == "folder"));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => return entries,
            }
        }
    }

    fn file(&self, method: Method, account: &str, folder: &str, path: &str) -> RequestBuilder {
        let path: Vec<String> = path.split('/').map(encoded).collect();
        self.request(method, &format!("/accounts/{account}/folders/{folder}/files/{}", path.join("/")))
    }

    pub fn upload(&self, account: &str, folder: &str, path: &str, contents: &[u8]) -> Answer {
        Self::send(self.file(Method::PUT, account, folder, path).body(contents.to_vec()))
    }

    /// A file whose contents come while it is sent.
    pub fn upload_from(
        &self,
        account: &str,
        folder: &str,
        path: &str,
        contents: impl std::io::Read + Send + 'static,
    ) -> Answer {
        let body = reqwest::blocking::Body::new(contents);
        Self::send(self.file(Method::PUT, account, folder, path).body(body))
    }

    pub fn download(&self, account: &str, folder: &str, path: &str) -> Answer {
        Self::send(self.file(Method::GET, account, folder, path))
    }

    /// A part of a file: `bytes=0-9`.
    pub fn download_range(&self, account: &str, folder: &str, path: &str, range: &str) -> Answer {
        Self::send(self.file(Method::GET, account, folder, path).header("range", range))
    }
}

/// A segment of a path, percent-encoded.
fn encoded(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    segment
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
