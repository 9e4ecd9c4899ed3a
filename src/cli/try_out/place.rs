//! Where `try` keeps everything: a directory of its own, its owner's alone.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cli::CommandError;
use crate::config;
use crate::domain::Random;
use crate::domain::random::UNAMBIGUOUS;

/// The directory; a temporary one is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    temporary: bool,
}

impl Place {
    /// `data`, or a temporary directory.
    pub(super) fn choose(data: Option<&Path>, random: &dyn Random) -> Result<Self, CommandError> {
        let made = |path: PathBuf, made: std::io::Result<()>, temporary| match made {
            // Absolute, because the lines that are printed are pasted wherever someone is.
            Ok(()) => Ok(Self { path: std::path::absolute(&path).unwrap_or(path), temporary }),
            Err(source) => Err(CommandError::File { path, source }),
        };
        if let Some(data) = data {
            let result = DirBuilder::new().recursive(true).mode(0o700).create(data);
            return made(data.to_owned(), result, false);
        }
        loop {
            let path = config::temporary_directory().join(format!("lucca-gateway-try-{}", random.text(8, UNAMBIGUOUS)));
            // Not recursive: a directory that someone else has prepared there is not taken.
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => return made(path, result, true),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "Could not remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn a_temporary_place_is_its_owners_alone_and_goes_away() {
        let place = Place::choose(None, &OsRandom).unwrap();
        let path = place.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("file"), "x").unwrap();
        drop(place);
        assert!(!path.exists());
    }

    #[test]
    fn a_place_that_was_named_stays() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("a/b");
        drop(Place::choose(Some(&data), &OsRandom).unwrap());
        assert!(data.is_dir());
    }
}
