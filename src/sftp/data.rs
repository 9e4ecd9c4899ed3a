//! Reads and writes: what a worker does on a blocking thread, many in one hop.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::vfs::VfsError;

use super::budget::Budget;
use super::handles::OpenFile;
use super::packet::{Packet, Request};
use super::replies::Replies;
use super::spares::Spares;
use super::status::Status;

/// A read or write, with its file; `None`: the handle is not open.
pub(super) struct Job {
    pub packet: Packet,
    pub file: Option<OpenFile>,
}

impl Job {
    /// How much it moves at most.
    pub(super) fn bytes(&self, longest_read: usize) -> usize {
        match &self.packet.request {
            Request::Write { data, .. } => data.len(),
            Request::Read { offset, length, .. } => {
                let length = usize::try_from(*length).map_or(longest_read, |length| length.min(longest_read));
                self.file.as_ref().map_or(0, |file| file.most(*offset, length))
            }
            _ => 0,
        }
    }
}

/// What one hop to a blocking thread does.
pub(super) struct Batch {
    pub jobs: VecDeque<Job>,
    pub room: usize,
    pub longest_read: usize,
    pub budget: Arc<Budget>,
    pub channel: u32,
}

pub(super) struct Done {
    pub replies: Replies,
    /// There was no room for their replies.
    pub left: VecDeque<Job>,
    pub problems: Vec<VfsError>,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Batch {
    /// How much it moves at most.
    pub(super) fn bytes(&self) -> usize {
        self.jobs.iter().map(|job| job.bytes(self.longest_read)).sum()
    }

    /// Blocking.
    pub(super) fn run(self) -> Done {
        let Self { mut jobs, room, longest_read, budget, channel } = self;
        let mut done = Done {
            replies: Replies::default(),
            left: VecDeque::new(),
            problems: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
        };
        while let Some(job) = jobs.pop_front() {
            if matches!(job.packet.request, Request::Read { .. }) && done.replies.len() >= room {
                jobs.push_front(job);
                break;
            }
            let cost = job.packet.cost();
            done.serve(job, longest_read, &budget.spares);
            // At once, and not at the end of the batch: the connection may be waiting for it.
            budget.free(channel, cost);
        }
        done.left = jobs;
        done
    }
}

impl Done {
    fn serve(&mut self, job: Job, longest_read: usize, spares: &Spares) {
        let id = job.packet.id;
        let Some(file) = job.file else {
            self.replies.status(id, &Status::invalid_handle());
            return;
        };
        let outcome = match job.packet.request {
            Request::Read { offset, length, .. } => {
                let length = usize::try_from(length).map_or(longest_read, |length| length.min(longest_read));
                let most = file.most(offset, length);
                match self.replies.data(id, most, |buffer| file.read_at(offset, buffer)) {
                    Ok(0) => Ok(Some(Status::end_of_file())),
                    Ok(count) => {
                        self.bytes_out += count as u64;
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
            Request::Write { offset, data, .. } => {
                let (written, length) = (file.write_at(offset, &data), data.len());
                spares.give(data);
                written.map(|()| {
                    self.bytes_in += length as u64;
                    Some(Status::ok())
                })
            }
            _ => Ok(Some(Status::unsupported("not about data"))),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(status)) => self.replies.status(id, &status),
            Err(error) => {
                self.replies.status(id, &Status::of(&error));
                self.problems.push(error);
            }
        }
    }
}
