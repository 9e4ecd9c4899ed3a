//! `scp -t`: the client uploads. A file is published as over SFTP: whole, when its last byte and the source's "all
//! well" have arrived.

use std::sync::Arc;

use crate::domain::{FileName, Timestamp, VirtualPath};
use crate::vfs::{CutReason, FileKind, Upload, VfsError, WriteOptions};

use super::{Break, Command, Talk};

/// Writes that go to a blocking thread together.
const BATCH_BYTES: usize = 1024 * 1024;

/// Modified and accessed, as the last `T` line said.
type Times = Option<(Timestamp, Timestamp)>;

/// Takes files until the source has no more.
pub(super) async fn receive(talk: &mut Talk, command: &Command) -> Result<(), Break> {
    let target = match command.paths.first().map(|path| talk.channel.path(path)) {
        Some(Ok(target)) => target,
        Some(Err(status)) => {
            talk.complain(command.paths[0].as_slice(), &status.message)?;
            return Ok(());
        }
        None => return Err(Break::Nonsense),
    };
    if command.target_is_folder && !is_folder(talk, &target).await {
        talk.complain(target.as_str().as_bytes(), "not a folder")?;
        return Ok(());
    }
    talk.acknowledge()?;
    // Where files go now; the last is the innermost of the folders entered.
    let mut places = vec![Place { path: target, entered: false }];
    let mut times: Times = None;
    loop {
        match talk.input.byte().await? {
            b'T' => {
                times = Some(parse_times(&talk.input.line().await?).ok_or(Break::Nonsense)?);
                talk.acknowledge()?;
            }
            b'C' => {
                let line = talk.input.line().await?;
                let announced = Announced::parse(talk, &line).ok_or(Break::Nonsense)?;
                let place = places.last().ok_or(Break::Nonsense)?;
                receive_file(talk, place, announced, times.take()).await?;
            }
            b'D' if command.folders => {
                let line = talk.input.line().await?;
                let announced = Announced::parse(talk, &line).ok_or(Break::Nonsense)?;
                times = None;
                let place = places.last().ok_or(Break::Nonsense)?;
                match enter_folder(talk, place, &announced).await {
                    Ok(path) => {
                        places.push(Place { path, entered: true });
                        talk.acknowledge()?;
                    }
                    // The source leaves the folder out.
                    Err(why) => talk.complain(&announced.name, &why.to_string())?,
                }
            }
            b'E' if places.len() > 1 => {
                talk.input.line().await?;
                places.pop();
                times = None;
                talk.acknowledge()?;
            }
            // A warning of the source's: it goes on.
            1 => {
                talk.input.line().await?;
                talk.failed = true;
            }
            2 => return Err(Break::GivenUp),
            _ => return Err(Break::Nonsense),
        }
    }
}

/// A folder that was entered, or what the command named: a folder that is there, or the new name of what comes.
struct Place {
    path: VirtualPath,
    entered: bool,
}

async fn is_folder(talk: &Talk, path: &VirtualPath) -> bool {
    talk.channel.tree.stat(path).await.is_ok_and(|metadata| metadata.kind == FileKind::Folder)
}

/// Where `name` goes.
async fn place_for(talk: &Talk, place: &Place, announced: &Announced) -> Result<VirtualPath, VfsError> {
    let name = FileName::parse(&announced.text)?;
    if place.entered || is_folder(talk, &place.path).await {
        Ok(place.path.join(&name)?)
    } else {
        Ok(place.path.clone())
    }
}

async fn enter_folder(talk: &Talk, place: &Place, announced: &Announced) -> Result<VirtualPath, VfsError> {
    let path = place_for(talk, place, announced).await?;
    if !is_folder(talk, &path).await {
        talk.channel.tree.make_folder(&path).await?;
    }
    Ok(path)
}

