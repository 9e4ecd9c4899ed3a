//! The SSH host keys: made once, kept, never made again silently.
//!
//! Clients remember a server by its host keys. A new one looks to them like someone in the middle, and they refuse to
//! connect until a person accepts it: so a key that is missing beside another is an error for the operator, who surely
//! has it in a backup, and not a reason to make another.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ssh_key::private::{Ed25519Keypair, RsaKeypair};
use ssh_key::rand_core::{TryCryptoRng, TryRng};
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::domain::{OsRandom, Random as _};

const RSA_BITS: usize = 3072;
const LEAST_RSA_BITS: u32 = 2048;
/// More than any private key; a larger file is something else.
const MOST_BYTES: u64 = 64 * 1024;

/// What is wrong with the host keys, for the operator who starts the gateway.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: String },
    #[error(
        "{missing} is missing, while {present} is there: put it back from a backup; or, to make new keys knowingly, \
         remove all of them and start again (clients will then refuse to connect until they accept the new key)"
    )]
    Missing { missing: PathBuf, present: PathBuf },
    #[error("{path} can be read by others (mode {mode:04o}): run chmod 600 {path}")]
    TooOpen { path: PathBuf, mode: u32 },
}

/// The host keys of `certs_dir`: `ssh_host_ed25519_key`, `ssh_host_rsa_key` (3072 bits), OpenSSH format, mode 0600.
pub struct HostKeys {
    /// In the order in which they are offered: Ed25519, RSA.
    pub keys: Vec<PrivateKey>,
}

/// The kinds of host key, in the order in which they are offered. RSA is for clients that know nothing newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    Rsa,
}

impl HostKeys {
    /// Reads the keys; makes them when none is there, with the operating system's randomness. Blocking.
    pub fn load_or_create(directory: &Path) -> Result<Self, HostKeyError> {
        finish_interrupted_creation(directory)?;
        let (present, missing): (Vec<Kind>, Vec<Kind>) =
            Kind::ALL.into_iter().partition(|kind| kind.file(directory).symlink_metadata().is_ok());
        match (present.first(), missing.first()) {
            (None, _) => create(directory),
            (Some(_), None) => {
                let keys = Kind::ALL.into_iter().map(|kind| load(kind, &kind.file(directory)));
                Ok(Self { keys: keys.collect::<Result<_, _>>()? })
            }
            (Some(present), Some(missing)) => {
                Err(HostKeyError::Missing { missing: missing.file(directory), present: present.file(directory) })
            }
        }
    }
}

impl Kind {
    const ALL: [Self; 2] = [Self::Ed25519, Self::Rsa];

    const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh_host_ed25519_key",
            Self::Rsa => "ssh_host_rsa_key",
        }
    }

    fn file(self, directory: &Path) -> PathBuf {
        directory.join(self.name())
    }

    /// Where a key lies until all are safe on the disk.
    fn new_file(self, directory: &Path) -> PathBuf {
        directory.join(format!(".{}.new", self.name()))
    }

    fn generate(self) -> ssh_key::Result<PrivateKey> {
        match self {
            Self::Ed25519 => Ok(Ed25519Keypair::random(&mut SystemRandom).into()),
            Self::Rsa => Ok(RsaKeypair::random(&mut SystemRandom, RSA_BITS)?.into()),
        }
    }
}

/// Makes every key, or none: all are on the disk under other names before the first gets its own.
fn create(directory: &Path) -> Result<HostKeys, HostKeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
    let mut keys = Vec::new();
    for kind in Kind::ALL {
        let path = kind.new_file(directory);
        let key = kind.generate().map_err(|error| problem(&path, &format!("the key cannot be made: {error}")))?;
        let text = key
            .to_openssh(LineEnding::LF)
            .map_err(|error| problem(&path, &format!("the key cannot be written: {error}")))?;
        write_durably(&path, text.as_bytes()).map_err(at(&path))?;
        keys.push(key);
    }
    sync_directory(directory)?;
    for kind in Kind::ALL {
        fs::rename(kind.new_file(directory), kind.file(directory)).map_err(at(&kind.file(directory)))?;
    }
    sync_directory(directory)?;
    for key in &keys {
        let fingerprint = key.fingerprint(ssh_key::HashAlg::Sha256);
        tracing::info!(directory = %directory.display(), %fingerprint, "Made a host key ({})", key.algorithm());
    }
    Ok(HostKeys { keys })
}

