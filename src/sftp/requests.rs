//! One request, one answer: everything of SFTP version 3 but reads and writes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::vfs::{Entry, Metadata, Replace, VfsError, Work, WriteOptions};

use super::attributes::{self, Wanted};
use super::handles::{HandleId, Open, OpenFile, OpenFolder, close_read};
use super::packet::{Extended, OpenFlags, Packet, Request};
use super::replies::{Replies, put_bytes};
use super::status::{Code, Status};
use super::subsystem::Worker;

/// The most entries of one READDIR reply.
const PAGE_ENTRIES: usize = 200;
/// READDIR replies stay below 32 KiB, which is all that older clients take. An entry is added while there is this much
/// room: two names of 255 bytes, a long login, the attributes.
const PAGE_BYTES: usize = 32 * 1024 - 1024;

/// Why a request failed: by the tree, or by the protocol.
pub(super) enum Failed {
    Tree(VfsError),
    Status(Status),
}

impl From<VfsError> for Failed {
    fn from(error: VfsError) -> Self {
        Self::Tree(error)
    }
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Worker {
    /// Serves a request that is not about data.
    pub(super) async fn answer(&mut self, packet: Packet, replies: &mut Replies) {
        let id = packet.id;
        let outcome = match packet.request {
            Request::Open { path, flags } => self.open(id, &path, flags, replies).await,
            Request::Opendir { path } => self.open_folder(id, &path, replies).await,
            Request::Readdir(handle) => self.read_folder(id, handle, replies).await,
            Request::Stat { path } => self.stat(id, &path, replies).await,
            Request::Fstat(handle) => self.stat_handle(id, handle, replies).await,
            Request::Realpath { path } => self.real_path(id, &path, replies),
            Request::Extended(question) if question.is_question() => self.ask(id, question, replies).await,
            request => self.change(request).await.map(|()| replies.status(id, &Status::ok())),
        };
        if let Err(failed) = outcome {
            let status = match failed {
                Failed::Status(status) => status,
                Failed::Tree(error) => {
                    self.log(&error);
                    Status::of(&error)
                }
            };
            replies.status(id, &status);
        }
    }

    /// The requests whose answer is whether they succeeded.
    async fn change(&mut self, request: Request) -> Result<(), Failed> {
        match request {
            Request::Close(handle) => self.close(handle).await,
            Request::Setstat { path, wanted } => self.set_attributes(&path, wanted).await,
            Request::Fsetstat { handle, wanted } => self.set_handle_attributes(handle, wanted).await,
            Request::Remove { path } => Ok(self.channel.tree.remove_file(&self.channel.path(&path)?).await?),
            Request::Mkdir { path } => Ok(self.channel.tree.make_folder(&self.channel.path(&path)?).await?),
            Request::Rmdir { path } => Ok(self.channel.tree.remove_folder(&self.channel.path(&path)?).await?),
            // draft-ietf-secsh-filexfer-02 §6.5: an error if the new name exists.
            Request::Rename { from, to } => self.rename(&from, &to, Replace::Refuse).await,
            Request::Extended(Extended::PosixRename { from, to }) => self.rename(&from, &to, Replace::Allow).await,
            Request::Extended(Extended::Fsync(handle)) => self.sync(handle).await,
            Request::Extended(Extended::CopyData { from, from_offset, length, to, to_offset }) => {
                self.copy_data((from, from_offset), length, (to, to_offset)).await
            }
            Request::Readlink { path } => {
                self.channel.tree.stat(&self.channel.path(&path)?).await?;
                // What OpenSSH makes of EINVAL, the kernel's word for it.
                Err(Status { code: Code::BadMessage, message: String::from("not a link") }.into())
            }
            Request::Malformed => Err(Status::bad_message().into()),
            Request::Unsupported
            | Request::Extended(_)
            | Request::Open { .. }
            | Request::Opendir { .. }
            | Request::Readdir(_)
            | Request::Stat { .. }
            | Request::Fstat(_)
            | Request::Realpath { .. }
            | Request::Read { .. }
            | Request::Write { .. } => Err(Status::unsupported("this request is not supported").into()),
        }
    }

    async fn open(&mut self, id: u32, path: &[u8], flags: OpenFlags, replies: &mut Replies) -> Result<(), Failed> {
        let path = self.channel.path(path)?;
        self.room_for_a_handle()?;
        let file = if flags.write || flags.append {
            let options = WriteOptions {
                create: flags.create,
                truncate: flags.truncate,
                exclusive: flags.exclusive,
                read: flags.read,
                // Clients resume with APPEND (OpenSSH's `reput`), also while the gateway has not noticed yet that their
                // connection before is dead.
                append: false,
            };
            let file = Arc::new(self.channel.tree.open_write(&path, options).await?);
            OpenFile::Write { file, append: flags.append }
        } else {
            OpenFile::Read(Arc::new(self.channel.tree.open_read(&path).await?))
        };
        replies.handle(id, self.handles.add(Open::File { file, path }));
        Ok(())
    }

    async fn open_folder(&mut self, id: u32, path: &[u8], replies: &mut Replies) -> Result<(), Failed> {
        let path = self.channel.path(path)?;
        self.room_for_a_handle()?;
        let entries = self.channel.tree.list(&path).await?;
        let folder = OpenFolder { entries, waiting: VecDeque::new() };
        replies.handle(id, self.handles.add(Open::Folder { folder, path }));
        Ok(())
    }

    fn room_for_a_handle(&self) -> Result<(), Status> {
        if self.handles.is_full() { Err(Status::failure("too many open handles")) } else { Ok(()) }
    }

    /// What CLOSE of an upload answers is whether the file is published: durable and visible.
    async fn close(&mut self, handle: HandleId) -> Result<(), Failed> {
        match self.handles.remove(handle).ok_or_else(Status::invalid_handle)? {
            Open::File { file: OpenFile::Read(file), .. } => close_read(file, None),
            Open::File { file: OpenFile::Write { file, .. }, .. } => {
                self.channel.budget.spares.clear();
                file.publish().await?;
            }
            Open::Folder { .. } => {}
        }
        Ok(())
    }

    async fn read_folder(&mut self, id: u32, handle: HandleId, replies: &mut Replies) -> Result<(), Failed> {
        let Some(Open::Folder { folder, .. }) = self.handles.get_mut(handle) else {
            return Err(Status::invalid_handle().into());
        };
        if folder.waiting.is_empty() {
            folder.waiting = folder.entries.next_batch(PAGE_ENTRIES).await?.into();
        }
        if folder.waiting.is_empty() {
            return Err(Status::end_of_file().into());
        }
        let (encoding, now) = (*self.channel.encoding(), self.channel.clock.now());
        let login = self.channel.session.login().as_str();
        let mut long_name = Vec::new();
        replies.names(id, |body| {
            let mut count = 0;
            while body.len() < PAGE_BYTES
                && let Some(Entry { name, metadata }) = folder.waiting.pop_front()
            {
                put_bytes(body, &encoding.encode(name.as_str()));
                long_name.clear();
                attributes::long_name(name.as_str(), &metadata, login, now, encoding, &mut long_name);
                put_bytes(body, &long_name);
                attributes::encode(&metadata, body);
                count += 1;
            }
            count
        });
        Ok(())
    }

    async fn stat(&mut self, id: u32, path: &[u8], replies: &mut Replies) -> Result<(), Failed> {
        let metadata = self.channel.tree.stat(&self.channel.path(path)?).await?;
        replies.attributes(id, |body| attributes::encode(&metadata, body));
        Ok(())
    }

    async fn stat_handle(&mut self, id: u32, handle: HandleId, replies: &mut Replies) -> Result<(), Failed> {
        let metadata = match self.handles.get_mut(handle).ok_or_else(Status::invalid_handle)? {
            Open::File { file, .. } => metadata_of(&self.channel, file.clone()).await?,
            Open::Folder { path, .. } => self.channel.tree.stat(path).await?,
        };
        replies.attributes(id, |body| attributes::encode(&metadata, body));
        Ok(())
    }

    /// Normalises by the text alone, so it succeeds for what is not there (yet).
    pub(super) fn real_path(&self, id: u32, path: &[u8], replies: &mut Replies) -> Result<(), Failed> {
        let path = self.channel.path(path)?;
        replies.path(id, &self.channel.encode(path.as_str()));
        Ok(())
    }

    async fn rename(&mut self, from: &[u8], to: &[u8], replace: Replace) -> Result<(), Failed> {
        let (from, to) = (self.channel.path(from)?, self.channel.path(to)?);
        Ok(self.channel.tree.rename(&from, &to, replace).await?)
    }

    /// Mode and owner are accepted without a word: clients that copy them would call a good upload failed otherwise.
    async fn set_attributes(&mut self, path: &[u8], wanted: Wanted) -> Result<(), Failed> {
        let path = self.channel.path(path)?;
        if let Some(size) = wanted.size {
            self.channel.tree.set_size(&path, size).await?;
        }
        if wanted.has_times() {
            self.channel.tree.set_times(&path, wanted.modified, wanted.accessed).await?;
        }
        Ok(())
    }

    async fn set_handle_attributes(&mut self, handle: HandleId, wanted: Wanted) -> Result<(), Failed> {
        match self.handles.get_mut(handle).ok_or_else(Status::invalid_handle)? {
            Open::File { file: OpenFile::Write { file, .. }, .. } => {
                let file = Arc::clone(file);
                let set = move || {
                    if let Some(size) = wanted.size {
                        file.set_size(size)?;
                    }
                    if wanted.has_times() { file.set_times(wanted.modified, wanted.accessed) } else { Ok(()) }
                };
                Ok(self.channel.blocking(set).await??)
            }
            Open::File { file: OpenFile::Read(_), path } | Open::Folder { path, .. } => {
                if wanted.size.is_some() {
                    return Err(VfsError::WrongMode.into());
                }
                if wanted.has_times() {
                    self.channel.tree.set_times(path, wanted.modified, wanted.accessed).await?;
                }
                Ok(())
            }
        }
    }
}

/// What an open file is now.
async fn metadata_of(channel: &super::subsystem::Channel, file: OpenFile) -> Result<Metadata, Failed> {
    let metadata = channel.small(Work::Look, move || match file {
        OpenFile::Read(file) => file.metadata(),
        OpenFile::Write { file, .. } => file.metadata(),
    });
    Ok(metadata.await??)
}
