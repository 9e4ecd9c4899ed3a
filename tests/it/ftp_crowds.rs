//! Many at once over FTP, and what is left after all kinds of abuse: nothing.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::ftp::{Cut, Ftp, Mode, PATIENCE, reset};
use crate::support::{Account, Footprint, FtpServer, Gateway, NewAccount, Options, eventually};

const FOLDER: &str = "/depot";
/// As many as the tests need at a time.
const ROOMY: &str = "[access]\nunauthenticated_total = 4000\nunauthenticated_per_address = 4000\n\
                     [sessions]\nper_account = 1000\nper_address = 1000\n";

fn start(config: &str) -> (Gateway, Account) {
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    (gateway, account)
}

/// Upgrades a connection, and shows that what was said over TLS is answered over TLS.
fn upgrade(server: &FtpServer) {
    let mut session = server.private(Mode::Ftpes);
    session.expect("NOOP", 200);
    assert_eq!(session.expect("PBSZ 0", 200).text, "PBSZ=0");
    session.expect("QUIT", 221);
    assert_eq!(session.last_words(), []);
}

#[test]
fn of_1500_upgrades_to_tls_none_fails() {
    const UPGRADES: usize = 1500;
    const AT_A_TIME: usize = 32;
    const AT_ONCE: usize = 300;
    let (gateway, _) = start(ROOMY);
    let ways: Vec<FtpServer> = FtpServer::all_ways(&gateway).into_iter().map(|(_, server)| server).collect();
    upgrade(&ways[0]);
    let before = Footprint::of(&gateway);
    // So many at a time, one after the other.
    thread::scope(|scope| {
        for number in 0..AT_A_TIME {
            let server = &ways[number % ways.len()];
            scope.spawn(move || (0..(UPGRADES - AT_ONCE).div_ceil(AT_A_TIME)).for_each(|_| upgrade(server)));
        }
    });
    // Hundreds in one moment: all are connected before any says AUTH, all have said it before any begins TLS.
    let (connected, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let all = |have: &AtomicUsize| {
        have.fetch_add(1, Ordering::Relaxed);
        eventually(PATIENCE, "all the others are there", || (have.load(Ordering::Relaxed) == AT_ONCE).then_some(()));
    };
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (server, connected, asked, all) = (&ways[number % ways.len()], &connected, &asked, &all);
            scope.spawn(move || {
                let mut session = server.connect(Mode::Ftpes);
                all(connected);
                session.expect("AUTH TLS", 234);
                all(asked);
                session.secure().expect("a TLS handshake");
                session.expect("NOOP", 200);
            });
        }
    });
    before.is_left(&gateway);
}

/// Everything that goes wrong with data connections, one after the other, on one session that goes on.
fn abuse_data_connections(session: &mut Ftp, hello: &[u8]) {
    let said: [&[u8]; 5] =
        [b"", b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0xff, 0xff], &hello[..hello.len() / 2], hello];
    for (number, said) in said.into_iter().enumerate() {
        for how in Cut::BOTH {
            for transfer in ["STOR /depot/jamais.csv", "RETR /depot/paie.csv", "MLSD /depot"] {
                let port = session.port();
                // Before the command, or after it.
                let early = (number % 2 == 0).then(|| session.dial_data(port));
                session.expect(transfer, 150);
                let mut socket = early.unwrap_or_else(|| session.dial_data(port));
                let _ = socket.write_all(said);
                match how {
                    Cut::End => drop(socket),
                    Cut::Reset => reset(socket),
                }
                session.expect_reply(425);
            }
        }
    }
    // Nobody comes, and the client changes its mind; somebody comes too often; a port without a command.
    for transfer in ["STOR /depot/jamais.csv", "RETR /depot/paie.csv", "LIST"] {
        session.port();
        session.expect(transfer, 150);
        session.expect("ABOR", 426);
        session.expect_reply(226);
        let port = session.port();
        let _crowd: Vec<TcpStream> = (0..5).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
        session.expect(transfer, 150);
        session.expect("ABOR", 426);
        session.expect_reply(226);
        let port = session.port();
        drop(session.dial_data(port));
        session.port();
    }
}

