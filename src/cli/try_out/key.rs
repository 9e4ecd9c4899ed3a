//! The demo accounts' key: Ed25519, made once for a place.

use std::fs;
use std::path::{Path, PathBuf};

use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, KeypairData, PrivateKey};
use zeroize::Zeroizing;

use super::secrets::write_private;
use crate::cli::CommandError;
use crate::domain::{PublicKey, Random};

const FILE: &str = "demo_ed25519";

/// What the demo accounts take, and the file of its private half where there is one.
#[derive(Debug)]
pub(super) struct DemoKey {
    pub(super) public: PublicKey,
    pub(super) private: Option<PathBuf>,
}

impl DemoKey {
    /// The key of this place, made when there is none.
    pub(super) fn load_or_create(place: &Path, random: &dyn Random) -> Result<Self, CommandError> {
        let path = place.join(FILE);
        let file = |source| CommandError::File { path: path.clone(), source };
        let refused = |problem: &dyn std::fmt::Display| {
            CommandError::Refused(format!("{}: is no key: {problem}; remove it for a new one", path.display()))
        };
        let key = if path.exists() {
            let text = Zeroizing::new(fs::read_to_string(&path).map_err(file)?);
            PrivateKey::from_openssh(text.as_str()).map_err(|error| refused(&error))?
        } else {
            let mut seed = Zeroizing::new([0u8; 32]);
            random.fill(seed.as_mut());
            let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
            let key = PrivateKey::new(pair, "lucca-gateway try").map_err(|error| refused(&error))?;
            let text = key.to_openssh(LineEnding::LF).map_err(|error| refused(&error))?;
            write_private(&path, text.as_bytes())?;
            key
        };
        let line = key.public_key().to_openssh().map_err(|error| refused(&error))?;
        let public = PublicKey::parse(&line).map_err(|error| refused(&error))?;
        fs::write(path.with_extension("pub"), format!("{line}\n")).map_err(file)?;
        Ok(Self { public, private: Some(path) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let made = DemoKey::load_or_create(place.path(), &OsRandom).unwrap();
        let again = DemoKey::load_or_create(place.path(), &OsRandom).unwrap();
        assert_eq!(made.public, again.public);
        assert_eq!(made.public.algorithm(), "ssh-ed25519");
        let private = made.private.unwrap();
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(private).unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    }

    #[test]
    fn a_file_that_is_no_key_is_told() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(FILE), "nothing").unwrap();
        let error = DemoKey::load_or_create(place.path(), &OsRandom).unwrap_err();
        assert!(error.to_string().contains("remove it for a new one"), "{error}");
    }
}
