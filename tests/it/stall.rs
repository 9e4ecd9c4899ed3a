//! A client that stops reading in the middle of a download over SFTP: its session ends long before it would be idle, since
//! what it holds is more than a client that merely waits does. FTP's are in `ftp_limits`.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::raw::{Channel, Connection, kind};
use crate::support::{Account, Gateway, KeyPair, NewAccount, Options, Proof, Target, eventually, flags, pattern, run};

const FOLDER: &str = "/depot";
const FILE: &str = "/depot/gros.bin";
const PATIENCE: Duration = Duration::from_secs(40);
/// What OpenSSH's client lets a channel send that nobody reads from.
const WINDOW: u64 = 2 * 1024 * 1024;
/// Nothing but a stall can end a session here.
const CONFIG: &str = "[sessions]\nstall = \"2s\"\nidle = \"1h\"\n[sftp]\nkeepalive = \"1h\"\n";

struct World {
    gateway: Gateway,
    account: Account,
    key: KeyPair,
}

impl World {
    fn new() -> Self {
        let gateway = Gateway::start(&Options { config: CONFIG.into(), ..Options::default() });
        let key = KeyPair::ed25519();
        let account = NewAccount::new().folder(FOLDER, "read-write").key(&key).make(&gateway);
        account.api_put(FOLDER, "gros.bin", &pattern(8 << 20));
        Self { gateway, account, key }
    }

    fn connect(&self) -> Connection {
        Connection::open(Target::new(self.gateway.port(), &self.account.login, Proof::Key(&self.key)))
    }

    fn sessions(&self) -> Vec<Value> {
        let path = format!("/sessions?account={}", self.account.id);
        self.account.api.get(&path).ok()["items"].as_array().expect("items").clone()
    }

    /// Asks for more than both ends hold, and waits until more is on its way than the channel's window lets through.
    fn get_stuck(&self, channel: &mut Channel) {
        let handle = channel.open(FILE, flags::READ);
        for id in 0..1500 {
            channel.ask(kind::READ, id, &[&handle, &0u64.to_be_bytes(), &u32::MAX.to_be_bytes()]);
        }
        eventually(PATIENCE, "more is read than its window lets through", || {
            let read = self.sessions().iter().filter_map(|session| session["bytes_out"].as_u64()).max();
            read.filter(|bytes| *bytes > WINDOW)
        });
    }
}

#[test]
fn a_reader_that_takes_no_answers_on_its_channel_is_ended() {
    let world = World::new();
    let (mut slow, other) = (world.connect(), world.connect());
    let mut channel = slow.sftp();
    world.get_stuck(&mut channel);
    // Its program goes on, and takes what is not for this channel: the channel's window alone is closed.
    let mut beside = slow.sftp();
    assert_eq!(beside.list("/"), 1);
    let mut bystander = other.sftp();
    assert_eq!(world.sessions().len(), 2);
    eventually(PATIENCE, "its session ends", || {
        assert_eq!(bystander.list("/"), 1);
        (world.sessions().len() == 1).then_some(())
    });
    eventually(PATIENCE, "its connection ends", || slow.ended());
    assert!(world.gateway.log().contains("RepliesNotRead"), "the reason is told");
    assert_eq!(bystander.list("/"), 1);
}

#[test]
fn a_reader_whose_system_takes_nothing_any_more_is_ended() {
    let world = World::new();
    let (slow, other) = (world.connect(), world.connect());
    let mut channel = slow.sftp();
    world.get_stuck(&mut channel);
    let pid = slow.pid().to_string();
    let signal = |name: &str| {
        let sent = run(Command::new("kill").args([name, &pid]), Duration::from_secs(5));
        assert!(sent.succeeded(), "{}", sent.said());
    };
    signal("-STOP");
    let mut bystander = other.sftp();
    eventually(PATIENCE, "its session ends", || (world.sessions().len() == 1).then_some(()));
    assert_eq!(bystander.list("/"), 1);
    signal("-CONT");
}
