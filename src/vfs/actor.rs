//! Who works in a tree.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::domain::{ClientSoftware, ConnectionType, LoginName, SessionId};

/// Who works in a tree; told in every record, and kept with a publication that is not recorded yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Login {
        session: SessionId,
        login: LoginName,
        connection_type: ConnectionType,
        address: IpAddr,
        /// Of the time when the file was opened; intents of before it was kept have none.
        #[serde(default)]
        client: ClientSoftware,
        /// What protects the connection, where its edge told.
        #[serde(default)]
        algorithms: Option<String>,
    },
    /// An application or person that works through the management API, by the name of its token.
    Operator { name: String },
    /// The gateway itself, by a rule such as `retention`.
    Gateway { rule: String },
}

impl Actor {
    pub(super) const fn is_login(&self) -> bool {
        matches!(self, Self::Login { .. })
    }
}
