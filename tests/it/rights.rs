//! Every operation with and without every right, allowed and refused, and what the disk shows after.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Account, Gateway, NewAccount, Outcome, Session, flags};

const RIGHTS: [&str; 7] = ["list", "read", "write", "overwrite", "delete", "rename", "make_folder"];

/// What a login can ask for inside a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    List,
    Stat,
    Read,
    UploadNew,
    Overwrite,
    UpdateInPlace,
    Append,
    Resize,
    SetTimes,
    MakeFolder,
    RemoveFile,
    RemoveFolder,
    Rename,
    RenameFolder,
    RenameOver,
}

impl Operation {
    const ALL: [Self; 15] = [
        Self::List,
        Self::Stat,
        Self::Read,
        Self::UploadNew,
        Self::Overwrite,
        Self::UpdateInPlace,
        Self::Append,
        Self::Resize,
        Self::SetTimes,
        Self::MakeFolder,
        Self::RemoveFile,
        Self::RemoveFolder,
        Self::Rename,
        Self::RenameFolder,
        Self::RenameOver,
    ];

    /// The rights that it needs: of each group, any one.
    fn needs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::List => &[&["list"]],
            Self::Stat => &[&["list", "read"]],
            Self::Read => &[&["read"]],
            Self::UploadNew => &[&["write"]],
            Self::Overwrite | Self::UpdateInPlace | Self::Append | Self::Resize => &[&["overwrite"]],
            Self::SetTimes => &[&["write", "overwrite"]],
            Self::MakeFolder => &[&["make_folder"]],
            Self::RemoveFile | Self::RemoveFolder => &[&["delete"]],
            Self::Rename | Self::RenameFolder => &[&["rename"]],
            Self::RenameOver => &[&["rename"], &["overwrite"]],
        }
    }

    fn is_allowed_by(self, rights: &[&str]) -> bool {
        self.needs().iter().all(|group| group.iter().any(|right| rights.contains(right)))
    }

    fn ask(self, session: &mut Session, folder: &str) -> Outcome {
        let at = |name: &str| format!("{folder}/{name}");
        match self {
            Self::List => match session.list(folder) {
                Ok(_) => Outcome::Done(Value::Null),
                Err(code) => Outcome::Refused(code, String::new()),
            },
            Self::Stat => session.stat(at("fichier")),
            Self::Read => match session.download(at("fichier")) {
                Ok(contents) => {
                    assert_eq!(contents, b"avant");
                    Outcome::Done(Value::Null)
                }
                Err(code) => Outcome::Refused(code, String::new()),
            },
            Self::UploadNew => session.upload(at("nouveau"), b"neuf"),
            Self::Overwrite => session.upload(at("fichier"), b"neuf"),
            Self::UpdateInPlace => session.upload_with(at("fichier"), flags::WRITE, b"A"),
            Self::Append => session.upload_with(at("fichier"), flags::WRITE | flags::APPEND, b"+"),
            Self::Resize => session.set_size(at("fichier"), 2),
            Self::SetTimes => session.set_times(at("fichier"), 1_000_000_000),
            Self::MakeFolder => session.make_folder(at("dossier-neuf")),
            Self::RemoveFile => session.remove(at("fichier")),
            Self::RemoveFolder => session.remove_folder(at("dossier")),
            Self::Rename => session.rename(at("fichier"), at("renomme")),
            Self::RenameFolder => session.rename(at("dossier"), at("dossier-renomme")),
            Self::RenameOver => session.posix_rename(at("fichier"), at("autre")),
        }
    }

    /// What the disk shows when it was done.
    fn effect(self) -> BTreeSet<String> {
        let mut disk = untouched();
        let mut change = |gone: &str, come: &str| {
            disk.remove(gone);
            if !come.is_empty() {
                disk.insert(come.to_owned());
            }
        };
        match self {
            Self::List | Self::Stat | Self::Read | Self::SetTimes => {}
            Self::UploadNew => change("", "nouveau=neuf"),
            Self::Overwrite => change("fichier=avant", "fichier=neuf"),
            Self::UpdateInPlace => change("fichier=avant", "fichier=Avant"),
            Self::Append => change("fichier=avant", "fichier=avant+"),
            Self::Resize => change("fichier=avant", "fichier=av"),
            Self::MakeFolder => change("", "dossier-neuf/"),
            Self::RemoveFile => change("fichier=avant", ""),
            Self::RemoveFolder => change("dossier/", ""),
            Self::Rename => change("fichier=avant", "renomme=avant"),
            Self::RenameFolder => change("dossier/", "dossier-renomme/"),
            Self::RenameOver => {
                change("fichier=avant", "");
                change("autre=autre", "autre=avant");
            }
        }
        disk
    }
}

