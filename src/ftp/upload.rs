//! STOR's, APPE's and STOU's data path. An orderly end publishes, an end without TLS's `close_notify` is put to the
//! account's rule (`domain::ftp_rules`), everything else is a cut.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::below::Writer;
use super::data::{DataStream, Way};
use super::reply::Reply;
use super::transfer::{Broken, Context, say_goodbye};
use crate::domain::random::UNAMBIGUOUS;
use crate::domain::{BareEnd, FileName, NotProven, UnprovenEnd, VirtualPath};
use crate::vfs::{CutReason, VfsError, Work, WriteOptions};

/// The read buffer below TLS: rustls by itself reads the socket in steps of 4 to 18 KiB.
pub(super) const READ_BUFFER: usize = 256 * 1024;
/// What is written at a time, by one hop to a blocking thread, while the next comes in.
const BLOCK: usize = 256 * 1024;
/// What is written at a time while the disk is prompt: it is still in the processor's cache then.
const PIECE: usize = 64 * 1024;
/// Names that STOU tries.
const NAMES: usize = 8;

/// An upload that was asked for.
pub(super) struct Upload {
    pub path: VirtualPath,
    pub manner: Manner,
    /// What ALLO announced, to be checked at the end.
    pub announced: Option<u64>,
}

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A new file, or a new version of one.
    Store,
    /// From here on, what is before it stays (REST and STOR).
    Resume(u64),
    /// Behind what there is (APPE).
    Append,
    /// A new file under a name of its own (STOU), begun with `path`'s.
    Unique,
}

impl Manner {
    /// Whether the client sends all of a file.
    const fn is_whole(self) -> bool {
        matches!(self, Self::Store | Self::Unique)
    }
}

/// Receives a file.
pub(super) async fn run(context: &Context, way: Way, asked: Upload) -> Result<Reply, Reply> {
    let (path, writer) = open(context, &asked).await?;
    let start = match place(&asked, &writer).await {
        Ok(start) => start,
        Err(reply) => {
            writer.cut(CutReason::Aborted).await;
            return Err(reply);
        }
    };
    let name = path.name().map_or_else(String::new, |name| name.to_string());
    let text = if asked.manner == Manner::Unique { format!("FILE: {name}") } else { String::from("Send the file") };
    context.begin(text).await;
    let stream = match context.data(way).await {
        Ok(stream) => stream,
        Err(broken) => {
            // Nothing came: nothing is published, and there is nothing to keep.
            writer.cut(broken.reason()).await;
            return Err(broken.reply(false));
        }
    };
    let (received, end) = receive(context, stream, &writer, start).await;
    let mut remark = "";
    let end = match end {
        Ok(()) => complete(&asked, &writer, start + received, None).await,
        Err(Failure::Bare { inside_a_record }) => {
            let end = BareEnd { inside_a_record, announced: asked.announced, from: start, came: received };
            remark = ", without TLS close_notify";
            match judge(context, end).await {
                Ok(leave) => complete(&asked, &writer, start + received, Some(leave)).await,
                Err(refused) => Err(refused),
            }
        }
        Err(Failure::Broken(broken)) => Err((broken.reason(), broken.reply(true))),
        Err(Failure::Storage(reply)) => Err((CutReason::StorageFailed, reply)),
    };
    match end {
        Ok(()) => {
            let named = if asked.manner == Manner::Unique { format!(", as {name}") } else { String::new() };
            Ok(Reply::new(226, format!("File received ({received} bytes{remark}){named}")))
        }
        Err((reason, reply)) => {
            // A no-op after a publication that failed: that one has settled what becomes of the bytes.
            writer.cut(reason).await;
            Err(reply)
        }
    }
}

async fn open(context: &Context, asked: &Upload) -> Result<(VirtualPath, Arc<dyn Writer>), Reply> {
    let options = match asked.manner {
        Manner::Store => WriteOptions { create: true, truncate: true, ..WriteOptions::default() },
        Manner::Resume(_) => WriteOptions::default(),
        Manner::Append => WriteOptions { create: true, append: true, ..WriteOptions::default() },
        Manner::Unique => return open_unique(context, &asked.path).await,
    };
    Ok((asked.path.clone(), context.tree.open_write(&asked.path, options).await?))
}

