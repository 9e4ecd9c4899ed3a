//! Key pairs as people make them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{TestDir, run};

/// A private key file (OpenSSH), its PuTTY form and its public half.
pub struct KeyPair {
    folder: TestDir,
}

impl KeyPair {
    pub fn ed25519() -> Self {
        Self::generate(&["-t", "ed25519"])
    }

    pub fn rsa() -> Self {
        Self::generate(&["-t", "rsa", "-b", "2048"])
    }

    fn generate(kind: &[&str]) -> Self {
        let folder = TestDir::new();
        let file = folder.join("key");
        let made = run(
            Command::new("ssh-keygen").arg("-q").args(kind).args(["-N", "", "-C", "partner"]).arg("-f").arg(&file),
            Duration::from_secs(60),
        );
        assert!(made.succeeded(), "ssh-keygen: {}", made.said());
        Self { folder }
    }

    pub fn private(&self) -> PathBuf {
        self.folder.join("key")
    }

    pub fn public(&self) -> PathBuf {
        self.folder.join("key.pub")
    }

    /// The line for `authorized_keys`.
    pub fn public_text(&self) -> String {
        std::fs::read_to_string(self.public()).expect("the public key").trim().to_owned()
    }

    /// As RFC 4716 writes it.
    pub fn rfc4716(&self) -> String {
        let converted = run(
            Command::new("ssh-keygen").args(["-e", "-m", "RFC4716", "-f"]).arg(self.public()),
            Duration::from_secs(60),
        );
        assert!(converted.succeeded(), "ssh-keygen: {}", converted.said());
        converted.stdout
    }

    /// For PuTTY's programs.
    pub fn putty(&self) -> PathBuf {
        let file = self.folder.join("key.ppk");
        if !file.exists() {
            let made = run(
                Command::new("puttygen").arg(self.private()).args(["-O", "private", "-o"]).arg(&file),
                Duration::from_secs(60),
            );
            assert!(made.succeeded(), "puttygen: {}", made.said());
        }
        file
    }
}
