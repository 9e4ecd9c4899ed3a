//! HASH (draft-bryan-ftpext-hash-02): the SHA-256 of a file, so that a client can check what it sent.

use super::Argument;
use crate::ftp::reply::Reply;
use crate::ftp::session::{Member, Outcome};
use crate::ftp::transfer::Job;

pub(super) fn handle(member: &mut Member, argument: &Argument) -> Result<Outcome, Reply> {
    Ok(Outcome::Start(Job::Hash { path: member.path(argument)? }))
}