async fn open_unique(context: &Context, path: &VirtualPath) -> Result<(VirtualPath, Arc<dyn Writer>), Reply> {
    let options = WriteOptions { create: true, truncate: true, exclusive: true, ..WriteOptions::default() };
    let folder = path.parent().unwrap_or_else(VirtualPath::root);
    let begin = path.name().map_or_else(|| String::from("file"), |name| name.to_string());
    for _ in 0..NAMES {
        let name = FileName::parse(&format!("{begin}.{}", context.random.text(10, UNAMBIGUOUS)))?;
        let path = folder.join(&name)?;
        match context.tree.open_write(&path, options).await {
            Ok(writer) => return Ok((path, writer)),
            Err(VfsError::AlreadyExists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Reply::new(450, "No free name was found"))
}

/// Where the first byte goes.
async fn place(asked: &Upload, writer: &Arc<dyn Writer>) -> Result<u64, Reply> {
    if asked.manner.is_whole() {
        return Ok(0);
    }
    let file = Arc::clone(writer);
    let size = blocking(move || file.size()).await?;
    match asked.manner {
        Manner::Resume(offset) if offset > size => {
            Err(Reply::new(554, format!("REST {offset} lies behind the end of the file ({size} bytes)")))
        }
        Manner::Resume(offset) => Ok(offset),
        Manner::Store | Manner::Append | Manner::Unique => Ok(size),
    }
}

/// Why an upload is not published, or not yet.
enum Failure {
    /// The data connection ended without `close_notify`.
    Bare {
        inside_a_record: bool,
    },
    Broken(Broken),
    Storage(Reply),
}

/// A block that was written, or not; gives its buffer back.
type Written = (Vec<u8>, Result<(), VfsError>);

/// Takes bytes until the client's orderly end.
async fn receive(
    context: &Context,
    mut stream: DataStream,
    writer: &Arc<dyn Writer>,
    mut offset: u64,
) -> (u64, Result<(), Failure>) {
    let mut received = 0;
    let mut writing: Option<JoinHandle<Written>> = None;
    let pace = context.tree.pace();
    let mut buffer = Vec::new();
    loop {
        let room = if pace.is_prompt(Work::Data) { PIECE } else { BLOCK };
        if buffer.is_empty() && room == PIECE {
            buffer = context.spares.take(PIECE);
        } else if buffer.len() < room {
            buffer.resize(room, 0);
        }
        let (filled, end) = fill(context, &mut stream, &mut buffer[..room]).await;
        let mut spare = None;
        // The block before, which the disk had all this time for.
        if let Some(writing) = writing.take() {
            match written(writing).await {
                Ok(free) => spare = Some(free),
                Err(reply) => return (received, Err(Failure::Storage(reply))),
            }
        }
        if filled > 0 {
            let (file, at, block, is_first) = (Arc::clone(writer), offset, buffer, received == 0);
            offset += filled as u64;
            received += filled as u64;
            let write = move || {
                // What comes is the rest of the client's file: what an older version has behind it is no part of it,
                // whether all of the rest comes or the upload is cut.
                let begun = if is_first { end_at(&*file, at) } else { Ok(()) };
                let outcome = begun.and_then(|()| file.write_at(at, &block[..filled]));
                (block, outcome)
            };
            if filled <= PIECE {
                match written(Arc::clone(&pace).run(Work::Data, write)).await {
                    Ok(free) => buffer = free,
                    Err(reply) => return (received, Err(Failure::Storage(reply))),
                }
            } else {
                writing = Some(spawn_blocking(write));
                buffer = spare.unwrap_or_default();
            }
        }
        let Some(end) = end else { continue };
        // What came before a cut is kept too: the client resumes from there.
        if let Some(writing) = writing.take()
            && let Err(reply) = written(writing).await
        {
            return (received, Err(Failure::Storage(reply)));
        }
        if buffer.len() == PIECE {
            context.spares.give(buffer);
        }
        if matches!(end, Ok(()) | Err(Failure::Bare { .. })) {
            say_goodbye(stream).await;
        }
        return (received, end);
    }
}

/// Fills a block; with how the connection ended when it did. `Ok` is TLS's close_notify: only that proves that the client
/// has sent all. A bare end of the connection may be anyone's doing, and is an error of `read`.
async fn fill(context: &Context, stream: &mut DataStream, block: &mut [u8]) -> (usize, Option<Result<(), Failure>>) {
    let mut filled = 0;
    while filled < block.len() {
        match context.moving(stream.read(&mut block[filled..])).await {
            Ok(0) => return (filled, Some(Ok(()))),
            Ok(length) => {
                filled += length;
                context.count_in(length);
            }
            Err(Broken::Connection(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let inside_a_record = stream.get_ref().0.is_inside_one();
                return (filled, Some(Err(Failure::Bare { inside_a_record })));
            }
            Err(broken) => return (filled, Some(Err(Failure::Broken(broken)))),
        }
    }
    (filled, None)
}

async fn written(writing: impl Future<Output = Result<Written, JoinError>>) -> Result<Vec<u8>, Reply> {
    match writing.await {
        Ok((block, Ok(()))) => Ok(block),
        Ok((_, Err(error))) => Err(error.into()),
        Err(failure) => Err(failed(&failure)),
    }
}

/// Whether an upload that ended without `close_notify` may be published all the same.
async fn judge(context: &Context, end: BareEnd) -> Result<UnprovenEnd, (CutReason, Reply)> {
    let refused = |problem| (CutReason::NotProven(problem), Reply::new(426, told(problem)));
    let watch = context.presence.rules().close_notify.judge(&end).map_err(refused)?;
    match context.watch_control(watch.grace()).await {
        Ok(control) => watch.over(control).map_err(refused),
        Err(reason) => Err((reason, Broken::Stopped(reason).reply(true))),
    }
}

/// For the client; what operators read names the setting and what it could be.
fn told(problem: NotProven) -> String {
    let why = match problem {
        NotProven::Strict => {
            "TLS close_notify is missing, which this account must end its uploads with (strict)".into()
        }
        NotProven::InsideARecord => "the data connection was cut within a TLS record".into(),
        NotProven::NotTheSize { announced, came } => {
            format!("TLS close_notify is missing, and ALLO announced {announced} bytes where {came} came")
        }
        NotProven::NobodyWaited => "TLS close_notify is missing, and this answer was not waited for".into(),
        // Nobody reads it.
        NotProven::ControlLost => String::from("TLS close_notify is missing"),
    };
    format!("Transfer cut: {why}; the file is not published, and can be resumed")
}

/// All has come: checks what was announced, ends the file where the bytes end, publishes.
async fn complete(
    asked: &Upload,
    writer: &Arc<dyn Writer>,
    end: u64,
    leave: Option<UnprovenEnd>,
) -> Result<(), (CutReason, Reply)> {
    if let Some(announced) = asked.announced.filter(|announced| asked.manner.is_whole() && *announced != end) {
        let text =
            format!("ALLO announced {announced} bytes, {end} came: the file is not published, and can be resumed");
        return Err((CutReason::NotTheSize { announced, came: end }, Reply::new(451, text)));
    }
    if matches!(asked.manner, Manner::Resume(_)) {
        // Where nothing came: the rest of the client's file is nothing.
        let file = Arc::clone(writer);
        blocking(move || end_at(&*file, end)).await.map_err(|reply| (CutReason::StorageFailed, reply))?;
    }
    let published = match leave {
        None => writer.publish().await,
        Some(leave) => writer.publish_unproven(leave).await,
    };
    published.map_err(|error| (CutReason::StorageFailed, error.into()))
}

/// Drops what a file has behind `end`.
fn end_at(file: &dyn Writer, end: u64) -> Result<(), VfsError> {
    if file.size()? > end { file.set_size(end) } else { Ok(()) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, VfsError> + Send + 'static) -> Result<T, Reply> {
    spawn_blocking(work).await.map_err(|failure| failed(&failure))?.map_err(Reply::from)
}

fn failed(failure: &tokio::task::JoinError) -> Reply {
    tracing::error!(%failure, "Writing a file for an upload failed");
    VfsError::Storage(io::Error::other("a blocking task failed")).into()
}
