//! The ways out of an account's folders that `confinement` tries over SFTP, and those that only FTP has, over FTP; and the
//! disk looked at after.

use std::path::PathBuf;

use crate::confinement::{ANCESTORS, LINKS, SECRET, account, everything, everything_recorded, plant_links, ways_out};
use crate::support::ftp::{Ftp, Mode};
use crate::support::{FtpServer, Gateway, Options};

/// What is done, and with which reply, though it may not be.
struct Attack<'a> {
    session: &'a mut Ftp,
    done: Vec<String>,
}

impl Attack<'_> {
    /// A command that needs a data connection; it must be refused before it begins.
    fn transfer(&mut self, command: &str) {
        self.session.port();
        let reply = self.session.say(command);
        // 425 would say that the command was not looked at.
        if reply.code < 400 || reply.code == 425 {
            self.done.push(format!("{command}: {reply:?}"));
            self.session.say("ABOR");
            self.session.reply();
        }
    }

    fn command(&mut self, command: &str) {
        let reply = self.session.say(command);
        if reply.code < 400 {
            self.done.push(format!("{command}: {reply:?}"));
        }
    }

    /// RNFR may be let through: it changes nothing. RNTO may not.
    fn rename(&mut self, from: &str, to: &str) {
        self.session.say(&format!("RNFR {from}"));
        self.command(&format!("RNTO {to}"));
    }

    /// Everything that could change `path`.
    fn change(&mut self, path: &str) {
        for command in ["RETR", "STOR", "APPE", "STOU"] {
            self.transfer(&format!("{command} {path}"));
        }
        self.transfer(&format!("STOR {path}/x"));
        self.session.expect("REST 3", 350);
        self.transfer(&format!("STOR {path}"));
        for command in [
            format!("MKD {path}/x"),
            format!("XMKD {path}/x"),
            format!("DELE {path}"),
            format!("RMD {path}"),
            format!("MFMT 20200101000000 {path}"),
            format!("SITE UTIME 20200101000000 {path}"),
            format!("SITE UTIME {path} 20200101000000 20200101000000 20200101000000 UTC"),
            format!("HASH {path}"),
            format!("SITE SYMLINK {path} /paie/depot/lien"),
            format!("SITE EXEC {path}"),
        ] {
            self.command(&command);
        }
        self.rename(path, "/paie/depot/volé");
        self.rename(path, "/paie/depot/appat");
        self.rename("/paie/depot/appat", path);
        self.rename("/paie/depot/appat", &format!("{path}/x"));
    }

    /// Everything that could tell of `path`.
    fn look(&mut self, path: &str) {
        for command in ["CWD", "XCWD", "SIZE", "MDTM", "MLST", "STAT", "STAT -la", "SITE CHMOD 777"] {
            self.command(&format!("{command} {path}"));
        }
        for command in ["LIST", "LIST -la", "NLST", "MLSD"] {
            self.transfer(&format!("{command} {path}"));
        }
        for command in ["LIST", "NLST -l"] {
            self.transfer(&format!("{command} {path}/*"));
        }
    }
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

    let mut session = FtpServer::of(&gateway).sign_in(Mode::Ftpes, &account);
    for folder in ["/", "/paie/depot"] {
        session.expect(&format!("CWD {folder}"), 250);
        let mut attack = Attack { session: &mut session, done: Vec::new() };
        for path in ways_out(&other, &theirs) {
            attack.change(&path);
            attack.look(&path);
        }
        for path in ANCESTORS.iter().filter(|path| **path != "." || folder == "/") {
            attack.change(path);
        }
        let done = attack.done;
        assert!(done.is_empty(), "{} ways out:\n{}", done.len(), done.join("\n"));
    }
    assert_eq!(everything(&storage, &own), before, "something outside the account's folders changed");
    assert_eq!(account.api_names("/paie/depot"), ["appat"]);
    assert_eq!(account.api_names("/archive"), Vec::<String>::new());
}

#[test]
fn links_planted_on_the_disk_are_not_followed() {
    let gateway = Gateway::start(&Options::default());
    let (account, other) = (account(&gateway), account(&gateway));
    other.api_put("/paie/depot", "paie.csv", SECRET);
    account.api_put("/paie/depot", "appat", b"appat");
    let theirs = other.on_disk(&gateway, "/paie/depot");
    let outside = gateway.data().join("dehors");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("paie.csv"), SECRET).expect("a file");
    plant_links(&account.on_disk(&gateway, "/paie/depot"), &theirs, &outside);
    let before = (everything(&outside, &[]), everything(&theirs, &[]));

    let mut session = FtpServer::of(&gateway).sign_in(Mode::Ftps, &account);
    let mut attack = Attack { session: &mut session, done: Vec::new() };
    for link in LINKS {
        for below in ["paie.csv", "etc/passwd"] {
            let path = format!("/paie/depot/{link}/{below}");
            attack.change(&path);
            attack.look(&path);
        }
        let path = format!("/paie/depot/{link}");
        attack.look(&path);
        attack.transfer(&format!("RETR {path}"));
        attack.command(&format!("HASH {path}"));
    }
    let done = attack.done;
    assert!(done.is_empty(), "{} links followed:\n{}", done.len(), done.join("\n"));
    // Listings go on beside them, and tell of none.
    session.expect("CWD /paie/depot", 250);
    let listed = String::from_utf8(session.download("NLST")).expect("names");
    assert_eq!(listed.trim_end(), "appat");
    // An upload may take a planted link's name; it replaces the link, and never writes through it.
    session.port();
    let reply = session.say("STOR /paie/depot/fichier");
    if reply.code == 150 {
        session.expect("ABOR", 426);
        session.expect_reply(226);
        let mut data = session.begin("STOR /paie/depot/fichier");
        data.send(b"remplace");
        data.finish();
        assert!([226, 550].contains(&session.reply().code));
    }
    assert_eq!((everything(&outside, &[]), everything(&theirs, &[])), before, "something outside changed");
}