async fn receive_file(talk: &mut Talk, place: &Place, announced: Announced, times: Times) -> Result<(), Break> {
    let options = WriteOptions { create: true, truncate: true, ..WriteOptions::default() };
    let opened = match place_for(talk, place, &announced).await {
        Ok(path) => talk.channel.tree.open_write(&path, options).await,
        Err(why) => Err(why),
    };
    let file = match opened {
        Ok(file) => Arc::new(file),
        // Told before the source sends the bytes, so that it leaves the file out.
        Err(why) => return talk.complain(&announced.name, &why.to_string()),
    };
    talk.acknowledge()?;
    let outcome = match copy_in(talk, &file, announced.size).await {
        Ok(written) => match talk.input.byte().await {
            Ok(0) => Ok(written),
            // The source could not read all of its file, and says why.
            Ok(_) => {
                talk.input.line().await?;
                file.cut(CutReason::Aborted).await;
                talk.failed = true;
                return talk.acknowledge();
            }
            Err(broken) => Err(broken),
        },
        Err(broken) => Err(broken),
    };
    let written = match outcome {
        Ok(written) => written,
        Err(broken) => {
            file.cut(talk.channel.session.cut_reason()).await;
            return Err(broken);
        }
    };
    let published = match written {
        Ok(()) => {
            if let Some((modified, accessed)) = times {
                let file = Arc::clone(&file);
                let set = talk.channel.blocking(move || file.set_times(Some(modified), Some(accessed)));
                // A time that cannot be kept is no reason to lose a file.
                drop(set.await);
            }
            file.publish().await
        }
        Err(why) => {
            file.cut(CutReason::StorageFailed).await;
            Err(why)
        }
    };
    match published {
        Ok(_) => talk.acknowledge(),
        Err(why) => talk.complain(&announced.name, &why.to_string()),
    }
}

/// Writes the file's bytes. After a failed write the rest is still taken off the stream, to stay in step.
async fn copy_in(talk: &mut Talk, file: &Arc<Upload>, size: u64) -> Result<Result<(), VfsError>, Break> {
    let mut outcome = Ok(());
    let mut offset = 0;
    while offset < size {
        let start = offset;
        let first = talk.input.bytes(size - offset).await?;
        offset += first.len() as u64;
        let mut pieces = vec![first];
        let mut bytes = pieces[0].len();
        while bytes < BATCH_BYTES && offset < size && talk.input.has_more() {
            let piece = talk.input.bytes(size - offset).await?;
            offset += piece.len() as u64;
            bytes += piece.len();
            pieces.push(piece);
        }
        talk.channel.session.touch();
        if outcome.is_err() {
            continue;
        }
        let file = Arc::clone(file);
        let write = talk.channel.blocking(move || {
            let mut at = start;
            for piece in pieces {
                file.write_at(at, &piece)?;
                at += piece.len() as u64;
            }
            Ok(())
        });
        outcome = write.await.map_err(|_| Break::Storage)?;
        talk.channel.session.count_in(offset - start);
    }
    Ok(outcome)
}

/// `C` and `D` lines: mode, size, name.
struct Announced {
    size: u64,
    name: Vec<u8>,
    text: String,
}

impl Announced {
    fn parse(talk: &Talk, line: &[u8]) -> Option<Self> {
        let (size, name) = split_announcement(line)?;
        let text = talk.channel.encoding().decode(name).into_owned();
        Some(Self { size, name: name.to_vec(), text })
    }
}

/// `0644 1234 name`: the size and the name.
fn split_announcement(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let mode = fields.next()?;
    if mode.len() != 4 || !mode.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    let size = number(fields.next()?)?;
    Some((size, fields.next()?))
}

/// `modified 0 accessed 0`, in seconds.
fn parse_times(line: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let seconds = |field: &[u8]| Some(Timestamp::from_seconds(i64::try_from(number(field)?).ok()?));
    let modified = seconds(fields.next()?)?;
    fields.next()?;
    Some((modified, seconds(fields.next()?)?))
}

fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if all_digits { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read_strictly() {
        assert_eq!(split_announcement(b"0644 12 a b.csv"), Some((12, &b"a b.csv"[..])));
        for line in [&b"0644 12"[..], b"0644 -1 a", b"644 1 a", b"0648 1 a", b"0644  a", b"0644 99999999999999999999 a"]
        {
            assert_eq!(split_announcement(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn times_are_seconds() {
        let times = (Timestamp::from_seconds(1_700_000_000), Timestamp::from_seconds(5));
        assert_eq!(parse_times(b"1700000000 0 5 0"), Some(times));
        assert_eq!(parse_times(b"now 0 5 0"), None);
        assert_eq!(parse_times(b"1"), None);
    }
}
