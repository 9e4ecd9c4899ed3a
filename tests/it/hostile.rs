//! Clients that stop reading, vanish, or never sign in; keys that change all the time; files as large as they get. The
//! gateway goes on, within its memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::raw::{Channel, Connection, code, kind, text};
use crate::support::{
    Account, Client, Gateway, KeyPair, Memory, NewAccount, Options, Proof, Target, TestDir, Tree, eventually, flags,
    pattern, run,
};

const FOLDER: &str = "/depot";
const MOST_KIB: u64 = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(40);
const MIB: u64 = 1024 * 1024;

/// A gateway of the test's own, and an account with a key: hashes of passwords would hide in memory what is measured.
struct World {
    gateway: Gateway,
    account: Account,
    key: KeyPair,
}

impl World {
    fn with(config: &str) -> Self {
        let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
        let key = KeyPair::ed25519();
        let account = NewAccount::new().folder(FOLDER, "read-write").key(&key).make(&gateway);
        Self { gateway, account, key }
    }

    fn target(&self) -> Target<'_> {
        Target::new(self.gateway.port(), &self.account.login, Proof::Key(&self.key))
    }

    fn connect(&self) -> Connection {
        Connection::open(self.target())
    }

    /// Waits until the gateway has told this in its log.
    fn wait_for(&self, told: &str) {
        eventually(PATIENCE, told, || self.gateway.log().contains(told).then_some(()));
    }
}

fn signal(pid: u32, name: &str) {
    let sent = run(Command::new("kill").args([name, &pid.to_string()]), Duration::from_secs(5));
    assert!(sent.succeeded(), "{}", sent.said());
}

/// Asks for far more than a connection holds, and takes nothing.
fn ask_for_much(channel: &mut Channel, path: &str) {
    let handle = channel.open(path, flags::READ);
    for id in 0..2000 {
        channel.ask(kind::READ, id, &[&handle, &0u64.to_be_bytes(), &u32::MAX.to_be_bytes()]);
    }
}

#[test]
fn a_client_that_reads_no_answers_is_ended_when_it_is_idle_and_costs_little_until_then() {
    let world = World::with("[sessions]\nidle = \"3s\"\n");
    let (slow, other) = (world.connect(), world.connect());
    let mut bystander = other.sftp();
    bystander.upload("/depot/a.bin", &pattern(1 << 20), 32 * 1024);
    let memory = Memory::watch(world.gateway.pid());
    let mut channels: Vec<Channel> = (0..5).map(|_| slow.sftp()).collect();
    for channel in &mut channels {
        ask_for_much(channel, "/depot/a.bin");
    }
    // Now not even its system takes anything any more.
    signal(slow.pid(), "-STOP");
    let ended = format!("Ended the SFTP connection of {}", world.account.login);
    eventually(PATIENCE, &ended, || {
        // Doing something all the time, the other one stays.
        assert_eq!(bystander.list("/"), 1);
        world.gateway.log().contains(&ended).then_some(())
    });
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
    signal(slow.pid(), "-CONT");
    assert_eq!(bystander.list("/"), 1);
}

#[test]
fn a_client_that_is_gone_without_a_word_is_noticed_by_its_silence() {
    // It stops in the middle of an upload: its system keeps the connection, as a router that forgot it would.
    let world = World::with("[sftp]\nkeepalive = \"1s\"\n");
    let gone = world.connect();
    let mut channel = gone.sftp();
    let handle = channel.open("/depot/a.csv", flags::UPLOAD);
    assert_eq!(channel.write(&handle, 0, b"half a file"), code::OK);
    signal(gone.pid(), "-STOP");
    world.wait_for("Did not receive the whole of /depot/a.csv");
    assert_eq!(world.account.api_names(FOLDER), Vec::<String>::new());
    signal(gone.pid(), "-KILL");
}

#[test]
fn a_client_killed_in_the_middle_of_a_download_leaves_nothing_behind() {
    let world = World::with("");
    let (mut killed, other) = (world.connect(), world.connect());
    let mut bystander = other.sftp();
    bystander.upload("/depot/a.bin", &pattern(1 << 20), 32 * 1024);
    ask_for_much(&mut killed.sftp(), "/depot/a.bin");
    signal(killed.pid(), "-STOP");
    signal(killed.pid(), "-KILL");
    eventually(PATIENCE, "the client is gone", || killed.ended());
    world.wait_for("Did not send the whole of /depot/a.bin");
    assert_eq!(bystander.list("/"), 1);
}

