//! What FTP refuses: anything in the clear, data connections that are not private or not the client's, other people's
//! logins; and that the client it belongs to is none the worse for a stranger.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

use serde_json::json;

use crate::support::ftp::{Ftp, Mode, PATIENCE, dial};
use crate::support::{Account, Footprint, FtpServer, Gateway, NewAccount, Options, eventually, pattern};

const FOLDER: &str = "/depot";

fn account(gateway: &Gateway) -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(gateway)
}

#[test]
fn nobody_signs_in_in_the_clear() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let server = FtpServer::of(gateway);
    let mut session = server.connect(Mode::Ftpes);
    let user = format!("USER {}", account.login);
    let pass = format!("PASS {}", account.password);
    for command in [&user, &pass, "PBSZ 0", "PROT P", "LIST", "EPSV", "RETR /depot/a", "STOR /depot/a", "PWD", "CCC"] {
        let reply = session.expect(command, 530);
        assert!(reply.text.contains("AUTH TLS"), "{command}: {reply:?}");
    }
    for command in ["AUTH SSL", "AUTH GSSAPI", "AUTH TLS-P"] {
        session.expect(command, 504);
    }
    // Nothing of it was kept: the login has to be said again.
    session.expect("AUTH TLS", 234);
    session.secure().expect("a TLS handshake");
    session.expect(&pass, 503);
    session.expect("AUTH TLS", 503);
    session.expect(&user, 331);
    session.expect(&pass, 230);
    session.expect("AUTH TLS", 503);
}

#[test]
fn what_comes_in_the_clear_behind_auth_tls_ends_the_connection() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let server = FtpServer::of(gateway);
    let hello = server.client_hello();
    let user = format!("USER {}\r\n", account.login).into_bytes();
    let smuggled: [&[u8]; 6] = [&user, b"NOOP\r\n", b"N", b"\r\n", b"\n", &hello];
    for behind in smuggled {
        let mut session = server.connect(Mode::Ftpes);
        session.send([b"AUTH TLS\r\n", behind].concat());
        session.expect_reply(234);
        // Nor does TLS begin on it any more.
        assert!(session.secure().is_err(), "{behind:?}");
    }
    for behind in smuggled {
        let mut session = server.connect(Mode::Ftpes);
        session.send([b"AUTH TLS\r\n", behind].concat());
        session.expect_reply(234);
        assert_eq!(session.last_words(), [], "{behind:?}");
    }
    // In a segment of its own it is a handshake that fails.
    let mut session = server.connect(Mode::Ftpes);
    session.expect("AUTH TLS", 234);
    session.send(&user);
    let mut rest = Vec::new();
    while let Some(reply) = session.next_reply() {
        rest.push(reply);
    }
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn without_prot_p_nothing_is_listed_nor_sent_nor_waited_for() {
    let gateway = Gateway::start(&Options::default());
    let account = account(&gateway);
    account.api_put(FOLDER, "paie.csv", b"secret");
    let server = FtpServer::of(&gateway);
    let mut session = server.private(Mode::Ftpes);
    session.expect(&format!("USER {}", account.login), 331);
    session.expect(&format!("PASS {}", account.password), 230);
    let needs_private_data = |session: &mut Ftp| {
        for (waiting, transfer) in [
            ("EPSV", "LIST"),
            ("PASV", "RETR /depot/paie.csv"),
            ("EPSV 1", "STOR /depot/a"),
            ("PORT 127,0,0,1,200,10", "NLST"),
            ("EPRT |1|127.0.0.1|51210|", "MLSD"),
            ("EPSV", "APPE /depot/paie.csv"),
            ("PASV", "STOU"),
        ] {
            for command in [waiting, transfer] {
                let reply = session.expect(command, 521);
                assert!(reply.text.contains("PROT P"), "{command}: {reply:?}");
            }
            assert_eq!(Footprint::of(&gateway).waiting_ports(), 0, "a port waits after {waiting}");
        }
    };
    needs_private_data(&mut session);
    session.expect("PROT P", 503);
    session.expect("PBSZ 0", 200);
    session.expect("PROT C", 534);
    session.expect("PROT S", 536);
    session.expect("PROT X", 504);
    needs_private_data(&mut session);
    session.expect("PROT P", 200);
    // Not taken back either.
    session.expect("PROT C", 534);
    session.expect("CCC", 534);
    assert_eq!(session.download("RETR /depot/paie.csv"), b"secret");
    // And on FTPS nobody has to say it, nor can unsay it.
    let mut session = server.private(Mode::Ftps);
    session.expect(&format!("USER {}", account.login), 331);
    session.expect(&format!("PASS {}", account.password), 230);
    for command in ["PROT C", "CCC"] {
        session.expect(command, 534);
    }
    assert_eq!(session.download("RETR /depot/paie.csv"), b"secret");
    // A data connection in the clear gets nothing to read.
    let port = session.port();
    session.expect("RETR /depot/paie.csv", 150);
    let mut clear = session.dial_data(port);
    std::io::Write::write_all(&mut clear, b"GET\r\n").expect("a connection");
    session.expect_reply(425);
    let mut said = Vec::new();
    let _ = clear.read_to_end(&mut said);
    assert!(!said.windows(6).any(|window| window == b"secret"), "{said:?}");
}

