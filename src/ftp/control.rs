//! The control connection as lines (RFC 959 §4.1, RFC 854): bounded however slowly they come, without Telnet's commands,
//! refused when they hold what no command can.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::{Zeroize, Zeroizing};

use super::reply::Reply;
use super::verbs::{self, Rule, Verb};
use crate::domain::NameEncoding;

/// The longest line, its end included.
pub(super) const LONGEST_LINE: usize = 4096;
/// How long a client may take to take a reply.
const TO_TAKE_A_REPLY: Duration = Duration::from_secs(30);
/// How much is read at a time.
const STEP: usize = 512;

const IAC: u8 = 0xff;

/// A command: its rule, and what follows it. May be a password, hence wiped.
#[derive(Debug)]
pub(super) struct Command {
    pub rule: &'static Rule,
    pub argument: Zeroizing<Vec<u8>>,
}

impl Command {
    /// Whether it is answered while a transfer runs. STAT of a path is a listing, for between transfers.
    pub(super) fn is_for_beside_a_transfer(&self) -> bool {
        self.rule.beside_a_transfer && (self.rule.verb != Verb::Stat || self.argument.is_empty())
    }
}

/// A line of the client.
#[derive(Debug)]
pub(super) enum Input {
    Command(Command),
    /// What it gets for it.
    Bad(Reply),
}

/// Why no more lines come.
#[derive(Debug)]
pub(super) enum Over {
    Closed,
    TooLong,
    Failed(io::Error),
}

/// The control connection, clear or private.
pub(super) struct Wire<S> {
    stream: S,
    lines: Lines,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, lines: Lines::default() }
    }

    /// The next line. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Input, Over> {
        loop {
            if let Some(input) = self.lines.take()? {
                return Ok(input);
            }
            self.lines.buffer.reserve(STEP);
            match self.stream.read_buf(&mut self.lines.buffer).await {
                Ok(0) => return Err(Over::Closed),
                Ok(_) => {}
                // A client that is gone without TLS's goodbye: nothing is lost on this connection.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Over::Closed),
                Err(error) => return Err(Over::Failed(error)),
            }
        }
    }

    pub(super) async fn say(&mut self, reply: &Reply, encoding: NameEncoding) -> io::Result<()> {
        self.send(&reply.encode(encoding)).await
    }

    /// Sends a reply, or a part of one, as it is.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(TO_TAKE_A_REPLY, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The end, told to the client as far as it listens.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(2), self.stream.shutdown()).await;
    }

    /// The stream alone; `None` when something was sent behind the last line.
    pub(super) fn into_stream(self) -> Option<S> {
        self.lines.buffer.is_empty().then_some(self.stream)
    }
}

/// Bytes that become lines.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    /// How far was looked for a line's end.
    seen: usize,
}

impl Lines {
    fn take(&mut self) -> Result<Option<Input>, Over> {
        let Some(end) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') else {
            self.seen = self.buffer.len();
            return if self.seen >= LONGEST_LINE { Err(Over::TooLong) } else { Ok(None) };
        };
        let end = self.seen + end;
        if end >= LONGEST_LINE {
            return Err(Over::TooLong);
        }
        let input = read_line(&self.buffer[..end]);
        // May have been a password.
        self.buffer[..=end].zeroize();
        self.buffer.drain(..=end);
        self.seen = 0;
        if self.buffer.is_empty() {
            // Thousands of sessions wait here.
            self.buffer = Vec::new();
        }
        Ok(Some(input))
    }
}

/// Reads a line without its LF.
fn read_line(line: &[u8]) -> Input {
    let Some(line) = line.strip_suffix(b"\r") else {
        return Input::Bad(Reply::new(500, "Lines end with CR LF"));
    };
    let line = without_telnet(line);
    // A name with these could be another on the disk, or a second command to some other program.
    if line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Input::Bad(Reply::new(500, "A line holds no NUL and no CR or LF but at its end"));
    }
    let (name, argument) = match line.iter().position(|byte| *byte == b' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => (&line[..], &[][..]),
    };
    match verbs::find(name) {
        Some(rule) => Input::Command(Command { rule, argument: Zeroizing::new(argument.to_vec()) }),
        None => Input::Bad(Reply::new(500, "Unknown command; HELP lists those there are")),
    }
}