#[test]
fn abused_data_ports_leave_the_session_usable_and_nothing_behind() {
    let (gateway, account) = start(ROOMY);
    account.api_put(FOLDER, "paie.csv", b"une ligne");
    let ways = FtpServer::all_ways(&gateway);
    let round = || {
        thread::scope(|scope| {
            for (number, (mode, server)) in ways.iter().enumerate() {
                let account = &account;
                scope.spawn(move || {
                    let mut session = server.sign_in(*mode, account);
                    abuse_data_connections(&mut session, &server.client_hello());
                    assert_eq!(session.download("RETR /depot/paie.csv"), b"une ligne");
                    session.upload(&format!("STOR /depot/reste-{number}.csv"), b"une autre");
                    session.expect(&format!("DELE /depot/reste-{number}.csv"), 250);
                    session.expect("QUIT", 221);
                });
            }
        });
    };
    // What pools keep is there after the first time.
    round();
    let before = settled(&gateway);
    (0..3).for_each(|_| round());
    before.is_left(&gateway);
    assert_eq!(account.api_names(FOLDER), ["paie.csv"]);
}

/// The footprint when no connection is left.
fn settled(gateway: &Gateway) -> Footprint {
    eventually(PATIENCE, "every connection is gone", || {
        Some(Footprint::of(gateway)).filter(Footprint::has_no_connection)
    })
}

#[test]
fn of_200_abandoned_ports_none_is_left() {
    const SESSIONS: usize = 200;
    let (gateway, account) = start(&format!("{ROOMY}[ftp]\ndata_connect = \"3s\"\n"));
    account.api_put(FOLDER, "paie.csv", b"une ligne");
    let ways = FtpServer::all_ways(&gateway);
    let sign_in = |number: usize| {
        let (mode, server) = &ways[number % ways.len()];
        server.sign_in(*mode, &account)
    };
    let mut sessions: Vec<Ftp> = (0..SESSIONS).map(sign_in).collect();
    // Each has waited on several, of which the last one is given up with the session or by itself.
    for round in 0..2 {
        for session in &mut sessions {
            session.port();
            session.port();
        }
        eventually(PATIENCE, "ports that nobody comes to are given up", || {
            (Footprint::of(&gateway).waiting_ports() == 0).then_some(())
        });
        if round == 0 {
            assert_eq!(sessions[0].download("RETR /depot/paie.csv"), b"une ligne");
        }
    }
    for (number, mut session) in sessions.drain(..).enumerate() {
        let port = session.port();
        match number % 5 {
            0 => session.cut(Cut::End),
            1 => session.cut(Cut::Reset),
            2 => drop(session.expect("QUIT", 221)),
            // In the middle of a transfer that waits, and of one whose client is there and silent.
            3 => {
                session.expect("STOR /depot/jamais.csv", 150);
                session.cut(Cut::Reset);
            }
            _ => {
                let silent = session.dial_data(port);
                session.expect("STOR /depot/jamais.csv", 150);
                session.cut(Cut::End);
                drop(silent);
            }
        }
    }
    let before = settled(&gateway);
    // And once more, with the same end for all.
    let sessions: Vec<Ftp> = (0..SESSIONS)
        .map(|number| {
            let mut session = sign_in(number);
            session.port();
            session
        })
        .collect();
    assert!(Footprint::of(&gateway).waiting_ports() > 0, "ports are not seen: the test is blind");
    drop(sessions);
    before.is_left(&gateway);
    assert_eq!(account.api_names(FOLDER), ["paie.csv"]);
    // Nobody is kept from the ports.
    assert_eq!(sign_in(0).download("RETR /depot/paie.csv"), b"une ligne");
}

#[test]
fn a_crowd_in_the_middle_of_everything_leaves_nothing_and_the_gateway_stops_in_order() {
    let (mut gateway, account) = start(ROOMY);
    let server = FtpServer::of(&gateway);
    let mut sessions: Vec<(Ftp, Option<crate::support::ftp::Data>)> = Vec::new();
    for number in 0..40 {
        let mut session = server.sign_in(Mode::BOTH[number % 2], &account);
        let data = match number % 4 {
            0 => None,
            1 => {
                session.port();
                None
            }
            2 => {
                session.port();
                session.expect(&format!("STOR /depot/{number}.csv"), 150);
                None
            }
            _ => {
                let mut data = session.begin(&format!("STOR /depot/{number}.csv"));
                data.send(b"une ligne");
                Some(data)
            }
        };
        sessions.push((session, data));
    }
    let told = gateway.told()["pid"].to_string();
    let asked = std::process::Command::new("kill").args(["-TERM", &told]).status().expect("kill runs");
    assert!(asked.success());
    // Its tasks are waited for: what hangs would keep it.
    let status = eventually(PATIENCE, "the gateway ends", || gateway.ended());
    assert!(status.success(), "{status}");
    for (session, _) in &mut sessions {
        let last = session.last_words().pop();
        assert_eq!(last.map(|reply| reply.code), Some(421));
    }
    let log = gateway.log();
    for trouble in ["panicked", "Cut connections that did not close", "does not stop"] {
        assert!(!log.contains(trouble), "{trouble}");
    }
}