#[test]
fn where_active_mode_is_off_nobody_is_connected_to() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    for mode in Mode::BOTH {
        let mut session = FtpServer::of(gateway).sign_in(mode, &account);
        for command in ["PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|", "PORT 10,0,0,1,10,10"] {
            session.expect(command, 502);
        }
        session.expect("LIST", 425);
    }
}

const ACTIVE: &str = "[[ftp.listeners]]\naddress = \"127.0.0.1:0\"\nmode = \"ftpes\"\nactive = true\n";

#[test]
fn active_mode_is_for_the_clients_own_address() {
    let gateway = Gateway::start(&Options { config: ACTIVE.into(), ..Options::default() });
    let account = account(&gateway);
    let content = pattern(3_000_000);
    account.api_put(FOLDER, "paie.csv", &content);
    let mut session = FtpServer::of(&gateway).sign_in(Mode::Ftpes, &account);
    // Another host of this machine listens, and is never connected to.
    let victim = TcpListener::bind("127.0.0.2:0").expect("a port");
    victim.set_nonblocking(true).expect("an option");
    let [high, low] = victim.local_addr().expect("an address").port().to_be_bytes();
    let port = u16::from_be_bytes([high, low]);
    for command in [
        format!("PORT 127,0,0,2,{high},{low}"),
        format!("EPRT |1|127.0.0.2|{port}|"),
        format!("EPRT |2|::ffff:127.0.0.2|{port}|"),
        format!("EPRT |2|::1|{port}|"),
        "PORT 127,0,0,1,0,22".to_owned(),
        "EPRT |1|127.0.0.1|25|".to_owned(),
        "PORT 10,0,0,1,10,10".to_owned(),
    ] {
        session.expect(&command, 504);
        session.expect("RETR /depot/paie.csv", 425);
    }
    for command in
        ["PORT 127,0,0,1", "PORT 127,0,0,1,300,1", "PORT a", "EPRT |1|127.0.0.1|", "EPRT |1|a|2000|", "EPRT |"]
    {
        assert!([501, 522].contains(&session.say(command).code), "{command}");
    }
    session.expect("EPRT |3|127.0.0.1|2000|", 522);
    assert!(victim.accept().is_err(), "somebody was connected to");
    // To itself, both ways.
    let own = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = own.local_addr().expect("an address").port();
    let [high, low] = port.to_be_bytes();
    session.expect(&format!("PORT 127,0,0,1,{high},{low}"), 200);
    session.expect("RETR /depot/paie.csv", 150);
    let data = session.secure_data(accepted(&own)).expect("a TLS handshake");
    assert!(data.read_all().expect("an orderly end") == content);
    session.expect_reply(226);
    session.expect(&format!("EPRT |1|127.0.0.1|{port}|"), 200);
    session.expect("STOR /depot/retour.csv", 150);
    let mut data = session.secure_data(accepted(&own)).expect("a TLS handshake");
    data.send(&content);
    data.finish();
    session.expect_reply(226);
    assert!(account.api_get(FOLDER, "retour.csv").as_deref() == Some(&content));
    // Nobody listens any more.
    drop(own);
    session.expect(&format!("EPRT |1|127.0.0.1|{port}|"), 200);
    session.send("RETR /depot/paie.csv\r\n");
    session.expect_reply(150);
    session.expect_reply(425);
    session.expect("EPSV ALL", 200);
    for command in ["PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|"] {
        session.expect(command, 503);
    }
    assert!(session.download("RETR /depot/paie.csv") == content);
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (socket, _) = listener.accept().expect("the gateway's connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    socket
}

#[test]
fn strangers_at_the_data_port_get_nothing_and_cost_nobody_a_file() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    let content = pattern(1_000_000);
    account.api_put(FOLDER, "paie.csv", &content);
    for (mode, server) in FtpServer::all_ways(gateway) {
        let mut session = server.sign_in(mode, &account);
        // Before the command, before the client, and more of them than a port queues.
        let port = session.port();
        let mut strangers: Vec<TcpStream> = (0..40).map(|_| stranger(port)).collect();
        let own = session.dial_data(port);
        session.expect("RETR /depot/paie.csv", 150);
        let data = session.secure_data(own).expect("a TLS handshake");
        assert!(data.read_all().expect("an orderly end") == content, "{mode:?}");
        session.expect_reply(226);
        for stranger in &mut strangers {
            assert_got_nothing(stranger);
        }
        // After it, while the client is on its way.
        let port = session.port();
        session.expect("STOR /depot/retour.csv", 150);
        let mut strangers: Vec<TcpStream> = (0..40).map(|_| stranger(port)).collect();
        for stranger in &mut strangers {
            let _ = std::io::Write::write_all(stranger, b"what the stranger would have in the file");
            assert_got_nothing(stranger);
        }
        let mut data = session.secure_data(session.dial_data(port)).expect("a TLS handshake");
        data.send(&content);
        data.finish();
        session.expect_reply(226);
        assert!(account.api_get(FOLDER, "retour.csv").as_deref() == Some(&content), "{mode:?}");
    }
}

