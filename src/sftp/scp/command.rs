//! The one command line that may be run: `scp` as the other side's `scp` starts it.

/// Which way the files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sftp) enum Direction {
    /// `-t`: the client uploads.
    ToGateway,
    /// `-f`: the client downloads.
    FromGateway,
}

/// A parsed `scp` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sftp) struct Command {
    pub direction: Direction,
    /// `-r`
    pub folders: bool,
    /// `-p`
    pub times: bool,
    /// `-d`
    pub target_is_folder: bool,
    /// At least one; exactly one for an upload.
    pub paths: Vec<Vec<u8>>,
}

impl Command {
    /// Parses the command line. `None` for anything else than `scp -t` or `scp -f`, and for what would need a shell
    /// (patterns, variables, several commands): there is none.
    pub(in crate::sftp) fn parse(line: &[u8]) -> Option<Self> {
        let mut words = words(line)?.into_iter();
        if words.next()? != b"scp" {
            return None;
        }
        let mut direction = None;
        let (mut folders, mut times, mut target_is_folder) = (false, false, false);
        let mut paths = Vec::new();
        let mut options = true;
        for word in words {
            match word.strip_prefix(b"-") {
                Some(b"-") if options => options = false,
                Some(letters) if options && !letters.is_empty() => {
                    for letter in letters {
                        match letter {
                            b't' if direction.is_none() => direction = Some(Direction::ToGateway),
                            b'f' if direction.is_none() => direction = Some(Direction::FromGateway),
                            b'r' => folders = true,
                            b'p' => times = true,
                            b'd' => target_is_folder = true,
                            b'v' | b'q' => {}
                            _ => return None,
                        }
                    }
                }
                _ => {
                    options = false;
                    paths.push(word);
                }
            }
        }
        let direction = direction?;
        let enough = match direction {
            Direction::ToGateway => paths.len() == 1,
            Direction::FromGateway => !paths.is_empty(),
        };
        enough.then_some(Self { direction, folders, times, target_is_folder, paths })
    }
}

/// The words of a command line as a POSIX shell would split them; `None` when it would do more than that.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        byte => word.push(byte),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'$' | b'`' => return None,
                        b'\\' => match bytes.next()? {
                            byte @ (b'"' | b'\\' | b'$' | b'`') => word.push(byte),
                            byte => word.extend([b'\\', byte]),
                        },
                        byte => word.push(byte),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'$' | b'`' | b'*' | b'?' | b'[' | b'\n' | b'\r' | 0 => {
                return None;
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Option<Command> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn what_scp_sends_is_understood() {
        let upload = parse("scp -v -r -p -d -t -- '/dossier 1/été'").unwrap();
        assert_eq!(upload.direction, Direction::ToGateway);
        assert!(upload.folders && upload.times && upload.target_is_folder);
        assert_eq!(upload.paths, ["/dossier 1/été".as_bytes()]);
        let download = parse(r#"scp -pf a\ b "c\"d" ''"#).unwrap();
        assert_eq!(download.direction, Direction::FromGateway);
        assert!(download.times && !download.folders);
        assert_eq!(download.paths, [&b"a b"[..], b"c\"d", b""]);
        assert_eq!(parse("scp -t -- -x").unwrap().paths, [b"-x"]);
    }

    #[test]
    fn everything_else_is_refused() {
        for line in [
            "",
            "ls",
            "scp",
            "scp -t",
            "scp a b",
            "scp -t a b",
            "scp -t -f a",
            "scp -S sh -t a",
            "scp -o ProxyCommand=x -f a",
            "scp -t a; reboot",
            "scp -t a && reboot",
            "scp -f $HOME",
            "scp -f \"$(id)\"",
            "scp -f `id`",
            "scp -f *.csv",
            "scp -t 'open",
            "scp -t a\nreboot",
            "/bin/sh -c 'scp -t a'",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_can_do_harm(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Command::parse(&line);
            let _ = Command::parse(&[b"scp -t ", &line[..]].concat());
        }

        #[test]
        fn any_quoted_name_arrives_as_it_is(name in "[^'\0]{1,40}") {
            let command = parse(&format!("scp -t -- '{name}'")).unwrap();
            prop_assert_eq!(&command.paths[0], name.as_bytes());
        }
    }
}
