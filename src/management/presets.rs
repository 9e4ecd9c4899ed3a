//! Presets, to read: what an account gets under each.

use crate::domain::{Preset, PresetName};

use super::{FieldError, Management, ManagementError, Operator};

impl Management {
    /// All presets, by name.
    pub fn list_presets(&self, _operator: &Operator) -> Vec<(PresetName, Preset)> {
        self.presets.iter().map(|(name, preset)| (name.clone(), preset.clone())).collect()
    }

    pub fn find_preset(&self, _operator: &Operator, name: &PresetName) -> Result<Preset, ManagementError> {
        self.presets.get(name).cloned().ok_or(ManagementError::NotFound { what: "preset" })
    }

    /// The preset that a request names in its field `preset`.
    pub(super) fn preset_named(&self, name: &PresetName) -> Result<&Preset, FieldError> {
        self.presets.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.presets.keys().map(PresetName::as_str).collect();
            FieldError::new("preset", "unknown", format!("There is no such preset; there are: {}.", known.join(", ")))
        })
    }
}
