//! Why a sign-in failed.

/// Why, for operators; the peer is told one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    UnknownLogin,
    WrongPassword,
    WrongKey,
    /// The proof was right, of a credential that may not be used yet.
    CredentialNotYetValid,
    /// The proof was right, of a credential that may not be used any more.
    CredentialEnded,
    AccountDisabled,
    AccountExpired,
    ConnectionTypeNotAllowed,
    /// The account asks for a key too, and this type of connection has no way to show one.
    KeyNeeded,
    ListenerOfAnotherPreset,
    AddressNotAllowed,
    /// Too many wrong answers for this login from this address, a while ago.
    Blocked,
    /// Too many attempts on this connection.
    TooManyAttempts,
    TooManySessions,
    /// More sign-ins at a time than the gateway takes.
    Overloaded,
    /// The gateway could not find out: nobody is let in on a guess.
    Unavailable,
}

impl RefusalReason {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::UnknownLogin,
        Self::WrongPassword,
        Self::WrongKey,
        Self::CredentialNotYetValid,
        Self::CredentialEnded,
        Self::AccountDisabled,
        Self::AccountExpired,
        Self::ConnectionTypeNotAllowed,
        Self::KeyNeeded,
        Self::ListenerOfAnotherPreset,
        Self::AddressNotAllowed,
        Self::Blocked,
        Self::TooManyAttempts,
        Self::TooManySessions,
        Self::Overloaded,
        Self::Unavailable,
    ];

    /// The word in records, logs and metrics.
    pub const fn as_code(self) -> &'static str {
        match self {
            Self::UnknownLogin => "unknown_login",
            Self::WrongPassword => "wrong_password",
            Self::WrongKey => "wrong_key",
            Self::CredentialNotYetValid => "credential_not_yet_valid",
            Self::CredentialEnded => "credential_ended",
            Self::AccountDisabled => "account_disabled",
            Self::AccountExpired => "account_expired",
            Self::ConnectionTypeNotAllowed => "connection_type_not_allowed",
            Self::KeyNeeded => "key_needed",
            Self::ListenerOfAnotherPreset => "listener_of_another_preset",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::Blocked => "blocked",
            Self::TooManyAttempts => "too_many_attempts",
            Self::TooManySessions => "too_many_sessions",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }

    /// What happened, for the operator who reads the history; never for the peer.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::UnknownLogin => "No account has this login.",
            Self::WrongPassword => "The password was wrong.",
            Self::WrongKey => "The key is none of the account's.",
            Self::CredentialNotYetValid => "The password or key was right, but may not be used yet.",
            Self::CredentialEnded => "The password or key was right, but may no longer be used.",
            Self::AccountDisabled => "The account is disabled.",
            Self::AccountExpired => "The account has expired.",
            Self::ConnectionTypeNotAllowed => "The account may not use this type of connection.",
            Self::KeyNeeded => "The account asks for a key and a password, and FTP has no way to show a key.",
            Self::ListenerOfAnotherPreset => "The account belongs to another preset than this address and port.",
            Self::AddressNotAllowed => "The account may not be used from this address.",
            Self::Blocked => "Too many wrong answers came from this address: the login is blocked there for a while.",
            Self::TooManyAttempts => "Too many attempts were made on this connection.",
            Self::TooManySessions => "The account, its address or the gateway had as many sessions as are allowed.",
            Self::Overloaded => "The gateway had more sign-ins to look at than it takes at a time.",
            Self::Unavailable => "The gateway could not look at the account at that moment.",
        }
    }

    /// The reason behind a word of the records.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_code() == code)
    }

    /// Whether going on with this connection is of no use, whatever is shown next.
    pub(super) const fn ends_connection(self) -> bool {
        matches!(self, Self::TooManyAttempts | Self::TooManySessions | Self::Overloaded)
    }
}

/// A sign-in that failed. The edge answers "authentication failed" and, where told, ends the connection. Delays were
/// served already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub reason: RefusalReason,
    pub end_connection: bool,
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Self {
        Self { reason, end_connection: reason.ends_connection() }
    }
}
