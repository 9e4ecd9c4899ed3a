//! SFTP packets that no well-meaning client sends, each answered rightly or by the end of its channel, and never at the
//! cost of another. All by OpenSSH's `ssh -s`, so that what is tested is the whole program.

use std::time::{Duration, Instant};

use crate::support::raw::{Channel, Connection, code, kind, packet, text};
use crate::support::{
    Account, Client, Gateway, KeyPair, Memory, NewAccount, Options, Proof, Target, TestDir, Tree, flags, pattern,
};

const FOLDER: &str = "/depot";
/// The longest packet that is taken: data of 256 KiB and a header.
const LONGEST_PACKET: u32 = 256 * 1024 + 1024;
/// What a READ brings at most to a client that did not ask for more.
const LONGEST_READ: usize = 32 * 1024;
const HANDLES: usize = 128;
const CHANNELS: usize = 10;
/// What all of this may cost in memory.
const MOST_KIB: u64 = 32 * 1024;

fn account() -> Account {
    NewAccount::new().folder(FOLDER, "read-write").make(Gateway::shared())
}

fn connection() -> Connection {
    Connection::open(account().target())
}

/// `length` as a packet says it, and nothing behind it.
fn announced(length: u32) -> [u8; 4] {
    length.to_be_bytes()
}

#[test]
fn a_length_that_no_packet_has_ends_its_channel_alone() {
    let connection = connection();
    let mut other = connection.sftp();
    for length in [0, LONGEST_PACKET + 1, 16 << 20, 1 << 31, u32::MAX] {
        let mut channel = connection.sftp();
        channel.send(&announced(length));
        channel.send(&[kind::STAT; 4096]);
        assert_eq!(channel.ended(), Some(1), "a packet of {length} bytes");
    }
    assert_eq!(other.list("/"), 1, "the other channel goes on");
}

#[test]
fn a_packet_of_256_kib_and_more_is_still_answered() {
    let mut channel = connection().sftp_alone();
    let path = text("/");
    for length in [256 * 1024, 256 * 1024 + 1, LONGEST_PACKET] {
        let filler = vec![0; usize::try_from(length).unwrap() - 5 - path.len()];
        assert_eq!(channel.request(kind::STAT, &[&path, &filler]).kind, kind::ATTRS, "{length} bytes");
    }
    let long_path = text(vec![b'a'; 255 * 1024]);
    assert_eq!(channel.request(kind::STAT, &[&long_path]).code(), code::FAILURE);
}

#[test]
fn what_comes_before_init_and_a_second_init_end_the_channel() {
    let connection = connection();
    let init = packet(kind::INIT, &[&[0, 0, 0, 3]]);
    let mut early = connection.channel();
    early.send(&packet(kind::STAT, &[&[0, 0, 0, 1], &text("/")]));
    assert_eq!(early.ended(), Some(1));
    let mut short = connection.channel();
    short.send(&packet(kind::INIT, &[]));
    assert_eq!(short.ended(), Some(1), "INIT without a version");
    let mut twice = connection.sftp();
    twice.send(&init);
    assert_eq!(twice.ended(), Some(1));
    let mut nameless = connection.sftp();
    nameless.send(&packet(kind::STAT, &[&[0, 0]]));
    assert_eq!(nameless.ended(), Some(1), "a request without an id");
    assert_eq!(connection.sftp().list("/"), 1, "the connection goes on");
}

#[test]
fn truncated_requests_are_told_so_and_more_than_there_should_be_is_passed_over() {
    let mut channel = connection().sftp_alone();
    let known = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 200];
    for kind in known {
        assert_eq!(channel.request(kind, &[]).code(), code::BAD_MESSAGE, "type {kind} without fields");
        assert_eq!(channel.request(kind, &[b"\0\0\0\x09short"]).code(), code::BAD_MESSAGE, "type {kind} cut short");
        assert_eq!(channel.request(kind, &[&[0xff; 12]]).code(), code::BAD_MESSAGE, "type {kind} with a lie");
    }
    assert_eq!(channel.request(kind::STAT, &[&text("/"), b"and more"]).kind, kind::ATTRS);
    let handle = channel.open("/depot/a.csv", flags::UPLOAD);
    let write = [&handle[..], &[0; 8], &text("abc"), b"and more"];
    assert_eq!(channel.request(kind::WRITE, &write).code(), code::OK);
    assert_eq!(channel.close(&handle), code::OK);
    let handle = channel.open("/depot/a.csv", flags::READ);
    assert_eq!(channel.read(&handle, 0, 100).bytes(), b"abc");
}

