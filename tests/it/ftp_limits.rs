//! The limits of FTP: how long, how often, how many. Times are short here, and each test waits for what happens; the times
//! that are not its own are so long that nothing else can have made it happen.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;

use crate::support::ftp::{Cut, Ftp, Mode, PATIENCE, Reply, dial};
use crate::support::{Account, Footprint, FtpServer, Gateway, NewAccount, Options, eventually, pattern};

const FOLDER: &str = "/depot";

/// A gateway with a configuration of its own, an account on it, and its FTP.
fn start(config: &str) -> (Gateway, Account, FtpServer) {
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    let server = FtpServer::of(&gateway);
    (gateway, account, server)
}

/// Waits until the gateway ends a connection on which TLS has not begun.
fn is_ended(mut socket: TcpStream) {
    match std::io::copy(&mut socket, &mut std::io::sink()) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still connected"),
        // An end or a reset.
        Ok(_) | Err(_) => {}
    }
}

fn codes(replies: &[Reply]) -> Vec<u16> {
    replies.iter().map(|reply| reply.code).collect()
}

#[test]
fn neither_listener_waits_for_a_handshake_longer_than_it_is_told() {
    let (_gateway, _, server) = start("[ftp]\ntls_handshake = \"1s\"\n[access]\nsign_in_timeout = \"10m\"\n");
    let hello = server.client_hello();
    let begun: Vec<(TcpStream, Ftp)> = [&[][..], &hello[..1], &hello[..hello.len() / 2], &hello]
        .map(|said| {
            let mut socket = server.dial(Mode::Ftps);
            socket.write_all(said).expect("a connection");
            let mut session = server.connect(Mode::Ftpes);
            session.expect("AUTH TLS", 234);
            session.send(said);
            (socket, session)
        })
        .into();
    for (socket, mut session) in begun {
        is_ended(socket);
        assert_eq!(session.last_words(), []);
    }
    // No AUTH, or something else all the time.
    let mut silent = server.connect(Mode::Ftpes);
    assert_eq!(codes(&silent.last_words()), [421]);
    let mut busy = server.connect(Mode::Ftpes);
    let last = eventually(PATIENCE, "it is told to go", || {
        let reply = busy.try_send("NOOP\r\n").ok().and_then(|()| busy.next_reply())?;
        assert!([200, 421].contains(&reply.code), "{reply:?}");
        (reply.code == 421).then_some(reply)
    });
    assert!(last.text.contains("in time"), "{last:?}");
}

#[test]
fn signing_in_takes_no_longer_than_it_may_whatever_a_handshake_may_take() {
    let (_gateway, account, server) = start("[ftp]\ntls_handshake = \"5m\"\n[access]\nsign_in_timeout = \"1s\"\n");
    is_ended(server.dial(Mode::Ftps));
    is_ended(server.dial(Mode::Ftpes));
    let mut halfway = server.connect(Mode::Ftpes);
    halfway.expect("AUTH TLS", 234);
    assert_eq!(halfway.last_words(), []);
    for mode in Mode::BOTH {
        assert_eq!(codes(&server.private(mode).last_words()), [421]);
        let mut session = server.private(mode);
        session.send(format!("USER {}\r\n", account.login));
        assert_eq!(codes(&session.last_words()), [331, 421]);
    }
}

#[test]
fn commands_before_signing_in_are_counted_over_all_phases() {
    let config = "[ftp]\ncommands_before_sign_in = 10\n";
    let (_gateway, account, server) = start(config);
    let mut clear = server.connect(Mode::Ftpes);
    clear.send("NOOP\r\n".repeat(9) + "nonsense\r\nNOOP\r\n");
    assert_eq!(codes(&clear.last_words()), [[200; 9].as_slice(), &[500, 421]].concat());
    let mut private = server.private(Mode::Ftps);
    private.send("NOOP\r\n".repeat(9) + "\0\r\nNOOP\r\n");
    assert_eq!(codes(&private.last_words()), [[200; 9].as_slice(), &[500, 421]].concat());
    let mut both = server.connect(Mode::Ftpes);
    both.send("NOOP\r\n".repeat(5));
    (0..5).for_each(|_| drop(both.expect_reply(200)));
    both.expect("AUTH TLS", 234);
    both.secure().expect("a TLS handshake");
    both.send("NOOP\r\n".repeat(5));
    assert_eq!(codes(&both.last_words()), [200, 200, 200, 200, 421]);
    // Who has signed in may say as many as there are.
    let mut session = server.sign_in(Mode::Ftpes, &account);
    (0..100).for_each(|_| drop(session.expect("NOOP", 200)));
}

