//! Reads sections of a configuration: every value checked, every fault noted with its key path, none left for later.
//!
//! The `section!` macro makes one struct of one section. A field's documentation is the option's text in the reference,
//! so that the program, its reference and what it accepts cannot drift apart: an option is what was read.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{duration, environment::loose_value};
use crate::domain::PresetName;

/// The default of an option that has none.
pub(super) const REQUIRED: &str = "";

/// A type that an option can have.
pub(super) trait OptionValue: Sized {
    /// The type's name in the reference.
    const KIND: &'static str;
    /// What a value looks like, in TOML.
    const EXAMPLE: &'static str;

    /// `None`: of another type, or not of this form.
    fn from_toml(value: &toml::Value) -> Option<Self>;

    /// A wrong value as it may be told; secrets in it blanked.
    fn shown(value: &toml::Value) -> String {
        value.to_string()
    }
}

/// What an option's value must be besides its type.
pub(super) struct Check<T> {
    /// For the reference and for whoever is told that it does not hold; empty when everything does.
    pub(super) text: String,
    holds: Box<dyn Fn(&T) -> bool>,
}

impl<T> Check<T> {
    pub(super) fn new(text: impl Into<String>, holds: impl Fn(&T) -> bool + 'static) -> Self {
        Self { text: text.into(), holds: Box::new(holds) }
    }
}

/// Whatever the type allows.
pub(super) fn any<T>() -> Check<T> {
    Check::new("", |_| true)
}

/// A number between two others, both allowed.
pub(super) fn within<T: PartialOrd + Copy + fmt::Display + 'static>(least: T, most: T) -> Check<T> {
    Check::new(format!("{least} to {most}"), move |value| (least..=most).contains(value))
}

/// A duration between two others, both allowed.
pub(super) fn lasting(least: &'static str, most: &'static str) -> Check<Duration> {
    let bound = |text| duration::parse(text).expect("the bounds of an option are written in this program");
    let (from, to) = (bound(least), bound(most));
    Check::new(format!("{least} to {most}"), move |value| (from..=to).contains(value))
}

/// A path that is not empty.
pub(super) fn some_path() -> Check<PathBuf> {
    Check::new("not empty", |path: &PathBuf| !path.as_os_str().is_empty())
}

/// An option as the reference tells it.
#[derive(Debug, Clone)]
pub(super) struct OptionInfo {
    /// The key path: `sftp.listeners[].address`.
    pub(super) key: String,
    pub(super) kind: &'static str,
    /// In TOML; `None` when the option must be given.
    pub(super) default: Option<String>,
    /// A value in TOML.
    pub(super) example: String,
    /// Which values are allowed; empty: all of the type.
    pub(super) allowed: String,
    pub(super) about: String,
}

/// An option read by [`Reader::parsed`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Parsed {
    pub(super) key: &'static str,
    pub(super) kind: &'static str,
    /// In TOML; `None`: the option must be given.
    pub(super) default: Option<&'static str>,
    /// In TOML.
    pub(super) example: &'static str,
    pub(super) about: &'static str,
}

/// What reading found out.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Key path and message.
    pub(super) problems: Vec<(String, String)>,
    pub(super) options: Vec<OptionInfo>,
}

