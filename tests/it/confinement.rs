//! Ways out of an account's folders, every one tried, and the disk looked at after.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Account, Gateway, NewAccount, Options, Outcome, Session, eventually, flags};

/// What no login may ever read.
pub const SECRET: &[u8] = b"le secret d'un autre";

/// An account with two folders, below an ancestor and below the root.
pub fn account(gateway: &Gateway) -> Account {
    NewAccount::new().folder("/paie/depot", "read-write").folder("/archive", "read-write").make(gateway)
}

/// Every file and folder below `root` that is not below `except`, with contents.
pub fn everything(root: &Path, except: &[PathBuf]) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let entry = entry.expect("an entry");
            let path = entry.path();
            if except.contains(&path) {
                continue;
            }
            if entry.file_type().expect("a type").is_dir() {
                folders.push(path.clone());
                found.insert((path, Vec::new()));
            } else {
                let contents = std::fs::read(&path).unwrap_or_default();
                found.insert((path, contents));
            }
        }
    }
    found
}

/// The same of a storage folder, as soon as all that was published is recorded: until then its intents lie in staging.
pub fn everything_recorded(storage: &Path, except: &[PathBuf]) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let staging = storage.join(".staging");
    eventually(Duration::from_secs(30), "what was published is recorded", || {
        let found = everything(storage, except);
        // Below it are one folder for each account, and intents in them.
        let waits = |path: &Path| path.strip_prefix(&staging).is_ok_and(|below| below.components().count() > 1);
        (!found.iter().any(|(path, _)| waits(path))).then_some(found)
    })
}

/// The ancestors and the roots of the folders of [`account`]: they are there, and stay as they are.
pub const ANCESTORS: [&str; 4] = ["/", "/paie", "/paie/", "."];

/// Names of what is elsewhere, or nowhere, `theirs` among it: a file of `other`.
pub fn ways_out(other: &Account, theirs: &Path) -> Vec<String> {
    let disk = theirs.display().to_string();
    vec![
        "/etc/passwd".into(),
        "/proc/self/environ".into(),
        "/paie/depot/../../etc/passwd".into(),
        "/paie/depot/../../../../../../etc/passwd".into(),
        "../../../../etc/passwd".into(),
        "/../etc/passwd".into(),
        "//etc//passwd".into(),
        "/./paie/./depot/../../../etc/passwd".into(),
        "/paie/inconnu".into(),
        "/inconnu".into(),
        disk.clone(),
        format!("/paie/depot/{disk}"),
        format!("/paie/depot/../../../{}/paie/depot/paie.csv", other.id),
        format!("/../../{}/{}/paie/depot/paie.csv", other.instance, other.id),
        format!("/{}/paie/depot/paie.csv", other.id),
        "/paie/depot/..\\..\\..\\etc\\passwd".into(),
        "C:\\Windows".into(),
        "/.staging/x".into(),
        "/.trash/x".into(),
        "~/x".into(),
    ]
}

/// Names of links in a folder that lead elsewhere.
pub const LINKS: [&str; 8] = ["dossier", "fichier", "voisin", "racine", "relatif", "magique", "pendant", "boucle"];

/// Plants them in `own`; `theirs` is another account's folder, `outside` one that is nobody's.
pub fn plant_links(own: &Path, theirs: &Path, outside: &Path) {
    let plant = |target: &Path, name: &str| symlink(target, own.join(name)).expect("a link");
    plant(outside, "dossier");
    plant(&outside.join("paie.csv"), "fichier");
    plant(theirs, "voisin");
    plant(Path::new("/"), "racine");
    plant(Path::new("../../../../.."), "relatif");
    plant(Path::new("/proc/self/root"), "magique");
    plant(&outside.join("absent"), "pendant");
    plant(Path::new("boucle"), "boucle");
    plant(Path::new("appat"), "dedans");
}

