//! The dependency table of `docs/ARCHITECTURE.md`, enforced.
//!
//! The rules are the four tables below. The sources are read with `syn`: what counts is a path that the compiler would
//! see (a `use`, an inline path, a path inside a macro or an attribute), never the text of a comment or of a string.
//! The second half of the file plants violations and look-alikes, so that a checker that has gone blind fails too.

// clippy.toml excuses test functions; everything here is test code.
#![allow(clippy::panic)]

#[path = "architecture/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sources::{Reference, SourceFile};

/// A module, and the modules that it may use besides itself. One way only: the table has no cycle.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["domain", "config"]),
    ("credentials", &["domain", "config"]),
    ("net", &["domain", "config", "telemetry"]),
    ("store", &["domain", "config", "telemetry"]),
    ("vfs", &["domain", "config", "telemetry"]),
    ("events", &["domain", "config", "telemetry", "net", "credentials", "store", "vfs"]),
    ("sessions", &["domain", "config", "telemetry", "events", "vfs"]),
    ("access", &["domain", "config", "telemetry", "net", "credentials", "store", "events", "vfs", "sessions"]),
    ("sftp", &["domain", "config", "telemetry", "net", "credentials", "vfs", "sessions", "access"]),
    ("ftp", &["domain", "config", "telemetry", "net", "access", "sessions", "vfs"]),
    (
        "management",
        &["domain", "config", "telemetry", "net", "credentials", "store", "events", "vfs", "sessions", "access"],
    ),
    ("http", &["domain", "config", "telemetry", "net", "management"]),
    (
        "app",
        &[
            "domain",
            "config",
            "telemetry",
            "net",
            "credentials",
            "store",
            "vfs",
            "events",
            "sessions",
            "access",
            "sftp",
            "ftp",
            "management",
            "http",
        ],
    ),
    // `try` binds its ports before it starts the rest, to give way when they are taken.
    ("cli", &["domain", "config", "telemetry", "net", "store", "management", "http", "app"]),
];

/// A technology, and the only modules that may name it. Holds in tests as well.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("argon2", &["credentials"]),
    ("axum", &["http"]),
    // net: the client that delivers webhooks.
    ("hyper", &["http", "net"]),
    ("hyper_util", &["http", "net"]),
    ("http_body_util", &["http", "net"]),
    ("tower", &["http"]),
    ("utoipa", &["http"]),
    ("utoipa_axum", &["http"]),
    ("russh", &["sftp"]),
    // cli: `try` makes a key pair for its demo accounts.
    ("ssh_key", &["domain", "credentials", "sftp", "cli"]),
    // http and app hand a configuration on that net made (see DOORS).
    ("rustls", &["net", "http", "app"]),
    ("tokio_rustls", &["net", "http", "ftp"]),
    ("aws_lc_rs", &["net", "credentials"]),
    ("rcgen", &["net"]),
    ("rustls_native_certs", &["net"]),
    // "": main.rs hands the words of the command line over.
    ("clap", &["cli", ""]),
    ("prometheus_client", &["telemetry"]),
    ("tracing_subscriber", &["telemetry", "app", "cli"]),
    // The kernel's confinement (openat2) is spoken in one place; the others look after their own few files.
    ("rustix::fs", &["vfs"]),
    ("encoding_rs", &["domain"]),
];

/// What a module must do without, whatever else it may use. Holds outside tests.
const NEVER: &[(&str, &[&str])] = &[
    // Words and rules: no I/O, no waiting.
    ("domain", &["tokio", "std::fs", "std::net::TcpStream", "std::net::TcpListener", "std::process::Command"]),
    // The edges reach the disk through a tree alone.
    ("sftp", &["std::fs", "tokio::fs", "std::process::Command", "tokio::process"]),
    ("http", &["std::fs", "tokio::fs", "std::process::Command", "tokio::process"]),
    ("management", &["std::fs", "tokio::fs", "std::process::Command", "tokio::process"]),
    ("access", &["std::fs", "tokio::fs", "std::process::Command", "tokio::process"]),
    ("sessions", &["std::fs", "tokio::fs", "std::process::Command", "tokio::process"]),
];