#[test]
fn the_roots_of_folders_cannot_be_taken_away() {
    let account = account(Gateway::shared());
    let mut session = FtpServer::of(Gateway::shared()).sign_in(Mode::Ftpes, &account);
    let mut attack = Attack { session: &mut session, done: Vec::new() };
    for root in ["/paie/depot", "/archive", "/paie", "/"] {
        attack.command(&format!("RMD {root}"));
        attack.command(&format!("DELE {root}"));
        for to in ["/archive/x", "/paie/x", "/x"] {
            attack.rename(root, to);
        }
    }
    attack.session.expect("MKD /archive/dossier", 257);
    for onto in ["/paie/depot", "/paie", "/", "/neuf", "/paie/neuf", "/archive/dossier/dedans"] {
        attack.rename("/archive/dossier", onto);
    }
    assert!(attack.done.is_empty(), "{}", attack.done.join("\n"));
    session.expect("RNFR /archive/dossier", 350);
    session.expect("RNTO /paie/depot/dossier", 250);
}

#[test]
fn two_accounts_with_the_same_path_share_nothing() {
    let (one, other) = (account(Gateway::shared()), account(Gateway::shared()));
    let server = FtpServer::of(Gateway::shared());
    let (mut first, mut second) = (server.sign_in(Mode::Ftps, &one), server.sign_in(Mode::Ftpes, &other));
    first.upload("STOR /paie/depot/paie.csv", b"un");
    let unfinished = first.begin("STOR /paie/depot/en-cours.csv");
    for name in ["paie.csv", "en-cours.csv"] {
        second.expect(&format!("SIZE /paie/depot/{name}"), 550);
        assert_eq!(second.refused(&format!("RETR /paie/depot/{name}")).code, 550);
        second.expect(&format!("DELE /paie/depot/{name}"), 550);
    }
    assert_eq!(second.download("LIST /paie/depot"), b"");
    second.upload("STOR /paie/depot/paie.csv", b"autre");
    unfinished.finish();
    first.expect_reply(226);
    assert_eq!(one.api_get("/paie/depot", "paie.csv").as_deref(), Some(b"un".as_slice()));
    assert_eq!(other.api_names("/paie/depot"), ["paie.csv"]);
}

#[test]
fn names_that_cannot_be_are_refused_and_depth_is_bounded() {
    let account = account(Gateway::shared());
    let mut session = FtpServer::of(Gateway::shared()).sign_in(Mode::Ftps, &account);
    let refused = [
        "/paie/depot/echappe\x1b[2J.csv".to_owned(),
        "/paie/depot/cloche\x07".to_owned(),
        "/paie/depot/contre\\oblique.csv".to_owned(),
        format!("/paie/depot/{}", "n".repeat(256)),
        format!("/paie/depot/{}", "n/".repeat(1200)),
    ];
    let mut attack = Attack { session: &mut session, done: Vec::new() };
    for path in &refused {
        for command in ["STOR", "APPE", "STOU", "LIST"] {
            attack.transfer(&format!("{command} {path}"));
        }
        for command in ["MKD", "CWD", "SIZE"] {
            attack.command(&format!("{command} {path}"));
        }
        attack.rename("/paie/depot", path);
    }
    assert!(attack.done.is_empty(), "{}", attack.done.join("\n"));
    assert_eq!(account.api_names("/paie/depot"), Vec::<String>::new());
    for name in ["n".repeat(255), format!("n{}", "é".repeat(127))] {
        session.upload(&format!("STOR /paie/depot/{name}"), b"long");
        assert_eq!(account.api_names("/paie/depot"), std::slice::from_ref(&name));
        assert_eq!(session.download(&format!("RETR /paie/depot/{name}")), b"long");
        session.expect(&format!("DELE /paie/depot/{name}"), 250);
    }
    let mut folder = PathBuf::from("/paie/depot");
    while session.say(&format!("MKD {}/d", folder.display())).code == 257 {
        folder.push("d");
        assert!(folder.components().count() < 100, "folders without end");
    }
    assert_eq!(folder.components().count() - 1, 32, "how deep a path may go");
    session.refused(&format!("STOR {}/x.csv", folder.display()));
}
