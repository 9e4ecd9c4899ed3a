//! What `try --data DIR` has to remember from one start to the next: passwords are kept as hashes, and a token is shown
//! once, so neither can be read back from the gateway.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::CommandError;

/// Beside the data, for its owner alone.
const FILE: &str = "try-secrets.json";

/// The secrets of a place.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) token: Option<TokenSecret>,
    /// By login, in lower case.
    pub(super) passwords: BTreeMap<String, String>,
}

/// A token of the management API.
#[derive(Serialize, Deserialize)]
pub(super) struct TokenSecret {
    pub(super) id: String,
    pub(super) token: String,
}

impl Secrets {
    /// Those of an earlier start, or none.
    pub(super) fn load(place: &Path) -> Result<Self, CommandError> {
        let path = place.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                let problem = format!("{}: cannot be read: {error}; remove it for new passwords", path.display());
                CommandError::Refused(problem)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(CommandError::File { path, source }),
        }
    }

    pub(super) fn save(&self, place: &Path) -> Result<(), CommandError> {
        let text = serde_json::to_vec_pretty(self).expect("texts are always JSON");
        write_private(&place.join(FILE), &text)
    }
}

/// Writes a file for its owner alone, whole or not at all: whoever waits for it never reads half of it.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary: PathBuf = path.with_file_name(name);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        drop(file);
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // Nothing to add when it was not even made.
        let _ = fs::remove_file(&temporary);
        CommandError::File { path: path.to_owned(), source }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_remembered_is_read_back_by_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::load(place.path()).unwrap();
        assert!(secrets.token.is_none());
        secrets.token = Some(TokenSecret { id: "1".into(), token: "lgw_x".into() });
        secrets.passwords.insert("demo".into(), "secret".into());
        secrets.save(place.path()).unwrap();
        let again = Secrets::load(place.path()).unwrap();
        assert_eq!(again.token.unwrap().token, "lgw_x");
        assert_eq!(again.passwords["demo"], "secret");
        let mode = fs::metadata(place.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "the temporary file stayed");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_private(Path::new("/nowhere/out.json"), b"{}").unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/out.json");
    }
}