/// A name, and the only modules that may say it outside tests, its owner first: what lies behind it is opened by them
/// alone.
const DOORS: &[(&str, &[&str])] = &[
    // A tree is built by the one door, from a grant or for an operator.
    ("SessionTree::mount", &["vfs", "access"]),
    ("OperatorTree::mount", &["vfs", "access"]),
    // What `Registry::open` takes: who cannot name it cannot open a session.
    ("sessions::Opening", &["sessions", "access"]),
    // Protocols get host keys from `credentials`, and no password.
    ("credentials::Passwords", &["credentials", "access", "management", "app"]),
    // TLS is configured in one place.
    ("ServerConfig::builder", &["net"]),
    ("ServerConfig::builder_with_provider", &["net"]),
    ("ServerConfig::builder_with_protocol_versions", &["net"]),
    ("ClientConfig::builder", &["net"]),
    ("ClientConfig::builder_with_provider", &["net"]),
    ("ClientConfig::builder_with_protocol_versions", &["net"]),
];

#[test]
fn the_sources_keep_to_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources::read(&root);
    assert!(files.len() > 60, "only {} source files were found in {}", files.len(), root.display());
    let violations = violations(&files);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    // Each module may use only modules named above it.
    let mut above = BTreeSet::new();
    for (module, used) in MAY_USE {
        for name in *used {
            assert!(above.contains(name), "{module} may use {name}, which is not above it in the table");
        }
        assert!(above.insert(module), "{module} is in the table twice");
    }
}

#[test]
fn the_table_names_every_module_and_no_other() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs");
    let declared: BTreeSet<String> = sources::declared_modules(&lib).into_iter().collect();
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(declared, listed);
}

#[test]
fn every_dependency_has_its_reason() {
    let read = |file| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml");
    let reasons = read("docs/dependencies.md");
    let without: Vec<&String> = ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(toml::Table::keys)
        .filter(|name| !reasons.contains(&format!("`{name}`")))
        .collect();
    assert!(without.is_empty(), "docs/dependencies.md does not say why these are there: {without:?}");
}

/// Every breach of the tables, as `file:line: sentence`.
fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for reference in &file.references {
            for problem in problems(file.module(), reference) {
                found.push(format!("{}:{}: {problem}", file.path, reference.line));
            }
        }
        for oddity in &file.oddities {
            found.push(format!("{}:{}: {}", file.path, oddity.line, oddity.text));
        }
    }
    found
}

/// What is wrong with one path said in `module` (`""`: `lib.rs`, `main.rs`).
fn problems(module: &str, reference: &Reference) -> Vec<String> {
    let mut problems = Vec::new();
    let said = reference.path.join("::");
    let is_own_code = reference.path.first().is_some_and(|first| first == "crate");
    if is_own_code {
        if let Some(used) = reference.path.get(1) {
            problems.extend(dependency_problem(module, used, reference));
        }
    } else {
        for (technology, homes) in HOMES {
            if starts_with(&reference.path, technology) && !homes.contains(&module) {
                problems.push(format!("{said}: {technology} is said in {} alone", homes.join(", ")));
            } else if starts_with(&reference.path, technology) && reference.exported {
                problems.push(format!("{said}: re-exports {technology} to modules that may not say it"));
            }
        }
        for (_, never) in NEVER.iter().filter(|(named, _)| *named == module && !reference.in_test) {
            for path in never.iter().filter(|path| starts_with(&reference.path, path)) {
                problems.push(format!("{said}: {module} does without {path}"));
            }
        }
    }
    for (door, homes) in DOORS {
        if reference.in_test || homes[0] == module {
            continue;
        }
        if says(&reference.path, door) && (reference.exported || !homes.contains(&module)) {
            problems.push(format!("{said}: {door} is for {} alone", homes.join(", ")));
        }
        // `use SessionTree as T` would hide `T::mount` from the rule above.
        let owner = door.split("::").next().unwrap_or(door);
        if reference.renamed && says(&reference.path, owner) && !homes.contains(&module) {
            problems.push(format!("{said}: keeps its name outside {}", homes.join(", ")));
        }
    }
    problems
}

