//! Reads the fields of a request one by one and collects every one that does not fit, so that a client learns of all
//! at once.

use std::fmt::Display;

use serde::{Deserialize, Deserializer};

use crate::management::{FieldError, sentence};

use super::problem::Problem;

/// A field of a change: absent, `null`, or a value.
pub type Change<T> = Option<Option<T>>;

/// For `#[serde(default, deserialize_with = "change")]`: tells `null` from absent.
pub fn change<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Change<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The fields that did not fit so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// A field that must be there.
    pub fn required<T, E: Display>(
        &mut self,
        field: &str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match value {
            Some(text) => self.parse(field, text, parse),
            None => {
                self.refuse(field, "required", "This field is needed.");
                None
            }
        }
    }

    /// A field that may be left out.
    pub fn optional<T, E: Display>(
        &mut self,
        field: &str,
        value: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        value.and_then(|text| self.parse(field, text, parse))
    }

    /// Each text of a list; what does not fit is named by its index.
    pub fn each<T, E: Display>(
        &mut self,
        field: &str,
        values: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let mut parsed = Vec::new();
        for (index, text) in values.iter().enumerate() {
            parsed.extend(self.parse(&format!("{field}[{index}]"), text, &parse));
        }
        parsed
    }

    /// A changed field that cannot be `null`.
    pub fn changed<T>(&mut self, field: &str, change: Change<T>) -> Option<T> {
        match change {
            Some(None) => {
                self.refuse(field, "required", "This field cannot be null; leave it out to keep it as it is.");
                None
            }
            Some(Some(value)) => Some(value),
            None => None,
        }
    }

    /// A changed field that `null` empties.
    pub fn changed_or_emptied<T, E: Display>(
        &mut self,
        field: &str,
        change: &Change<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Change<T> {
        match change {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => self.parse(field, text, parse).map(Some),
        }
    }

    pub fn parse<T, E: Display>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(field, "malformed", &sentence(&problem));
                None
            }
        }
    }

    pub fn refuse(&mut self, field: &str, code: &'static str, detail: &str) {
        self.0.push(FieldError::new(field, code, detail));
    }

    /// Adds what the rules of the product say, but for fields that could not even be read.
    pub fn add(&mut self, errors: Vec<FieldError>) {
        let new = |error: &FieldError| self.0.iter().all(|known| known.field != error.field);
        let errors: Vec<_> = errors.into_iter().filter(new).collect();
        self.0.extend(errors);
    }

    /// The problem that names those that did not fit; for where one is known to be missing.
    pub fn refusal(self) -> Problem {
        Problem::invalid(self.0)
    }

    /// All fitted, or the problem that names those that did not.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}
