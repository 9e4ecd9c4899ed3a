//! `copy-data`: between two files of a login, without the bytes crossing the wire.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;
use std::time::Duration;

use crate::support::raw::{Channel, Connection, code, kind, text};
use crate::support::{Account, Gateway, NewAccount, Options, TestDir, flags, run};

const FOLDER: &str = "/depot";

fn copy_all(channel: &mut Channel, from: &[u8], to: &[u8]) -> u32 {
    let (start, to_the_end) = (0_u64.to_be_bytes(), 0_u64.to_be_bytes());
    let fields: [&[u8]; 6] = [&text("copy-data"), from, &start, &to_the_end, to, &start];
    channel.request(kind::EXTENDED, &fields).code()
}

#[test]
fn a_copy_of_a_file_with_holes_has_them_too() {
    let gateway = Gateway::shared();
    let account = NewAccount::new().folder(FOLDER, "read-write").make(gateway);
    let folder = account.on_disk(gateway, FOLDER);
    let length: u64 = 1 << 30;
    let sparse = File::create(folder.join("sparse")).unwrap();
    sparse.write_all_at(b"middle", length / 2).unwrap();
    sparse.set_len(length).unwrap();
    std::fs::write(folder.join("short"), b"what is overwritten").unwrap();

    let mut channel = Connection::open(account.target()).sftp_alone();
    let source = channel.open("/depot/sparse", flags::READ);
    for (name, how) in [("again", flags::UPLOAD), ("short", flags::WRITE)] {
        let target = channel.open(&format!("/depot/{name}"), how);
        assert_eq!(copy_all(&mut channel, &source, &target), code::OK, "{name}");
        assert_eq!(channel.close(&target), code::OK, "{name}");
        let copy = File::open(folder.join(name)).unwrap();
        let metadata = copy.metadata().unwrap();
        assert_eq!(metadata.len(), length, "{name}");
        assert!(metadata.blocks() * 512 < 4 << 20, "{name}: {} blocks", metadata.blocks());
        let mut bytes = [1; 19];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [0; 19], "{name}");
        copy.read_exact_at(&mut bytes[..6], length / 2).unwrap();
        assert_eq!(&bytes[..6], b"middle", "{name}");
    }
}

/// More copies of an enormous file at a time than there are threads that work on files: were each of them one piece of
/// work, nobody else would get a turn.
#[test]
#[ignore = "keeps both processors busy; run by ./check --full hostile"]
fn long_copies_leave_the_threads_of_the_disk_to_others() {
    let config = "[access]\nunauthenticated_per_address = 200\n[sessions]\nper_account = 100\nper_address = 100\n";
    let gateway = Gateway::start(&Options { config: config.into(), ..Options::default() });
    let account: Account = NewAccount::new().folder(FOLDER, "read-write").make(&gateway);
    let folder = account.on_disk(&gateway, FOLDER);
    File::create(folder.join("enormous")).unwrap().set_len(1 << 42).unwrap();
    std::fs::write(folder.join("log"), b"one").unwrap();
    let program = r"
import asyncio, os, sys
import asyncssh
from asyncssh.packet import String, UInt64
port, login, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def connect():
    return asyncssh.connect('127.0.0.1', port, username=login, password=password, known_hosts=None, client_keys=None)
async def main():
    copies = []
    for number in range(55):
        connection = await connect()
        for channel in range(10):
            sftp = await connection.start_sftp_client()
            name = f'/depot/copy-{number}-{channel}'
            source, target = await sftp.open('/depot/enormous', 'rb'), await sftp.open(name, 'wb')
            fields = String(source._handle), UInt64(0), UInt64(0), String(target._handle), UInt64(0)
            copies.append(asyncio.ensure_future(sftp._handler._make_request(b'copy-data', *fields)))
        await asyncio.sleep(0)
    async with connect() as other, other.start_sftp_client() as sftp, sftp.open('/depot/log') as log:
        assert await asyncio.wait_for(log.read(), 60) == 'one'
    assert not any(copy.done() for copy in copies), [copy for copy in copies if copy.done()][:1]
    print('done', flush=True)
    os._exit(0)
asyncio.run(main())
";
    let home = TestDir::new();
    let mut client = Command::new("/usr/bin/python3");
    client.args(["-W", "ignore"]).arg(home.file("copies.py", program));
    client.args([&gateway.port().to_string(), &account.login, &account.password]);
    let finished = run(&mut client, Duration::from_secs(300));
    assert!(finished.succeeded() && finished.stdout.contains("done"), "{}", finished.said());
}
