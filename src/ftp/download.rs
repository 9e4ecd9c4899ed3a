//! RETR's data path: the next block is read from the file while the one before it goes out.

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinHandle, spawn_blocking};

use super::below::Reader;
use super::data::{DataStream, Way};
use super::reply::Reply;
use super::transfer::{Broken, Context};
use crate::domain::VirtualPath;
use crate::vfs::{CutReason, VfsError};

/// What is read at a time, by one hop to a blocking thread.
const BLOCK: usize = 256 * 1024;
/// What is handed to TLS at a time.
const PIECE: usize = 64 * 1024;

/// What HASH reads by one hop to a blocking thread. Those threads are everybody's, and a file may have terabytes: what
/// takes long stands in line again and again.
const HOP: u64 = 16 * 1024 * 1024;

/// A block that was read, and what it was read with.
struct Block {
    reader: Box<dyn Reader>,
    buffer: Vec<u8>,
    outcome: Result<usize, VfsError>,
}

/// Sends a file from `offset` on.
pub(super) async fn run(context: &Context, way: Way, path: &VirtualPath, offset: u64) -> Result<Reply, Reply> {
    let reader = context.tree.open_read(path).await?;
    let size = reader.size();
    if offset > size {
        reader.close(Some("the client asked to go on behind the end"));
        return Err(Reply::new(554, format!("REST {offset} lies behind the end of the file ({size} bytes)")));
    }
    context.begin(format!("Here is the file ({} bytes)", size - offset)).await;
    let stream = match context.data(way).await {
        Ok(stream) => stream,
        Err(broken) => {
            reader.close(Some(&broken.reason().to_string()));
            return Err(broken.reply(false));
        }
    };
    let (sent, reader, end) = send(context, stream, reader, offset).await;
    if let Some(reader) = reader {
        let cut = end.as_ref().err().map(|cut| cut.reason.to_string());
        reader.close(cut.as_deref());
    }
    match end {
        Ok(()) => Ok(Reply::new(226, format!("File sent ({sent} bytes)"))),
        Err(cut) => Err(cut.reply),
    }
}

/// Why a download did not reach its end: for the record, and for the client.
struct Cut {
    reason: CutReason,
    reply: Reply,
}

impl From<Broken> for Cut {
    fn from(broken: Broken) -> Self {
        Self { reason: broken.reason(), reply: broken.reply(false) }
    }
}

impl From<VfsError> for Cut {
    fn from(error: VfsError) -> Self {
        Self { reason: CutReason::StorageFailed, reply: error.into() }
    }
}

async fn send(
    context: &Context,
    mut stream: DataStream,
    reader: Box<dyn Reader>,
    mut offset: u64,
) -> (u64, Option<Box<dyn Reader>>, Result<(), Cut>) {
    // The reader sees the version that was there when it was opened: its size stays.
    let size = reader.size();
    let mut sent = 0;
    let mut spare = Vec::new();
    let mut next = read(reader, spare_or_new(&mut spare, size - offset), offset);
    loop {
        let Block { reader, buffer, outcome } = match next.await {
            Ok(block) => block,
            Err(failure) => {
                tracing::error!(%failure, "Reading a file for a download failed");
                let reply = Reply::new(451, "The storage failed");
                return (sent, None, Err(Cut { reason: CutReason::StorageFailed, reply }));
            }
        };
        let length = match outcome {
            Ok(0) => return (sent, Some(reader), finish(context, stream).await),
            Ok(length) => length,
            // Without TLS's goodbye the client knows that this is not all.
            Err(error) => return (sent, Some(reader), Err(error.into())),
        };
        offset += length as u64;
        let ahead = if offset < size {
            Ahead::Reading(read(reader, spare_or_new(&mut spare, size - offset), offset))
        } else {
            Ahead::Nothing(reader)
        };
        let mut broken = None;
        for piece in buffer[..length].chunks(PIECE) {
            if let Err(problem) = context.moving(stream.write_all(piece)).await {
                broken = Some(Cut::from(problem));
                break;
            }
            sent += piece.len() as u64;
            context.count_out(piece.len());
        }
        spare = buffer;
        next = match (ahead, broken) {
            (Ahead::Reading(next), None) => next,
            (Ahead::Reading(next), Some(cut)) => {
                return (sent, next.await.ok().map(|block| block.reader), Err(cut));
            }
            (Ahead::Nothing(reader), None) => return (sent, Some(reader), finish(context, stream).await),
            (Ahead::Nothing(reader), Some(cut)) => return (sent, Some(reader), Err(cut)),
        };
    }
}