fn dependency_problem(module: &str, used: &str, reference: &Reference) -> Option<String> {
    let row = |name: &str| MAY_USE.iter().find(|(module, _)| *module == name).map(|(_, used)| *used);
    if module.is_empty() {
        // main.rs hands over to the command line; lib.rs only declares.
        return (used != "cli").then(|| format!("crate::{used}: the root names cli alone and re-exports nothing"));
    }
    let Some(may_use) = row(module) else {
        return Some(format!("{module} is not in the table"));
    };
    if used == module {
        return None;
    }
    let Some(_) = row(used) else {
        return Some(format!("crate::{used}: not a module of the table (a glob or re-export of the root?)"));
    };
    if reference.in_test {
        return None; // A test may arrange with any module; it is not shipped.
    }
    if reference.is_glob && used != "domain" {
        return Some(format!(
            "{}::*: import by name; only the words of domain come all at once",
            reference.path.join("::")
        ));
    }
    if !may_use.contains(&used) {
        return Some(format!("{}: {module} may not use {used}", reference.path.join("::")));
    }
    if reference.exported {
        let blind: Vec<&str> = MAY_USE
            .iter()
            .filter(|(_, used_by)| used_by.contains(&module) && !used_by.contains(&used))
            .map(|(user, _)| *user)
            .collect();
        if !blind.is_empty() {
            return Some(format!(
                "{}: re-exporting it hands {used} to {}, which may not use it",
                reference.path.join("::"),
                blind.join(", ")
            ));
        }
    }
    None
}

/// Whether `path` is `prefix` (`a::b`) or below it.
fn starts_with(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(segment, wanted)| segment == wanted)
}

/// Whether the segments of `name` stand next to each other in `path`.
fn says(path: &[String], name: &str) -> bool {
    let name: Vec<&str> = name.split("::").collect();
    path.windows(name.len()).any(|window| window.iter().zip(&name).all(|(segment, wanted)| segment == wanted))
}

// The checker checked: planted violations are reported, look-alikes are not.

/// What the checker says of one planted file.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut files = BTreeMap::new();
    files.insert(path.to_owned(), text.to_owned());
    violations(&sources::parse(&files))
}

fn assert_reported(path: &str, text: &str, expected: &str) {
    let reports = check(path, text);
    assert!(
        reports.iter().any(|report| report.contains(expected)),
        "planted in {path}:\n{text}\nexpected a report with \"{expected}\", got {reports:?}"
    );
}

fn assert_quiet(path: &str, text: &str) {
    let reports = check(path, text);
    assert!(reports.is_empty(), "innocent in {path}:\n{text}\nreported: {reports:?}");
}

#[test]
fn a_planted_use_is_reported() {
    assert_reported("sftp/mod.rs", "use crate::store::Store;", "sftp may not use store");
    assert_reported("sftp/mod.rs", "use crate::{access::Access, store};", "sftp may not use store");
    assert_reported("vfs/tree.rs", "use crate::events as happenings;", "vfs may not use events");
    assert_reported("http/api/files.rs", "use crate::{vfs};", "http may not use vfs");
    assert_reported("sftp/mod.rs", "use lucca_gateway::store::Store;", "sftp may not use store");
    assert_reported("domain/clock.rs", "fn f() { use crate::config::Config; }", "domain may not use config");
}

#[test]
fn a_planted_inline_path_is_reported() {
    assert_reported("sftp/mod.rs", "fn f() { crate::store::open(); }", "sftp may not use store");
    assert_reported("sftp/mod.rs", "fn f(store: &crate::store::Store) {}", "sftp may not use store");
    assert_reported("vfs/mod.rs", "impl crate::events::Outbox for X {}", "vfs may not use events");
    assert_reported("vfs/mod.rs", "fn f<T: crate::access::Door>() {}", "vfs may not use access");
    assert_reported("vfs/mod.rs", "struct X(<crate::store::Store as T>::Row);", "vfs may not use store");
}

