//! What operators read of the past and of the present: transfers, sign-ins, sessions; and tokens that see a part of it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Account, Api, Gateway, NewAccount, Options, Proof, Session, TestDir, eventually, require, run};

const PATIENCE: Duration = Duration::from_secs(10);

fn account() -> Account {
    NewAccount::new().folder("/depot", "read-write").make(Gateway::shared())
}

fn items(api: &Api, path: &str) -> Vec<Value> {
    api.get(path).ok()["items"].as_array().expect("items").clone()
}

/// A list that is written behind what it tells of, once it has as many items.
fn eventually_items(api: &Api, path: &str, count: usize) -> Vec<Value> {
    eventually(PATIENCE, path, || Some(items(api, path)).filter(|items| items.len() == count))
}

#[test]
fn each_transfer_is_told_with_its_session_bytes_and_outcome() {
    let account = account();
    let mut session = account.session();
    assert!(session.upload("/depot/paie.csv", b"douze").is_done());
    assert_eq!(session.download("/depot/paie.csv"), Ok(b"douze".to_vec()));
    let path = format!("/accounts/{}/transfers", account.id);
    let told = eventually_items(&account.api, &path, 2);
    let open = items(&account.api, &format!("/sessions?account={}", account.id));
    for transfer in &told {
        assert_eq!(transfer["actor"], format!("login {}", account.login));
        assert_eq!(transfer["path"], "/depot/paie.csv");
        assert_eq!(transfer["bytes"], 5);
        assert_eq!(transfer["outcome"], "completed");
        assert_eq!((&transfer["connection_type"], &transfer["address"]), (&json!("sftp"), &json!("127.0.0.1")));
        assert_eq!(transfer["session"], open[0]["id"]);
    }
    assert_eq!((&told[0]["direction"], &told[1]["direction"]), (&json!("download"), &json!("upload")));
    assert_eq!(items(&account.api, &format!("{path}?direction=upload")), told[1..]);
    // A page at a time, each once.
    let first = account.api.get(&format!("{path}?limit=1")).ok();
    let cursor = first["next_cursor"].as_str().expect("a second page");
    let second = account.api.get(&format!("{path}?limit=1&cursor={cursor}")).ok();
    assert_eq!((&first["items"][0], &second["items"][0], &second["next_cursor"]), (&told[0], &told[1], &Value::Null));
}

#[test]
fn sign_ins_are_told_and_a_refused_one_with_its_reason() {
    let account = account();
    assert!(Session::open(&account.target_with(Proof::Password("autre mot de passe"))).is_err());
    drop(account.session());
    let path = format!("/accounts/{}/sign-ins", account.id);
    eventually_items(&account.api, &path, 2);
    let granted = items(&account.api, &format!("{path}?outcome=granted")).remove(0);
    assert_eq!((&granted["login"], &granted["reason"]), (&json!(account.login), &Value::Null));
    assert!(!granted["client"].as_str().expect("a client").is_empty());
    let refused = items(&account.api, &format!("{path}?outcome=refused")).remove(0);
    assert_eq!(refused["reason_code"], "wrong_password");
    assert_eq!(refused["reason"], "The password was wrong.");
    assert_eq!(refused["address"], "127.0.0.1");
}

/// `client` and `algorithms` of the one item of a list.
fn client_and_algorithms(api: &Api, path: &str) -> [String; 2] {
    let item = eventually_items(api, path, 1).remove(0);
    ["client", "algorithms"].map(|key| item[key].as_str().unwrap_or_else(|| panic!("{key} in {item}")).to_owned())
}

/// What a client's own log says behind `start` in one of its lines, up to the next space.
fn word_behind<'a>(log: &'a str, start: &str) -> &'a str {
    let behind = log.split_once(start).unwrap_or_else(|| panic!("no {start:?} in {log}")).1;
    behind.split_whitespace().next().unwrap_or_default()
}

/// The names that a client's log has for what it agreed on with the server.
fn agreed_by_openssh(log: &str) -> String {
    let key_exchange = word_behind(log, "kex: algorithm: ");
    let host_key = word_behind(log, "kex: host key algorithm: ");
    let cipher = word_behind(log, "kex: client->server cipher: ");
    match word_behind(log, &format!("kex: client->server cipher: {cipher} MAC: ")) {
        "<implicit>" => format!("{key_exchange} {host_key} {cipher}"),
        mac => format!("{key_exchange} {host_key} {cipher} {mac}"),
    }
}