#[test]
fn attempts_are_counted_and_the_last_one_ends_the_connection() {
    let config = "[access]\nattempts_per_connection = 3\nrefusal_delay = \"0s\"\n";
    let (_gateway, account, server) = start(config);
    for mode in Mode::BOTH {
        let mut session = server.private(mode);
        for _ in 0..3 {
            session.expect("USER nobody", 331);
            session.expect("PASS wrong", 530);
        }
        // The right one comes too late.
        session.expect(&format!("USER {}", account.login), 331);
        session.expect(&format!("PASS {}", account.password), 530);
        assert_eq!(session.last_words(), []);
        server.sign_in(mode, &account).expect("PWD", 257);
    }
}

#[test]
fn a_session_that_does_nothing_is_told_and_ended() {
    let (gateway, account, server) = start("[sessions]\nidle = \"1s\"\n");
    for (mode, server) in FtpServer::all_ways(&gateway) {
        let mut session = server.sign_in(mode, &account);
        session.port();
        assert_eq!(codes(&session.last_words()), [421]);
    }
    // Half a command is nothing, however long it goes on.
    let mut trickling = server.sign_in(Mode::Ftps, &account);
    let mut sent = 0;
    eventually(PATIENCE, "it is ended", || {
        sent += 1;
        trickling.try_send("a").err()
    });
    assert!(sent < 4096, "ended for the length of its line");
    assert_eq!(Footprint::of(&gateway).waiting_ports(), 0);
}

#[test]
fn a_transfer_that_stands_still_is_ended_and_its_session_goes_on() {
    let (gateway, account, _) = start("[sessions]\nstall = \"1s\"\nidle = \"1h\"\n");
    let content = pattern(24 * 1024 * 1024);
    account.api_put(FOLDER, "gros.bin", &content);
    for (mode, server) in FtpServer::all_ways(&gateway) {
        let mut session = server.sign_in(mode, &account);
        // Nobody reads.
        let unread = session.begin("RETR /depot/gros.bin");
        session.expect_reply(426);
        // Nobody writes; saying something beside does not make it move.
        let unwritten = session.begin("STOR /depot/vide.csv");
        let ended = eventually(PATIENCE, "it is ended", || {
            session.send("NOOP\r\n");
            Some(session.reply()).filter(|reply| reply.code != 200)
        });
        assert_eq!(ended.code, 426, "{ended:?}");
        session.expect_reply(200);
        unread.wait_for_end();
        unwritten.wait_for_end();
        assert_eq!(account.api_names(FOLDER), ["gros.bin"]);
        session.upload("STOR /depot/petit.csv", b"une ligne");
        session.expect("DELE /depot/petit.csv", 250);
    }
}

#[test]
fn a_data_connection_that_does_not_come_in_time_is_not_waited_for() {
    let (gateway, account, _) = start("[ftp]\ndata_connect = \"1s\"\ntls_handshake = \"1s\"\n");
    account.api_put(FOLDER, "paie.csv", b"une ligne");
    let ways = FtpServer::all_ways(&gateway);
    thread::scope(|scope| {
        for (mode, server) in &ways {
            let account = &account;
            scope.spawn(move || nobody_comes_in_time(*mode, server, account));
        }
    });
    assert_eq!(account.api_names(FOLDER), ["paie.csv"]);
    assert_eq!(Footprint::of(&gateway).waiting_ports(), 0);
}

