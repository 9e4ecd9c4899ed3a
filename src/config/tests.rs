//! What a configuration is refused for, and how it is told.

use super::*;

fn problems(text: &str, overrides: &[(&str, &str)]) -> Vec<Problem> {
    let overrides: Vec<Override> =
        overrides.iter().map(|(name, value)| Override::new(name, Some((*value).to_owned())).unwrap()).collect();
    match Config::from_text(text, "gateway.toml", &overrides) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong(problems)) => problems,
        Err(other) => panic!("{other}"),
    }
}

fn config(text: &str, overrides: &[(&str, &str)]) -> Config {
    let overrides: Vec<Override> =
        overrides.iter().map(|(name, value)| Override::new(name, Some((*value).to_owned())).unwrap()).collect();
    Config::from_text(text, "gateway.toml", &overrides).unwrap()
}

#[test]
fn nothing_said_is_the_default() {
    let config = Config::default();
    assert_eq!(config.sftp.listeners[0].address.to_string(), "0.0.0.0:2022");
    assert_eq!(config.api.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.internal.address.to_string(), "127.0.0.1:9090");
    assert_eq!(config.certs_dir, PathBuf::from("./certs"));
    assert_eq!(config.passwords.memory_kib, 65536);
    assert_eq!(config.sessions.idle, Duration::from_secs(900));
    assert_eq!(config.history.transfers, Duration::from_secs(400 * 86400));
    assert!(config.api.tls.is_none() && config.sftp.listeners[0].preset.is_none());
}

#[test]
fn a_file_sets_options() {
    let text = r#"
        certs_dir = "/etc/lucca-gateway/certs"
        [sessions]
        idle = "1h"
        [[sftp.listeners]]
        address = "127.0.0.1:22"
        preset = "epaye"
        [[sftp.listeners]]
        address = "[::1]:2222"
        [api]
        address = "0.0.0.0:443"
        tls = { certificate = "a.pem", key = "b.pem" }
    "#;
    let config = config(text, &[]);
    assert_eq!(config.certs_dir, PathBuf::from("/etc/lucca-gateway/certs"));
    assert_eq!(config.sessions.idle, Duration::from_secs(3600));
    assert_eq!(config.sftp.listeners[0].preset.as_ref().unwrap().as_str(), "epaye");
    assert_eq!(config.sftp.listeners[1].address.to_string(), "[::1]:2222");
    assert_eq!(config.api.tls.unwrap().key, PathBuf::from("b.pem"));
}

#[test]
fn a_wrong_option_is_refused_with_file_key_path_and_what_would_be_right() {
    for (text, key, right) in [
        ("sessions.idel = \"1m\"", "sessions.idel", "did you mean idle?"),
        ("nothing = 1", "nothing", "certs_dir"),
        ("sessions = 3", "sessions", "[sessions]"),
        ("sessions.idle = 3", "sessions.idle", "\"15m\""),
        ("sessions.idle = \"5 parsecs\"", "sessions.idle", "a duration"),
        ("sessions.idle = \"48h\"", "sessions.idle", "1s to 24h"),
        ("sessions.total = 0", "sessions.total", "1 to 1000000"),
        ("sessions.total = -1", "sessions.total", "a whole number"),
        ("sessions.total = \"many\"", "sessions.total", "a whole number"),
        ("sftp.scp = \"yes\"", "sftp.scp", "true or false"),
        ("sftp.listeners = []", "sftp.listeners", "0.0.0.0:2022"),
        ("sftp.listeners = \"0.0.0.0:22\"", "sftp.listeners", "[[sftp.listeners]]"),
        ("sftp.listeners = [\"0.0.0.0:22\"]", "sftp.listeners[0]", "[[sftp.listeners]]"),
        ("sftp.listeners = [{}]", "sftp.listeners[0].address", "missing"),
        ("sftp.listeners = [{ address = \"0.0.0.0\" }]", "sftp.listeners[0].address", "\"0.0.0.0:2022\""),
        (
            "sftp.listeners = [{ address = \"0.0.0.0:22\" }, { address = \"0.0.0.0:23\", preset = \"x-paye\" }]",
            "sftp.listeners[1].preset",
            "epaye, lucca, mprh",
        ),
        (
            "ftp.listeners = [{ address = \"0.0.0.0:21\", preset = \"x-paye\" }]",
            "ftp.listeners[0].preset",
            "epaye, lucca",
        ),
        (
            "sftp.listeners = [{ address = \"0.0.0.0:22\" }, { address = \"127.0.0.1:22\" }]",
            "sftp.listeners[1].address",
            "sftp.listeners[0].address",
        ),
        ("internal.address = \"127.0.0.1:8080\"", "internal.address", "api.address"),
        ("api.address = \"0.0.0.0:8080\"", "api.address", "api.tls.certificate"),
        ("api.tls.certificate = \"a.pem\"", "api.tls.key", "is missing"),
        ("api.tls = true", "api.tls", "[api.tls]"),
        ("passwords.memory_kib = 16", "passwords.memory_kib", "at least 32"),
        ("database.url = \"mysql://u:s3cret@x/y\"", "database.url", "mysql://u:***@x/y"),
        ("storage.directory = \"\"", "storage.directory", "not empty"),
        ("log.level = \"loud\"", "log.level", "debug"),
        ("log.level = \"info,=debug\"", "log.level", "debug"),
    ] {
        let found = problems(text, &[]);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].key, key, "{found:?}");
        assert_eq!(found[0].origin.as_deref(), Some("gateway.toml"));
        assert!(found[0].message.contains(right), "{text}: {}", found[0]);
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "typo = 1\n[sessions]\nidle = 3\ntotal = 0\n[passwords]\nmemory_kib = 8\n[api]\naddress = \"0.0.0.0:1\"\n\
                [presets.epaye]\nhost = 3\n";
    let found = problems(text, &[("LUCCA_GATEWAY__LOG__JSON", "maybe")]);
    let keys: Vec<&str> = found.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "typo",
        "sessions.idle",
        "sessions.total",
        "passwords.memory_kib",
        "api.address",
        "presets.epaye.host",
        "log.json",
    ] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert_eq!(keys.len(), 7, "{keys:?}");
    assert_eq!(ConfigError::Wrong(found).to_string().lines().count(), 7);
}