/// After a crash between the renames of [`create`]: the rest of the keys, whole on the disk, get their names too.
/// After a crash before them, what was written is of no use to anyone and goes.
fn finish_interrupted_creation(directory: &Path) -> Result<(), HostKeyError> {
    let began = Kind::ALL.into_iter().any(|kind| kind.file(directory).exists());
    for kind in Kind::ALL {
        let (new, file) = (kind.new_file(directory), kind.file(directory));
        if !new.exists() {
            continue;
        }
        if began && !file.exists() {
            fs::rename(&new, &file).map_err(at(&file))?;
        } else {
            fs::remove_file(&new).map_err(at(&new))?;
        }
        sync_directory(directory)?;
    }
    Ok(())
}

fn load(kind: Kind, path: &Path) -> Result<PrivateKey, HostKeyError> {
    let file = File::open(path).map_err(at(path))?;
    let metadata = file.metadata().map_err(at(path))?;
    if !metadata.is_file() {
        return Err(problem(path, "not a file"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(HostKeyError::TooOpen { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(at(path))?;
    let key = PrivateKey::from_openssh(text.as_bytes())
        .map_err(|_| problem(path, "not a private key in OpenSSH format: put it back from a backup"))?;
    if key.is_encrypted() {
        return Err(problem(path, "the key has a passphrase, which nobody can type here: ssh-keygen -p removes it"));
    }
    let expected = match (kind, key.algorithm()) {
        (Kind::Ed25519, Algorithm::Ed25519) => true,
        (Kind::Rsa, Algorithm::Rsa { .. }) => {
            key.public_key().key_data().rsa().is_some_and(|rsa| rsa.key_size() >= LEAST_RSA_BITS)
        }
        (Kind::Ed25519 | Kind::Rsa, _) => false,
    };
    if expected { Ok(key) } else { Err(problem(path, "not a key of the type (or the size) that its name says")) }
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_directory(directory: &Path) -> Result<(), HostKeyError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HostKeyError {
    let path = path.to_owned();
    move |error| HostKeyError::File { path, problem: error.to_string() }
}

fn problem(path: &Path, problem: &str) -> HostKeyError {
    HostKeyError::File { path: path.to_owned(), problem: problem.to_owned() }
}

/// The operating system's randomness, in the form that key generation takes it.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        OsRandom.fill(&mut bytes);
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        OsRandom.fill(&mut bytes);
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error> {
        OsRandom.fill(buffer);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Making an RSA key takes a second or so: one test goes through a directory's whole life.
    #[test]
    fn keys_are_made_once_and_never_again_silently() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("certs");
        let made = HostKeys::load_or_create(&directory).ok().unwrap();
        let fingerprints = |keys: &HostKeys| -> Vec<String> {
            keys.keys.iter().map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string()).collect()
        };
        let [ed25519, rsa] = Kind::ALL.map(|kind| kind.file(&directory));
        assert_eq!(made.keys[0].algorithm(), Algorithm::Ed25519);
        assert_eq!(made.keys[1].public_key().key_data().rsa().unwrap().key_size(), 3072);
        assert_eq!((mode(&directory), mode(&ed25519), mode(&rsa)), (0o700, 0o600, 0o600));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing but the keys is left");

        let again = HostKeys::load_or_create(&directory).ok().unwrap();
        assert_eq!(fingerprints(&again), fingerprints(&made));

        // Cut between the two renames: the creation is finished, not refused.
        fs::rename(&rsa, Kind::Rsa.new_file(&directory)).unwrap();
        let finished = HostKeys::load_or_create(&directory).ok().unwrap();
        assert_eq!(fingerprints(&finished), fingerprints(&made));

        fs::set_permissions(&rsa, fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = HostKeys::load_or_create(&directory).err().unwrap().to_string();
        assert!(refusal.contains("chmod 600") && refusal.contains("ssh_host_rsa_key"), "{refusal}");

        fs::set_permissions(&rsa, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&rsa).unwrap();
        fs::copy(&ed25519, &rsa).unwrap();
        let refusal = HostKeys::load_or_create(&directory).err().unwrap().to_string();
        assert!(refusal.contains("not a key of the type"), "{refusal}");

        fs::remove_file(&rsa).unwrap();
        let refusal = HostKeys::load_or_create(&directory).err().unwrap().to_string();
        assert!(refusal.starts_with(&*rsa.to_string_lossy()) && refusal.contains("is missing"), "{refusal}");
        assert!(refusal.contains("backup") && refusal.contains("accept the new key"), "{refusal}");
        assert!(!rsa.exists(), "no key was made");

        fs::write(&rsa, "nonsense").unwrap();
        fs::set_permissions(&rsa, fs::Permissions::from_mode(0o600)).unwrap();
        let refusal = HostKeys::load_or_create(&directory).err().unwrap().to_string();
        assert!(refusal.contains("OpenSSH format") && !refusal.contains("nonsense"), "{refusal}");
    }
}
