//! What the gateway offers beyond SFTP version 3 (OpenSSH's PROTOCOL §4; copy-data and home-directory are
//! draft-ietf-secsh-filexfer-extensions-00 §7 and §5).

use crate::vfs::Space;

use super::attributes::{GROUP_NAME, OWNER};
use super::frames::MAX_PACKET;
use super::handles::{HandleId, Open, OpenFile};
use super::packet::Extended;
use super::replies::{Replies, put_bytes};
use super::requests::Failed;
use super::status::Status;
use super::subsystem::{LONGEST_READ, Worker};

/// Names and versions as VERSION tells them.
pub(super) const OFFERED: &[(&str, &str)] = &[
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("copy-data", "1"),
    ("home-directory", "1"),
    ("users-groups-by-id@openssh.com", "1"),
];

/// The longest name of a file, for statvfs.
const LONGEST_NAME: u64 = crate::domain::virtual_path::MAX_NAME_BYTES as u64;
/// How many ids are told the names of at a time: an id of four bytes asks for a name of many.
const MOST_IDS: usize = 1024;

impl Extended {
    /// Whether the answer tells more than success.
    pub(super) fn is_question(&self) -> bool {
        match self {
            Self::Statvfs { .. }
            | Self::Fstatvfs(_)
            | Self::Limits
            | Self::ExpandPath { .. }
            | Self::HomeDirectory { .. }
            | Self::UsersGroupsById { .. } => true,
            Self::PosixRename { .. } | Self::Fsync(_) | Self::CopyData { .. } => false,
        }
    }
}

impl Worker {
    /// The extended requests that ask for something.
    pub(super) async fn ask(&mut self, id: u32, question: Extended, replies: &mut Replies) -> Result<(), Failed> {
        match question {
            Extended::Statvfs { path } => {
                let space = self.channel.tree.space(&self.channel.path(&path)?).await?;
                replies.extended(id, |body| encode_space(&space, body));
            }
            Extended::Fstatvfs(handle) => {
                let space = self.space_of(handle).await?;
                replies.extended(id, |body| encode_space(&space, body));
            }
            Extended::Limits => {
                // Who asks can take long replies: older clients fail on data longer than they expect.
                self.longest_read = LONGEST_READ;
                let handles = self.handles.most();
                replies.extended(id, |body| {
                    for limit in [MAX_PACKET, LONGEST_READ, LONGEST_READ, handles] {
                        body.extend((limit as u64).to_be_bytes());
                    }
                });
            }
            Extended::ExpandPath { path } => {
                let path = self.expand(&path)?;
                self.real_path(id, &path, replies)?;
            }
            Extended::HomeDirectory { user } => {
                let login = self.channel.session.login();
                if !user.is_empty() && !user.eq_ignore_ascii_case(login.as_str().as_bytes()) {
                    return Err(Status::failure("no such user").into());
                }
                self.real_path(id, b".", replies)?;
            }
            Extended::UsersGroupsById { users, groups } => {
                if users.len() + groups.len() > MOST_IDS {
                    return Err(Status::failure("too many ids").into());
                }
                let login = self.channel.session.login().as_str();
                replies.extended(id, |body| {
                    encode_names(&users, login, body);
                    encode_names(&groups, GROUP_NAME, body);
                });
            }
            Extended::PosixRename { .. } | Extended::Fsync(_) | Extended::CopyData { .. } => {
                return Err(Status::unsupported("this request is not supported").into());
            }
        }
        Ok(())
    }

    /// `~` and `~login` are the home; another's home is not told of.
    fn expand(&self, path: &[u8]) -> Result<Vec<u8>, Status> {
        let Some(rest) = path.strip_prefix(b"~") else { return Ok(path.to_vec()) };
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (user, below) = rest.split_at(end);
        let login = self.channel.session.login().as_str().as_bytes();
        if !user.is_empty() && !user.eq_ignore_ascii_case(login) {
            return Err(Status::no_such_file());
        }
        let home = self.channel.encode(self.channel.tree.home().as_str());
        Ok([&home, below].concat())
    }

    async fn space_of(&mut self, handle: HandleId) -> Result<Space, Failed> {
        match self.handles.get_mut(handle).ok_or_else(Status::invalid_handle)? {
            Open::File { file, .. } => {
                let file = file.clone();
                let space = self.channel.blocking(move || match file {
                    OpenFile::Read(file) => file.space(),
                    OpenFile::Write { file, .. } => file.space(),
                });
                Ok(space.await??)
            }
            Open::Folder { path, .. } => Ok(self.channel.tree.space(path).await?),
        }
    }

    pub(super) async fn sync(&mut self, handle: HandleId) -> Result<(), Failed> {
        match self.handles.file(handle).ok_or_else(Status::invalid_handle)? {
            OpenFile::Write { file, .. } => {
                let file = std::sync::Arc::clone(file);
                Ok(self.channel.blocking(move || file.sync()).await??)
            }
            // What can be read was published, and so is durable.
            OpenFile::Read(_) => Ok(()),
        }
    }
}

/// The eleven numbers of statvfs@openssh.com.
fn encode_space(space: &Space, body: &mut Vec<u8>) {
    let numbers = [
        space.block_size,
        space.block_size,
        space.blocks,
        space.blocks_free,
        space.blocks_available,
        space.files,
        space.files_free,
        space.files_free,
        0, // file system id
        0, // flags
        LONGEST_NAME,
    ];
    for number in numbers {
        body.extend(number.to_be_bytes());
    }
}

/// A string of strings: the name of each id, empty for those that are not ours.
fn encode_names(ids: &[u32], name: &str, body: &mut Vec<u8>) {
    let mut names = Vec::new();
    for id in ids {
        put_bytes(&mut names, if *id == OWNER { name.as_bytes() } else { b"" });
    }
    put_bytes(body, &names);
}
