//! Uploads over FTP that are cut, in every phase and in every way, on both ports and by both versions of TLS. Consumers
//! see what was there before; the login finds what came and goes on from there; the session is usable, or gone.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::support::ftp::{Cut, Ftp, Mode, PATIENCE, dial, reset};
use crate::support::{Account, FtpServer, Gateway, NewAccount, Options, eventually, pattern};

const FOLDER: &str = "/échanges";
/// What is published before.
const OLD: &[u8] = b"la version d'avant";
/// No whole number of blocks of anything.
const LENGTH: usize = 3 * 1024 * 1024 + 12_345;
const HALF: usize = LENGTH / 2 + 678;

/// An account, and one of its sessions that looks on.
struct World {
    account: Account,
    watcher: Ftp,
    content: Vec<u8>,
}

impl World {
    fn on(gateway: &Gateway) -> Self {
        let account = NewAccount::new().folder(FOLDER, "read-write").make(gateway);
        let watcher = FtpServer::of(gateway).sign_in(Mode::Ftpes, &account);
        let mut world = Self { account, watcher, content: pattern(LENGTH) };
        world.watcher.expect(&format!("CWD {FOLDER}"), 250);
        world
    }

    fn session(&self, server: &FtpServer, mode: Mode) -> Ftp {
        let mut session = server.sign_in(mode, &self.account);
        session.expect(&format!("CWD {FOLDER}"), 250);
        session
    }

    /// Waits until at least so many bytes of an upload are staged.
    fn wait_until_staged(&mut self, name: &str, bytes: usize) {
        let watcher = &mut self.watcher;
        eventually(PATIENCE, "the upload is staged", || watcher.size(name).filter(|size| *size >= bytes));
    }

    /// Waits until the end of an upload that failed is recorded; why it did.
    fn recorded(&self, name: &str) -> String {
        let path = Value::from(format!("{FOLDER}/{name}"));
        let failed = format!("/accounts/{}/transfers?outcome=failed&direction=upload&limit=200", self.account.id);
        eventually(PATIENCE, "the cut is recorded", || {
            let items = self.account.api.get(&failed).ok()["items"].clone();
            let found = items.as_array().expect("items").iter().find(|item| item["path"] == path)?.clone();
            Some(found["reason"].as_str().expect("a reason").to_owned())
        })
    }

    /// Consumers still have the version before.
    fn assert_not_published(&self, name: &str) {
        assert_eq!(self.account.api_get(FOLDER, name).as_deref(), Some(OLD), "{name}");
    }

    /// Nothing is kept of an upload that received nothing.
    fn assert_untouched(&mut self, name: &str) {
        self.assert_not_published(name);
        assert_eq!(self.watcher.download(&format!("RETR {name}")), OLD, "{name}");
    }

    /// The login finds `size` bytes of its upload, cannot read them, sends the rest, and has its file.
    fn resumes(&self, session: &mut Ftp, name: &str, size: usize) {
        assert_eq!(session.size(name), Some(size), "{name}");
        assert_eq!(session.refused(&format!("RETR {name}")).code, 450, "{name}");
        session.expect(&format!("REST {size}"), 350);
        session.upload(&format!("STOR {name}"), &self.content[size..]);
        assert!(self.account.api_get(FOLDER, name).as_deref() == Some(&self.content), "{name}: another content");
    }
}

/// Both listeners, both versions of TLS, each with a name of its own.
fn ways(gateway: &Gateway, world: &World, test: &str) -> Vec<(Mode, FtpServer, String)> {
    let ways = FtpServer::all_ways(gateway).into_iter().enumerate();
    ways.map(|(number, (mode, server))| {
        let name = format!("{test}-{number}.csv");
        world.account.api_put(FOLDER, &name, OLD);
        (mode, server, name)
    })
    .collect()
}

