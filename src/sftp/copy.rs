//! `copy-data` (draft-ietf-secsh-filexfer-extensions-00 §7): between two open files, without the bytes crossing the wire.

use crate::vfs::VfsError;

use super::handles::{HandleId, OpenFile};
use super::requests::Failed;
use super::status::Status;
use super::subsystem::Worker;

/// How much is read and written at a time.
const PIECE: usize = 256 * 1024;
/// How much one hop to a blocking thread copies. Those threads are everybody's, and a few bytes of a request may ask for
/// terabytes: what takes long stands in line again and again.
const HOP: u64 = 1024 * 1024;

static ZEROS: [u8; PIECE] = [0; PIECE];

/// A copy under way.
struct Copy {
    source: OpenFile,
    from: u64,
    target: OpenFile,
    to: u64,
    missing: u64,
    /// The last piece was left out: the target ends before it.
    ends_in_a_hole: bool,
}

impl Copy {
    /// Blocking: one hop. Answers itself until all is copied.
    fn hop(mut self) -> Result<Option<Self>, VfsError> {
        let mut buffer = vec![0; PIECE];
        let mut copied = 0;
        while copied < HOP {
            let most = usize::try_from(self.missing).map_or(PIECE, |missing| missing.min(PIECE));
            let count = self.source.read_to_copy(self.from, &mut buffer[..most])?;
            if count == 0 {
                if self.ends_in_a_hole {
                    self.target.set_size(self.to)?;
                }
                return Ok(None);
            }
            self.put(&buffer[..count])?;
            let count = count as u64;
            self.missing -= count;
            self.from = self.from.saturating_add(count);
            self.to = self.to.saturating_add(count);
            copied += count;
        }
        Ok(Some(self))
    }

    /// A hole stays a hole where nothing is yet: else a login could fill the disk by asking for a copy of one byte at
    /// 10 TiB.
    fn put(&mut self, piece: &[u8]) -> Result<(), VfsError> {
        self.ends_in_a_hole = *piece == ZEROS[..piece.len()] && self.target.ends_before(self.to)?;
        if self.ends_in_a_hole { Ok(()) } else { self.target.write_at(self.to, piece) }
    }
}

impl Worker {
    /// A length of 0 is "to the end".
    pub(super) async fn copy_data(
        &mut self,
        (from, from_offset): (HandleId, u64),
        length: u64,
        (to, to_offset): (HandleId, u64),
    ) -> Result<(), Failed> {
        if from == to {
            // It could overtake itself and never end.
            return Err(Status::failure("the two handles must differ").into());
        }
        let mut copy = Copy {
            source: self.handles.file(from).ok_or_else(Status::invalid_handle)?.clone(),
            from: from_offset,
            target: self.handles.file(to).ok_or_else(Status::invalid_handle)?.clone(),
            to: to_offset,
            missing: if length == 0 { u64::MAX } else { length },
            ends_in_a_hole: false,
        };
        while !self.channel.is_over() {
            match self.channel.blocking(move || copy.hop()).await?? {
                Some(rest) => copy = rest,
                None => return Ok(()),
            }
            self.channel.session.touch();
        }
        Err(Status::failure("the session is over").into())
    }
}
