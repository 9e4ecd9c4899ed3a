//! The control connection of FTP during a transfer: awake, and in order.

use crate::support::ftp::{Ftp, Mode, PATIENCE};
use crate::support::{Account, FtpServer, Gateway, NewAccount, eventually, pattern};

const FOLDER: &str = "/depot";

fn account() -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(Gateway::shared())
}

/// What STAT tells of the transfer under way.
fn progress(session: &mut Ftp, what: &str) -> usize {
    let told = session.expect("STAT", 211).text;
    let line = told.lines().find(|line| line.contains(&format!("A {what} is under way")));
    let line = line.unwrap_or_else(|| panic!("no {what} in {told}"));
    let bytes = line.split(", ").nth(1).and_then(|rest| rest.split(' ').next());
    bytes.and_then(|bytes| bytes.parse().ok()).expect("a number of bytes")
}

#[test]
fn a_download_that_is_not_read_keeps_nothing_else_waiting() {
    let account = account();
    let content = pattern(24 * 1024 * 1024);
    account.api_put(FOLDER, "gros.bin", &content);
    for (mode, server) in FtpServer::all_ways(Gateway::shared()) {
        let mut session = server.sign_in(mode, &account);
        let mut data = session.begin("RETR /depot/gros.bin");
        // As much as both systems hold is sent, and then nothing moves any more.
        let mut sent = 0;
        eventually(PATIENCE, "nothing moves any more", || {
            let before = std::mem::replace(&mut sent, progress(&mut session, "download"));
            (sent > 0 && sent == before).then_some(())
        });
        for _ in 0..5 {
            session.expect("NOOP", 200);
        }
        assert!(sent < content.len(), "all was sent: the test needs a larger file");
        // It goes on where it was.
        assert!(!data.read_some(100_000).expect("some of it").is_empty());
        // What needs more than a word waits in order, and ABOR does not wait behind it.
        session.send("STAT /depot\r\n");
        session.expect("ABOR", 426);
        session.expect_reply(226);
        assert!(session.expect_reply(213).text.contains("gros.bin"));
        assert!(data.read_all().is_err(), "it ends as a whole one does");
        assert!(session.expect("STAT", 211).text.contains("Nothing is transferred"));
        session.expect("ABOR", 226);
        assert!(session.download("RETR /depot/gros.bin") == content);
    }
}

#[test]
fn an_upload_under_way_is_told_of_and_can_be_aborted() {
    let account = account();
    let content = pattern(2_000_000);
    for (number, (mode, server)) in FtpServer::all_ways(Gateway::shared()).into_iter().enumerate() {
        let mut session = server.sign_in(mode, &account);
        let mut data = session.begin(&format!("STOR /depot/lent-{number}.bin"));
        for (count, piece) in (1..).zip(content.chunks(500_000)) {
            data.send(piece);
            let sent = count * 500_000;
            eventually(PATIENCE, "it was received", || (progress(&mut session, "upload") == sent).then_some(()));
            session.expect("NOOP", 200);
        }
        session.expect("ABOR", 426);
        session.expect_reply(226);
        data.wait_for_end();
        assert_eq!(account.api_get(FOLDER, &format!("lent-{number}.bin")), None);
        session.expect(&format!("SIZE /depot/lent-{number}.bin"), 213);
    }
}

#[test]
fn what_comes_behind_a_transfer_is_answered_behind_it_in_order() {
    let account = account();
    let server = FtpServer::of(Gateway::shared());
    let mut session = server.sign_in(Mode::Ftpes, &account);
    let port = session.port();
    // More than are held while the transfer runs, and no NOOP may overtake those before it.
    let behind = "PWD\r\nNOOP\r\nSYST\r\nSIZE /depot/a\r\n".repeat(30);
    session.send(format!("STOR /depot/a\r\n{behind}"));
    session.expect_reply(150);
    let mut data = session.secure_data(session.dial_data(port)).expect("a TLS handshake");
    data.send(b"douze octets");
    data.finish();
    session.expect_reply(226);
    for _ in 0..30 {
        for code in [257, 200, 215] {
            session.expect_reply(code);
        }
        assert_eq!(session.expect_reply(213).text, "12");
    }
    // Three transfers at a time, each with its port.
    let first = session.port();
    session.send("RETR /depot/a\r\nEPSV\r\nRETR /depot/a\r\nPWD\r\n");
    for port in [Some(first), None] {
        let port = port.unwrap_or_else(|| {
            let reply = session.expect_reply(229);
            reply.text.split('|').nth(3).and_then(|port| port.parse().ok()).expect("a port")
        });
        session.expect_reply(150);
        let data = session.secure_data(session.dial_data(port)).expect("a TLS handshake");
        assert_eq!(data.read_all().expect("an orderly end"), b"douze octets");
        session.expect_reply(226);
    }
    session.expect_reply(257);
}

#[test]
fn a_whole_conversation_sent_at_once_is_answered_in_order() {
    let account = account();
    for (mode, server) in FtpServer::all_ways(Gateway::shared()) {
        let mut session = server.private(mode);
        let Account { login, password, .. } = &account;
        session.send(format!(
            "FEAT\r\nUSER {login}\r\nPASS {password}\r\nPWD\r\nPBSZ 0\r\nPROT P\r\nTYPE I\r\nCWD /depot\r\nXYZZY\r\n\
             RNFR absent\r\nNOOP\r\nRNTO other\r\nREST 5\r\nQUIT\r\nNOOP\r\n"
        ));
        let codes: Vec<u16> = session.last_words().into_iter().map(|reply| reply.code).collect();
        // What follows QUIT is not answered.
        assert_eq!(codes, [211, 331, 230, 257, 200, 200, 200, 250, 500, 550, 200, 503, 350, 221]);
    }
}

#[test]
fn quit_waits_for_the_transfer_before_it() {
    let account = account();
    let mut session = FtpServer::of(Gateway::shared()).sign_in(Mode::Ftps, &account);
    let mut data = session.begin("STOR /depot/dernier.csv");
    session.send("QUIT\r\n");
    data.send(b"une ligne");
    data.finish();
    let codes: Vec<u16> = session.last_words().into_iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [226, 221]);
    assert_eq!(account.api_get(FOLDER, "dernier.csv").as_deref(), Some(b"une ligne".as_slice()));
}