#[test]
fn in_the_middle_by_fin_and_by_rst() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    for how in Cut::BOTH {
        for (mode, server, name) in ways(gateway, &world, &format!("{how:?}")) {
            let mut session = world.session(&server, mode);
            let mut data = session.begin(&format!("STOR {name}"));
            data.send(&world.content[..HALF]);
            // A reset takes along what is under way.
            world.wait_until_staged(&name, HALF / 3);
            let kept = data.cut(how);
            session.expect_reply(426);
            drop(kept);
            world.assert_not_published(&name);
            let size = session.size(&name).expect("an incomplete upload");
            match how {
                Cut::End => assert_eq!(size, HALF, "everything that came is kept"),
                Cut::Reset => assert!((HALF / 3..=HALF).contains(&size), "{size}"),
            }
            world.resumes(&mut session, &name, size);
        }
    }
}

#[test]
fn at_the_last_byte_without_a_goodbye() {
    let gateway = Gateway::shared();
    let world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "last") {
        let mut session = world.session(&server, mode);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&world.content);
        let kept = data.cut(Cut::End);
        let reply = session.expect_reply(426);
        assert!(reply.text.contains("close_notify"), "{reply:?}");
        drop(kept);
        world.assert_not_published(&name);
        world.resumes(&mut session, &name, LENGTH);
    }
}

#[test]
fn at_the_last_byte_when_all_connections_are_lost() {
    let gateway = Gateway::shared();
    let world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "last-lost") {
        let mut session = world.session(&server, mode);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&world.content);
        // As of a program that ended: the system closes what it had open.
        let kept = data.cut(Cut::End);
        session.cut(Cut::End);
        // Whichever end the gateway saw first.
        let reason = world.recorded(&name);
        assert!(reason == "the connection was lost" || reason.contains("without TLS close_notify"), "{reason}");
        drop(kept);
        world.assert_not_published(&name);
        let mut again = world.session(&server, mode);
        let size = again.size(&name).expect("an incomplete upload");
        assert!(size <= LENGTH);
        if size == OLD.len() {
            // The end of the control connection came first, before anything was staged.
            assert_eq!(again.download(&format!("RETR {name}")), OLD);
        } else {
            world.resumes(&mut again, &name, size);
        }
    }
}

#[test]
fn when_the_control_connection_alone_is_lost() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    for how in Cut::BOTH {
        for (mode, server, name) in ways(gateway, &world, &format!("control-{how:?}")) {
            let mut session = world.session(&server, mode);
            let mut data = session.begin(&format!("STOR {name}"));
            data.send(&world.content[..HALF]);
            world.wait_until_staged(&name, HALF / 3);
            session.cut(how);
            assert_eq!(world.recorded(&name), "the connection was lost");
            data.wait_for_end();
            world.assert_not_published(&name);
            let mut again = world.session(&server, mode);
            let size = again.size(&name).expect("an incomplete upload");
            world.resumes(&mut again, &name, size);
        }
    }
}

#[test]
fn by_abor_in_the_middle() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "abor") {
        let mut session = world.session(&server, mode);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&world.content[..HALF]);
        world.wait_until_staged(&name, HALF / 3);
        // As old clients send it: Telnet's "interrupt process" and "data mark" before.
        session.send(b"\xff\xf4\xff\xf2ABOR\r\n");
        session.expect_reply(426);
        session.expect_reply(226);
        data.wait_for_end();
        assert_eq!(world.recorded(&name), "the client gave it up");
        world.assert_not_published(&name);
        let size = session.size(&name).expect("an incomplete upload");
        world.resumes(&mut session, &name, size);
    }
}