#[test]
fn a_planted_super_path_is_reported() {
    assert_reported("sftp/mod.rs", "use super::store::Store;", "sftp may not use store");
    assert_reported("sftp/requests.rs", "use super::super::store::Store;", "sftp may not use store");
    assert_reported("sftp/a/b.rs", "fn f() { super::super::super::store::open() }", "sftp may not use store");
    assert_reported("sftp/mod.rs", "mod inner { use super::super::store::Store; }", "sftp may not use store");
    assert_reported("sftp/mod.rs", "use self::super::store::Store;", "sftp may not use store");
}

#[test]
fn a_way_around_through_the_root_is_reported() {
    assert_reported("sftp/mod.rs", "use crate::*;", "the crate's root");
    assert_reported("sftp/mod.rs", "use super::*;", "the crate's root");
    assert_reported("sftp/mod.rs", "use crate as gateway;", "the crate's root");
    assert_reported("sftp/mod.rs", "use lucca_gateway as gateway;", "the crate's root");
    assert_reported("sftp/mod.rs", "extern crate self as gateway;", "extern crate");
    assert_reported("sftp/mod.rs", "use crate::Store;", "not a module of the table");
    assert_reported("lib.rs", "pub use crate::store::Store;", "the root names cli alone");
    assert_reported("lib.rs", "pub use store::Store;", "the root names cli alone");
    assert_reported("sftp/mod.rs", "#[path = \"../store/mod.rs\"] mod rows;", "#[path]");
    assert_reported("sftp/mod.rs", "include!(\"../store/mod.rs\");", "include!");
}

#[test]
fn a_planted_re_export_is_reported() {
    assert_reported("access/mod.rs", "pub use crate::store::Store;", "hands store to sftp");
    assert_reported("access/mod.rs", "pub(crate) use crate::store::{Store, Unit as Work};", "hands store to sftp");
    assert_reported("access/mod.rs", "pub type Rows = crate::store::Store;", "hands store to sftp");
    assert_reported("store/mod.rs", "pub use sqlx::AnyPool;", "re-exports sqlx");
    assert_reported("sessions/mod.rs", "pub use crate::events;", "hands events to sftp");
}

#[test]
fn a_technology_away_from_home_is_reported() {
    assert_reported("management/accounts.rs", "use sqlx::Row;", "sqlx is said in store alone");
    assert_reported("management/accounts.rs", "fn f() { sqlx::query(\"select 1\"); }", "sqlx is said in store alone");
    assert_reported("management/accounts.rs", "fn f() { sqlx::query!(\"select 1\"); }", "sqlx is said in store alone");
    assert_reported("management/accounts.rs", "use ::sqlx::Row;", "sqlx is said in store alone");
    assert_reported("management/accounts.rs", "#[derive(sqlx::FromRow)] struct Row;", "sqlx is said in store alone");
    assert_reported("access/sign_in.rs", "use argon2 as a;", "argon2 is said in credentials alone");
    assert_reported("vfs/mod.rs", "#[cfg(test)] mod tests { use sqlx::Row; }", "sqlx is said in store alone");
    assert_reported("domain/clock.rs", "async fn f() { tokio::task::yield_now().await }", "domain does without tokio");
    assert_reported("sftp/handles.rs", "use std::{fs::File, io};", "sftp does without std::fs");
}

#[test]
fn a_violation_inside_a_macro_is_reported() {
    assert_reported("sftp/mod.rs", "fn f() { vec![crate::store::open()]; }", "sftp may not use store");
    assert_reported("sftp/mod.rs", "fn f() { tokio::select! { x = super::store::wait() => {} } }", "may not use store");
    assert_reported("sftp/mod.rs", "macro_rules! m { () => { $crate::store::open() } }", "sftp may not use store");
    assert_reported("http/mod.rs", "fn f() { info!(n = %sqlx::count(), \"n\"); }", "sqlx is said in store alone");
    assert_reported("http/mod.rs", "#[serde(with = \"crate::store::times\")] struct X;", "http may not use store");
    assert_reported("sftp/mod.rs", "fn f() { m!(use crate::{access, store::Store}); }", "sftp may not use store");
}

