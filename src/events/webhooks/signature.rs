//! Signatures as Standard Webhooks writes them: HMAC-SHA256 over the id, the time and the body, so that none of them can be
//! changed and an old request cannot be sent again for a new one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::{Random, Secret};

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

/// A new secret: `whsec_` and 32 random bytes in base64.
pub(super) fn new_secret(random: &dyn Random) -> Secret<String> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    random.fill(&mut *bytes);
    let text = Zeroizing::new(BASE64.encode(*bytes));
    Secret::new(format!("{PREFIX}{}", text.as_str()))
}

/// The header `webhook-signature`: a signature by each secret, with a space between them.
pub(super) fn signatures(secrets: &[Secret<String>], id: &str, seconds: i64, body: &str) -> String {
    let signed = secrets.iter().map(|secret| format!("v1,{}", BASE64.encode(sign(secret, id, seconds, body))));
    signed.collect::<Vec<_>>().join(" ")
}

fn sign(secret: &Secret<String>, id: &str, seconds: i64, body: &str) -> [u8; 32] {
    let text = secret.expose();
    // What is no secret of ours signs as it stands: a receiver that was told it verifies the same.
    let key = Zeroizing::new(
        text.strip_prefix(PREFIX)
            .and_then(|text| BASE64.decode(text).ok())
            .unwrap_or_else(|| text.clone().into_bytes()),
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OsRandom;

    #[test]
    fn a_signature_is_the_one_of_the_standards_own_example() {
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        let secret = Secret::new(String::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_side_by_side() {
        let secrets = [new_secret(&OsRandom), new_secret(&OsRandom)];
        let both = signatures(&secrets, "1", 2, "{}");
        let each = |index: usize| signatures(&secrets[index..=index], "1", 2, "{}");
        assert_eq!(both, format!("{} {}", each(0), each(1)));
        assert_ne!(each(0), each(1));
        assert_eq!(secrets[0].expose().len(), PREFIX.len() + 44);
    }
}
