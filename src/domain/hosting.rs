//! Where an account lives: on this gateway under a preset, or on a server of the customer's.

use super::preset::PresetName;

/// The hosting server of an account (*serveur d'hébergement*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosting {
    /// On this gateway, with the parameters of a preset as they were at `version`.
    Hosted { preset: PresetName, version: u32 },
}