#[test]
fn a_session_of_another_address_gets_its_own_data_connection_alone() {
    let gateway = Gateway::shared();
    let account = account(gateway);
    account.api_put(FOLDER, "paie.csv", b"secret");
    let mut session = FtpServer::of(gateway).coming_from("127.0.0.2").sign_in(Mode::Ftps, &account);
    assert_eq!(session.download("RETR /depot/paie.csv"), b"secret");
    let port = session.port();
    session.expect("RETR /depot/paie.csv", 150);
    let mut neighbour = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    neighbour.set_read_timeout(Some(PATIENCE)).expect("an option");
    assert_got_nothing(&mut neighbour);
    let data = session.secure_data(session.dial_data(port)).expect("a TLS handshake");
    assert_eq!(data.read_all().expect("an orderly end"), b"secret");
    session.expect_reply(226);
}

#[test]
fn where_resumption_is_required_only_the_sessions_own_ticket_opens_a_data_connection() {
    let listeners = ["ftps", "ftpes"].map(|mode| {
        format!("[[ftp.listeners]]\naddress = \"127.0.0.1:0\"\nmode = \"{mode}\"\nrequire_resumption = true\n")
    });
    let gateway = Gateway::start(&Options { config: listeners.concat(), ..Options::default() });
    let account = account(&gateway);
    account.api_put(FOLDER, "paie.csv", b"secret");
    // Each has tickets of its own; the account and the address are the same.
    let (ways, strangers) = (FtpServer::all_ways(&gateway), FtpServer::all_ways(&gateway));
    for ((mode, server), (_, strange)) in ways.into_iter().zip(strangers) {
        let mut session = server.sign_in(mode, &account);
        let other = strange.sign_in(mode, &account);
        let nobody = FtpServer::of(&gateway).connect(Mode::Ftpes);
        // A ticket of another session, and none at all.
        for thief in [&other, &nobody] {
            for transfer in ["RETR /depot/paie.csv", "STOR /depot/jamais.csv"] {
                let port = session.port();
                session.expect(transfer, 150);
                // Under TLS 1.3 the client's handshake is done before the gateway looks; under both it gets nothing.
                let data = thief.secure_data(thief.dial_data(port));
                let reply = session.expect_reply(425);
                assert!(reply.text.contains("resume"), "{reply:?}");
                assert!(data.and_then(|mut data| data.read_some(100)).is_err(), "{transfer}: something was sent");
            }
        }
        assert_eq!(session.download("RETR /depot/paie.csv"), b"secret");
        session.upload("STOR /depot/a-moi.csv", b"une ligne");
        assert_eq!(account.api_get(FOLDER, "a-moi.csv").as_deref(), Some(b"une ligne".as_slice()));
    }
    assert_eq!(account.api_get(FOLDER, "jamais.csv"), None);
}