#[test]
fn after_stor_before_there_is_a_data_connection() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "stor") {
        let stor = format!("STOR {name}");
        let mut session = world.session(&server, mode);
        session.port();
        session.expect(&stor, 150);
        session.expect("ABOR", 426);
        session.expect_reply(226);
        assert_eq!(world.recorded(&name), "the client gave it up");
        world.assert_untouched(&name);
        // The connection was there, and nothing was said on it.
        let port = session.port();
        let silent = session.dial_data(port);
        session.expect(&stor, 150);
        session.expect("ABOR", 426);
        session.expect_reply(226);
        drop(silent);
        world.assert_untouched(&name);
        for how in Cut::BOTH {
            let mut gone = world.session(&server, mode);
            let port = gone.port();
            gone.expect(&stor, 150);
            gone.cut(how);
            // The port is free again. Asked by a stranger, who is nobody's data connection should it be another's now.
            let address = SocketAddr::new(server.address(mode).ip(), port);
            let stranger = Some(IpAddr::from([127, 0, 0, 2]));
            eventually(PATIENCE, "nobody waits there", || dial(address, stranger).err());
            world.assert_untouched(&name);
        }
        session.upload(&stor, &world.content);
        assert!(world.account.api_get(FOLDER, &name).as_deref() == Some(&world.content));
    }
}

#[test]
fn in_the_handshake_of_the_data_connection() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "handshake") {
        let mut session = world.session(&server, mode);
        let hello = server.client_hello();
        let garbage = b"no TLS at all\r\n\r\n".to_vec();
        for said in [&[][..], &hello[..hello.len() / 2], &hello, &garbage] {
            for how in Cut::BOTH {
                let port = session.port();
                session.expect(&format!("STOR {name}"), 150);
                let mut socket = session.dial_data(port);
                socket.write_all(said).expect("a connection");
                match how {
                    Cut::End => drop(socket),
                    Cut::Reset => reset(socket),
                }
                session.expect_reply(425);
                world.assert_untouched(&name);
            }
        }
        // The handshake is all there was.
        let kept = session.begin(&format!("STOR {name}")).cut(Cut::End);
        session.expect_reply(426);
        drop(kept);
        world.assert_untouched(&name);
        session.upload(&format!("STOR {name}"), &world.content);
        assert!(world.account.api_get(FOLDER, &name).as_deref() == Some(&world.content));
    }
}

#[test]
fn what_came_before_outlasts_attempts_to_resume_it_that_bring_nothing() {
    let gateway = Gateway::shared();
    let world = World::on(gateway);
    for (mode, server, name) in ways(gateway, &world, "again") {
        let mut session = world.session(&server, mode);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&world.content[..HALF]);
        let kept = data.cut(Cut::End);
        session.expect_reply(426);
        drop(kept);
        for command in [format!("STOR {name}"), format!("APPE {name}")] {
            for rest in [0, 1000, HALF] {
                session.port();
                session.expect(&format!("REST {rest}"), 350);
                session.expect(&command, 150);
                session.expect("ABOR", 426);
                session.expect_reply(226);
                let port = session.port();
                session.expect(&format!("REST {rest}"), 350);
                session.expect(&command, 150);
                session.dial_data(port).write_all(b"garbage, and no TLS\r\n").expect("a connection");
                session.expect_reply(425);
                assert_eq!(session.size(&name), Some(HALF), "REST {rest}, {command}");
            }
        }
        world.resumes(&mut session, &name, HALF);
    }
}

#[test]
fn of_a_resumed_upload_nothing_of_an_older_version_stays_behind_what_came() {
    let gateway = Gateway::shared();
    let world = World::on(gateway);
    let older: Vec<u8> = world.content.iter().map(|byte| !byte).collect();
    for (number, (mode, server)) in FtpServer::all_ways(gateway).into_iter().enumerate() {
        let name = format!("older-{number}.csv");
        let mut session = world.session(&server, mode);
        session.upload(&format!("STOR {name}"), &older);
        // The client says that its file's first part is there, and is cut while it sends the rest.
        session.expect("REST 1000000", 350);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&world.content[1_000_000..HALF]);
        let kept = data.cut(Cut::End);
        session.expect_reply(426);
        drop(kept);
        assert_eq!(session.size(&name), Some(HALF), "the old tail is no part of what came");
        session.expect(&format!("REST {HALF}"), 350);
        session.upload(&format!("STOR {name}"), &world.content[HALF..]);
        let expected = [&older[..1_000_000], &world.content[1_000_000..]].concat();
        assert!(world.account.api_get(FOLDER, &name) == Some(expected));
    }
}