/// A part of the configuration that is one struct.
pub(super) trait Section: Sized {
    /// `None`: something is wrong, and was noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Reads one table.
pub(super) struct Reader<'a> {
    path: String,
    table: toml::Table,
    known: Vec<String>,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: impl Into<String>, table: toml::Table, findings: &'a mut Findings) -> Self {
        Self { path: path.into(), table, known: Vec::new(), findings }
    }

    /// The key path of `key` in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes that the value of `key` does not fit.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        self.findings.problems.push((path, message.into()));
    }

    /// Takes the value of `key` as it is, and counts the key as known.
    pub(super) fn take(&mut self, key: &str) -> Option<toml::Value> {
        self.known.push(key.to_owned());
        self.table.remove(key)
    }

    /// Notes an option for the reference.
    pub(super) fn describe(&mut self, mut info: OptionInfo) {
        info.key = self.path_of(&info.key);
        self.findings.options.push(info);
    }

    /// Reads an option; the default is written as in an environment variable.
    pub(super) fn option<T: OptionValue>(
        &mut self,
        key: &str,
        default: &str,
        about: &str,
        check: &Check<T>,
    ) -> Option<T> {
        let default = (default != REQUIRED).then(|| loose_value(default));
        let written = default.as_ref().map(ToString::to_string);
        let example = written.clone().unwrap_or_else(|| T::EXAMPLE.to_owned());
        self.describe(OptionInfo {
            key: key.to_owned(),
            kind: T::KIND,
            default: written,
            example: example.clone(),
            allowed: check.text.clone(),
            about: about.trim().to_owned(),
        });
        let Some(value) = self.take(key).or(default) else {
            self.problem(key, format!("is missing: give {}, such as {example}", T::KIND));
            return None;
        };
        let Some(read) = T::from_toml(&value) else {
            self.problem(key, format!("{} is not {}: write it as in {example}", T::shown(&value), T::KIND));
            return None;
        };
        if !(check.holds)(&read) {
            self.problem(key, format!("{} is not allowed: {}", T::shown(&value), check.text));
            return None;
        }
        Some(read)
    }

    /// Reads an option whose type says by itself which values are right, and what is wrong with others.
    pub(super) fn parsed<T: serde::de::DeserializeOwned>(&mut self, option: &Parsed) -> Option<T> {
        let Parsed { key, kind, default, example, about } = *option;
        self.describe(OptionInfo {
            key: key.to_owned(),
            kind,
            default: default.map(str::to_owned),
            example: example.to_owned(),
            allowed: String::new(),
            about: about.to_owned(),
        });
        let Some(value) = self.take(key).or_else(|| default.map(loose_value)) else {
            self.problem(key, format!("is missing: give {kind}, such as {example}"));
            return None;
        };
        match value.clone().try_into() {
            Ok(read) => Some(read),
            Err(problem) => {
                let problem = problem.message().to_owned();
                self.problem(key, format!("{value} does not fit: {problem} (write it as in {example})"));
                None
            }
        }
    }

    /// Takes a table; an empty one when it is not there, `None` when it is something else.
    pub(super) fn table(&mut self, key: &str) -> Option<toml::Table> {
        match self.take(key) {
            None => Some(toml::Table::new()),
            Some(toml::Value::Table(table)) => Some(table),
            Some(other) => {
                let path = self.path_of(key);
                self.problem(key, format!("{other} is not a section: write its options under [{path}]"));
                None
            }
        }
    }

    /// Reads a section below this one.
    pub(super) fn section<S: Section>(&mut self, key: &str) -> Option<S> {
        let table = self.table(key)?;
        self.child(self.path_of(key), table)
    }

    /// Reads a section of which more is checked than each option by itself.
    pub(super) fn checked_section<S>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Reader<'_>) -> Option<S>,
    ) -> Option<S> {
        let table = self.table(key)?;
        let mut reader = Reader::new(self.path_of(key), table, self.findings);
        let section = read(&mut reader);
        reader.finish();
        section
    }

    /// Reads a section that need not be there; notes its options for the reference in any case.
    pub(super) fn optional_section<S: Section>(&mut self, key: &str) -> Option<Option<S>> {
        if self.table.contains_key(key) {
            return self.section(key).map(Some);
        }
        self.known.push(key.to_owned());
        self.note_options_of::<S>(&self.path_of(key));
        Some(None)
    }

    /// Reads a list of sections, `[[key]]`; `None` inside when it is not there.
    pub(super) fn sections<S: Section>(&mut self, key: &str) -> Option<Option<Vec<S>>> {
        let path = self.path_of(key);
        self.note_options_of::<S>(&format!("{path}[]"));
        let Some(value) = self.take(key) else { return Some(None) };
        let toml::Value::Array(items) = value else {
            self.problem(key, format!("{value} is not a list of sections: write each under [[{path}]]"));
            return None;
        };
        let mut read = Some(Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("{key}[{index}]");
            let toml::Value::Table(table) = item else {
                self.problem(&place, format!("{item} is not a section: write it under [[{path}]]"));
                read = None;
                continue;
            };
            let section = self.undescribed(&place, table);
            read = read.and_then(|mut sections: Vec<S>| {
                sections.push(section?);
                Some(sections)
            });
        }
        read.map(Some)
    }

    /// Reads one of many sections of the same form, which the reference tells only once.
    pub(super) fn undescribed<S: Section>(&mut self, place: &str, table: toml::Table) -> Option<S> {
        let described = self.findings.options.len();
        let section = self.child(self.path_of(place), table);
        self.findings.options.truncate(described);
        section
    }

    fn child<S: Section>(&mut self, path: String, table: toml::Table) -> Option<S> {
        let mut reader = Reader::new(path, table, self.findings);
        let section = S::read(&mut reader);
        reader.finish();
        section
    }

    /// Notes the options of a section for the reference alone.
    pub(super) fn note_options_of<S: Section>(&mut self, path: &str) {
        let mut nothing = Findings::default();
        S::read(&mut Reader::new(path, toml::Table::new(), &mut nothing));
        self.findings.options.append(&mut nothing.options);
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let nearest = self.known.iter().min_by_key(|known| distance(known, &key));
            let meant = nearest.filter(|known| distance(known, &key) <= 1 + key.len() / 4);
            let message = match meant {
                Some(known) => format!("is unknown; did you mean {known}?"),
                None => format!("is unknown; what may stand here: {}", self.known.join(", ")),
            };
            self.problem(&key, message);
        }
    }
}