/// Takes Telnet's commands out: clients put "interrupt process" and "data mark" before ABOR, and double 0xFF in names.
fn without_telnet(line: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(line.len()));
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != IAC {
            text.push(byte);
            continue;
        }
        match rest.next() {
            // WILL, WON'T, DO, DON'T and an option: there are none here.
            Some(251..=254) => drop(rest.next()),
            Some(240..=250) => {}
            // No Telnet at all: a client that writes ÿ in its code page and doubles nothing.
            Some(other @ 0..240) => text.extend_from_slice(&[IAC, other]),
            // Doubled: one 0xFF of a name.
            Some(IAC) | None => text.push(IAC),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(line: &[u8]) -> (Verb, Vec<u8>) {
        match read_line(line) {
            Input::Command(command) => (command.rule.verb, command.argument.to_vec()),
            Input::Bad(reply) => panic!("{reply:?}"),
        }
    }

    #[test]
    fn a_line_is_a_verb_and_the_rest_as_it_is() {
        assert_eq!(command(b"retr  two  spaces \r"), (Verb::Retr, b" two  spaces ".to_vec()));
        assert_eq!(command(b"PWD\r"), (Verb::Pwd, vec![]));
        assert_eq!(command(b"XPWD\r"), (Verb::Pwd, vec![]));
        assert_eq!(command(b"\xff\xf4\xff\xf2ABOR\r"), (Verb::Abor, vec![]));
        assert_eq!(command(b"CWD \xff\xff\xff\xfd\x01x\r"), (Verb::Cwd, b"\xffx".to_vec()));
    }

    #[test]
    fn stat_is_answered_beside_a_transfer_but_for_a_paths_listing() {
        for (line, beside) in [(&b"STAT\r"[..], true), (b"NOOP\r", true), (b"STAT /in\r", false), (b"PWD\r", false)] {
            let Input::Command(command) = read_line(line) else { panic!("{line:?}") };
            assert_eq!(command.is_for_beside_a_transfer(), beside, "{line:?}");
        }
    }

    #[test]
    fn what_no_command_can_hold_is_refused() {
        for line in [&b"RETR a\0b\r"[..], b"RETR a\rb\r", b"PWD", b"\r", b"NONSENSE\r", b" PWD\r", b"PW\xc3\xa9\r"] {
            assert!(matches!(read_line(line), Input::Bad(Reply { code: 500, .. })), "{line:?}");
        }
    }

    #[tokio::test]
    async fn lines_that_come_together_are_taken_one_by_one() {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"NOOP\r\nPWD\r\nQUI").await.unwrap();
        let mut wire = Wire::new(server);
        for verb in [Verb::Noop, Verb::Pwd] {
            let Ok(Input::Command(command)) = wire.next().await else { panic!() };
            assert_eq!(command.rule.verb, verb);
        }
        client.write_all(b"T\r\n").await.unwrap();
        assert!(matches!(wire.next().await, Ok(Input::Command(Command { rule: Rule { verb: Verb::Quit, .. }, .. }))));
        drop(client);
        assert!(matches!(wire.next().await, Err(Over::Closed)));
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up_however_slowly_it_comes() {
        let (mut client, server) = tokio::io::duplex(64);
        let sent = tokio::spawn(async move {
            let mut sent = 0;
            while client.write_all(b"aaaaaaa").await.is_ok() {
                sent += 7;
            }
            sent
        });
        let mut wire = Wire::new(server);
        assert!(matches!(wire.next().await, Err(Over::TooLong)));
        assert!(wire.lines.buffer.len() < 2 * LONGEST_LINE);
        drop(wire);
        assert!(sent.await.unwrap() < 2 * LONGEST_LINE);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_line(&line);
        }

        #[test]
        fn doubled_bytes_come_back_single(argument in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assume!(!argument.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            let mut line = b"CWD ".to_vec();
            for byte in &argument {
                line.push(*byte);
                if *byte == IAC {
                    line.push(IAC);
                }
            }
            line.push(b'\r');
            prop_assert_eq!(command(&line), (Verb::Cwd, argument));
        }
    }
}
