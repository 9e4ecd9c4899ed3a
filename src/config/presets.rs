//! `[presets.NAME]`: hosting servers as data. Three are built in; the configuration changes their fields or adds others.
//!
//! A configured preset is laid over the built-in one of its name: tables are merged, field by field, lists are replaced.

use std::collections::BTreeMap;

use super::reader::{Parsed, Reader, Section};
use crate::domain::preset::{CredentialMethod, Labels, Ports, PresetFolder};
use crate::domain::{FolderRules, Preset, PresetName, Quota, Retention};

/// The presets that come with the program.
const BUILT_IN: [(&str, &str); 3] = [
    ("lucca", include_str!("presets/lucca.toml")),
    ("epaye", include_str!("presets/epaye.toml")),
    ("mprh", include_str!("presets/mprh.toml")),
];

/// Reads `[presets]`.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<BTreeMap<PresetName, Preset>> {
    reader.note_options_of::<Preset>("presets.NAME");
    let mut tables = built_in();
    let configured = reader.table("presets")?;
    merge(&mut tables, configured);
    let mut presets = Some(BTreeMap::new());
    for (name, value) in tables {
        let place = format!("presets.{name}");
        let read = read_one(reader, &place, &name, value);
        presets = presets.and_then(|mut presets| {
            let (name, preset) = read?;
            presets.insert(name, preset);
            Some(presets)
        });
    }
    presets
}

fn read_one(reader: &mut Reader<'_>, place: &str, name: &str, value: toml::Value) -> Option<(PresetName, Preset)> {
    let name = match PresetName::parse(name) {
        Ok(name) => name,
        Err(problem) => {
            reader.problem(place, problem.to_string());
            return None;
        }
    };
    let toml::Value::Table(table) = value else {
        reader.problem(place, format!("{value} is not a preset: write its fields under [{place}]"));
        return None;
    };
    reader.undescribed(place, table).map(|preset| (name, preset))
}

fn built_in() -> toml::Table {
    let parse = |text: &str| text.parse::<toml::Table>().expect("a built-in preset is TOML: a test reads them all");
    BUILT_IN.into_iter().map(|(name, text)| (name.to_owned(), toml::Value::Table(parse(text)))).collect()
}

/// Lays `over` on `base`: tables are merged, all else is replaced.
pub(super) fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

impl Section for Preset {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let version = reader.parsed(&Parsed {
            key: "version",
            kind: "a whole number",
            default: None,
            example: "1",
            about: "Raise it with every change: an account records the version it was made with.",
        });
        let label = reader.section("label");
        let neutral = reader.parsed(&Parsed {
            key: "neutral",
            kind: "true or false",
            default: Some("false"),
            example: "false",
            about: "Whether these are starting values that say nothing about the real server.",
        });
        let host = reader.parsed(&Parsed {
            key: "host",
            kind: "a host name",
            default: None,
            example: "\"sftp.epaye.example\"",
            about: "The host name that partners are told.",
        });
        let ports = reader.section("ports");
        let connection_types = reader.parsed(&Parsed {
            key: "connection_types",
            kind: "a list of \"sftp\", \"ftps\", \"ftpes\"",
            default: None,
            example: "[\"sftp\", \"ftps\", \"ftpes\"]",
            about: "The connection types that an account may have.",
        });
        let default_connection_types = reader.parsed(&Parsed {
            key: "default_connection_types",
            kind: "a list of \"sftp\", \"ftps\", \"ftpes\"",
            default: None,
            example: "[\"sftp\"]",
            about: "Those that it has when none are named.",
        });
        let credentials: Option<Vec<CredentialMethod>> = reader.parsed(&Parsed {
            key: "credentials",
            kind: "a list of \"password\", \"public_key\"",
            default: None,
            example: "[\"password\", \"public_key\"]",
            about: "The kinds of credentials that an account may have.",
        });
        let login_prefix = reader.parsed(&Parsed {
            key: "login_prefix",
            kind: "a text",
            default: Some("\"\""),
            example: "\"epaye-\"",
            about: "What every login starts with.",
        });
        let login_pattern = reader.parsed(&Parsed {
            key: "login_pattern",
            kind: "a text",
            default: None,
            example: "\"{prefix}{instance}-{random}\"",
            about: "How a login is made when none is given, from `{prefix}`, `{instance}` (its key) and `{random}`.",
        });
        let folders = reader.sections("folders");
        let close_notify = reader.parsed(&Parsed {
            key: "close_notify",
            kind: "\"strict\" or \"guarded\"",
            default: Some("\"strict\""),
            example: "\"guarded\"",
            about: "What becomes of an FTP upload whose data connection ends without TLS close_notify. \"strict\": it is not \
                    published. \"guarded\", for clients that never send it: published, marked as of unproven end, if the \
                    control connection goes on and a size announced by `ALLO` agrees. An account's own value wins.",
        });
        let tls_resumption = reader.parsed(&Parsed {
            key: "tls_resumption",
            kind: "\"offered\" or \"require\"",
            default: Some("\"offered\""),
            example: "\"require\"",
            about: "Whether FTP's data connections must resume the TLS session of their control connection, which proves \
                    that both are one client's. An account's own value wins; a listener's `require_resumption` is the least.",
        });
        let temporary_names = reader.parsed(&Parsed {
            key: "temporary_names",
            kind: "a list of patterns",
            default: Some("[\"*.filepart\", \"*.part\", \"*.tmp\", \"*~\", \".in.*\"]"),
            example: "[\"*.filepart\", \"*.uploading\"]",
            about: "Names that clients give a file until they have sent all of it, with `*` for any text, without case. \
                    Nobody is told of a file of such a name: `file.uploaded` comes when it is renamed to its final one.",
        });
        let quota = reader.section("quota");
        let preset = Self {
            version: version?,
            label: label?,
            neutral: neutral?,
            host: host?,
            ports: ports?,
            connection_types: connection_types?,
            default_connection_types: default_connection_types?,
            credentials: credentials?,
            login_prefix: login_prefix?,
            login_pattern: login_pattern?,
            folders: folders?.unwrap_or_default(),
            close_notify: close_notify?,
            tls_resumption: tls_resumption?,
            quota: quota?,
            temporary_names: temporary_names?,
        };
        match preset.validate() {
            Ok(()) => Some(preset),
            Err(invalid) => {
                reader.problem(&invalid.field, invalid.problem);
                None
            }
        }
    }
}

