//! Secrets that must be had back: sealed with AES-256-GCM under a master key that is kept outside the database.
//!
//! Whoever has a copy of the database alone (a backup, say) has none of these secrets. The key is a file of `certs_dir`,
//! made on first start. It may hold several keys, one a line: the first seals, the others still open what they sealed,
//! so that a key can be replaced without a moment in which something cannot be opened. A sealed text names its key, and is
//! bound to what it is for and to its row: one that was copied into another row does not open.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::domain::{Random, Secret};

/// In `certs_dir`.
const FILE: &str = "master_key";
/// The form of sealed texts: `v1.KEY.BASE64(nonce, ciphertext, tag)`.
const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;
/// More than any number of keys that anyone keeps; a larger file is something else.
const MOST_BYTES: u64 = 64 * 1024;

/// What is wrong with the master key, for the operator who starts the gateway.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(
        "{} is missing, while the database holds secrets that it sealed: put it back from a backup (without it these \
         secrets are lost: remove what they belong to, webhooks for one, and make it anew)",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "{} does not hold the key {key}, with which secrets in the database are sealed: put back a copy of the file that \
         does",
        path.display()
    )]
    KeyMissing { path: PathBuf, key: String },
    #[error("{} can be read by others (mode {mode:04o}): run chmod 600 {}", path.display(), path.display())]
    TooOpen { path: PathBuf, mode: u32 },
}

/// A text that cannot be opened: it was sealed with another key or for another row, or was changed. It does not say which
/// byte, nor what is in it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsealError {
    #[error("not a sealed secret")]
    Malformed,
    #[error("sealed with the key {0}, which the master key's file does not hold")]
    UnknownKey(String),
    #[error("the sealed secret was changed, or belongs to something else")]
    Refused,
}

/// What a sealed secret is for. Part of what it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    WebhookSecret,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook-secret",
        }
    }
}

/// The master keys of a gateway.
pub struct MasterKeys {
    /// The first seals. Never empty.
    keys: Vec<(String, LessSafeKey)>,
}

impl MasterKeys {
    /// Reads the keys; makes one when the file is missing and nothing was ever sealed. `in_use` are the keys named by
    /// what the database holds (see [`key_of`]). Blocking.
    pub fn load_or_create(
        directory: &Path,
        in_use: &BTreeSet<String>,
        random: &dyn Random,
    ) -> Result<Self, MasterKeyError> {
        let path = directory.join(FILE);
        let keys = match path.symlink_metadata() {
            Ok(_) => load(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !in_use.is_empty() {
                    return Err(MasterKeyError::Missing { path });
                }
                create(&path, random)?
            }
            Err(error) => return Err(at(&path)(error)),
        };
        match in_use.iter().find(|key| keys.iter().all(|(name, _)| name != *key)) {
            Some(key) => Err(MasterKeyError::KeyMissing { path, key: key.clone() }),
            None => Ok(Self { keys }),
        }
    }

    /// A key that is nowhere else, for tests.
    #[cfg(test)]
    pub fn of_a_test() -> Self {
        let line = line("0123abcd", &[7; KEY_BYTES]);
        Self { keys: parse(&line).unwrap() }
    }

    /// Seals a secret for a row.
    pub fn seal(&self, purpose: Purpose, row: &str, secret: &Secret<String>, random: &dyn Random) -> String {
        let (name, key) = &self.keys[0];
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        // Exactly large enough: growing would leave a copy of the plain text behind.
        let mut text = Zeroizing::new(Vec::with_capacity(secret.expose().len()));
        text.extend_from_slice(secret.expose().as_bytes());
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(purpose, row)),
                &mut text,
            )
            .expect("AES-GCM seals any text that fits into memory");
        let sealed = [&nonce[..], &text, tag.as_ref()].concat();
        format!("{VERSION}.{name}.{}", BASE64.encode(sealed))
    }

    /// Opens what [`Self::seal`] sealed for this row.
    pub fn open(&self, purpose: Purpose, row: &str, sealed: &str) -> Result<Secret<String>, UnsealError> {
        let name = key_of(sealed).ok_or(UnsealError::Malformed)?;
        let (_, text) = sealed.rsplit_once('.').ok_or(UnsealError::Malformed)?;
        let mut bytes = Zeroizing::new(BASE64.decode(text).map_err(|_| UnsealError::Malformed)?);
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(UnsealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Malformed)?;
        let (_, key) =
            self.keys.iter().find(|(known, _)| known == name).ok_or(UnsealError::UnknownKey(name.to_owned()))?;
        let opened = key.open_in_place(nonce, Aad::from(bound_to(purpose, row)), text);
        let opened = opened.map_err(|_| UnsealError::Refused)?;
        let secret = std::str::from_utf8(opened).map_err(|_| UnsealError::Malformed)?;
        Ok(Secret::new(secret.to_owned()))
    }
}

/// The name of the key with which a text was sealed.
pub fn key_of(sealed: &str) -> Option<&str> {
    let mut parts = sealed.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(VERSION), Some(name), Some(_), None) => Some(name),
        _ => None,
    }
}

/// What a sealed text is bound to. No purpose has a colon in it.
fn bound_to(purpose: Purpose, row: &str) -> Vec<u8> {
    format!("{}:{row}", purpose.as_str()).into_bytes()
}

/// Makes the file with one key. It has its name once it is whole on the disk.
fn create(path: &Path, random: &dyn Random) -> Result<Vec<(String, LessSafeKey)>, MasterKeyError> {
    let (mut key, mut name) = (Zeroizing::new([0; KEY_BYTES]), [0; 4]);
    random.fill(&mut *key);
    random.fill(&mut name);
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = line(&name, &key);
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        // A crash may have left a part of one, which nothing was sealed with.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().map_err(at(path))?;
    tracing::info!(path = %path.display(), key = %name, "Made the master key for secrets in the database; keep a copy of it");
    parse(&text).map_err(|problem| MasterKeyError::File { path: path.to_owned(), problem })
}

