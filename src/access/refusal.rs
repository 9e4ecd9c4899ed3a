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
            Self::ListenerOfAnotherPreset => "listener_of_another_preset",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::Blocked => "blocked",
            Self::TooManyAttempts => "too_many_attempts",
            Self::TooManySessions => "too_many_sessions",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
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