/// What every folder starts with.
fn untouched() -> BTreeSet<String> {
    ["fichier=avant", "autre=autre", "dossier/"].into_iter().map(str::to_owned).collect()
}

fn prepare(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("the folder's directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) }.expect("a clean folder");
    }
    std::fs::write(directory.join("fichier"), "avant").expect("a file");
    std::fs::write(directory.join("autre"), "autre").expect("a file");
    std::fs::create_dir(directory.join("dossier")).expect("a folder");
}

/// `name=contents`, `name/`.
fn look(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).expect("the folder's directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            if path.is_dir() {
                return format!("{name}/");
            }
            format!("{name}={}", std::fs::read_to_string(path).expect("a file"))
        })
        .collect()
}

/// One account with a folder for each set of rights.
fn account(sets: &[Vec<&str>]) -> Account {
    let mut new = NewAccount::new();
    for (index, rights) in sets.iter().enumerate() {
        new = new.folder(&format!("/d{index}"), json!(rights));
    }
    new.make(Gateway::shared())
}

/// Tries every operation in every folder; all faults at once.
fn try_everything(sets: &[Vec<&str>]) {
    let gateway = Gateway::shared();
    let account = account(sets);
    let mut session = account.session();
    let mut faults = Vec::new();
    for (index, rights) in sets.iter().enumerate() {
        let folder = format!("/d{index}");
        let directory = account.on_disk(gateway, &folder);
        for operation in Operation::ALL {
            prepare(&directory);
            let outcome = operation.ask(&mut session, &folder);
            let allowed = operation.is_allowed_by(rights);
            if outcome.is_done() != allowed {
                faults.push(format!("{operation:?} with {rights:?}: {outcome:?}"));
            }
            if !allowed && outcome.code() != 3 && outcome.code() != 2 {
                faults.push(format!("{operation:?} with {rights:?} is refused with {}, not as denied", outcome.code()));
            }
            let expected = if allowed { operation.effect() } else { untouched() };
            let found = look(&directory);
            if found != expected {
                faults.push(format!("{operation:?} with {rights:?}: the disk shows {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_operation_is_done_with_all_rights() {
    try_everything(&[RIGHTS.to_vec()]);
}

#[test]
fn without_one_right_exactly_what_needs_it_is_refused() {
    let all_but = |missing: &str| RIGHTS.into_iter().filter(|right| *right != missing).collect();
    try_everything(&RIGHTS.map(all_but));
}

#[test]
fn with_one_right_exactly_what_it_is_for_is_done() {
    // A folder that may only be written is a drop-box, which has a test of its own.
    let sets: Vec<Vec<&str>> = RIGHTS.into_iter().filter(|right| *right != "write").map(|right| vec![right]).collect();
    try_everything(&sets);
}

#[test]
fn a_drop_box_takes_files_and_tells_nothing() {
    let gateway = Gateway::shared();
    let account = NewAccount::new().folder("/boite", "drop-box").make(gateway);
    account.api_put("/boite", "deja-la.csv", b"de Lucca");
    let mut session = account.session();
    assert!(session.upload("/boite/paie.csv", b"dix lignes").is_done());
    // Its own, for some minutes; nothing else exists.
    assert_eq!(session.stat("/boite/paie.csv").value()["size"], 10);
    assert_eq!(session.stat("/boite/deja-la.csv").code(), 2);
    assert_eq!(session.stat("/boite/rien.csv").code(), 2);
    assert!(
        session.list("/boite").is_err() || session.list("/boite").unwrap().iter().all(|name| name.starts_with(b"."))
    );
    assert!(session.download("/boite/paie.csv").is_err());
    assert!(session.download("/boite/deja-la.csv").is_err());
    assert!(!session.remove("/boite/deja-la.csv").is_done());
    assert!(!session.remove("/boite/paie.csv").is_done());
    assert!(!session.rename("/boite/paie.csv", "/boite/autre.csv").is_done());
    // Lucca's side has everything.
    let mut names = account.api_names("/boite");
    names.sort();
    assert_eq!(names, ["deja-la.csv", "paie.csv"]);
    assert_eq!(account.api_get("/boite", "paie.csv").as_deref(), Some(b"dix lignes".as_slice()));
}

#[test]
fn a_rename_between_folders_follows_the_rights_of_both() {
    let gateway = Gateway::shared();
    let all_but = |missing: &str| json!(RIGHTS.into_iter().filter(|right| *right != missing).collect::<Vec<_>>());
    let account = NewAccount::new()
        .folder("/a", "read-write")
        .folder("/b", "read-write")
        .folder("/sans-renommer", all_but("rename"))
        .folder("/sans-ecrire", all_but("write"))
        .folder("/sans-remplacer", all_but("overwrite"))
        .make(gateway);
    for folder in ["/a", "/b", "/sans-renommer", "/sans-ecrire", "/sans-remplacer"] {
        prepare(&account.on_disk(gateway, folder));
    }
    let mut session = account.session();
    assert!(session.rename("/a/fichier", "/b/venu").is_done());
    assert!(session.rename("/b/venu", "/a/fichier").is_done());
    assert_eq!(session.rename("/sans-renommer/fichier", "/a/pris").code(), 3);
    assert_eq!(session.rename("/a/fichier", "/sans-ecrire/pris").code(), 3);
    assert_eq!(session.posix_rename("/a/fichier", "/sans-remplacer/autre").code(), 3);
    // A plain rename never replaces (draft-ietf-secsh-filexfer-02 §6.5).
    assert_eq!(session.rename("/a/fichier", "/b/autre").code(), 4);
    assert!(session.posix_rename("/a/fichier", "/b/autre").is_done());
    let mut moved = untouched();
    moved.remove("autre=autre");
    moved.insert("autre=avant".to_owned());
    assert_eq!(look(&account.on_disk(gateway, "/b")), moved);
    for folder in ["/sans-renommer", "/sans-ecrire", "/sans-remplacer"] {
        assert_eq!(look(&account.on_disk(gateway, folder)), untouched(), "{folder}");
    }
}

#[test]
fn the_deepest_folder_decides() {
    let account =
        NewAccount::new().folder("/paie", "pick-up").folder("/paie/depot", "read-write").make(Gateway::shared());
    let mut session = account.session();
    assert_eq!(session.upload("/paie/x.csv", b"x").code(), 3);
    assert!(session.upload("/paie/depot/x.csv", b"x").is_done());
    assert_eq!(account.api_get("/paie/depot", "x.csv").as_deref(), Some(b"x".as_slice()));
}

#[test]
fn a_changed_right_holds_for_the_next_session() {
    let account = NewAccount::new().folder("/paie", "read-write").make(Gateway::shared());
    assert!(account.session().upload("/paie/x.csv", b"x").is_done());
    let folder = account.folders[0]["id"].as_str().expect("an id").to_owned();
    account.api.change_folder(&account.id, &folder, &json!({"rights": "pick-up"})).ok();
    let mut session = account.session();
    assert_eq!(session.upload("/paie/y.csv", b"y").code(), 3);
    assert_eq!(session.download("/paie/x.csv"), Ok(b"x".to_vec()));
}