fn line(name: &str, key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let key = Zeroizing::new(BASE64.encode(key));
    Zeroizing::new(format!("{name} {}\n", key.as_str()))
}

fn load(path: &Path) -> Result<Vec<(String, LessSafeKey)>, MasterKeyError> {
    let file = File::open(path).map_err(at(path))?;
    let metadata = file.metadata().map_err(at(path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(MasterKeyError::TooOpen { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(at(path))?;
    parse(&text).map_err(|problem| MasterKeyError::File { path: path.to_owned(), problem })
}

/// Each line: a name of 8 hexadecimal digits, a space, 32 bytes in base64.
fn parse(text: &str) -> Result<Vec<(String, LessSafeKey)>, String> {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let read = |(number, line): (usize, &str)| {
        let wrong = || format!("line {} is no key: put the file back from a backup", number + 1);
        let (name, key) = line.split_once(' ').ok_or_else(wrong)?;
        if name.len() != 8 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let key = Zeroizing::new(BASE64.decode(key.trim()).map_err(|_| wrong())?);
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| wrong())?;
        Ok((name.to_owned(), LessSafeKey::new(key)))
    };
    let keys = lines.map(read).collect::<Result<Vec<_>, String>>()?;
    if keys.is_empty() { Err(String::from("holds no key: put the file back from a backup")) } else { Ok(keys) }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> MasterKeyError {
    let path = path.to_owned();
    move |error| MasterKeyError::File { path, problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    fn secret() -> Secret<String> {
        Secret::new(String::from("whsec_ÉtéEtHiver"))
    }

    fn load(directory: &Path, in_use: &[&str]) -> Result<MasterKeys, MasterKeyError> {
        MasterKeys::load_or_create(directory, &in_use.iter().map(|key| (*key).to_owned()).collect(), &OsRandom)
    }

    const ROW: &str = "01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e";

    #[test]
    fn a_secret_is_opened_for_its_row_and_by_the_next_start() {
        let place = tempfile::tempdir().unwrap();
        let sealed = load(place.path(), &[]).ok().unwrap().seal(Purpose::WebhookSecret, ROW, &secret(), &OsRandom);
        assert!(!sealed.contains("whsec"));
        let key = key_of(&sealed).unwrap();
        let keys = load(place.path(), &[key]).ok().unwrap();
        assert_eq!(keys.open(Purpose::WebhookSecret, ROW, &sealed).unwrap().expose(), secret().expose());
        let mode = fs::metadata(place.path().join(FILE)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, fs::read_dir(place.path()).unwrap().count()), (0o600, 1));
        // The same secret looks different each time.
        assert_ne!(keys.seal(Purpose::WebhookSecret, ROW, &secret(), &OsRandom), sealed);
    }

    #[test]
    fn what_was_changed_or_belongs_to_another_row_does_not_open() {
        let keys = MasterKeys::of_a_test();
        let sealed = keys.seal(Purpose::WebhookSecret, ROW, &secret(), &OsRandom);
        let open = |row: &str, text: &str| keys.open(Purpose::WebhookSecret, row, text).err();
        assert_eq!(open("another", &sealed), Some(UnsealError::Refused));
        let (head, text) = sealed.rsplit_once('.').unwrap();
        let bytes = BASE64.decode(text).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = format!("{head}.{}", BASE64.encode(changed));
            assert_eq!(open(ROW, &changed), Some(UnsealError::Refused), "byte {place}");
        }
        for text in ["", "v1", "v1.0123abcd.", "v1.0123abcd.AAAA", "v2.0123abcd.AAAA", "v1.0123abcd.%", "a.b.c.d"] {
            assert_eq!(open(ROW, text), Some(UnsealError::Malformed), "{text}");
        }
        let other = sealed.replace("0123abcd", "89ab0123");
        assert_eq!(open(ROW, &other), Some(UnsealError::UnknownKey(String::from("89ab0123"))));
    }

    #[test]
    fn a_new_key_seals_while_the_old_one_still_opens() {
        let place = tempfile::tempdir().unwrap();
        let sealed = load(place.path(), &[]).ok().unwrap().seal(Purpose::WebhookSecret, ROW, &secret(), &OsRandom);
        let path = place.path().join(FILE);
        let old = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{}{old}", line("0123abcd", &[7; KEY_BYTES]).as_str())).unwrap();
        let keys = load(place.path(), &[key_of(&sealed).unwrap()]).ok().unwrap();
        assert_eq!(keys.open(Purpose::WebhookSecret, ROW, &sealed).unwrap().expose(), secret().expose());
        assert_eq!(key_of(&keys.seal(Purpose::WebhookSecret, ROW, &secret(), &OsRandom)), Some("0123abcd"));
    }

    #[test]
    fn a_key_that_is_missing_wrong_or_open_to_others_is_told() {
        let place = tempfile::tempdir().unwrap();
        let told = |in_use: &[&str]| load(place.path(), in_use).err().unwrap().to_string();
        assert!(told(&["89ab0123"]).contains("put it back from a backup"));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "none is made beside sealed secrets");
        load(place.path(), &[]).ok().unwrap();
        assert!(told(&["89ab0123"]).contains("does not hold the key 89ab0123"));
        let path = place.path().join(FILE);
        for wrong in ["", "0123abcd", "0123abcd AAAA", "key AAAA", "0123abcd %"] {
            fs::write(&path, wrong).unwrap();
            assert!(told(&[]).contains("put the file back"), "{wrong}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(told(&[]).contains("chmod 600"));
    }
}