/// Everything that could touch `path`, none of which may be done; what was done all the same.
fn attack(session: &mut Session, path: &[u8]) -> Vec<String> {
    let mut done = Vec::new();
    let mut expect_refused = |what: &str, outcome: &Outcome| {
        if outcome.is_done() {
            done.push(format!("{what} {:?}: {outcome:?}", String::from_utf8_lossy(path)));
        }
    };
    let below = [path, b"/x"].concat();
    expect_refused("read", &session.open_file(path, flags::READ));
    expect_refused("upload", &session.open_file(path, flags::UPLOAD));
    expect_refused("upload below", &session.open_file(&below, flags::UPLOAD));
    expect_refused("append", &session.open_file(path, flags::WRITE | flags::APPEND));
    expect_refused("make folder", &session.make_folder(&below));
    expect_refused("remove", &session.remove(path));
    expect_refused("remove folder", &session.remove_folder(path));
    expect_refused("rename away", &session.rename(path, "/paie/depot/volé"));
    expect_refused("replace away", &session.posix_rename(path, "/paie/depot/appat"));
    expect_refused("rename onto", &session.rename("/paie/depot/appat", path));
    expect_refused("replace", &session.posix_rename("/paie/depot/appat", path));
    expect_refused("rename below", &session.rename("/paie/depot/appat", &below));
    expect_refused("resize", &session.set_size(path, 0));
    expect_refused("set times", &session.set_times(path, 0));
    expect_refused("link to", &session.symlink(path, "/paie/depot/lien"));
    expect_refused("link from", &session.symlink("/paie/depot/appat", path));
    expect_refused("hard link to", &session.hardlink(path, "/paie/depot/lien"));
    expect_refused("read link", &session.readlink(path));
    done
}

#[test]
fn no_path_leads_out() {
    let gateway = Gateway::start(&Options::default());
    let (account, other) = (account(&gateway), account(&gateway));
    other.api_put("/paie/depot", "paie.csv", SECRET);
    account.api_put("/paie/depot", "appat", b"appat");
    let theirs = other.on_disk(&gateway, "/paie/depot/paie.csv");
    let own = [account.on_disk(&gateway, "/paie/depot"), account.on_disk(&gateway, "/archive")];
    let storage = own[0].ancestors().nth(4).expect("the storage folder").to_path_buf();
    let before = everything_recorded(&storage, &own);

    let mut paths = ways_out(&other, &theirs);
    paths.extend(ANCESTORS.map(str::to_owned));
    let mut session = account.session();
    let mut done: Vec<String> = paths.iter().flat_map(|path| attack(&mut session, path.as_bytes())).collect();
    // A path below an ancestor's name is also tried as a folder to look into.
    for path in paths.iter().filter(|path| !ANCESTORS.contains(&path.as_str())) {
        if session.list(path).is_ok() {
            done.push(format!("list {path}"));
        }
        if session.stat(path).is_done() {
            done.push(format!("stat {path}"));
        }
    }
    assert!(done.is_empty(), "{} ways out:\n{}", done.len(), done.join("\n"));
    assert_eq!(everything(&storage, &own), before, "something outside the account's folders changed");
    assert_eq!(account.api_names("/paie/depot"), ["appat"]);
}

#[test]
fn a_session_sees_its_folders_and_the_way_to_them() {
    let account = account(Gateway::shared());
    let mut session = account.session();
    let mut names = |path: &str| {
        let mut names = session.list(path).unwrap();
        names.retain(|name| name != b"." && name != b"..");
        names.sort();
        names
    };
    assert_eq!(names("/"), [b"archive".to_vec(), b"paie".to_vec()]);
    assert_eq!(names("/paie"), [b"depot".to_vec()]);
    assert_eq!(names("/paie/depot"), Vec::<Vec<u8>>::new());
    assert_eq!(session.realpath(".").as_deref(), Ok("/"));
    assert_eq!(session.realpath("paie/../paie/depot/./absent").as_deref(), Ok("/paie/depot/absent"));
    assert_eq!(session.realpath("../../..").as_deref(), Ok("/"));
}

