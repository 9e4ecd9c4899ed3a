//! Lines that no client sends, before TLS, before signing in, and after.

use std::thread;

use crate::support::ftp::{Ftp, Mode};
use crate::support::{Account, FtpServer, Gateway, NewAccount};

const FOLDER: &str = "/depot";
/// The longest line, its end included.
const LONGEST: usize = 4096;

fn account() -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(Gateway::shared())
}

/// A connection in each of its phases.
fn phases(account: &Account) -> Vec<(&'static str, Ftp)> {
    let server = FtpServer::of(Gateway::shared());
    let mut phases = vec![("in the clear", server.connect(Mode::Ftpes))];
    for mode in Mode::BOTH {
        phases.push(("not signed in", server.private(mode)));
        phases.push(("signed in", server.sign_in(mode, account)));
    }
    phases
}

/// The connection is ended, and not for a lack of patience.
fn is_ended_for_its_line(phase: &str, session: &mut Ftp) {
    // The reply is lost where the system drops what it had not read yet.
    if let Some(reply) = session.next_reply() {
        assert_eq!((reply.code, reply.text.as_str()), (500, "The line is too long"), "{phase}");
        assert_eq!(session.last_words(), [], "{phase}");
    }
}

#[test]
fn a_line_of_64_kib_ends_the_connection() {
    let account = account();
    for (phase, mut session) in phases(&account) {
        // It may be cut off before all is sent.
        let _ = session.try_send([b'A'; 64 * 1024]);
        is_ended_for_its_line(phase, &mut session);
    }
    for (phase, mut session) in phases(&account) {
        let _ = session.try_send(format!("NOOP {}\r\n", "a".repeat(64 * 1024)));
        is_ended_for_its_line(phase, &mut session);
    }
}

#[test]
fn a_line_of_64_kib_that_trickles_ends_the_connection_as_soon() {
    let account = account();
    let trickling = phases(&account).into_iter().map(|(phase, mut session)| {
        thread::spawn(move || {
            let mut sent = 0;
            // Each piece is a packet, and a TLS record, of its own.
            while sent < 64 * 1024 && session.try_send([b'A'; 16]).is_ok() {
                sent += 16;
            }
            is_ended_for_its_line(phase, &mut session);
        })
    });
    let trickling: Vec<_> = trickling.collect();
    for thread in trickling {
        thread.join().expect("ended for its line");
    }
}

#[test]
fn the_longest_line_is_taken_and_one_byte_more_is_not() {
    let account = account();
    for (phase, mut session) in phases(&account) {
        let longest = format!("NOOP {}\r\n", "a".repeat(LONGEST - "NOOP \r\n".len()));
        session.send(&longest);
        assert_eq!(session.reply().code, 200, "{phase}");
        let _ = session.try_send(format!("NOOP a{}", &longest["NOOP ".len()..]));
        is_ended_for_its_line(phase, &mut session);
    }
}

#[test]
fn nul_and_stray_ends_of_lines_are_refused_and_make_nothing() {
    let account = account();
    let lines: [&[u8]; 12] = [
        b"MKD /depot/a\0b\r\n",
        b"MKD /depot/a\0\r\n",
        b"\0MKD /depot/a\r\n",
        b"MKD /depot/a\rb\r\n",
        b"MKD /depot/a\r\r\n",
        b"\rMKD /depot/a\r\n",
        b"MKD /depot/a\n",
        b"\n",
        b"\r\n",
        b"\0\r\n",
        b" MKD /depot/a\r\n",
        b"MKD\t/depot/a\r\n",
    ];
    for (phase, mut session) in phases(&account) {
        for line in lines {
            session.send(line);
            let reply = session.reply();
            assert_eq!(reply.code, 500, "{phase}, {line:?}: {reply:?}");
        }
        // A second command cannot hide in the first one's name; each line is one, whatever it holds.
        session.send(b"NOOP a\nMKD /depot/b\n");
        assert_eq!((session.reply().code, session.reply().code), (500, 500), "{phase}");
        session.expect("NOOP", 200);
    }
    assert_eq!(account.api_names(FOLDER), Vec::<String>::new());
}

#[test]
fn telnet_in_a_line_hides_no_command() {
    let account = account();
    let mut session = FtpServer::of(Gateway::shared()).sign_in(Mode::Ftpes, &account);
    // Options and commands of Telnet are read over; a doubled 0xFF is one byte of a name (Windows-1252: ÿ).
    session.send(b"\xff\xfd\x01NOOP\r\n");
    session.expect_reply(200);
    session.send(b"MKD /depot/a\xff\xffb\r\n");
    session.expect_reply(257);
    assert_eq!(account.api_names(FOLDER), ["aÿb"]);
    // A command of Telnet that lacks its option takes no end of a line for it.
    session.send(b"NOOP \xff\xfd\r\nPWD\r\n");
    session.expect_reply(200);
    session.expect_reply(257);
}
