//! Argon2id (RFC 9106), stored as PHC strings: `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`.

use argon2::password_hash::Error as PhcError;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use super::password::{HashError, Hasher};
use crate::config::PasswordSettings;

/// The most memory that a stored hash may ask for (512 MiB), unless today's parameters ask for more.
///
/// The parameters of a verification come from the stored hash. One that was imported carelessly, or written by someone
/// who reached the database, would otherwise make a single sign-in take 100 GiB or an hour.
const MOST_MEMORY_KIB: u32 = 512 * 1024;
/// The most passes that a stored hash may ask for, unless today's parameters ask for more.
const MOST_ITERATIONS: u32 = 16;
/// The most lanes, of a stored hash and of today's parameters.
const MOST_LANES: u32 = 64;
/// Memory of today's parameters beyond this (4 GiB) is taken for a slip of the pen.
const MOST_CONFIGURED_MEMORY_KIB: u32 = 4 * 1024 * 1024;

/// Bytes of a hash.
const OUTPUT_BYTES: usize = 32;

/// Argon2id with the parameters of the configuration.
pub struct Argon2Hasher {
    params: Params,
    dummy: String,
}

impl Argon2Hasher {
    /// Today's parameters. What the configuration lets through but argon2 cannot do is brought to the nearest that it
    /// can.
    pub fn new(settings: &PasswordSettings) -> Self {
        let lanes = settings.parallelism.clamp(1, MOST_LANES);
        let memory = settings.memory_kib.clamp(8 * lanes, MOST_CONFIGURED_MEMORY_KIB);
        let params = Params::new(memory, settings.iterations.max(1), lanes, Some(OUTPUT_BYTES))
            .expect("parameters were brought inside argon2's bounds");
        let dummy = unmatchable(&params);
        Self { params, dummy }
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// Reads a stored hash, and refuses one that would cost more than any the gateway has made.
    fn read(&self, hash: &str) -> Result<(PasswordHash, Algorithm, Params), HashError> {
        let unreadable = |problem: &str| HashError::Unreadable(problem.to_owned());
        let parsed = PasswordHash::new(hash).map_err(|_| unreadable("not a PHC string"))?;
        let Ok(algorithm @ (Algorithm::Argon2id | Algorithm::Argon2i)) = parsed.algorithm.as_str().try_into() else {
            return Err(unreadable("not argon2id or argon2i"));
        };
        let params = Params::try_from(&parsed).map_err(|_| unreadable("its parameters are not argon2's"))?;
        let excessive = params.m_cost() > MOST_MEMORY_KIB.max(self.params.m_cost())
            || params.t_cost() > MOST_ITERATIONS.max(self.params.t_cost())
            || params.p_cost() > MOST_LANES;
        if excessive {
            return Err(unreadable("its parameters ask for too much memory or work"));
        }
        if parsed.salt.is_none() || parsed.hash.is_none() {
            return Err(unreadable("it has no salt or no hash"));
        }
        Ok((parsed, algorithm, params))
    }
}

impl Hasher for Argon2Hasher {
    fn hash(&self, password: &str, salt: &[u8]) -> String {
        self.argon2()
            .hash_password_with_salt(password.as_bytes(), salt)
            .expect("argon2 takes the parameters that it accepted and a salt of 8 to 64 bytes")
            .to_string()
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, HashError> {
        let (parsed, ..) = self.read(hash)?;
        // The algorithm and the parameters are those of the stored hash; the outputs are compared in constant time.
        match self.argon2().verify_password(password.as_bytes(), &parsed) {
            Ok(()) => Ok(true),
            Err(PhcError::PasswordInvalid) => Ok(false),
            Err(error) => Err(HashError::Failed(error.to_string())),
        }
    }

    fn is_current(&self, hash: &str) -> bool {
        let Ok((parsed, algorithm, params)) = self.read(hash) else { return false };
        algorithm == Algorithm::Argon2id
            && parsed.version == Some(u32::from(Version::V0x13))
            && (params.m_cost(), params.t_cost(), params.p_cost())
                == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
            && params.output_len() == Some(OUTPUT_BYTES)
    }

    fn dummy(&self) -> &str {
        &self.dummy
    }
}

/// A well-formed hash that no password has: its output was not computed, so finding a match is inverting argon2.
fn unmatchable(params: &Params) -> String {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(u32::from(Version::V0x13)),
        params: ParamsString::try_from(params).expect("argon2 writes the parameters that it accepted"),
        salt: Some(Salt::new(b"lucca-gateway-00").expect("16 bytes are a salt")),
        hash: Some(Output::new(&[0; OUTPUT_BYTES]).expect("32 bytes are an output")),
    };
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn hasher(memory_kib: u32) -> Argon2Hasher {
        Argon2Hasher::new(&PasswordSettings {
            memory_kib,
            iterations: 1,
            parallelism: 1,
            concurrent: 1,
            queue: 1,
            shortest: 12,
            remember: Duration::ZERO,
        })
    }

    const SALT: &[u8] = b"0123456789abcdef";

    #[test]
    fn a_password_matches_its_own_hash_alone() {
        let hasher = hasher(64);
        let hash = hasher.hash("right", SALT);
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(hasher.verify("right", &hash), Ok(true));
        assert_eq!(hasher.verify("Right", &hash), Ok(false));
        assert_eq!(hasher.verify("", &hash), Ok(false));
    }

    #[test]
    fn a_hash_with_older_parameters_still_verifies_but_is_not_current() {
        let old = hasher(64).hash("right", SALT);
        let today = hasher(128);
        assert_eq!(today.verify("right", &old), Ok(true));
        assert!(!today.is_current(&old));
        assert!(today.is_current(&today.hash("right", SALT)));
    }

    #[test]
    fn an_argon2i_hash_verifies_but_is_not_current() {
        let params = Params::new(64, 1, 1, Some(32)).unwrap();
        let old = Argon2::new(Algorithm::Argon2i, Version::V0x13, params);
        let old = old.hash_password_with_salt(b"right", SALT).unwrap().to_string();
        assert_eq!(hasher(64).verify("right", &old), Ok(true));
        assert!(!hasher(64).is_current(&old));
    }

    #[test]
    fn a_stored_hash_cannot_ask_for_100_gib_nor_for_an_hour() {
        let hash = hasher(64).hash("right", SALT);
        for demand in ["m=104857600,t=1,p=1", "m=64,t=4000000000,p=1", "m=524288,t=1,p=65"] {
            let hash = hash.replace("m=64,t=1,p=1", demand);
            assert!(matches!(hasher(64).verify("right", &hash), Err(HashError::Unreadable(_))), "{demand}");
        }
    }

    #[test]
    fn what_is_no_argon2_hash_is_unreadable() {
        for text in
            ["", "secret", "$argon2d$v=19$m=64,t=1,p=1$MDEyMzQ1Njc$AAAA", "$argon2id$v=19$m=64,t=1,p=1", "$2b$1"]
        {
            assert!(matches!(hasher(64).verify("x", text), Err(HashError::Unreadable(_))), "{text}");
            assert!(!hasher(64).is_current(text));
        }
    }

    #[test]
    fn the_dummy_has_todays_parameters_and_matches_nothing() {
        let hasher = hasher(64);
        assert!(hasher.is_current(hasher.dummy()));
        assert_eq!(hasher.verify("", hasher.dummy()), Ok(false));
    }
}