#[test]
fn two_hundred_connections_that_never_sign_in_cost_little_and_end_in_time() {
    let config = "[access]\nunauthenticated_per_address = 300\nsign_in_timeout = \"10s\"\n";
    let world = World::with(config);
    assert!(world.target().sftp("ls /\n").succeeded());
    let memory = Memory::watch(world.gateway.pid());
    let mut silent: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.gateway.port())).expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            // Half of them begin, half do not even say what they are.
            if number % 2 == 0 {
                stream.write_all(b"SSH-2.0-Silence\r\n").expect("a greeting");
            }
            stream
        })
        .collect();
    let listed = world.target().sftp("ls /\n");
    assert!(listed.succeeded(), "meanwhile another signs in: {}", listed.said());
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
    let start = Instant::now();
    for stream in &mut silent {
        let mut said = Vec::new();
        // An end or a reset; only the timeout is neither.
        let end = stream.read_to_end(&mut said);
        assert!(!end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "still connected");
    }
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn as_many_silent_connections_as_an_address_may_have_keep_no_other_address_out() {
    let world = World::with("");
    let port = world.gateway.port();
    let silent: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection")).collect();
    // The whole of 127.0.0.0/8 is this machine.
    let mut target = world.target();
    target.options = vec!["BindAddress=127.0.0.2".to_owned()];
    let listed = target.sftp("ls /\n");
    assert!(listed.succeeded(), "{}", listed.said());
    drop(silent);
}

/// Up and down, with OpenSSH's options.
fn both_ways(world: &World, length: usize, options: &[&str]) {
    let local = TestDir::new();
    let contents = pattern(length);
    let (file, back) = (local.file("gros.bin", &contents), local.join("retour.bin"));
    let mut target = world.target();
    target.deadline = Duration::from_secs(600);
    target.options = options.iter().map(|option| (*option).to_owned()).collect();
    let script = format!("put {} /depot/gros.bin\nget /depot/gros.bin {}\n", file.display(), back.display());
    let done = target.sftp(&script);
    assert!(done.succeeded(), "{}", done.said());
    assert!(std::fs::read(back).unwrap() == contents, "the file came back changed");
}

#[test]
fn keys_that_change_every_16_mib_change_no_file() {
    both_ways(&World::with(""), 128 << 20, &["RekeyLimit=16M"]);
}

#[test]
fn keys_that_the_gateway_changes_every_mib_change_no_file() {
    both_ways(&World::with("[sftp]\nrekey_mib = 1\n"), 48 << 20, &[]);
}

/// Writes at 5 GiB and nothing before.
fn sparse(world: &World) {
    let at = 5 * 1024 * MIB;
    let mut channel = world.connect().sftp_alone();
    let handle = channel.open("/depot/trou.bin", flags::UPLOAD | flags::READ);
    assert_eq!(channel.write(&handle, at, b"the end"), code::OK);
    assert_eq!(channel.read(&handle, at - 4, 100).bytes(), b"\0\0\0\0the end");
    assert_eq!(channel.close(&handle), code::OK);
    let attributes = channel.request(kind::STAT, &[&text("/depot/trou.bin")]);
    assert_eq!(attributes.body[4..12], (at + 7).to_be_bytes(), "the size");
    let handle = channel.open("/depot/trou.bin", flags::READ);
    assert_eq!(channel.read(&handle, at / 2, 8).bytes(), [0; 8]);
    assert_eq!(channel.read(&handle, at, 100).bytes(), b"the end");
}

#[test]
#[ignore = "5 GiB where the disk cannot leave holes: ./check --full hostile"]
fn a_write_at_5_gib_makes_a_file_with_a_hole() {
    sparse(&World::with(""));
}

/// Fails the test before it fills the disk.
fn need_disk(gib: u64) {
    let told = run(Command::new("df").args(["--output=avail", "-B1G", env!("CARGO_TARGET_TMPDIR")]), PATIENCE);
    let free: u64 = told.stdout.lines().last().and_then(|line| line.trim().parse().ok()).expect("df tells");
    assert!(free >= gib, "{free} GiB are free below target, {gib} are needed");
}