#[test]
fn what_is_not_known_is_unsupported() {
    let mut channel = connection().sftp_alone();
    for kind in [0, 2, 20, 21, 22, 99, 101, 103, 199, 201, 255] {
        assert_eq!(channel.request(kind, &[&text("/"), &text("/")]).code(), code::OP_UNSUPPORTED, "type {kind}");
    }
    for name in ["", "nothing@example.org", "hardlink@openssh.com", "posix-rename@openssh.co"] {
        assert_eq!(channel.request(kind::EXTENDED, &[&text(name)]).code(), code::OP_UNSUPPORTED, "{name}");
    }
    let ids = text([0; 4 * 2048]);
    let many = channel.request(kind::EXTENDED, &[&text("users-groups-by-id@openssh.com"), &ids, &ids]);
    assert_eq!(many.code(), code::FAILURE, "names for thousands of ids");
}

#[test]
fn handles_that_are_not_open_are_refused_whatever_is_done_with_them() {
    let mut channel = connection().sftp_alone();
    let open = channel.open("/depot/a.csv", flags::UPLOAD);
    let stale = channel.open("/depot/b.csv", flags::UPLOAD);
    assert_eq!(channel.close(&stale), code::OK);
    let unknown = [text(""), text([0; 4]), text([0xff; 4]), text("longer than any"), text([0; 256]), stale];
    for handle in &unknown {
        assert_eq!(channel.close(handle), code::FAILURE, "closed twice, or never opened");
        assert_eq!(channel.read(handle, 0, 1).code(), code::FAILURE);
        assert_eq!(channel.write(handle, 0, b"x"), code::FAILURE);
        assert_eq!(channel.request(kind::FSTAT, &[handle]).code(), code::FAILURE);
        assert_eq!(channel.request(kind::FSETSTAT, &[handle, &[0; 4]]).code(), code::FAILURE);
        assert_eq!(channel.request(kind::READDIR, &[handle]).code(), code::FAILURE);
        for extension in ["fsync@openssh.com", "fstatvfs@openssh.com"] {
            assert_eq!(channel.request(kind::EXTENDED, &[&text(extension), handle]).code(), code::FAILURE);
        }
    }
    assert_eq!(channel.write(&open, 0, b"x"), code::OK, "the one that is open still is");
    assert_eq!(channel.close(&open), code::OK);
}

#[test]
fn handles_of_the_wrong_kind_are_refused() {
    let mut channel = connection().sftp_alone();
    channel.upload("/depot/a.csv", b"abc", 3);
    let file = channel.open("/depot/a.csv", flags::READ);
    let folder = text(channel.request(kind::OPENDIR, &[&text("/depot")]).bytes());
    assert_eq!(channel.request(kind::READDIR, &[&file]).code(), code::FAILURE);
    assert_eq!(channel.read(&folder, 0, 1).code(), code::FAILURE);
    assert_eq!(channel.write(&folder, 0, b"x"), code::FAILURE);
    assert_eq!(channel.write(&file, 0, b"x"), code::FAILURE);
    let upload = channel.open("/depot/b.csv", flags::UPLOAD);
    assert_eq!(channel.read(&upload, 0, 1).code(), code::FAILURE, "opened for writing alone");
}