/// A value, or the word "none".
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "neither a value of this kind nor \"none\"")]
enum OrNone<T> {
    Some(T),
    None(NoneWord),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum NoneWord {
    None,
}

impl<T> From<OrNone<T>> for Option<T> {
    fn from(value: OrNone<T>) -> Self {
        match value {
            OrNone::Some(value) => Some(value),
            OrNone::None(NoneWord::None) => None,
        }
    }
}

impl Section for Quota {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let limit = |key, kind, example, about| Parsed { key, kind, default: Some("\"none\""), example, about };
        let bytes: Option<OrNone<u64>> = reader.parsed(&limit(
            "bytes",
            "a number of bytes, or \"none\"",
            "10737418240",
            "How much the published files of an account may have together. An account's own value wins, here and below.",
        ));
        let files: Option<OrNone<u64>> = reader.parsed(&limit(
            "files",
            "a number, or \"none\"",
            "10000",
            "How many published files an account may have.",
        ));
        let largest_file: Option<OrNone<u64>> = reader.parsed(&limit(
            "largest_file",
            "a number of bytes, or \"none\"",
            "1073741824",
            "How large a file of an account may be.",
        ));
        Some(Self { bytes: bytes?.into(), files: files?.into(), largest_file: largest_file?.into() })
    }
}

impl Section for Labels {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text = |key, about| Parsed { key, kind: "a text", default: None, example: "\"E-paye\"", about };
        let fr = reader.parsed(&text("fr", "The preset's name for people, in French."));
        let en = reader.parsed(&text("en", "The preset's name for people, in English."));
        Some(Self { fr: fr?, en: en? })
    }
}

impl Section for Ports {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let port = |key, example, about| Parsed { key, kind: "a port", default: None, example, about };
        let sftp = reader.parsed(&port("sftp", "22", "The port that partners are told for SFTP."));
        let ftps = reader.parsed(&port("ftps", "990", "The port that partners are told for FTPS."));
        let ftpes = reader.parsed(&port("ftpes", "21", "The port that partners are told for FTPES."));
        Some(Self { sftp: sftp?, ftps: ftps?, ftpes: ftpes? })
    }
}

impl Section for PresetFolder {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let name = reader.parsed(&Parsed {
            key: "name",
            kind: "a text",
            default: None,
            example: "\"Import\"",
            about: "What people call a folder that comes with an account.",
        });
        let path = reader.parsed(&Parsed {
            key: "path",
            kind: "an absolute path",
            default: None,
            example: "\"/import\"",
            about: "Where the login sees it; files land in the last folder of the path.",
        });
        let rights = reader.parsed(&Parsed {
            key: "rights",
            kind: "\"read-write\", \"pick-up\", \"drop-box\" or a list of rights",
            default: None,
            example: "\"pick-up\"",
            about: "What the login may do there. The rights: list, read, write, overwrite, delete, rename, make_folder.",
        });
        let publish_on_rename = reader.parsed(&Parsed {
            key: "publish_on_rename",
            kind: "true or false",
            default: Some("false"),
            example: "true",
            about: "What the login uploads there stays its own until it renames it.",
        });
        let retention: Option<OrNone<Retention>> = reader.parsed(&Parsed {
            key: "retention",
            kind: "a table, or \"none\"",
            default: Some("\"none\""),
            example: "{ after_days = 90, action = \"trash\" }",
            about: "How many days (1 to 36500) after it came a file is removed: \"delete\" it, or move it to the \"trash\".",
        });
        let rules = FolderRules { publish_on_rename: publish_on_rename?, retention: retention?.into() };
        Some(Self { name: name?, path: path?, rights: rights?, rules })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::Findings;
    use super::*;
    use crate::domain::{CloseNotify, ConnectionType, RetentionAction, Right, TemporaryNames, TlsResumption};

