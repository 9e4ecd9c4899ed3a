//! What a channel has open, by the handles that its client was given.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::VirtualPath;
use crate::vfs::{CutReason, Entry, Listing, ReadFile, Upload, VfsError};

/// A handle as the client says it. Opaque to the client: four bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HandleId(u32);

impl HandleId {
    /// Never given to a client: stands for anything that cannot be a handle of ours.
    const NONE: Self = Self(0);

    pub(super) fn from_wire(bytes: &[u8]) -> Self {
        <[u8; 4]>::try_from(bytes).map_or(Self::NONE, |bytes| Self(u32::from_be_bytes(bytes)))
    }

    pub(super) fn to_wire(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// A file open for reading or writing; cheap to hand to a blocking thread.
#[derive(Clone)]
pub(super) enum OpenFile {
    Read(Arc<ReadFile>),
    Write { file: Arc<Upload>, append: bool },
}

impl OpenFile {
    /// How many bytes a read at `offset` for `length` can bring at most; saves clearing memory for more.
    pub(super) fn most(&self, offset: u64, length: usize) -> usize {
        let end = match self {
            Self::Read(file) => file.size(),
            // What is being written grows. No file reaches past 2^63, and the kernel would call a read that does invalid.
            Self::Write { .. } => i64::MAX.unsigned_abs(),
        };
        usize::try_from(end.saturating_sub(offset)).map_or(length, |rest| rest.min(length))
    }

    /// Blocking.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        match self {
            Self::Read(file) => file.read_at(offset, buffer),
            Self::Write { file, .. } => file.read_at(offset, buffer),
        }
    }

    /// Blocking; for bytes that do not go to the client.
    pub(super) fn read_to_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        match self {
            Self::Read(file) => file.read_to_copy(offset, buffer),
            Self::Write { file, .. } => file.read_at(offset, buffer),
        }
    }

    /// Blocking. Whether nothing is at `offset` yet nor behind it, and something could be put there.
    pub(super) fn ends_before(&self, offset: u64) -> Result<bool, VfsError> {
        match self {
            Self::Write { file, append: false } => Ok(file.metadata()?.size <= offset),
            Self::Write { append: true, .. } | Self::Read(_) => Ok(false),
        }
    }

    /// Blocking.
    pub(super) fn set_size(&self, size: u64) -> Result<(), VfsError> {
        match self {
            Self::Read(_) => Err(VfsError::WrongMode),
            Self::Write { file, .. } => file.set_size(size),
        }
    }

    /// Blocking. A file opened with APPEND takes no notice of offsets.
    pub(super) fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), VfsError> {
        match self {
            Self::Read(_) => Err(VfsError::WrongMode),
            Self::Write { file, append: true } => file.append(data),
            Self::Write { file, append: false } => file.write_at(offset, data),
        }
    }
}

/// A folder whose entries are being listed.
pub(super) struct OpenFolder {
    pub entries: Listing,
    /// Read already, but did not fit in the last reply.
    pub waiting: VecDeque<Entry>,
}

/// What one handle stands for.
pub(super) enum Open {
    File { file: OpenFile, path: VirtualPath },
    Folder { folder: OpenFolder, path: VirtualPath },
}

/// The open handles of a channel, bounded in number.
pub(super) struct Handles {
    open: HashMap<HandleId, Open>,
    last: u32,
    most: usize,
}

impl Handles {
    pub(super) fn new(most: usize) -> Self {
        Self { open: HashMap::new(), last: 0, most }
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= self.most
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn add(&mut self, open: Open) -> HandleId {
        // A number comes back after four thousand million others; one that is still open then is passed over.
        loop {
            self.last = self.last.wrapping_add(1);
            let id = HandleId(self.last);
            if id != HandleId::NONE && !self.open.contains_key(&id) {
                self.open.insert(id, open);
                return id;
            }
        }
    }

    pub(super) fn get_mut(&mut self, id: HandleId) -> Option<&mut Open> {
        self.open.get_mut(&id)
    }

    pub(super) fn file(&self, id: HandleId) -> Option<&OpenFile> {
        match self.open.get(&id) {
            Some(Open::File { file, .. }) => Some(file),
            Some(Open::Folder { .. }) | None => None,
        }
    }

    pub(super) fn remove(&mut self, id: HandleId) -> Option<Open> {
        self.open.remove(&id)
    }

    /// The channel is over: what is still open was not ended by the client.
    pub(super) async fn cut_all(&mut self, reason: CutReason, why: &str) {
        for (_, open) in self.open.drain() {
            match open {
                Open::File { file: OpenFile::Read(file), .. } => close_read(file, Some(why)),
                Open::File { file: OpenFile::Write { file, .. }, .. } => file.cut(reason).await,
                Open::Folder { .. } => {}
            }
        }
    }
}

/// Ends a download. The blocking threads gave their references back before anything else is served.
pub(super) fn close_read(file: Arc<ReadFile>, cut: Option<&str>) {
    if let Some(file) = Arc::into_inner(file) {
        file.close(cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_bytes_can_be_a_handle() {
        assert_eq!(HandleId::from_wire(b""), HandleId::NONE);
        assert_eq!(HandleId::from_wire(b"\0\0\0\x05x"), HandleId::NONE);
        assert_eq!(HandleId::from_wire(&HandleId(77).to_wire()), HandleId(77));
    }
}
