//! SFTP by its bytes, through OpenSSH's `ssh -s`: what no client would say can be said, on several channels of one
//! connection.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::{Target, TestDir, eventually};

/// How long an answer may take, and an end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest data that a request may hold, as `limits@openssh.com` tells it.
const PIECE: usize = 255 * 1024;
/// Requests whose answers are not taken yet: as many as fit into pipes.
const UNDER_WAY: usize = 32;

/// Types of packets (draft-ietf-secsh-filexfer-02 §3).
pub mod kind {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const FSTAT: u8 = 8;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const STAT: u8 = 17;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// Codes of STATUS (§7).
pub mod code {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const FAILURE: u32 = 4;
    pub const BAD_MESSAGE: u32 = 5;
    pub const OP_UNSUPPORTED: u32 = 8;
}

/// A signed-in SSH connection on which channels are opened.
pub struct Connection {
    master: Child,
    control: PathBuf,
    _home: TestDir,
}

impl Connection {
    pub fn open(target: Target) -> Self {
        let control = target.home_file("control");
        let control_option = format!("ControlPath={}", control.display());
        let master = target
            .ssh_command(&["-M", "-N", "-o", &control_option])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh starts");
        let mut connection = Self { master, control, _home: target.into_home() };
        eventually(PATIENCE, "the connection is signed in", || {
            assert!(connection.ended().is_none(), "ssh ended before it was signed in");
            connection.control.exists().then_some(())
        });
        connection
    }

    /// Asks for a channel; whether it is there shows when it is used.
    pub fn channel(&self) -> Channel {
        Channel::start(self.ssh().args(["-s", "gateway", "sftp"]))
    }

    /// A channel on which SFTP has begun.
    pub fn sftp(&self) -> Channel {
        let mut channel = self.channel();
        channel.send(&packet(kind::INIT, &[&3u32.to_be_bytes()]));
        let version = channel.answer();
        assert_eq!((version.kind, version.id), (kind::VERSION, 3));
        channel
    }

    /// A channel that takes its connection along.
    pub fn sftp_alone(self) -> Channel {
        let mut channel = self.sftp();
        channel._connection = Some(self);
        channel
    }

    /// Whether the connection has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.master.try_wait().expect("a child that can be waited for")
    }

    /// The client's process, that of all its channels.
    pub fn pid(&self) -> u32 {
        self.master.id()
    }

    /// A client of the master; should the master refuse, it has nowhere else to go.
    fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "/dev/null", "-o", "ProxyCommand=false", "-o", "BatchMode=yes", "-S"]).arg(&self.control);
        command
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

/// What the gateway said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub kind: u8,
    /// VERSION's version, for that.
    pub id: u32,
    pub body: Vec<u8>,
}

impl Packet {
    /// The code of a STATUS.
    pub fn code(&self) -> u32 {
        assert_eq!(self.kind, kind::STATUS, "not a status but {}, {} bytes", self.kind, self.body.len());
        number(&self.body)
    }

    /// The string that a HANDLE or DATA holds.
    pub fn bytes(&self) -> &[u8] {
        assert!([kind::HANDLE, kind::DATA].contains(&self.kind), "neither handle nor data: {self:?}");
        assert_eq!(usize::try_from(number(&self.body)).expect("a length"), self.body.len() - 4);
        &self.body[4..]
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// A packet as it goes over the wire: its length, its type, the fields.
pub fn packet(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    let length = u32::try_from(body.len() + 1).expect("a short packet");
    [&length.to_be_bytes()[..], &[kind], &body].concat()
}

/// A string field.
pub fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u32::try_from(bytes.len()).expect("a short string").to_be_bytes(), bytes].concat()
}

/// One channel, spoken to in bytes.
pub struct Channel {
    ssh: Child,
    input: Option<ChildStdin>,
    answers: mpsc::Receiver<Packet>,
    /// Last: it ends after its channel.
    _connection: Option<Connection>,
}

