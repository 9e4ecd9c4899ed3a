//! SSH's ways to sign in (RFC 4252, RFC 4256) as attempts at the one door.
//!
//! Nothing is decided here. All refusals look alike: the same methods, no hint, and the delay is `access`'s.

use std::borrow::Cow;

use russh::keys::Algorithm;
use russh::server::Auth;
use russh::{MethodKind, MethodSet};
use tracing::debug;

use crate::access::Needed;
use crate::domain::PublicKey;

/// The methods by which what is still missing can be shown.
pub(super) fn methods_for(needed: Needed) -> MethodSet {
    let mut methods = MethodSet::empty();
    if needed.public_key {
        methods.push(MethodKind::PublicKey);
    }
    if needed.password {
        methods.push(MethodKind::Password);
        methods.push(MethodKind::KeyboardInteractive);
    }
    methods
}

/// The one refusal. The methods are always told: russh would take the refused one off the list.
pub(super) fn refused(methods: &MethodSet) -> Auth {
    Auth::Reject { proceed_with_methods: Some(methods.clone()), partial_success: false }
}

/// Right so far (RFC 4252 §5.1).
pub(super) fn partly(methods: &MethodSet) -> Auth {
    Auth::Reject { proceed_with_methods: Some(methods.clone()), partial_success: true }
}

/// Asks for the password by keyboard-interactive.
pub(super) fn prompt() -> Auth {
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Borrowed(""),
        prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
    }
}

/// The key as the rest of the program knows it; `None` for what is never taken: other types, weak keys, and RSA keys
/// by SHA-1, whose signatures can be forged (RFC 8332).
pub(super) fn usable_key(key: &russh::keys::PublicKey, algorithm: &Algorithm) -> Option<PublicKey> {
    if matches!(algorithm, Algorithm::Rsa { hash: None }) {
        debug!("Refused an RSA key by SHA-1 (ssh-rsa)");
        return None;
    }
    PublicKey::from_blob(&key.to_bytes().ok()?, "").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_for_and_nothing_else() {
        let password = methods_for(Needed { password: true, public_key: false });
        assert_eq!(password[..], [MethodKind::Password, MethodKind::KeyboardInteractive]);
        let key = methods_for(Needed { password: false, public_key: true });
        assert_eq!(key[..], [MethodKind::PublicKey]);
    }
}