fn nobody_comes_in_time(mode: Mode, server: &FtpServer, account: &Account) {
    let mut session = server.sign_in(mode, account);
    for transfer in ["STOR /depot/neuf.csv", "RETR /depot/paie.csv", "LIST /depot", "MLSD /depot"] {
        // Nobody comes.
        session.port();
        session.expect(transfer, 150);
        session.expect_reply(425);
        // Somebody comes, and says nothing.
        let port = session.port();
        let silent = session.dial_data(port);
        session.expect(transfer, 150);
        session.expect_reply(425);
        is_ended(silent);
    }
    // A port that no command follows is given up, and so is whoever came to it.
    let port = session.port();
    let address = SocketAddr::new(server.address(mode).ip(), port);
    // From another address: the client's own connection would be its data connection.
    let stranger = || dial(address, Some(IpAddr::from([127, 0, 0, 2]))).err();
    eventually(PATIENCE, "nobody waits there", stranger);
    let port = session.port();
    is_ended(session.dial_data(port));
    session.expect("RETR /depot/paie.csv", 425);
    assert_eq!(session.download("RETR /depot/paie.csv"), b"une ligne");
}

#[test]
fn connections_that_are_not_signed_in_are_counted_by_address() {
    let (_gateway, account, server) = start("[access]\nunauthenticated_per_address = 3\n");
    for mode in Mode::BOTH {
        let waiting: Vec<Ftp> = (0..3).map(|_| server.connect(mode)).collect();
        // One more, on either listener, is closed without a word.
        for other in Mode::BOTH {
            is_ended(server.dial(other));
        }
        // Another address has places of its own.
        let mut session = server.coming_from("127.0.0.2").sign_in(mode, &account);
        session.expect("PWD", 257);
        drop(waiting);
        // Who has signed in takes none.
        let mut sessions: Vec<Ftp> = Vec::new();
        while sessions.len() < 6 {
            let mut session = eventually(PATIENCE, "a place is free", || server.try_connect(mode));
            if mode == Mode::Ftpes {
                session.upgrade();
            }
            session.sign_in(&account);
            sessions.push(session);
        }
    }
}

#[test]
fn sessions_are_counted_by_address_and_by_account() {
    let (gateway, account, server) = start("[sessions]\nper_address = 3\nper_account = 2\n");
    let other = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    let refused = |server: &FtpServer, account: &Account, mode: Mode| {
        let mut session = server.private(mode);
        session.expect(&format!("USER {}", account.login), 331);
        session.expect(&format!("PASS {}", account.password), 530);
        assert_eq!(session.last_words(), []);
    };
    let first = server.sign_in(Mode::Ftps, &account);
    let second = server.sign_in(Mode::Ftpes, &account);
    for mode in Mode::BOTH {
        refused(&server, &account, mode);
        refused(&server.coming_from("127.0.0.2"), &account, mode);
    }
    let _third = server.sign_in(Mode::Ftps, &other);
    for mode in Mode::BOTH {
        refused(&server, &other, mode);
    }
    let _elsewhere = server.coming_from("127.0.0.2").sign_in(Mode::Ftpes, &other);
    // Both kinds of end give a place back.
    first.cut(Cut::Reset);
    second.cut(Cut::End);
    eventually(PATIENCE, "places are free", || {
        let mut session = server.private(Mode::Ftpes);
        session.expect(&format!("USER {}", account.login), 331);
        (session.say(&format!("PASS {}", account.password)).code == 230).then_some(())
    });
}

#[test]
fn over_ipv6_there_is_epsv_and_no_pasv() {
    let listeners = "[[ftp.listeners]]\naddress = \"[::1]:0\"\nmode = \"ftps\"\n\
                     [[ftp.listeners]]\naddress = \"[::1]:0\"\nmode = \"ftpes\"\nactive = true\n";
    // What IPv4 clients are told is nothing to those of IPv6.
    for config in [listeners.to_owned(), format!("[ftp]\nadvertised = \"192.0.2.7\"\n{listeners}")] {
        let (gateway, account, _) = start(&config);
        let content = pattern(1_000_000);
        for (mode, server) in FtpServer::all_ways(&gateway) {
            let mut session = server.sign_in(mode, &account);
            session.upload("STOR /depot/paie.csv", &content);
            let reply = session.expect("PASV", 522);
            assert!(reply.text.contains("EPSV"), "{reply:?}");
            assert!(session.expect("EPSV 1", 522).text.contains("(2)"));
            assert_eq!(Footprint::of(&gateway).waiting_ports(), 0, "a port waits for nobody");
            session.expect("EPSV 2", 229);
            session.expect("EPSV ALL", 200);
            assert!(session.download("RETR /depot/paie.csv") == content);
            assert!(!session.download("MLSD /depot").is_empty());
        }
        // To the client's own address.
        let mut session = FtpServer::of(&gateway).sign_in(Mode::Ftpes, &account);
        let own = std::net::TcpListener::bind("[::1]:0").expect("a port");
        let port = own.local_addr().expect("an address").port();
        session.expect(&format!("EPRT |1|127.0.0.1|{port}|"), 504);
        session.expect(&format!("EPRT |2|::1|{port}|"), 200);
        session.expect("RETR /depot/paie.csv", 150);
        let (socket, _) = own.accept().expect("the gateway's connection");
        let data = session.secure_data(socket).expect("a TLS handshake");
        assert!(data.read_all().expect("an orderly end") == content);
        session.expect_reply(226);
    }
}