/// What is done while a block goes out.
enum Ahead {
    Reading(JoinHandle<Block>),
    /// It is the last.
    Nothing(Box<dyn Reader>),
}

/// A buffer for what is left: the one that is free, or a new one, small for small files.
fn spare_or_new(spare: &mut Vec<u8>, left: u64) -> Vec<u8> {
    if spare.is_empty() {
        vec![0; usize::try_from(left).unwrap_or(BLOCK).clamp(1, BLOCK)]
    } else {
        std::mem::take(spare)
    }
}

async fn finish(context: &Context, stream: DataStream) -> Result<(), Cut> {
    Ok(context.finish_sending(stream).await?)
}

fn read(reader: Box<dyn Reader>, mut buffer: Vec<u8>, offset: u64) -> JoinHandle<Block> {
    spawn_blocking(move || {
        let outcome = reader.read_at(offset, &mut buffer);
        Block { reader, buffer, outcome }
    })
}

/// HASH's answer: the SHA-256 of the whole file.
pub(super) async fn hash(context: &Context, path: &VirtualPath) -> Result<Reply, Reply> {
    let reader = context.tree.open_to_check(path).await?;
    let size = reader.size();
    let mut hashing = Hashing { reader, hasher: Sha256::new(), offset: 0 };
    let digest = loop {
        if context.stop.is_asked() {
            return Err(Broken::Stopped(context.stop.reason()).reply(false));
        }
        let hop = spawn_blocking(move || hashing.hop());
        match hop.await.map_err(|_| Reply::new(451, "The storage failed"))?? {
            Hashed::All(digest) => break digest,
            Hashed::Part(rest) => hashing = rest,
        }
    };
    let name = path.name().map_or_else(String::new, |name| name.to_string());
    Ok(Reply::new(213, format!("SHA-256 0-{size} {digest} {name}")))
}

/// A file that is being hashed.
struct Hashing {
    reader: Box<dyn Reader>,
    hasher: Sha256,
    offset: u64,
}

/// What one hop comes to.
enum Hashed {
    Part(Hashing),
    /// In hexadecimal.
    All(String),
}

impl Hashing {
    /// Blocking.
    fn hop(mut self) -> Result<Hashed, VfsError> {
        let mut buffer = vec![0; BLOCK];
        let end = self.offset.saturating_add(HOP);
        while self.offset < end {
            match self.reader.read_at(self.offset, &mut buffer)? {
                0 => {
                    let digest = self.hasher.finalize();
                    return Ok(Hashed::All(digest.iter().map(|byte| format!("{byte:02x}")).collect()));
                }
                length => {
                    self.hasher.update(&buffer[..length]);
                    self.offset += length as u64;
                }
            }
        }
        Ok(Hashed::Part(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of so many bytes, all zero.
    struct Zeros(u64);

    impl Reader for Zeros {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
            buffer.fill(0);
            Ok(usize::try_from(self.0.saturating_sub(offset)).unwrap().min(buffer.len()))
        }
        fn size(&self) -> u64 {
            self.0
        }
        fn close(self: Box<Self>, _cut: Option<&str>) {}
    }

    fn hashing(size: u64) -> Hashing {
        Hashing { reader: Box::new(Zeros(size)), hasher: Sha256::new(), offset: 0 }
    }

    #[test]
    fn an_enormous_file_is_hashed_a_part_at_a_time() {
        let Ok(Hashed::Part(rest)) = hashing(1 << 60).hop() else { panic!("no part") };
        assert_eq!(rest.offset, HOP);
    }

    #[test]
    fn the_parts_come_to_the_hash_of_the_whole() {
        let mut hashing = hashing(HOP + 1);
        let digest = loop {
            match hashing.hop().unwrap() {
                Hashed::Part(rest) => hashing = rest,
                Hashed::All(digest) => break digest,
            }
        };
        let whole = Sha256::digest(vec![0; usize::try_from(HOP).unwrap() + 1]);
        assert_eq!(digest, whole.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
}