/// A file of which every 64 MiB begins with a MiB that repeats nowhere; the rest are holes.
fn large_file(folder: &TestDir, length: u64) -> std::path::PathBuf {
    let path = folder.join("gros.bin");
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len(length).expect("its length");
    let mut block = pattern(1 << 20);
    for offset in (0..length).step_by(64 << 20) {
        block[..8].copy_from_slice(&offset.to_le_bytes());
        file.write_all_at(&block, offset).expect("a block");
    }
    path
}

#[test]
#[ignore = "long: ./check --full hostile"]
fn ten_gib_go_up_and_down_with_keys_changing() {
    need_disk(24);
    let world = World::with("");
    let local = TestDir::new();
    let file = large_file(&local, 10 * 1024 * MIB);
    let back = local.join("retour.bin");
    let mut target = world.target();
    target.deadline = Duration::from_secs(1800);
    target.options = vec!["RekeyLimit=16M".to_owned()];
    let memory = Memory::watch(world.gateway.pid());
    let script = format!("put {} /depot/gros.bin\nget /depot/gros.bin {}\n", file.display(), back.display());
    let done = target.sftp(&script);
    assert!(done.succeeded(), "{}", done.said());
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
    let arrived = world.account.on_disk(&world.gateway, "/depot/gros.bin");
    for other in [&arrived, &back] {
        let same = run(Command::new("cmp").arg(&file).arg(other), Duration::from_secs(600));
        assert!(same.succeeded(), "{}", same.said());
    }
}

#[test]
#[ignore = "long: ./check --full hostile"]
fn paramiko_asks_for_a_gib_at_once_and_gets_it() {
    need_disk(4);
    let world = World::with("");
    let local = TestDir::new();
    let file = large_file(&local, 1024 * MIB);
    let mut target = world.target();
    target.deadline = Duration::from_secs(900);
    target.arguments = ["-R", "256", "-B", "32768"].map(str::to_owned).into();
    let memory = Memory::watch(world.gateway.pid());
    let put = target.sftp(&format!("put {0} /depot/gros.bin\nget /depot/gros.bin {0}.back\n", file.display()));
    assert!(put.succeeded(), "{}", put.said());
    let get = Client::Paramiko.get(&target, FOLDER, local.path(), &Tree::default());
    assert!(get.succeeded(), "{}", get.said());
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
    for other in ["gros.bin.back", "depot/gros.bin"] {
        let same = run(Command::new("cmp").arg(&file).arg(local.join(other)), Duration::from_secs(300));
        assert!(same.succeeded(), "{}", same.said());
    }
}

/// What `scp` says when it is told to take or give these, without the name that it repeats, normalised.
fn scp_says(world: &World, how: &str, path: &str, input: &str) -> String {
    let target = world.target();
    let mut scp = target.ssh_command(&["scp", how, path]);
    let mut scp = scp.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ssh starts");
    // A refusal may come before the input is taken.
    let _ = scp.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = scp.wait_with_output().expect("ssh ends");
    assert!(!output.status.success(), "{how} {path}");
    let said = String::from_utf8_lossy(&output.stdout);
    let reasons: Vec<&str> = said.lines().map(|line| line.rsplit(": ").next().unwrap_or(line)).collect();
    assert!(!reasons.is_empty(), "{how} {path}: refused without a word");
    reasons.join("\n")
}

#[test]
fn scp_tells_the_same_of_what_is_elsewhere_on_the_machine_and_of_what_is_nowhere() {
    let world = World::with("");
    let (instance, account) = (&world.account.instance, &world.account.id);
    let inside = format!("/{instance}/{account}/depot");
    // Each beside a name of the same depth: which folder of the tree would have to be there is no secret.
    let elsewhere = [
        ("/etc", "/nowhere"),
        ("/etc/passwd", "/nowhere/either"),
        ("/../../../../etc/passwd", "/nowhere/either"),
        ("../../tmp", "/nowhere"),
        (inside.as_str(), "/nowhere/at/all"),
    ];
    for (how, input) in [("-t", "C0644 1 a\nx\0"), ("-td", "C0644 1 a\nx\0"), ("-rt", "D0755 0 a\n"), ("-f", "\0\0\0")]
    {
        for (path, nowhere) in elsewhere {
            assert_eq!(scp_says(&world, how, path, input), scp_says(&world, how, nowhere, input), "{how} {path}");
        }
    }
    assert_eq!(world.account.api_names(FOLDER), Vec::<String>::new());
}