#[test]
fn the_roots_of_folders_cannot_be_taken_away() {
    let account = account(Gateway::shared());
    let mut session = account.session();
    for root in ["/paie/depot", "/archive", "/paie", "/"] {
        assert!(!session.remove_folder(root).is_done(), "rmdir {root}");
        assert!(!session.remove(root).is_done(), "remove {root}");
        for to in ["/archive/x", "/paie/x", "/x"] {
            assert!(!session.rename(root, to).is_done(), "rename {root} {to}");
            assert!(!session.posix_rename(root, to).is_done(), "posix-rename {root} {to}");
        }
    }
    assert!(session.make_folder("/archive/dossier").is_done());
    for onto in ["/paie/depot", "/paie", "/", "/neuf", "/paie/neuf"] {
        assert!(!session.rename("/archive/dossier", onto).is_done(), "rename onto {onto}");
        assert!(!session.posix_rename("/archive/dossier", onto).is_done(), "posix-rename onto {onto}");
    }
    assert!(session.rename("/archive/dossier", "/paie/depot/dossier").is_done(), "between two folders");
    assert!(!session.rename("/paie/depot/dossier", "/paie/depot/dossier/dedans").is_done(), "into itself");
}

#[test]
fn two_accounts_with_the_same_path_share_nothing() {
    let (one, other) = (account(Gateway::shared()), account(Gateway::shared()));
    assert!(one.session().upload("/paie/depot/paie.csv", b"un").is_done());
    let mut session = other.session();
    assert_eq!(session.stat("/paie/depot/paie.csv").code(), 2);
    assert!(session.upload("/paie/depot/paie.csv", b"autre").is_done());
    assert_eq!(one.api_get("/paie/depot", "paie.csv").as_deref(), Some(b"un".as_slice()));
}

#[test]
fn links_planted_on_the_disk_are_not_followed() {
    let gateway = Gateway::start(&Options::default());
    let (account, other) = (account(&gateway), account(&gateway));
    other.api_put("/paie/depot", "paie.csv", SECRET);
    account.api_put("/paie/depot", "appat", b"appat");
    let theirs = other.on_disk(&gateway, "/paie/depot");
    let own = account.on_disk(&gateway, "/paie/depot");
    let outside = gateway.data().join("dehors");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("paie.csv"), SECRET).expect("a file");
    plant_links(&own, &theirs, &outside);
    let before = (everything(&outside, &[]), everything(&theirs, &[]));

    let mut session = account.session();
    let mut done = Vec::new();
    for link in LINKS {
        for path in [format!("/paie/depot/{link}/paie.csv"), format!("/paie/depot/{link}/etc/passwd")] {
            done.extend(attack(&mut session, path.as_bytes()));
        }
        let path = format!("/paie/depot/{link}");
        let opened = session.open_file(&path, flags::READ);
        if opened.is_done() {
            done.push(format!("read {path}"));
        }
        if session.list(&path).is_ok() {
            done.push(format!("list {path}"));
        }
        let size = session.stat(&path);
        if size.is_done() {
            done.push(format!("stat {path}: {size:?}"));
        }
        for (what, outcome) in [("resize", session.set_size(&path, 0)), ("set times", session.set_times(&path, 0))] {
            if outcome.is_done() {
                done.push(format!("{what} {path}"));
            }
        }
    }
    assert!(done.is_empty(), "{} links followed:\n{}", done.len(), done.join("\n"));
    // The API follows none either, and listings go on beside them.
    for link in LINKS {
        assert_eq!(account.api_get("/paie/depot", link), None, "the API reads {link}");
    }
    assert!(session.list("/paie/depot").unwrap().contains(&b"appat".to_vec()));
    // An upload may take a planted link's name; it replaces the link, and never writes through it.
    let _ = session.upload("/paie/depot/fichier", b"remplace");
    assert_eq!((everything(&outside, &[]), everything(&theirs, &[])), before, "something outside changed");
}