fn stranger(port: u16) -> TcpStream {
    dial((Ipv4Addr::LOCALHOST, port).into(), Some(IpAddr::from([127, 0, 0, 2]))).expect("a connection")
}

fn assert_got_nothing(stranger: &mut TcpStream) {
    let mut said = Vec::new();
    match stranger.read_to_end(&mut said) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("a stranger was not dropped"),
        Ok(_) | Err(_) => assert_eq!(said, b"", "a stranger was told something"),
    }
}

#[test]
fn an_account_without_the_type_of_connection_is_answered_as_a_wrong_password_is() {
    let gateway = Gateway::shared();
    let of = |types: &[&str]| {
        NewAccount::new().folder(FOLDER, "read-write").with("connection_types", json!(types)).make(gateway)
    };
    let server = FtpServer::of(gateway);
    for (mode, allowed, other) in [(Mode::Ftps, "ftps", "ftpes"), (Mode::Ftpes, "ftpes", "ftps")] {
        let known = of(&[allowed]);
        let (elsewhere, sftp_alone) = (of(&[other]), of(&["sftp"]));
        let answer = |login: &str, password: &str| {
            let mut session = server.private(mode);
            let answers = [session.say(&format!("USER {login}")), session.say(&format!("PASS {password}"))];
            // And the connection goes on alike.
            (answers, session.say(&format!("USER {login}")))
        };
        let expected = answer(&known.login, "wrong");
        assert_eq!(expected.0[1].code, 530);
        assert_eq!(answer("nobody-here", &known.password), expected);
        for refused in [&elsewhere, &sftp_alone] {
            for password in [refused.password.as_str(), "wrong"] {
                assert_eq!(answer(&refused.login, password), expected);
            }
            // Only operators read why.
            let path = format!("/accounts/{}/sign-ins?outcome=refused", refused.id);
            let reasons = eventually(PATIENCE, "both are recorded", || {
                let items = refused.api.get(&path).ok()["items"].as_array().expect("items").clone();
                let mut reasons: Vec<String> =
                    items.iter().filter_map(|item| item["reason_code"].as_str().map(str::to_owned)).collect();
                reasons.sort();
                (reasons.len() == 2).then_some(reasons)
            });
            assert_eq!(reasons, ["connection_type_not_allowed", "wrong_password"]);
        }
        server.sign_in(mode, &known).expect("PWD", 257);
        let mut other_way = server.sign_in(if mode == Mode::Ftps { Mode::Ftpes } else { Mode::Ftps }, &elsewhere);
        other_way.expect("PWD", 257);
    }
}