    /// Key path and message.
    type Fault = (String, String);

    fn presets(text: &str) -> (Option<BTreeMap<PresetName, Preset>>, Vec<Fault>) {
        let mut findings = Findings::default();
        let presets = read(&mut Reader::new("", text.parse().unwrap(), &mut findings));
        (presets, findings.problems)
    }

    fn preset(text: &str, name: &str) -> Preset {
        let (presets, problems) = presets(text);
        assert_eq!(problems, []);
        presets.unwrap().remove(&PresetName::parse(name).unwrap()).unwrap()
    }

    fn only_problem(text: &str) -> Fault {
        let (_, mut problems) = presets(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn lucca_brings_no_parameters_beyond_its_host() {
        let lucca = preset("", "lucca");
        assert_eq!((lucca.login_prefix.as_str(), lucca.folders.len(), lucca.neutral), ("", 0, false));
        assert!(ConnectionType::ALL.into_iter().all(|kind| lucca.default_connection_types.contains(kind)));
        assert_eq!(lucca.credentials, [CredentialMethod::Password, CredentialMethod::PublicKey]);
    }

    #[test]
    fn epaye_and_mprh_each_have_their_own_parameters() {
        let (epaye, mprh) = (preset("", "epaye"), preset("", "mprh"));
        assert!(epaye.neutral && mprh.neutral);
        assert_ne!(epaye.host, mprh.host);
        assert_eq!((epaye.login_prefix.as_str(), mprh.login_prefix.as_str()), ("epaye-", "mprh-"));
        assert_ne!(epaye.connection_types, mprh.connection_types);
        for preset in [&epaye, &mprh] {
            assert_eq!(preset.default_connection_types.to_string(), "sftp");
            let rights: Vec<_> = preset.folders.iter().map(|folder| folder.rights).collect();
            assert_eq!(rights.len(), 3);
            assert!(rights[0] != rights[1] && rights[1] != rights[2] && rights[0] != rights[2]);
            // What the partner imports, it fetches; what it exports, it hands in.
            assert!(rights[0].allows(Right::Read) && !rights[0].allows(Right::Write));
            assert!(rights[1].allows(Right::Write));
        }
    }

    #[test]
    fn a_field_of_a_built_in_preset_is_replaced_and_the_others_stay() {
        let text =
            "[presets.epaye]\nversion = 2\nhost = \"sftp.partner.example\"\n[presets.epaye.ports]\nsftp = 2222\n";
        let epaye = preset(text, "epaye");
        assert_eq!((epaye.version, epaye.host.as_str()), (2, "sftp.partner.example"));
        assert_eq!((epaye.ports.sftp, epaye.ports.ftps), (2222, 990));
        assert_eq!(epaye.folders, preset("", "epaye").folders);
    }

    #[test]
    fn ftp_is_strict_and_offers_resumption_unless_a_preset_says_otherwise() {
        let silent = preset("", "mprh");
        assert_eq!((silent.close_notify, silent.tls_resumption), (CloseNotify::Strict, TlsResumption::Offered));
        let text = "[presets.mprh]\nclose_notify = \"guarded\"\ntls_resumption = \"require\"\n";
        let said = preset(text, "mprh");
        assert_eq!((said.close_notify, said.tls_resumption), (CloseNotify::Guarded, TlsResumption::Require));
    }

    #[test]
    fn there_is_no_quota_unless_a_preset_has_one() {
        assert!(preset("", "epaye").quota.is_none());
        let said = preset("[presets.epaye.quota]\nfiles = 20\nlargest_file = \"none\"\n", "epaye");
        assert_eq!(said.quota, Quota { files: Some(20), ..Quota::default() });
    }

    #[test]
    fn the_usual_temporary_names_hold_unless_a_preset_names_others() {
        assert_eq!(preset("", "mprh").temporary_names, TemporaryNames::default());
        let named = preset("presets.mprh.temporary_names = [\"*.uploading\"]\n", "mprh").temporary_names;
        assert!(named.matches("a.csv.uploading") && !named.matches("a.csv.part"));
    }

    #[test]
    fn files_stay_unless_a_preset_gives_them_a_term() {
        assert!(preset("", "epaye").folders.iter().all(|folder| folder.rules == FolderRules::default()));
        let text = "[[presets.epaye.folders]]\nname = \"A\"\npath = \"/a\"\nrights = \"pick-up\"\n\
                    retention = { after_days = 30, action = \"trash\" }\n";
        let retention = preset(text, "epaye").folders[0].rules.retention.unwrap();
        assert_eq!((retention.after_days(), retention.action()), (30, RetentionAction::Trash));
    }

    #[test]
    fn a_list_of_a_built_in_preset_is_replaced_as_a_whole() {
        let text = "[[presets.epaye.folders]]\nname = \"Paie\"\npath = \"/paie\"\nrights = \"read-write\"\n";
        let epaye = preset(text, "epaye");
        assert_eq!(epaye.folders.len(), 1);
        assert_eq!(epaye.folders[0].path.as_str(), "/paie");
    }

    #[test]
    fn a_preset_can_be_added() {
        let text = r#"
            [presets.silae]
            version = 1
            label = { fr = "Silae", en = "Silae" }
            host = "sftp.silae.example"
            ports = { sftp = 22, ftps = 990, ftpes = 21 }
            connection_types = ["sftp"]
            default_connection_types = ["sftp"]
            credentials = ["public_key"]
            login_pattern = "{prefix}{instance}-{random}"
        "#;
        assert_eq!(preset(text, "silae").host, "sftp.silae.example");
    }

    #[test]
    fn what_is_wrong_with_a_preset_is_told_with_its_key_path() {
        let folder = "name = \"A\"\npath = \"/a\"\nrights = \"pick-up\"\n";
        for (text, key, right) in [
            ("presets.epaye.host = 3".to_owned(), "presets.epaye.host", "\"sftp.epaye.example\""),
            ("presets.epaye.host = \"sftp://x\"".to_owned(), "presets.epaye.host", "without port"),
            ("presets.epaye.hots = \"x\"".to_owned(), "presets.epaye.hots", "did you mean host?"),
            ("presets.epaye.connection_types = [\"ftp\"]".to_owned(), "presets.epaye.connection_types", "ftpes"),
            ("presets.epaye.close_notify = \"lax\"".to_owned(), "presets.epaye.close_notify", "guarded"),
            ("presets.epaye.quota.bytes = -1".to_owned(), "presets.epaye.quota.bytes", "none"),
            ("presets.epaye.quota.files = 2000000000000000000".to_owned(), "presets.epaye.quota.files", "at most"),
            ("presets.epaye.tls_resumption = true".to_owned(), "presets.epaye.tls_resumption", "require"),
            ("presets.epaye.temporary_names = [\"*\"]".to_owned(), "presets.epaye.temporary_names", "say more than *"),
            ("presets.epaye.temporary_names = \"*.tmp\"".to_owned(), "presets.epaye.temporary_names", "*.filepart"),
            ("presets.epaye.ports.sftp = 70000".to_owned(), "presets.epaye.ports.sftp", "22"),
            ("presets.Epaye.version = 1".to_owned(), "presets.Epaye", "lower-case"),
            ("presets.epaye = 3".to_owned(), "presets.epaye", "[presets.epaye]"),
            ("presets = 3".to_owned(), "presets", "[presets]"),
            ("presets.epaye.folders = 3".to_owned(), "presets.epaye.folders", "[[presets.epaye.folders]]"),
            (
                format!("[[presets.epaye.folders]]\n{folder}[[presets.epaye.folders]]\n{folder}"),
                "presets.epaye.folders[1].path",
                "another folder's",
            ),
            (
                format!("[[presets.epaye.folders]]\n{folder}[[presets.epaye.folders]]\n{}", folder.replace("/a", "a")),
                "presets.epaye.folders[1].path",
                "absolute",
            ),
            (
                format!("[[presets.epaye.folders]]\n{folder}retention = {{ after_days = 0, action = \"trash\" }}\n"),
                "presets.epaye.folders[0].retention",
                "after_days = 90",
            ),
            (
                format!("[[presets.epaye.folders]]\n{}", folder.replace("pick-up", "everything")),
                "presets.epaye.folders[0].rights",
                "pick-up",
            ),
        ] {
            let (found, message) = only_problem(&text);
            assert_eq!(found, key, "{text}");
            assert!(message.contains(right), "{message}");
        }
    }

    #[test]
    fn everything_that_a_new_preset_lacks_is_told_at_once() {
        let (_, problems) = presets("[presets.silae]\n");
        let keys: Vec<&str> = problems.iter().map(|(key, _)| key.as_str()).collect();
        for key in ["version", "label.fr", "host", "ports.ftpes", "credentials", "login_pattern"] {
            assert!(keys.contains(&format!("presets.silae.{key}").as_str()), "{key}: {keys:?}");
        }
    }
}
