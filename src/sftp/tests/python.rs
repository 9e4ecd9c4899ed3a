//! Python's clients, and what no proper client says.

use std::sync::Arc;

use super::{Server, content, is_same};

/// The start of every Python program: `sftp` is signed in by password.
const PARAMIKO: &str = "
import sys, os, warnings
warnings.simplefilter('ignore')
import paramiko
t = paramiko.Transport(('127.0.0.1', int(sys.argv[1])))
t.connect(username='paie.acme', password='right')
sftp = paramiko.SFTPClient.from_transport(t)
";

#[tokio::test(flavor = "multi_thread")]
async fn paramiko_works_with_all_its_reads_at_once() {
    let server = Server::start().await;
    std::fs::write(server.file("large"), content(100_000_000)).unwrap();
    let program = "
sftp.get('large', 'back')
sftp.put('back', 'again')
f = sftp.open('again', 'r+')
f.seek(5); f.write(b'XYZ'); f.seek(0)
assert f.read(10)[5:8] == b'XYZ'
f.close()
try: sftp.rename('large', 'again'); assert False
except IOError: pass
sftp.posix_rename('large', 'again')
try: sftp.symlink('a', 'b'); assert False
except IOError: pass
try: sftp.readlink('again'); assert False
except IOError: pass
try: sftp.open('missing'); assert False
except FileNotFoundError: pass
assert sftp.normalize('not/../there') == '/there'
a = sftp.open('log', 'a'); a.write(b'one\\n'); a.close()
a = sftp.open('log', 'a'); a.write(b'two\\n'); a.close()
assert sftp.open('log').read() == b'one\\ntwo\\n'
handles = []
try:
    for i in range(1000): handles.append(sftp.open('log'))
    assert False
except IOError: pass
assert len(handles) == 128, len(handles)
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
    assert!(is_same(&server.client.join("back"), &server.file("again")));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_old_windows_clients_come_back_as_they_were_sent() {
    let server = Server::start().await;
    std::fs::write(server.file("congés.csv"), b"x").unwrap();
    let program = "
sftp.open(b'pay\\xe9.csv', 'w').close()
names = set()
h = sftp._request(paramiko.sftp.CMD_OPENDIR, b'/')[1].get_binary()
t2, m = sftp._request(paramiko.sftp.CMD_READDIR, h)
for _ in range(m.get_int()):
    names.add(m.get_binary()); m.get_binary(); paramiko.SFTPAttributes._from_msg(m)
assert names == {b'cong\\xe9s.csv', b'pay\\xe9.csv'}, names
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
    assert!(server.file("payé.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_publishes_nothing() {
    let server = Server::start().await;
    std::fs::write(server.file("old"), b"old").unwrap();
    let program = "
f = sftp.open('old', 'w'); f.write(b'new'); f.flush(); f.stat()
os._exit(0)
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine, "{told}");
    server.here.until_cut().await;
    assert_eq!(std::fs::read(server.file("old")).unwrap(), b"old");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_channel_is_refused_and_the_rest_go_on() {
    let server = Server::start().await;
    let program = "
more = [t.open_session() for _ in range(9)]
try: t.open_session(); assert False
except paramiko.ChannelException: pass
more[0].close()
import time
for _ in range(100):
    try: t.open_session(); break
    except paramiko.ChannelException: time.sleep(0.05)
else: assert False
assert sftp.listdir('/') == []
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_packets_are_answered_or_close_their_channel_only() {
    let server = Server::start().await;
    let program = "
import struct
def channel():
    c = t.open_session(); c.settimeout(20); c.invoke_subsystem('sftp'); return c
def packet(c):
    n = struct.unpack('>I', c.recv(4))[0]
    b = b''
    while len(b) < n: b += c.recv(n - len(b))
    return b
def frame(b): return struct.pack('>I', len(b)) + b
init = frame(b'\\x01' + struct.pack('>I', 3))
c = channel(); c.sendall(init); assert packet(c)[0] == 2
c.sendall(frame(b'\\x63' + struct.pack('>I', 42)))
assert packet(c)[:9] == b'\\x65' + struct.pack('>II', 42, 8)
c.sendall(frame(b'\\x05' + struct.pack('>I', 43) + b'\\xff'))
assert packet(c)[:9] == b'\\x65' + struct.pack('>II', 43, 5)
h = struct.pack('>I', 4) + b'\\0\\0\\0\\x63'
c.sendall(frame(b'\\x05' + struct.pack('>I', 44) + h + struct.pack('>QI', 2**63, 2**32 - 1)))
assert packet(c)[:9] == b'\\x65' + struct.pack('>II', 44, 4)
for bad in [init, struct.pack('>I', 2**32 - 1), struct.pack('>I', 0), frame(b'\\x04')]:
    c = channel(); c.sendall(init); packet(c); c.sendall(bad)
    assert c.recv(1) == b'', bad
    assert c.recv_exit_status() == 1
c = channel(); c.sendall(frame(b'\\x10' + struct.pack('>I', 1)))
assert c.recv(1) == b''
assert sftp.listdir('/') == []
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_being_published_when_the_session_is_ended_gets_its_answer() {
    let server = Server::start().await;
    let program = "
f = sftp.open('ended-meanwhile', 'w'); f.write(b'whole'); f.close()
t.join(20)
assert not t.is_active()
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
    assert_eq!(std::fs::read(server.file("ended-meanwhile")).unwrap(), b"whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_says_goodbye() {
    let server = Server::start().await;
    let here = Arc::clone(&server.here);
    let program = "
try: sftp.open('signal', 'w').close()
except paramiko.SSHException: pass
t.join(20)
assert not t.is_active()
print('done')
";
    let program = [PARAMIKO, program].concat();
    let client = server.python(&program);
    let end = async {
        here.until_published().await;
        here.end();
    };
    let ((fine, told), ()) = tokio::join!(client, end);
    assert!(fine && told.contains("done"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncssh_works() {
    let server = Server::start().await;
    std::fs::write(server.file("large"), content(10_000_000)).unwrap();
    let program = "
import sys, asyncio, warnings
warnings.simplefilter('ignore')
import asyncssh
async def main():
    async with asyncssh.connect('127.0.0.1', int(sys.argv[1]), username='paie.acme', password='right',
                                known_hosts=None, client_keys=None) as c:
        async with c.start_sftp_client() as sftp:
            await sftp.get('large', 'back')
            await sftp.put('back', 'again')
            await sftp.statvfs('/')
            assert sorted(n for n in await sftp.listdir('/') if n[0] != '.') == ['again', 'large']
            assert (await sftp.stat('again')).size == 10_000_000
asyncio.run(main())
print('done')
";
    let (fine, told) = server.python(program).await;
    assert!(fine && told.contains("done"), "{told}");
    assert!(is_same(&server.file("large"), &server.file("again")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_ever_and_reads_nothing_is_ended() {
    let server = Server::start().await;
    std::fs::write(server.file("large"), content(3_000_000)).unwrap();
    let program = "
import struct
c = t.open_session(); c.invoke_subsystem('sftp')
def frame(b): return struct.pack('>I', len(b)) + b
def text(b): return struct.pack('>I', len(b)) + b
c.sendall(frame(b'\\x01' + struct.pack('>I', 3)))
c.sendall(frame(b'\\x03' + struct.pack('>I', 1) + text(b'/large') + struct.pack('>II', 1, 0)))
reads = frame(b'\\x05' + struct.pack('>I', 2) + text(b'\\0\\0\\0\\1') + struct.pack('>QI', 0, 32768)) * 10000
try:
    for _ in range(400): c.sendall(reads)
    assert False
except (OSError, EOFError): pass
t.join(20)
assert not t.is_active()
print('done')
";
    let (fine, told) = server.python(&[PARAMIKO, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
}

/// Asks for a copy of `from` in `to`, without waiting for the answer.
const COPY: &str = "
import struct
def handle(client, name, flags):
    return client._request(paramiko.sftp.CMD_OPEN, name, flags, paramiko.SFTPAttributes())[1].get_binary()
def copy(client, source, target, wait):
    ask = client._request if wait else lambda *a: client._async_request(type(None), *a)
    number = paramiko.sftp.int64 if hasattr(paramiko.sftp, 'int64') else paramiko.py3compat.long
    return ask(paramiko.sftp.CMD_EXTENDED, 'copy-data', source, number(0), number(0), target, number(0))
";

/// The attack: fifty sessions with ten copies of an enormous file each would have held every thread that works on files.
#[test]
fn a_long_copy_leaves_the_threads_of_the_disk_to_others() {
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    std::fs::File::create(server.file("enormous")).unwrap().set_len(1 << 42).unwrap();
    std::fs::write(server.file("log"), b"one").unwrap();
    std::fs::write(server.file("bottomless"), b"").unwrap();
    let program = "
source, target = handle(sftp, 'enormous', 1), handle(sftp, 'bottomless', 2)
copy(sftp, source, target, False)
other = paramiko.SFTPClient.from_transport(t)
other.get_channel().settimeout(20)
assert other.open('log').read() == b'one'
print('done', flush=True)
os._exit(0)
";
    let mut command = server.python_command(&[PARAMIKO, COPY, program].concat());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && told.contains("done"), "{told}");
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_file_with_holes_has_them_too() {
    use std::os::unix::fs::{FileExt, MetadataExt};

    let server = Server::start().await;
    let length: u64 = 1 << 30;
    let sparse = std::fs::File::create(server.file("sparse")).unwrap();
    sparse.write_all_at(b"middle", length / 2).unwrap();
    sparse.set_len(length).unwrap();
    let program = "
source, target = handle(sftp, 'sparse', 1), handle(sftp, 'again', 0x1a)
copy(sftp, source, target, True)
sftp._request(paramiko.sftp.CMD_CLOSE, target)
over = handle(sftp, 'short', 2)
copy(sftp, source, over, True)
sftp._request(paramiko.sftp.CMD_CLOSE, over)
print('done')
";
    std::fs::write(server.file("short"), b"what is overwritten").unwrap();
    let (fine, told) = server.python(&[PARAMIKO, COPY, program].concat()).await;
    assert!(fine && told.contains("done"), "{told}");
    for name in ["again", "short"] {
        let metadata = std::fs::metadata(server.file(name)).unwrap();
        assert_eq!(metadata.len(), length, "{name}");
        assert!(metadata.blocks() * 512 < 4 << 20, "{name}: {} blocks", metadata.blocks());
        let copy = std::fs::File::open(server.file(name)).unwrap();
        let mut bytes = [1; 19];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [0; 19], "{name}");
        copy.read_exact_at(&mut bytes[..6], length / 2).unwrap();
        assert_eq!(&bytes[..6], b"middle", "{name}");
    }
}