#[test]
fn reads_of_any_length_and_offset_bring_what_there_is() {
    let mut channel = connection().sftp_alone();
    let contents = pattern(100_000);
    channel.upload("/depot/a.csv", &contents, 30_000);
    let handle = channel.open("/depot/a.csv", flags::READ);
    assert_eq!(channel.read(&handle, 0, u32::MAX).bytes(), &contents[..LONGEST_READ], "4 GiB asked for");
    assert_eq!(channel.read(&handle, 99_990, u32::MAX).bytes(), &contents[99_990..]);
    for offset in [100_000, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert_eq!(channel.read(&handle, offset, u32::MAX).code(), code::EOF, "at {offset}");
    }
    assert_eq!(channel.request(kind::EXTENDED, &[&text("limits@openssh.com")]).kind, kind::EXTENDED_REPLY);
    assert_eq!(channel.read(&handle, 0, u32::MAX).bytes(), &contents[..], "who asks for the limits gets more");
}

#[test]
fn writes_past_the_end_of_every_file_fail_and_publish_nothing() {
    let account = account();
    let mut channel = Connection::open(account.target()).sftp_alone();
    for offset in [(1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        let handle = channel.open("/depot/a.csv", flags::UPLOAD | flags::READ);
        assert_eq!(channel.write(&handle, 0, b"abc"), code::OK);
        assert_eq!(channel.read(&handle, offset, 10).code(), code::EOF, "at {offset}");
        assert_eq!(channel.write(&handle, offset, b"abc"), code::FAILURE, "at {offset}");
        assert_eq!(channel.close(&handle), code::FAILURE, "a file that misses a write is not published");
    }
    let handle = channel.open("/depot/a.csv", flags::UPLOAD);
    let size = [&1u32.to_be_bytes()[..], &u64::MAX.to_be_bytes()].concat();
    assert_eq!(channel.request(kind::FSETSTAT, &[&handle, &size]).code(), code::FAILURE);
    assert_eq!(account.api_names(FOLDER), Vec::<String>::new());
}

#[test]
fn pipelined_reads_are_answered_in_order_by_their_ids() {
    let mut channel = connection().sftp_alone();
    let contents = pattern(256 * 1024);
    channel.upload("/depot/a.csv", &contents, LONGEST_READ);
    let handle = channel.open("/depot/a.csv", flags::READ);
    // Any order, any ids: both factors are odd, so that each block and each id comes once.
    let reads: Vec<(u32, usize)> =
        (0..256u32).map(|n| (n.wrapping_mul(2_654_435_769), usize::try_from(n * 79 % 256).unwrap())).collect();
    let asked: Vec<u8> = reads
        .iter()
        .flat_map(|(id, block)| {
            let offset = (*block as u64 * 1024).to_be_bytes();
            packet(kind::READ, &[&id.to_be_bytes(), &handle, &offset, &1024u32.to_be_bytes()])
        })
        .collect();
    channel.send(&asked);
    for (id, block) in reads {
        let answer = channel.answer();
        assert_eq!(answer.id, id);
        assert!(answer.bytes() == &contents[block * 1024..(block + 1) * 1024], "block {block} is another");
    }
}

#[test]
fn a_read_behind_a_write_sees_it_and_one_before_does_not() {
    let mut channel = connection().sftp_alone();
    let handle = channel.open("/depot/a.csv", flags::UPLOAD | flags::READ);
    assert_eq!(channel.write(&handle, 0, &[0; 64]), code::OK);
    let turns: Vec<u8> = (1..=60).collect();
    let mut asked = Vec::new();
    for turn in &turns {
        let (id, at) = (u32::from(*turn).to_be_bytes(), 8u64.to_be_bytes());
        asked.extend(packet(kind::READ, &[&id, &handle, &at, &16u32.to_be_bytes()]));
        asked.extend(packet(kind::WRITE, &[&id, &handle, &at, &text([*turn; 16])]));
        asked.extend(packet(kind::READ, &[&id, &handle, &at, &16u32.to_be_bytes()]));
    }
    channel.send(&asked);
    for turn in turns {
        assert_eq!(channel.answer().bytes(), [turn - 1; 16], "before write {turn}");
        assert_eq!(channel.answer().code(), code::OK);
        assert_eq!(channel.answer().bytes(), [turn; 16], "after write {turn}");
    }
    assert_eq!(channel.close(&handle), code::OK);
}

#[test]
fn of_a_thousand_handles_as_many_are_given_as_are_allowed() {
    let mut channel = connection().sftp_alone();
    channel.upload("/depot/a.csv", b"abc", 3);
    let ask = |channel: &mut Channel| {
        for id in 0..1000 {
            channel.ask(kind::OPEN, id, &[&text("/depot/a.csv"), &flags::READ.to_be_bytes(), &[0; 4]]);
        }
        let answers: Vec<_> = (0..1000).map(|_| channel.answer()).collect();
        assert!(answers.iter().enumerate().all(|(id, answer)| u32::try_from(id) == Ok(answer.id)), "ids in order");
        let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.kind == kind::HANDLE);
        assert!(refused.iter().all(|answer| answer.code() == code::FAILURE));
        given.iter().map(|answer| text(answer.bytes())).collect::<Vec<_>>()
    };
    let handles = ask(&mut channel);
    assert_eq!(handles.len(), HANDLES);
    for handle in &handles {
        assert_eq!(channel.close(handle), code::OK);
    }
    assert_eq!(ask(&mut channel).len(), HANDLES, "closed handles make room");
}