/// How many characters must be changed, added or dropped to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// One struct of one section; see the module's text.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $( $(#[doc = $about:literal])+ $field:ident: $type:ty = $default:expr, $check:expr; )*
        }
        $(and {
            $( $(#[doc = $also_about:literal])+ $also:ident: $also_type:ty = $read:expr; )*
        })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $about])+ pub $field: $type, )*
            $($( $(#[doc = $also_about])+ pub $also: $also_type, )*)?
        }

        impl $crate::config::reader::Section for $name {
            fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                // All are read before the first that failed is let go, so that every fault is told.
                $( let $field = reader.option(stringify!($field), $default, concat!($($about),+), &$check); )*
                $($( let $also = $read(reader); )*)?
                Some(Self { $( $field: $field?, )* $($( $also: $also?, )*)? })
            }
        }
    };
}
pub(super) use section;

impl OptionValue for bool {
    const KIND: &'static str = "true or false";
    const EXAMPLE: &'static str = "true";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_bool()
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl OptionValue for $type {
            const KIND: &'static str = "a whole number";
            const EXAMPLE: &'static str = "10";

            fn from_toml(value: &toml::Value) -> Option<Self> {
                Self::try_from(value.as_integer()?).ok()
            }
        }
    )+};
}
whole_number!(u32, u64, usize);

impl OptionValue for Duration {
    const KIND: &'static str = "a duration (ms, s, m, h, d)";
    const EXAMPLE: &'static str = "\"15m\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        duration::parse(value.as_str()?)
    }
}

impl OptionValue for PathBuf {
    const KIND: &'static str = "a path";
    const EXAMPLE: &'static str = "\"./certs/api.pem\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(Self::from)
    }
}

impl OptionValue for SocketAddr {
    const KIND: &'static str = "an address and a port";
    const EXAMPLE: &'static str = "\"0.0.0.0:2022\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

impl OptionValue for String {
    const KIND: &'static str = "a text";
    const EXAMPLE: &'static str = "\"text\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

/// The name of a preset, or nothing: `""`.
impl OptionValue for Option<PresetName> {
    const KIND: &'static str = "a preset's name";
    const EXAMPLE: &'static str = "\"epaye\"";

    fn from_toml(value: &toml::Value) -> Option<Self> {
        match value.as_str()? {
            "" => Some(None),
            name => PresetName::parse(name).ok().map(Some),
        }
    }
}