#[test]
fn when_the_client_says_nothing_any_more() {
    let config = "[sessions]\nidle = \"1s\"\nstall = \"2s\"\n";
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    let content = pattern(LENGTH);
    for (mode, server, name) in FtpServer::all_ways(&gateway).into_iter().zip(0..).map(|((mode, server), number)| {
        let name = format!("{FOLDER}/muet-{number}.csv");
        (mode, server, name)
    }) {
        account.api_put(FOLDER, name.rsplit('/').next().expect("a name"), OLD);
        let mut session = server.sign_in(mode, &account);
        let mut data = session.begin(&format!("STOR {name}"));
        data.send(&content[..HALF]);
        // Neither connection ends, as behind a router that forgot them. While the transfer is there the session is not
        // idle; then it is.
        let reply = session.expect_reply(426);
        assert!(reply.text.contains("nothing moved for too long"), "{reply:?}");
        session.expect_reply(421);
        assert_eq!(session.last_words(), []);
        data.wait_for_end();
        let mut again = server.sign_in(mode, &account);
        assert_eq!(again.size(&name), Some(HALF));
        assert_eq!(again.refused(&format!("RETR {name}")).code, 450);
        again.expect(&format!("REST {HALF}"), 350);
        again.upload(&format!("STOR {name}"), &content[HALF..]);
        let published = account.api_get(FOLDER, name.rsplit('/').next().expect("a name"));
        assert!(published.as_deref() == Some(&content));
    }
}

#[test]
fn a_download_that_is_cut_leaves_a_usable_session() {
    // More than both ends' systems hold.
    let content = pattern(24 * 1024 * 1024);
    let gateway = Gateway::shared();
    let account = NewAccount::new().folder(FOLDER, "read-write").make(gateway);
    account.api_put(FOLDER, "gros.bin", &content);
    let retr = format!("RETR {FOLDER}/gros.bin");
    for (mode, server) in FtpServer::all_ways(gateway) {
        let mut session = server.sign_in(mode, &account);
        for how in Cut::BOTH {
            let mut data = session.begin(&retr);
            assert!(!data.read_some(1000).expect("some of it").is_empty());
            // With unread bytes, either end is a reset.
            drop(data.cut(how));
            session.expect_reply(426);
        }
        let mut data = session.begin(&retr);
        assert!(!data.read_some(1000).expect("some of it").is_empty());
        session.expect("ABOR", 426);
        session.expect_reply(226);
        assert!(data.read_all().is_err(), "a download that was aborted does not end as a whole one does");
        assert!(session.download(&retr) == content);
    }
    let path = format!("/accounts/{}/transfers?outcome=failed&direction=download", account.id);
    eventually(PATIENCE, "all are recorded", || {
        (account.api.get(&path).ok()["items"].as_array().map(Vec::len) == Some(12)).then_some(())
    });
}

#[test]
fn nothing_is_appended_to_what_another_session_is_still_sending() {
    let gateway = Gateway::shared();
    let mut world = World::on(gateway);
    world.account.api_put(FOLDER, "journal", b"one ");
    let server = FtpServer::of(gateway);
    let (mut first, mut second) = (world.session(&server, Mode::Ftpes), world.session(&server, Mode::Ftps));
    let mut data = first.begin("APPE journal");
    data.send(b"two ");
    world.wait_until_staged("journal", 4);
    assert_eq!(second.refused("APPE journal").code, 450);
    data.finish();
    first.expect_reply(226);
    second.upload("APPE journal", b"three");
    assert_eq!(world.account.api_get(FOLDER, "journal").as_deref(), Some(&b"one two three"[..]));
}