#[test]
fn openssh_and_what_it_agreed_on_are_told_of_session_transfer_and_sign_in() {
    let choices: [&[&str]; 4] = [
        &[],
        &[
            "KexAlgorithms=diffie-hellman-group16-sha512",
            "HostKeyAlgorithms=rsa-sha2-256",
            "Ciphers=3des-cbc,aes256-ctr",
            "MACs=hmac-sha1,hmac-sha2-512",
        ],
        &[
            "KexAlgorithms=curve25519-sha256@libssh.org",
            "HostKeyAlgorithms=ssh-ed25519",
            "MACs=hmac-sha2-256-etm@openssh.com",
        ],
        &["Ciphers=aes128-gcm@openssh.com", "HostKeyAlgorithms=ssh-rsa,rsa-sha2-512"],
    ];
    for options in choices {
        let account = account();
        let mut target = account.target();
        target.options = options.iter().map(|option| (*option).to_owned()).collect();
        target.arguments = vec!["-v".to_owned()];
        std::fs::write(target.home_file("paie.csv"), b"douze").expect("a file");
        // It waits with its session open until the test has seen it.
        let (seen, script) =
            (target.home_file("seen"), "put paie.csv /depot/\n!until [ -e seen ]; do sleep 0.05; done\n");
        let (session, finished) = std::thread::scope(|scope| {
            let client = scope.spawn(|| target.sftp(script));
            let transfers = format!("/accounts/{}/transfers", account.id);
            eventually_items(&account.api, &transfers, 1);
            let session = client_and_algorithms(&account.api, &format!("/sessions?account={}", account.id));
            std::fs::write(&seen, b"").expect("a file");
            (session, client.join().expect("sftp runs"))
        });
        assert!(finished.succeeded(), "{}", finished.said());
        let version = word_behind(&finished.stderr, "Local version string SSH-2.0-");
        let [client, algorithms] = &session;
        assert!(client.starts_with(&format!("SSH-2.0-{version}")), "{client}");
        assert_eq!(*algorithms, agreed_by_openssh(&finished.stderr));
        for list in ["transfers", "sign-ins"] {
            assert_eq!(
                client_and_algorithms(&account.api, &format!("/accounts/{}/{list}", account.id)),
                session,
                "{list}"
            );
        }
    }
}

#[test]
fn curl_over_ftps_and_its_tls_are_told_of_session_transfer_and_sign_in() {
    require("curl");
    for (kind, scheme, version) in [("ftps", "ftps", "1.3"), ("ftpes", "ftp", "1.2")] {
        let account = account();
        let told = Gateway::shared().told();
        let (port, authority) = (&told[kind]["port"], told["tls_ca"].as_str().expect("tls_ca"));
        let mut curl = Command::new("curl")
            .args(["-q", "-sS", "-v", "--ssl-reqd", "--tls-max", version, "--cacert", authority])
            .args(["-u", &format!("{}:{}", account.login, account.password), "-Q", "CLNT Paie \"12\""])
            .args(["-T", "-", &format!("{scheme}://localhost:{port}/depot/paie.csv")])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl starts");
        let mut input = curl.stdin.take().expect("piped");
        input.write_all(b"douze").expect("curl takes it");
        // While the upload waits for its end the session is there, and curl has said what it is.
        let sessions = format!("/sessions?account={}", account.id);
        let client = r#"Paie \"12\""#;
        eventually(PATIENCE, "the session with its client", || {
            items(&account.api, &sessions).into_iter().find(|session| session["client"] == client)
        });
        let [_, algorithms] = client_and_algorithms(&account.api, &sessions);
        drop(input);
        let output = curl.wait_with_output().expect("curl ends");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");

        // OpenSSL has names of its own for the suites of TLS 1.2.
        let (told_version, told_suite) = algorithms.split_once(' ').expect("a version and a suite");
        assert_eq!(told_version, word_behind(&log, "SSL connection using "));
        let openssl = told_suite.replace("TLS_ECDHE", "ECDHE").replace("WITH_", "").replace("ES_", "ES");
        let openssl = if version == "1.2" { openssl.replace('_', "-") } else { told_suite.to_owned() };
        assert_eq!(openssl, word_behind(&log, &format!("SSL connection using {told_version} / ")));
        let of = |list: &str| client_and_algorithms(&account.api, &format!("/accounts/{}/{list}", account.id));
        assert_eq!(of("transfers"), [client, &algorithms]);
        // It said what it is only once it had signed in.
        assert_eq!(of("sign-ins"), ["", &algorithms]);
    }
}

#[test]
fn an_ftp_client_that_says_what_it_is_before_it_signs_in_is_told_of_the_sign_in_too() {
    let account = account();
    let told = Gateway::shared().told();
    let program = "import ftplib, io, ssl, sys\n\
        port, authority, login, password = sys.argv[1:]\n\
        ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=authority))\n\
        ftp.connect('localhost', int(port))\n\
        ftp.auth()\n\
        ftp.sendcmd('CLNT Paie 11')\n\
        ftp.login(login, password)\n\
        ftp.prot_p()\n\
        ftp.storbinary('STOR /depot/one.csv', io.BytesIO(b'douze'))\n\
        ftp.sendcmd('CLNT Paie 12')\n\
        ftp.retrbinary('RETR /depot/one.csv', lambda data: None)\n\
        ftp.quit()\n";
    let mut command = Command::new("python3");
    command.args(["-c", program, &told["ftpes"]["port"].to_string(), told["tls_ca"].as_str().expect("tls_ca")]);
    let finished = run(command.args([&account.login, &account.password]), Duration::from_secs(60));
    assert!(finished.succeeded(), "{}", finished.said());
    let sign_in = client_and_algorithms(&account.api, &format!("/accounts/{}/sign-ins", account.id));
    let transfers = eventually_items(&account.api, &format!("/accounts/{}/transfers", account.id), 2);
    assert_eq!((&transfers[0]["client"], &transfers[1]["client"]), (&json!("Paie 12"), &json!("Paie 11")));
    assert_eq!(sign_in, ["Paie 11", transfers[0]["algorithms"].as_str().expect("algorithms")]);
}

