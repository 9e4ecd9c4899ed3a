//! The one home of the process's environment: overrides of the configuration, and where temporary files go.
//!
//! `LUCCA_GATEWAY__SFTP__KEEPALIVE=30s` sets `sftp.keepalive`: two underscores separate, case does not matter. A value is
//! read as TOML (`12`, `true`, `["a", "b"]`, `[{ address = "0.0.0.0:22" }]`), or else as a text that needs no quotes.

use std::path::PathBuf;

/// What every override starts with.
pub const PREFIX: &str = "LUCCA_GATEWAY__";

/// One variable that overrides an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The variable's name as it is in the environment.
    pub variable: String,
    /// The option's key path, in lower case.
    pub key: Vec<String>,
    /// `None`: the variable holds bytes that are no UTF-8.
    pub text: Option<String>,
}

impl Override {
    /// Reads a variable; `None` when it is not one of the gateway's.
    pub fn new(variable: &str, text: Option<String>) -> Option<Self> {
        let path = variable.strip_prefix(PREFIX)?;
        let key = path.split("__").map(str::to_lowercase).collect();
        Some(Self { variable: variable.to_owned(), key, text })
    }
}

/// The overrides that this process was started with, in the order of their names.
pub fn overrides() -> Vec<Override> {
    let mut found: Vec<Override> = std::env::vars_os()
        .filter_map(|(name, value)| Override::new(name.to_str()?, value.into_string().ok()))
        .collect();
    found.sort_by(|a, b| a.variable.cmp(&b.variable));
    found
}

/// Where this system keeps temporary files.
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// What a text means in an environment variable: TOML where it is some, else itself.
pub(super) fn loose_value(text: &str) -> toml::Value {
    match format!("value = {text}").parse::<toml::Table>() {
        // More than one key: the text holds a line break and goes on as a document of its own.
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| text.into()),
        Ok(_) | Err(_) => toml::Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_underscores_separate_and_one_does_not() {
        let found = Override::new("LUCCA_GATEWAY__SFTP__REKEY_MIB", Some("12".into())).unwrap();
        assert_eq!(found.key, ["sftp", "rekey_mib"]);
        assert_eq!(Override::new("PATH", None), None);
        assert_eq!(Override::new("LUCCA_GATEWAY_SFTP", None), None);
    }

    #[test]
    fn a_value_is_toml_or_else_a_text() {
        assert_eq!(loose_value("12"), toml::Value::Integer(12));
        assert_eq!(loose_value("true"), toml::Value::Boolean(true));
        assert_eq!(loose_value("\"12\""), toml::Value::String("12".into()));
        assert_eq!(loose_value("30s"), toml::Value::String("30s".into()));
        assert_eq!(loose_value(""), toml::Value::String(String::new()));
        assert_eq!(loose_value("./a b"), toml::Value::String("./a b".into()));
        assert!(loose_value("[{ address = \"127.0.0.1:22\" }]").is_array());
        assert_eq!(loose_value("1\nother = 2"), toml::Value::String("1\nother = 2".into()));
    }
}