#[test]
fn a_door_opened_by_another_is_reported() {
    let text = "use crate::vfs::SessionTree; async fn f() { SessionTree::mount(a, b, c).await; }";
    assert_reported("sftp/mod.rs", text, "SessionTree::mount is for vfs, access alone");
    assert_reported(
        "management/files.rs",
        "fn f() { crate::vfs::OperatorTree::mount(); }",
        "OperatorTree::mount is for",
    );
    assert_reported("management/files.rs", "fn f() { <OperatorTree>::mount(); }", "OperatorTree::mount is for");
    assert_reported("sftp/mod.rs", "use crate::vfs::SessionTree as Tree;", "keeps its name");
    assert_reported("sftp/mod.rs", "type Tree = crate::vfs::SessionTree;", "keeps its name");
    assert_reported("sftp/mod.rs", "use crate::sessions::Opening;", "Opening is for sessions, access alone");
    assert_reported("sftp/mod.rs", "use crate::sessions::*; fn f() { Opening {} }", "import by name");
    assert_reported("access/mod.rs", "pub use crate::sessions::Opening;", "Opening is for sessions, access alone");
    assert_reported("sftp/mod.rs", "use crate::credentials::Passwords;", "Passwords is for");
    assert_reported(
        "http/mod.rs",
        "fn f() { rustls::ServerConfig::builder(); }",
        "ServerConfig::builder is for net alone",
    );
    assert_quiet("access/grant.rs", "use crate::vfs::SessionTree; fn f() { SessionTree::mount(); }");
}

#[test]
fn what_only_looks_like_a_violation_is_not_reported() {
    assert_quiet("sftp/mod.rs", "// use crate::store::Store;\n/* crate::store::open() */ fn f() {}");
    assert_quiet("sftp/mod.rs", "//! See [`crate::store::Store`].\n/// Not `sqlx::query`.\nfn f() {}");
    assert_quiet("sftp/mod.rs", "const A: &str = \"use crate::store::Store; sqlx::query\";");
    assert_quiet("sftp/mod.rs", "fn f() { info!(\"crate::store::open {}\", 1); }");
    assert_quiet("sftp/mod.rs", "fn f(store: u8) -> u8 { let sqlx = store; sqlx }");
    assert_quiet("sftp/mod.rs", "mod store { pub fn open() {} } fn f() { self::store::open(); store::open() }");
    assert_quiet("sftp/a.rs", "use super::store::Handles; fn f() { super::store::open() }");
    assert_quiet("sftp/mod.rs", "use crate::{access::Access, domain::*, sftp::status, vfs::SessionTree};");
    assert_quiet("sftp/a.rs", "mod tests { use super::*; use crate::sftp::a; }");
    assert_quiet("management/mod.rs", "pub use crate::domain::Instance;");
    assert_quiet("management/mod.rs", "use crate::domain::*; enum State { Opening }");
    assert_quiet("store/engine.rs", "use sqlx::{AnyPool, Row};");
}

#[test]
fn a_test_may_arrange_with_any_module() {
    assert_quiet("sftp/a.rs", "#[cfg(test)] mod tests { use crate::store::Store; fn f() { SessionTree::mount(); } }");
    assert_quiet("sftp/a.rs", "#[cfg(test)] use crate::store::Store;");
    assert_reported("sftp/a.rs", "#[cfg(not(test))] use crate::store::Store;", "sftp may not use store");
    let files = BTreeMap::from([
        ("sftp/mod.rs".to_owned(), "#[cfg(test)] mod tests;".to_owned()),
        ("sftp/tests.rs".to_owned(), "use crate::store::Store;".to_owned()),
    ]);
    assert_eq!(violations(&sources::parse(&files)), Vec::<String>::new());
}