#[test]
fn a_folder_swapped_for_a_link_in_a_loop_never_leaks() {
    let gateway = Gateway::start(&Options::default());
    let account = account(&gateway);
    let own = account.on_disk(&gateway, "/paie/depot");
    let outside = gateway.data().join("dehors");
    for folder in [&outside, &own.join("dossier")] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    std::fs::write(outside.join("paie.csv"), SECRET).expect("a file");
    std::fs::write(own.join("dossier/paie.csv"), b"a moi").expect("a file");
    symlink(&outside, own.join("lien")).expect("a link");

    let stop = AtomicBool::new(false);
    let mut seen = (0, 0);
    std::thread::scope(|scope| {
        // One atomic step: what was the folder is the link, and back.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let here = rustix::fs::CWD;
                let swap = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(here, own.join("dossier"), here, own.join("lien"), swap).expect("a swap");
            }
        });
        let mut session = account.session();
        for round in 0..400 {
            match session.download("/paie/depot/dossier/paie.csv") {
                Ok(contents) => {
                    assert_eq!(contents, b"a moi", "read through the link");
                    seen.0 += 1;
                }
                Err(code) => {
                    assert!([2, 3, 4].contains(&code), "refused with {code}");
                    seen.1 += 1;
                }
            }
            let _ = session.upload(format!("/paie/depot/dossier/depot-{round}"), b"x");
            let _ = session.make_folder(format!("/paie/depot/dossier/dossier-{round}"));
            let _ = session.remove("/paie/depot/dossier/absent");
            let _ = session.rename("/paie/depot/dossier/depot-0", "/paie/depot/dossier/depot-1");
            let _ = session.list("/paie/depot/dossier");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.0 > 0 && seen.1 > 0, "the swapping was not seen: {seen:?}");
    let left: Vec<PathBuf> = everything(&outside, &[]).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, [outside.join("paie.csv")], "something was written through the link");
    assert_eq!(std::fs::read(outside.join("paie.csv")).expect("the file"), SECRET);
}

#[test]
fn names_that_cannot_be_are_refused_and_the_longest_is_not() {
    let account = account(Gateway::shared());
    let mut session = account.session();
    let long = |length: usize| [b"/paie/depot/".to_vec(), b"n".repeat(length)].concat();
    let refused: [Vec<u8>; 7] = [
        b"/paie/depot/nul\0.csv".to_vec(),
        b"/paie/depot/ligne\n.csv".to_vec(),
        b"/paie/depot/retour\r.csv".to_vec(),
        b"/paie/depot/echappe\x1b[2J.csv".to_vec(),
        b"/paie/depot/contre\\oblique.csv".to_vec(),
        long(256),
        long(5000),
    ];
    for path in &refused {
        let shown = String::from_utf8_lossy(path);
        assert!(!session.upload(path, b"x").is_done(), "upload {shown:?}");
        assert!(!session.make_folder(path).is_done(), "mkdir {shown:?}");
        assert!(!session.stat(path).is_done(), "stat {shown:?}");
        assert!(!session.rename("/paie/depot", path).is_done(), "rename to {shown:?}");
    }
    assert_eq!(account.api_names("/paie/depot"), Vec::<String>::new());

    // 255 bytes, also when most of them are accents, from the upload to the removal.
    for name in ["n".repeat(255), format!("n{}", "é".repeat(127))] {
        let path = format!("/paie/depot/{name}");
        assert!(session.upload(&path, b"long").is_done(), "upload of 255 bytes");
        assert_eq!(account.api_names("/paie/depot"), std::slice::from_ref(&name));
        assert_eq!(session.download(&path), Ok(b"long".to_vec()));
        let other = format!("/archive/{name}");
        assert!(session.rename(&path, &other).is_done());
        assert!(session.upload(&other, b"encore").is_done(), "overwrite of 255 bytes");
        assert!(session.remove(&other).is_done());
    }
}

#[test]
fn depth_is_bounded() {
    let account = account(Gateway::shared());
    let mut session = account.session();
    let mut path = "/paie/depot".to_owned();
    let mut made = 2;
    while session.make_folder(format!("{path}/d")).is_done() {
        path.push_str("/d");
        made += 1;
        assert!(made < 100, "folders without end");
    }
    assert_eq!(made, 32, "how deep a path may go");
    assert!(!session.upload(format!("{path}/x.csv"), b"x").is_done());
    assert!(session.list(&path).is_ok());
}