#[test]
fn half_a_packet_and_then_the_end_is_an_orderly_end() {
    let account = account();
    let connection = Connection::open(account.target());
    for half in [&b"\0\0"[..], b"\0\0\x01\0\x06\0\0", b""] {
        let mut channel = connection.sftp();
        let handle = channel.open("/depot/a.csv", flags::UPLOAD);
        assert_eq!(channel.write(&handle, 0, b"half a file"), code::OK);
        channel.send(half);
        channel.finish();
        assert_eq!(channel.ended(), Some(0));
    }
    assert_eq!(account.api_names(FOLDER), Vec::<String>::new(), "what was not closed is not published");
    assert_eq!(connection.sftp().list(FOLDER), 1, "its login finds it, to go on with");
}

#[test]
fn the_eleventh_channel_is_refused_and_the_connection_goes_on() {
    let mut connection = connection();
    let mut channels: Vec<Channel> = (0..CHANNELS).map(|_| connection.sftp()).collect();
    let mut eleventh = connection.channel();
    assert_ne!(eleventh.ended(), Some(0));
    for channel in &mut channels {
        assert_eq!(channel.list("/"), 1);
    }
    let mut last = channels.pop().unwrap();
    last.finish();
    assert_eq!(last.ended(), Some(0));
    assert_eq!(connection.sftp().list("/"), 1, "an ended channel makes room");
    assert!(connection.ended().is_none());
}

/// An own gateway, whose memory nobody else's tests touch, and an account with a key: a password's hash would take more
/// memory than all that is measured here.
fn own_gateway() -> (Gateway, Account, KeyPair) {
    let gateway = Gateway::start(&Options::default());
    let key = KeyPair::ed25519();
    let account = NewAccount::new().folder(FOLDER, "read-write").key(&key).make(&gateway);
    (gateway, account, key)
}

fn connect(gateway: &Gateway, account: &Account, key: &KeyPair) -> Connection {
    Connection::open(Target::new(gateway.port(), &account.login, Proof::Key(key)))
}

/// Another session's `ls` while things happen. A machine that is busy with other tests gets two more tries.
fn assert_listed_within_a_second(channel: &mut Channel) {
    let quickest = (0..3).map(|_| {
        let start = Instant::now();
        assert_eq!(channel.list("/"), 1);
        start.elapsed()
    });
    let quickest = quickest.into_iter().find(|elapsed| *elapsed < Duration::from_secs(1));
    assert!(quickest.is_some(), "ls took more than a second, three times");
}

#[test]
fn five_channels_at_once_transfer_rightly_within_their_memory() {
    let (gateway, account, key) = own_gateway();
    let (busy, bystander) = (connect(&gateway, &account, &key), connect(&gateway, &account, &key));
    let mut lister = bystander.sftp();
    assert_listed_within_a_second(&mut lister);
    let memory = Memory::watch(gateway.pid());
    let contents = pattern(12 * 1024 * 1024);
    std::thread::scope(|scope| {
        let transfers: Vec<_> = (0..5)
            .map(|number| {
                let (mut channel, contents) = (busy.sftp(), &contents[number..]);
                scope.spawn(move || {
                    let path = format!("{FOLDER}/{number}.bin");
                    channel.put(&path, contents);
                    assert!(channel.get(&path, contents.len()) == contents, "{path} came back changed");
                })
            })
            .collect();
        while transfers.iter().any(|transfer| !transfer.is_finished()) {
            assert_listed_within_a_second(&mut lister);
        }
    });
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
}