/// The address and port of a reply to PASV.
fn passive(session: &mut Ftp) -> SocketAddr {
    let reply = session.expect("PASV", 227);
    let numbers = reply.text.split(['(', ')']).nth(1).expect("six numbers").split(',');
    let numbers: Vec<u8> = numbers.map(|number| number.parse().expect("a number")).collect();
    let [a, b, c, d, high, low] = numbers[..] else { panic!("{reply:?}") };
    (IpAddr::from([a, b, c, d]), u16::from_be_bytes([high, low])).into()
}

#[test]
fn clients_are_told_the_address_that_they_can_reach() {
    let told = |config: &str, sources: &[(&str, &str)]| {
        let (_gateway, account, server) = start(config);
        account.api_put(FOLDER, "paie.csv", b"une ligne");
        for (source, expected) in sources {
            for mode in Mode::BOTH {
                let mut session = server.coming_from(source).sign_in(mode, &account);
                let address = passive(&mut session);
                assert_eq!(address.ip().to_string(), *expected, "{source}");
                // Behind the address there is the port, wherever a NAT would lead it.
                session.expect("RETR /depot/paie.csv", 150);
                let data = session.secure_data(session.dial_data(address.port())).expect("a TLS handshake");
                assert_eq!(data.read_all().expect("an orderly end"), b"une ligne");
                session.expect_reply(226);
            }
        }
    };
    told("", &[("127.0.0.1", "127.0.0.1"), ("127.0.0.3", "127.0.0.1")]);
    told("[ftp]\nadvertised = \"192.0.2.7\"\n", &[("127.0.0.1", "192.0.2.7"), ("127.0.0.3", "192.0.2.7")]);
    let networks = "[[ftp.advertised_to]]\nnetwork = \"127.0.0.2/32\"\naddress = \"198.51.100.2\"\n\
                    [[ftp.advertised_to]]\nnetwork = \"127.0.0.2/31\"\naddress = \"198.51.100.3\"\n";
    let by_network = [("127.0.0.2", "198.51.100.2"), ("127.0.0.3", "198.51.100.3")];
    told(networks, &[&by_network[..], &[("127.0.0.1", "127.0.0.1")]].concat());
    let both = format!("[ftp]\nadvertised = \"192.0.2.7\"\n{networks}");
    told(&both, &[&by_network[..], &[("127.0.0.1", "192.0.2.7")]].concat());
}

#[test]
fn silent_data_connections_are_asked_whether_they_are_there() {
    let (gateway, account, server) = start("");
    for mode in Mode::BOTH {
        let mut session = server.sign_in(mode, &account);
        let port = session.port();
        session.expect("STOR /depot/a", 150);
        let data = session.secure_data(session.dial_data(port)).expect("a TLS handshake");
        // /proc/net/tcp: the timer that runs for the gateway's end, where 2 is that of keepalive (proc_net_tcp).
        let keepalive = |local: u16| {
            let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", gateway.pid())).expect("a table");
            let local = format!(":{local:04X}");
            let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
            let mut connected = rows.filter(|row| row[1].ends_with(&local) && row[3] == "01");
            connected.any(|row| row[5].starts_with("02:"))
        };
        eventually(PATIENCE, "keepalive on the data connection", || keepalive(port).then_some(()));
        eventually(PATIENCE, "keepalive on control", || keepalive(server.address(mode).port()).then_some(()));
        data.finish();
        session.expect_reply(226);
    }
}