#[test]
fn an_operator_ends_one_session_and_no_other() {
    let account = account();
    let (mut first, mut second) = (account.session(), account.session());
    let sessions = items(&account.api, &format!("/sessions?account={}", account.id));
    assert_eq!(sessions.len(), 2);
    let id = sessions[0]["id"].as_str().expect("an id");
    account.api.delete(&format!("/sessions/{id}")).ok();
    // Of two opened one after the other, the first is listed first.
    eventually(PATIENCE, "the session ends", || (!first.stat("/depot").is_done()).then_some(()));
    assert!(second.stat("/depot").is_done());
    let left = format!("/sessions?account={}", account.id);
    assert_eq!(eventually_items(&account.api, &left, 1)[0]["id"], sessions[1]["id"]);
    assert_eq!(account.api.delete(&format!("/sessions/{id}")).status, 404);
}

#[test]
fn an_sftp_client_whose_session_is_ended_is_told_why() {
    let account = account();
    let target = account.target();
    let mut client = target.ssh_command(&["-N"]);
    let mut client = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ssh");
    let sessions = eventually_items(&account.api, &format!("/sessions?account={}", account.id), 1);
    account.api.delete(&format!("/sessions/{}", sessions[0]["id"].as_str().expect("an id"))).ok();
    eventually(PATIENCE, "the client ends", || client.try_wait().expect("a child"));
    let mut told = String::new();
    client.stderr.take().expect("piped").read_to_string(&mut told).expect("text");
    assert!(told.contains("ended by an administrator"), "{told}");
}

#[test]
fn a_token_for_one_instance_finds_nothing_of_another() {
    let (own, other) = (account(), account());
    let scope = json!({"name": "l'application d'un client", "scope": {"instance": own.instance}});
    let made = own.api.post("/tokens", &scope).ok();
    let api = own.api.with_token(made["secret"].as_str().expect("a secret"));
    assert_eq!(api.account(&own.id).status, 200);
    assert_eq!(items(&api, "/accounts").len(), 1);
    assert_eq!(api.account(&other.id).status, 404);
    assert_eq!(api.get(&format!("/accounts/{}/sign-ins", other.id)).status, 404);
    assert_eq!(api.make_account(&other.instance, &json!({"name": "N", "preset": "lucca"})).status, 404);
    assert_eq!(api.post("/tokens", &json!({"name": "all of it"})).status, 403);
    assert_eq!(api.post("/instances", &json!({"key": "une-autre", "name": "N"})).status, 403);
}

#[test]
fn a_token_that_reads_changes_nothing() {
    let account = account();
    account.api_put("/depot", "paie.csv", b"douze");
    let made = account.api.post("/tokens", &json!({"name": "surveillance", "scope": {"read_only": true}})).ok();
    let api = account.api.with_token(made["secret"].as_str().expect("a secret"));
    let folder = account.folders[0]["id"].as_str().expect("an id");
    assert_eq!(api.download(&account.id, folder, "paie.csv").body, b"douze");
    assert_eq!(api.upload(&account.id, folder, "paie.csv", b"treize").status, 403);
    let refused = api.remove_account(&account.id);
    assert_eq!((refused.status, &refused.json()["type"]), (403, &json!("/problems/forbidden")));
    assert_eq!(account.api_get("/depot", "paie.csv").as_deref(), Some(b"douze".as_slice()));
}

#[test]
fn the_command_line_makes_a_token_that_reads_one_instance() {
    let gateway = Gateway::start(&Options::default());
    let (own, other) = (NewAccount::new().make(&gateway), NewAccount::new().make(&gateway));
    let key = own.api.get(&format!("/instances/{}", own.instance)).ok()["key"].as_str().expect("a key").to_owned();
    let folder = TestDir::new();
    folder.file("gateway.toml", format!("[database]\nurl = {:?}\n", gateway.database_url()));
    let create = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucca-gateway"));
        command
            .args(["operator", "token", "create", "--name", "tableau de bord", "--instance", key, "--read-only"])
            .args(["--config", "gateway.toml"])
            .current_dir(folder.path());
        run(&mut command, Duration::from_secs(60))
    };
    let refused = create("celle-qui-manque");
    assert!(!refused.succeeded() && refused.stderr.contains("no instance"), "{}", refused.said());
    let made = create(&key);
    let api = own.api.with_token(made.stdout.trim());
    assert_eq!(api.account(&own.id).status, 200);
    assert_eq!(api.account(&other.id).status, 404);
    assert_eq!(api.remove_account(&own.id).status, 403);
}