#[test]
fn clear_text_beyond_loopback_has_to_be_asked_for() {
    let text = "api.address = \"10.0.0.1:8080\"\napi.allow_clear_text = true";
    assert_eq!(config(text, &[]).api.address.to_string(), "10.0.0.1:8080");
    assert!(config("api.address = \"[::1]:8080\"", &[]).api.tls.is_none());
}

#[test]
fn ports_that_the_kernel_chooses_never_clash() {
    config("api.address = \"127.0.0.1:0\"\ninternal.address = \"127.0.0.1:0\"", &[]);
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let Err(error) = Config::from_text("a = 1\nb =\n", "gateway.toml", &[]) else { panic!("accepted") };
    let told = error.to_string();
    assert!(told.starts_with("gateway.toml: is not TOML") && told.contains("line 2"), "{told}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let told = Config::load(Some(Path::new("/nowhere/gateway.toml"))).unwrap_err().to_string();
    assert!(told.starts_with("/nowhere/gateway.toml: cannot be read"), "{told}");
}

#[test]
fn the_environment_overrides_the_file() {
    let config = config(
        "[sessions]\nidle = \"1h\"\ntotal = 5\n",
        &[
            ("LUCCA_GATEWAY__SESSIONS__IDLE", "2m"),
            ("LUCCA_GATEWAY__CERTS_DIR", "/keys"),
            ("LUCCA_GATEWAY__SFTP__SCP", "false"),
            ("LUCCA_GATEWAY__PRESETS__EPAYE__HOST", "sftp.partner.example"),
            ("LUCCA_GATEWAY__SFTP__LISTENERS", "[{ address = \"127.0.0.1:22\" }]"),
        ],
    );
    assert_eq!(config.sessions.idle, Duration::from_secs(120));
    assert_eq!(config.sessions.total, 5);
    assert_eq!(config.certs_dir, PathBuf::from("/keys"));
    assert!(!config.sftp.scp);
    assert_eq!(config.presets[&PresetName::parse("epaye").unwrap()].host, "sftp.partner.example");
    assert_eq!(config.sftp.listeners[0].address.to_string(), "127.0.0.1:22");
}

#[test]
fn what_the_environment_says_wrong_is_told_with_the_variable() {
    for (name, value, key) in [
        ("LUCCA_GATEWAY__SESSIONS__TOTAL", "many", "sessions.total"),
        ("LUCCA_GATEWAY__SESIONS__TOTAL", "5", "sesions"),
        ("LUCCA_GATEWAY__SESSIONS__", "5", "sessions."),
        ("LUCCA_GATEWAY__CERTS_DIR__X", "5", "certs_dir.x"),
        (
            "LUCCA_GATEWAY__PRESETS__EPAYE__FOLDERS",
            "[{ name = \"A\", path = \"a\", rights = \"pick-up\" }]",
            "presets.epaye.folders[0].path",
        ),
    ] {
        let found = problems("certs_dir = \"x\"", &[(name, value)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].key, key);
        assert_eq!(found[0].origin.as_deref(), Some(name));
    }
    let unreadable = Override::new("LUCCA_GATEWAY__CERTS_DIR", None).unwrap();
    assert!(Config::from_table(toml::Table::new(), "", &[unreadable]).is_err());
}

#[test]
fn a_gateway_on_loopback_keeps_everything_under_one_directory() {
    let config = Config::on_loopback(Path::new("/tmp/x"));
    assert_eq!(config.database.file(), Some(PathBuf::from("/tmp/x/gateway.db")));
    for path in [config.certs_dir, config.storage.directory] {
        assert!(path.starts_with("/tmp/x"));
    }
    for address in [config.sftp.listeners[0].address, config.api.address, config.internal.address] {
        assert!(address.ip().is_loopback() && address.port() == 0);
    }
}
