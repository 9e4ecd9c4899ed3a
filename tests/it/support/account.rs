//! Accounts for one test each, in an instance of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{Answer, Api, Gateway, KeyPair, Proof, Session, Target, Tree};

/// What an account is made with; the rest comes from the preset.
pub struct NewAccount {
    body: Value,
    folders: Vec<Value>,
}

/// An account, ready to be used by clients and by the API.
pub struct Account {
    pub id: String,
    pub instance: String,
    pub login: String,
    pub password: String,
    /// As the API told them.
    pub folders: Vec<Value>,
    pub api: Api,
    port: u16,
}

pub const PASSWORD: &str = "Bulletin-de-paie-2026";

impl NewAccount {
    /// Without parameters of a preset, without folders.
    pub fn new() -> Self {
        Self::under("lucca")
    }

    pub fn under(preset: &str) -> Self {
        let body = json!({"name": "Logiciel de paie", "preset": preset, "password": PASSWORD});
        Self { body, folders: Vec::new() }
    }

    /// A folder; `rights` is a ready set's name or a list.
    pub fn folder(mut self, path: &str, rights: impl Into<Value>) -> Self {
        let name = format!("Dossier {}", self.folders.len() + 1);
        self.folders.push(json!({"name": name, "path": path, "rights": rights.into()}));
        self
    }

    pub fn key(self, key: &KeyPair) -> Self {
        let keys = json!([key.public_text()]);
        self.with("public_keys", keys)
    }

    /// Any field of the request.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body[field] = value.into();
        self
    }

    pub fn without_password(mut self) -> Self {
        if let Some(fields) = self.body.as_object_mut() {
            fields.remove("password");
        }
        self
    }

    /// Asks the API for it, in a new instance.
    pub fn ask(mut self, gateway: &Gateway) -> (String, Answer) {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let key = format!("essai-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let instance = gateway.api().make_instance(&key);
        if !self.folders.is_empty() {
            self.body["folders"] = Value::Array(self.folders);
        }
        let answer = gateway.api().make_account(&instance, &self.body);
        (instance, answer)
    }

    pub fn make(self, gateway: &Gateway) -> Account {
        let password = self.body["password"].as_str().unwrap_or_default().to_owned();
        let (instance, answer) = self.ask(gateway);
        let made = answer.ok();
        let id = made["id"].as_str().expect("an id").to_owned();
        let api = gateway.api();
        Account {
            login: made["login"].as_str().expect("a login").to_owned(),
            password: made["password"].as_str().unwrap_or(&password).to_owned(),
            folders: made["folders"].as_array().cloned().unwrap_or_default(),
            port: gateway.port(),
            instance,
            id,
            api,
        }
    }
}

impl Account {
    /// A client that signs in with the password.
    pub fn target(&self) -> Target<'_> {
        self.target_with(Proof::Password(&self.password))
    }

    pub fn target_with<'a>(&self, proof: Proof<'a>) -> Target<'a> {
        Target::new(self.port, &self.login, proof)
    }

    /// A client that comes another way: through a proxy, to a gateway that was started again.
    pub fn target_at(&self, port: u16) -> Target<'_> {
        Target::new(port, &self.login, Proof::Password(&self.password))
    }

    pub fn session(&self) -> Session {
        Session::open(&self.target()).unwrap_or_else(|error| panic!("{} cannot sign in: {error}", self.login))
    }

    /// The gateway was started again, on other ports.
    pub fn move_to(&mut self, gateway: &Gateway) {
        self.port = gateway.port();
        self.api = gateway.api();
    }

    fn folder(&self, path: &str) -> &str {
        let folder = self.folders.iter().find(|folder| folder["path"] == path);
        folder.and_then(|folder| folder["id"].as_str()).unwrap_or_else(|| panic!("no folder {path}"))
    }

    /// Puts a file into a folder over the API.
    pub fn api_put(&self, folder: &str, name: &str, contents: &[u8]) {
        let answer = self.api.upload(&self.id, self.folder(folder), name, contents);
        assert!((200..300).contains(&answer.status), "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }

    /// Takes a file from a folder over the API; `None` when there is none.
    pub fn api_get(&self, folder: &str, name: &str) -> Option<Vec<u8>> {
        let answer = self.api.download(&self.id, self.folder(folder), name);
        match answer.status {
            200 => Some(answer.body),
            404 => None,
            status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    /// The names that the API lists in a folder.
    pub fn api_names(&self, folder: &str) -> Vec<String> {
        self.api.entries(&self.id, self.folder(folder), "").into_iter().map(|(name, _)| name).collect()
    }

    /// Everything in a folder, over the API.
    pub fn api_tree(&self, folder: &str) -> Tree {
        self.api.tree(&self.id, self.folder(folder))
    }

    /// Where a path of this account is on the disk.
    pub fn on_disk(&self, gateway: &Gateway, path: &str) -> PathBuf {
        gateway.directory(&self.instance, &self.id, path)
    }
}
