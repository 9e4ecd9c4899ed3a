//! What a token of the management API may be used for.

use super::ids::InstanceId;

/// The reach of a token: which tenants it sees, and whether it may change anything. By default all of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenScope {
    /// The one instance that it sees; `None`: all.
    pub instance: Option<InstanceId>,
    pub read_only: bool,
}

impl TokenScope {
    /// Whether what belongs to `instance` is there for it.
    pub fn sees(self, instance: InstanceId) -> bool {
        self.instance.is_none_or(|own| own == instance)
    }
}