impl Channel {
    fn start(command: &mut Command) -> Self {
        let mut ssh =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("ssh starts");
        let input = ssh.stdin.take();
        let mut output = ssh.stdout.take().expect("piped");
        // So few that a channel whose answers nobody takes is soon not read any more.
        let (send, answers) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            while let Some(packet) = read_packet(&mut output) {
                if send.send(packet).is_err() {
                    break;
                }
            }
        });
        Self { ssh, input, answers, _connection: None }
    }

    /// Sends bytes, whatever they are. A channel that has ended takes them too.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes);
    }

    /// False: nobody takes them any more.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.input.as_mut().is_some_and(|input| input.write_all(bytes).and_then(|()| input.flush()).is_ok())
    }

    /// Sends a request.
    pub fn ask(&mut self, kind: u8, id: u32, fields: &[&[u8]]) {
        self.send(&packet(kind, &[&[&id.to_be_bytes()[..]], fields].concat()));
    }

    /// The next answer.
    pub fn answer(&self) -> Packet {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    /// The answer to a request, the only one that is under way.
    pub fn request(&mut self, kind: u8, fields: &[&[u8]]) -> Packet {
        const ID: u32 = 0xfeed_f00d;
        self.ask(kind, ID, fields);
        let answer = self.answer();
        assert_eq!(answer.id, ID, "{answer:?}");
        answer
    }

    /// Opens a file; the handle as a field.
    pub fn open(&mut self, path: &str, flags: u32) -> Vec<u8> {
        text(self.request(kind::OPEN, &[&text(path), &flags.to_be_bytes(), &[0; 4]]).bytes())
    }

    pub fn close(&mut self, handle: &[u8]) -> u32 {
        self.request(kind::CLOSE, &[handle]).code()
    }

    pub fn read(&mut self, handle: &[u8], offset: u64, length: u32) -> Packet {
        self.request(kind::READ, &[handle, &offset.to_be_bytes(), &length.to_be_bytes()])
    }

    pub fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> u32 {
        self.request(kind::WRITE, &[handle, &offset.to_be_bytes(), &text(data)]).code()
    }

    /// Writes a whole file, by requests of `piece` bytes one after the other.
    pub fn upload(&mut self, path: &str, contents: &[u8], piece: usize) {
        let handle = self.open(path, super::flags::UPLOAD);
        let mut offset = 0;
        for data in contents.chunks(piece) {
            assert_eq!(self.write(&handle, offset, data), code::OK);
            offset += data.len() as u64;
        }
        assert_eq!(self.close(&handle), code::OK);
    }

    /// Uploads with many large requests under way at once.
    pub fn put(&mut self, path: &str, contents: &[u8]) {
        let handle = self.open(path, super::flags::UPLOAD);
        let pieces: Vec<(u64, &[u8])> = (0..).step_by(PIECE).zip(contents.chunks(PIECE)).collect();
        for some in pieces.chunks(UNDER_WAY) {
            for (id, (offset, piece)) in (0..).zip(some) {
                self.ask(kind::WRITE, id, &[&handle, &offset.to_be_bytes(), &text(piece)]);
            }
            for (id, _) in (0..).zip(some) {
                let answer = self.answer();
                assert_eq!((answer.id, answer.code()), (id, code::OK));
            }
        }
        assert_eq!(self.close(&handle), code::OK);
    }

    /// Downloads with everything asked for at once.
    pub fn get(&mut self, path: &str, length: usize) -> Vec<u8> {
        assert_eq!(self.request(kind::EXTENDED, &[&text("limits@openssh.com")]).kind, kind::EXTENDED_REPLY);
        let handle = self.open(path, super::flags::READ);
        let offsets: Vec<u64> = (0..length as u64).step_by(PIECE).collect();
        let piece = u32::try_from(PIECE).expect("a small number").to_be_bytes();
        for (id, offset) in (0..).zip(&offsets) {
            self.ask(kind::READ, id, &[&handle, &offset.to_be_bytes(), &piece]);
        }
        let mut contents = Vec::with_capacity(length);
        for (id, _) in (0..).zip(&offsets) {
            let answer = self.answer();
            assert_eq!(answer.id, id);
            contents.extend_from_slice(answer.bytes());
        }
        assert_eq!(self.close(&handle), code::OK);
        contents
    }

    /// How many entries a folder has.
    pub fn list(&mut self, path: &str) -> usize {
        let handle = text(self.request(kind::OPENDIR, &[&text(path)]).bytes());
        let mut count = 0;
        loop {
            let page = self.request(kind::READDIR, &[&handle]);
            if page.kind != kind::NAME {
                assert_eq!(page.code(), code::EOF);
                break;
            }
            count += usize::try_from(number(&page.body)).expect("a count");
        }
        assert_eq!(self.close(&handle), code::OK);
        count
    }

    /// No more will be sent.
    pub fn finish(&mut self) {
        self.input = None;
    }

    /// The gateway ends the channel without a further answer; its exit status.
    pub fn ended(&mut self) -> Option<i32> {
        match self.answers.recv_timeout(PATIENCE) {
            Err(mpsc::RecvTimeoutError::Disconnected) => {}
            other => panic!("not the end of the channel: {other:?}"),
        }
        let status = eventually(PATIENCE, "ssh ends", || self.ssh.try_wait().expect("a child"));
        status.code()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let _ = self.ssh.kill();
        let _ = self.ssh.wait();
    }
}

fn read_packet(output: &mut impl Read) -> Option<Packet> {
    let mut head = [0; 9];
    output.read_exact(&mut head).ok()?;
    let mut body = vec![0; usize::try_from(number(&head)).ok()?.checked_sub(5)?];
    output.read_exact(&mut body).ok()?;
    Some(Packet { kind: head[4], id: number(&head[5..]), body })
}
