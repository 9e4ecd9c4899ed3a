//! `scp -f`: the client downloads.

use std::sync::Arc;

use crate::domain::VirtualPath;
use crate::sftp::handles::close_read;
use crate::vfs::{FileKind, Listing, Metadata, ReadFile};

use super::{Break, Command, Talk};

/// How much is read at a time.
const READ_BYTES: usize = 256 * 1024;
/// Entries of a folder that are read at a time.
const PAGE_ENTRIES: usize = 200;

/// What the sink says to a line or a file.
enum Said {
    GoOn,
    /// It could not, and says why: leave this one out.
    LeaveOut,
}

/// Sends what was asked for.
pub(super) async fn send(talk: &mut Talk, command: &Command) -> Result<(), Break> {
    hear(talk).await?;
    for bytes in &command.paths {
        let path = match talk.channel.path(bytes) {
            Ok(path) => path,
            Err(status) => {
                talk.complain(bytes, &status.message)?;
                continue;
            }
        };
        match talk.channel.tree.stat(&path).await {
            Ok(metadata) => match metadata.kind {
                FileKind::File => send_file(talk, command, &path, &metadata).await?,
                FileKind::Folder if command.folders => send_folder(talk, command, path, &metadata).await?,
                FileKind::Folder => talk.complain(bytes, "not a regular file")?,
            },
            Err(why) => talk.complain(bytes, &why.to_string())?,
        }
    }
    Ok(())
}

/// A folder and all below it. The way down is a list, not recursion: its length is bounded by the depth of paths.
async fn send_folder(talk: &mut Talk, command: &Command, path: VirtualPath, metadata: &Metadata) -> Result<(), Break> {
    let mut way: Vec<Level> = Vec::new();
    way.extend(enter(talk, command, path, metadata).await?);
    while let Some(level) = way.last_mut() {
        if level.waiting.is_empty() {
            match level.entries.next_batch(PAGE_ENTRIES).await {
                Ok(entries) => level.waiting = entries,
                Err(why) => talk.complain(level.path.as_str().as_bytes(), &why.to_string())?,
            }
        }
        let Some(entry) = level.waiting.pop() else {
            talk.channel.outbox.put(b"E\n")?;
            hear(talk).await?;
            way.pop();
            continue;
        };
        let child = match level.path.join(&entry.name) {
            Ok(child) => child,
            Err(why) => {
                talk.complain(entry.name.as_str().as_bytes(), &why.to_string())?;
                continue;
            }
        };
        match entry.metadata.kind {
            FileKind::File => send_file(talk, command, &child, &entry.metadata).await?,
            FileKind::Folder => way.extend(enter(talk, command, child, &entry.metadata).await?),
        }
    }
    Ok(())
}

/// A folder that is being sent.
struct Level {
    path: VirtualPath,
    entries: Listing,
    waiting: Vec<crate::vfs::Entry>,
}

/// Announces a folder; `None` when it is left out.
async fn enter(
    talk: &mut Talk,
    command: &Command,
    path: VirtualPath,
    metadata: &Metadata,
) -> Result<Option<Level>, Break> {
    let entries = match talk.channel.tree.list(&path).await {
        Ok(entries) => entries,
        Err(why) => {
            talk.complain(path.as_str().as_bytes(), &why.to_string())?;
            return Ok(None);
        }
    };
    match announce(talk, command, b"D0755 0", &path, metadata).await? {
        Said::GoOn => Ok(Some(Level { path, entries, waiting: Vec::new() })),
        Said::LeaveOut => Ok(None),
    }
}

async fn send_file(talk: &mut Talk, command: &Command, path: &VirtualPath, metadata: &Metadata) -> Result<(), Break> {
    let file = match talk.channel.tree.open_read(path).await {
        Ok(file) => Arc::new(file),
        Err(why) => return talk.complain(path.as_str().as_bytes(), &why.to_string()),
    };
    // Of the version that was opened: the name may lead to another one by now.
    let size = file.size();
    let sent = match announce(talk, command, format!("C0644 {size}").as_bytes(), path, metadata).await {
        Ok(Said::GoOn) => copy_out(talk, &file, size).await,
        Ok(Said::LeaveOut) => {
            close_read(file, Some("the client did not take it"));
            return Ok(());
        }
        Err(broken) => Err(broken),
    };
    match sent {
        Ok(()) => close_read(file, None),
        Err(broken) => {
            close_read(file, Some("the connection ended"));
            return Err(broken);
        }
    }
    talk.acknowledge()?;
    hear(talk).await?;
    Ok(())
}

/// Sends times, if asked for, and the line of a file or folder.
async fn announce(
    talk: &mut Talk,
    command: &Command,
    what: &[u8],
    path: &VirtualPath,
    metadata: &Metadata,
) -> Result<Said, Break> {
    if command.times {
        let (modified, accessed) = (metadata.modified.as_seconds().max(0), metadata.accessed.as_seconds().max(0));
        talk.channel.outbox.put(format!("T{modified} 0 {accessed} 0\n").as_bytes())?;
        if let Said::LeaveOut = hear(talk).await? {
            return Ok(Said::LeaveOut);
        }
    }
    let name = path.name().map_or_else(|| String::from("."), |name| name.to_string());
    let line = [what, b" ", &talk.channel.encode(&name), b"\n"].concat();
    talk.channel.outbox.put(&line)?;
    hear(talk).await
}

async fn copy_out(talk: &mut Talk, file: &Arc<ReadFile>, size: u64) -> Result<(), Break> {
    let mut offset = 0;
    while offset < size {
        let room = talk.channel.outbox.has_room(&talk.channel.budget, talk.channel.number);
        talk.channel.unless_over(room).await.ok_or(Break::Gone)?;
        let most = usize::try_from(size - offset).map_or(READ_BYTES, |rest| rest.min(READ_BYTES));
        let reading = Arc::clone(file);
        let read = talk.channel.blocking(move || {
            let mut buffer = vec![0; most];
            let count = reading.read_at(offset, &mut buffer)?;
            buffer.truncate(count);
            Ok::<_, crate::vfs::VfsError>(buffer)
        });
        let bytes = match read.await {
            Ok(Ok(bytes)) if !bytes.is_empty() => bytes,
            // The size was promised: ending the channel is the only way to say that it cannot be kept.
            _ => return Err(Break::Storage),
        };
        offset += bytes.len() as u64;
        talk.channel.session.count_out(bytes.len() as u64);
        talk.channel.session.touch();
        talk.channel.outbox.put_batch(bytes)?;
    }
    Ok(())
}

/// What the sink says.
async fn hear(talk: &mut Talk) -> Result<Said, Break> {
    match talk.input.byte().await? {
        0 => Ok(Said::GoOn),
        1 => {
            talk.input.line().await?;
            talk.failed = true;
            Ok(Said::LeaveOut)
        }
        2 => Err(Break::GivenUp),
        _ => Err(Break::Nonsense),
    }
}