#[test]
fn packets_that_hold_little_and_weigh_much_cost_what_they_weigh() {
    // Writes of one byte in packets of 256 KiB, on channels whose answers are not read: they wait behind reads.
    let (gateway, account, key) = own_gateway();
    let mut connection = connect(&gateway, &account, &key);
    let bystander = connect(&gateway, &account, &key);
    let mut lister = bystander.sftp();
    let contents = pattern(1 << 20);
    lister.upload("/depot/a.bin", &contents, LONGEST_READ);
    let memory = Memory::watch(gateway.pid());
    let mut channels: Vec<Channel> = (0..5).map(|_| connection.sftp()).collect();
    for channel in &mut channels {
        let handle = channel.open("/depot/a.bin", flags::READ);
        for id in 0..256 {
            channel.ask(kind::READ, id, &[&handle, &0u64.to_be_bytes(), &u32::MAX.to_be_bytes()]);
        }
    }
    let heavy = packet(kind::WRITE, &[&[0; 4], &text([0; 4]), &[0; 8], &text("x"), &vec![0; 255 * 1024]]);
    let start = Instant::now();
    let mut is_taken = true;
    while is_taken && connection.ended().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "a client that never reads is still served");
        assert_listed_within_a_second(&mut lister);
        is_taken = channels.iter_mut().all(|channel| channel.try_send(&heavy));
    }
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
    assert_listed_within_a_second(&mut lister);
}

#[test]
fn nonsense_behind_unread_answers_is_taken_no_longer_than_an_idle_session_lasts() {
    let options = Options { config: "[sessions]\nidle = \"2s\"\n".into(), ..Options::default() };
    let gateway = Gateway::start(&options);
    let account = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    let mut connection = Connection::open(account.target());
    let mut channel = connection.sftp();
    channel.upload("/depot/a.bin", &pattern(1 << 20), LONGEST_READ);
    let handle = channel.open("/depot/a.bin", flags::READ);
    for id in 0..256 {
        channel.ask(kind::READ, id, &[&handle, &0u64.to_be_bytes(), &u32::MAX.to_be_bytes()]);
    }
    channel.send(&announced(0));
    let start = Instant::now();
    while channel.try_send(&[0; 4096]) && connection.ended().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "what nobody can answer still counts as doing something");
    }
}

#[test]
fn deep_pipelines_of_real_clients_stay_within_their_memory() {
    let (gateway, account, key) = own_gateway();
    let files = TestDir::new();
    let contents = pattern(64 * 1024 * 1024);
    let local = files.file("gros.bin", &contents);
    let mut target = Target::new(gateway.port(), &account.login, Proof::Key(&key));
    target.arguments = ["-R", "256", "-B", "32768"].map(str::to_owned).into();
    assert!(target.sftp("ls /\n").succeeded());
    let memory = Memory::watch(gateway.pid());
    let back = files.join("retour.bin");
    let done =
        target.sftp(&format!("put {} /depot/gros.bin\nget /depot/gros.bin {}\n", local.display(), back.display()));
    assert!(done.succeeded(), "{}", done.said());
    assert!(std::fs::read(&back).unwrap() == contents, "sftp: the file came back changed");
    // Asks for all of the file before it takes the first answer.
    let prefetched = Client::Paramiko.get(&target, FOLDER, files.path(), &Tree::default());
    assert!(prefetched.succeeded(), "{}", prefetched.said());
    assert!(std::fs::read(files.join("depot/gros.bin")).unwrap() == contents, "paramiko: the file came back changed");
    assert!(memory.most() <= MOST_KIB, "{} KiB above the baseline", memory.most());
}