/// russh's own client: two hundred of OpenSSH's would keep this machine from measuring anything.
struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Bytes that a download brings in a second, for as long as `until` takes.
fn speed_during<R>(bytes: &AtomicU64, until: impl FnOnce() -> R) -> (f64, R) {
    let (start, before) = (Instant::now(), bytes.load(Ordering::Relaxed));
    let result = until();
    let brought = bytes.load(Ordering::Relaxed) - before;
    #[expect(clippy::cast_precision_loss, reason = "a speed")]
    let speed = brought as f64 / start.elapsed().as_secs_f64();
    (speed, result)
}

#[test]
#[ignore = "a measurement: ./check --full hostile"]
fn two_hundred_sign_ins_at_once_all_succeed_within_the_memory_for_passwords() {
    const SIGN_INS: usize = 200;
    /// Two hashes at a time of 64 MiB (the default), 100 KiB a session, and what else is allowed.
    const MOST_WITH_PASSWORDS_KIB: u64 = 2 * 64 * 1024 + SIGN_INS as u64 * 100 + MOST_KIB;
    let config = "[passwords]\nremember = \"0s\"\n[access]\nunauthenticated_per_address = 512\n\
                  [sessions]\nper_address = 400\n";
    let options = Options { config: config.into(), costly_passwords: true, ..Options::default() };
    let gateway = Gateway::start(&options);
    let key = KeyPair::ed25519();
    let accounts: Vec<Account> =
        (0..5).map(|_| NewAccount::new().folder(FOLDER, "read-write").key(&key).make(&gateway)).collect();
    let target = Target::new(gateway.port(), &accounts[0].login, Proof::Key(&key));
    let connection = Connection::open(target);
    let mut busy = connection.sftp();
    busy.put("/depot/a.bin", &pattern(16 << 20));

    let (bytes, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let download = {
        let (bytes, is_over) = (Arc::clone(&bytes), Arc::clone(&is_over));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                bytes.fetch_add(busy.get("/depot/a.bin", 16 << 20).len() as u64, Ordering::Relaxed);
            }
        })
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let memory = Memory::watch(gateway.pid());
    let (alone, ()) = speed_during(&bytes, || std::thread::sleep(Duration::from_secs(5)));
    let port = gateway.port();
    // Keys are exchanged first: what is measured is passwords.
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for number in 0..SIGN_INS {
            let connect = russh::client::connect(Arc::default(), (Ipv4Addr::LOCALHOST, port), Trusting);
            let account = &accounts[number % accounts.len()];
            clients.push((connect.await.expect("a connection"), account.login.clone(), account.password.clone()));
        }
        clients
    });
    let start = Instant::now();
    let (meanwhile, signed_in) = speed_during(&bytes, || {
        runtime.block_on(async {
            let attempts: Vec<_> = clients
                .into_iter()
                .map(|(mut client, login, password)| {
                    tokio::spawn(async move {
                        let answer = client.authenticate_password(login, password).await;
                        // Stays, so that all are there at a time.
                        (answer.is_ok_and(|answer| answer.success()), client)
                    })
                })
                .collect();
            let mut signed_in = Vec::new();
            for attempt in attempts {
                signed_in.push(attempt.await.expect("an answer"));
            }
            signed_in
        })
    });
    is_over.store(true, Ordering::Relaxed);
    download.join().expect("the download goes on");
    println!(
        "{:.0} s: a download at {alone:.0} bytes a second went on at {meanwhile:.0}: {:.2}",
        start.elapsed().as_secs_f64(),
        meanwhile / alone
    );
    let succeeded = signed_in.iter().filter(|(succeeded, _)| *succeeded).count();
    assert_eq!(succeeded, SIGN_INS);
    assert!(memory.most() <= MOST_WITH_PASSWORDS_KIB, "{} KiB above the baseline", memory.most());
    assert!(meanwhile >= alone / 2.0, "a download at {alone:.0} bytes a second went on at {meanwhile:.0}");
}
