//! A disk in memory that keeps apart what was done and what would outlast a loss of power.
//!
//! It promises as little as filesystems may. Of a file only what its last sync held is sure; what came later may be
//! there, lost, zeros or torn. A name that was made or taken away lasts once *its own folder* is synced; until then
//! every such change survives or not independently of all others. Of a rename the new name may survive without the old
//! one being gone, but never the other way round: no filesystem loses a file by renaming it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::backend::{Backend, OpenFile, OpenFolder, Stat, Times};
use super::super::places::DiskPath;
use super::super::{FileKind, Replace, Space};
use crate::domain::Timestamp;

/// The top folder's number.
const TOP: usize = 0;

#[derive(Debug, Clone)]
enum Node {
    File { now: Vec<u8>, synced: Vec<u8> },
    Folder { now: BTreeMap<String, usize>, synced: BTreeMap<String, usize> },
}

/// A name of a folder that was given to something, or taken away.
#[derive(Debug, Clone)]
struct Change {
    id: usize,
    folder: usize,
    name: String,
    node: Option<usize>,
    /// The new name, when this takes away a renamed thing's old one.
    only_with: Option<usize>,
}

/// Everything on the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Medium {
    nodes: Vec<Node>,
    unsynced: Vec<Change>,
    changes: usize,
    /// How often power was lost.
    losses: usize,
}

/// What becomes of a file's unsynced bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Old,
    New,
    /// The new length, but nothing that was not there before.
    Zeros,
    /// Half of what is new.
    Torn,
}

/// One way in which a loss of power can turn out: for each unsynced change whether it survives, for each unsynced file
/// what it holds.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) changes: Vec<bool>,
    pub(super) files: Vec<Fate>,
}

impl Medium {
    /// An empty top folder.
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::Folder { now: BTreeMap::new(), synced: BTreeMap::new() }], ..Self::default() }
    }

    /// How many changes and files are not synced.
    pub(super) fn unsynced(&self) -> (usize, usize) {
        (self.unsynced.len(), self.unsynced_files().count())
    }

    fn unsynced_files(&self) -> impl Iterator<Item = usize> + '_ {
        let is_unsynced = |node: &Node| matches!(node, Node::File { now, synced } if now != synced);
        self.nodes.iter().enumerate().filter(move |(_, node)| is_unsynced(node)).map(|(number, _)| number)
    }

    /// What is left when power comes back.
    pub(super) fn after_the_loss(&self, outcome: &Outcome) -> Self {
        let mut left = self.clone();
        let mut lost: Vec<usize> = Vec::new();
        for (change, survives) in self.unsynced.iter().zip(&outcome.changes) {
            if !survives || change.only_with.is_some_and(|other| lost.contains(&other)) {
                lost.push(change.id);
            } else {
                left.make_last(change);
            }
        }
        for (number, fate) in self.unsynced_files().zip(&outcome.files) {
            let Node::File { now, synced } = &mut left.nodes[number] else { unreachable!("a file") };
            *synced = fate.of(now, synced);
        }
        for node in &mut left.nodes {
            match node {
                Node::File { now, synced } => now.clone_from(synced),
                Node::Folder { now, synced } => now.clone_from(synced),
            }
        }
        left.unsynced.clear();
        left.losses += 1;
        left
    }

    /// Everything lasts.
    pub(super) fn settle(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            self.make_last(&change);
        }
        for node in &mut self.nodes {
            if let Node::File { now, synced } = node {
                synced.clone_from(now);
            }
        }
    }

    fn make_last(&mut self, change: &Change) {
        let Node::Folder { synced, .. } = &mut self.nodes[change.folder] else { unreachable!("a folder") };
        match change.node {
            Some(node) => synced.insert(change.name.clone(), node),
            None => synced.remove(&change.name),
        };
    }

    fn sync_folder(&mut self, folder: usize) {
        let of_folder = |change: &Change| change.folder == folder;
        let partners: Vec<usize> =
            self.unsynced.iter().filter(|change| of_folder(change)).filter_map(|change| change.only_with).collect();
        let of_partners: Vec<Change> =
            self.unsynced.iter().filter(|change| partners.contains(&change.id)).cloned().collect();
        // What a name was given before comes before, too.
        let is_due = |change: &Change| {
            let same_name = |partner: &Change| partner.folder == change.folder && partner.name == change.name;
            of_partners.iter().any(|partner| same_name(partner) && change.id <= partner.id)
        };
        let (last, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|change| of_folder(change) || is_due(change));
        self.unsynced = rest;
        last.iter().for_each(|change| self.make_last(change));
    }

    /// Gives a name to something, or takes it away.
    fn change(&mut self, folder: usize, name: &str, node: Option<usize>, only_with: Option<usize>) -> usize {
        let Node::Folder { now, .. } = &mut self.nodes[folder] else { unreachable!("a folder") };
        match node {
            Some(node) => now.insert(name.to_owned(), node),
            None => now.remove(name),
        };
        self.changes += 1;
        self.unsynced.push(Change { id: self.changes, folder, name: name.to_owned(), node, only_with });
        self.changes
    }

    fn add(&mut self, path: &DiskPath, node: Node) -> io::Result<usize> {
        let folder = self.folder(&path.parent())?;
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        self.change(folder, path.name(), Some(number), None);
        Ok(number)
    }

    fn find(&self, path: &DiskPath) -> io::Result<usize> {
        let names = path.as_str().split('/').filter(|name| *name != ".");
        names.into_iter().try_fold(TOP, |at, name| match &self.nodes[at] {
            Node::Folder { now, .. } => now.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into()),
            Node::File { .. } => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn folder(&self, path: &DiskPath) -> io::Result<usize> {
        let found = self.find(path)?;
        match self.nodes[found] {
            Node::Folder { .. } => Ok(found),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&self, path: &DiskPath) -> io::Result<usize> {
        let found = self.find(path)?;
        match self.nodes[found] {
            Node::File { .. } => Ok(found),
            Node::Folder { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn bytes(&mut self, file: usize) -> &mut Vec<u8> {
        match &mut self.nodes[file] {
            Node::File { now, .. } => now,
            Node::Folder { .. } => unreachable!("a file"),
        }
    }

    fn stat(&self, number: usize) -> Stat {
        let (kind, size) = match &self.nodes[number] {
            Node::File { now, .. } => (FileKind::File, now.len() as u64),
            Node::Folder { .. } => (FileKind::Folder, 0),
        };
        let time = Timestamp::from_seconds(1_000);
        Stat { kind, size, modified: time, accessed: time, changed: time, unique: number as u64 }
    }

    /// Moves a name; answers whether another thing had the new one.
    fn rename(&mut self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<bool> {
        let (moved, source, target) = (self.find(from)?, self.folder(&from.parent())?, self.folder(&to.parent())?);
        let replaced = self.find(to).ok();
        if let Some(there) = replaced {
            let is_full = matches!(&self.nodes[there], Node::Folder { now, .. } if !now.is_empty());
            match replace {
                Replace::Refuse => return Err(io::ErrorKind::AlreadyExists.into()),
                Replace::Allow if is_full => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
                Replace::Allow => {}
            }
        }
        let named = self.change(target, to.name(), Some(moved), None);
        self.change(source, from.name(), None, Some(named));
        Ok(replaced.is_some())
    }

    /// Every file and folder below a folder: its path, and what a file holds.
    pub(super) fn tree(&self, below: &DiskPath) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut to_visit: Vec<(String, usize)> = self.find(below).map(|top| (String::new(), top)).into_iter().collect();
        while let Some((path, number)) = to_visit.pop() {
            match &self.nodes[number] {
                Node::File { now, .. } => {
                    found.insert(path, Some(now.clone()));
                }
                Node::Folder { now, .. } => {
                    to_visit.extend(now.iter().map(|(name, number)| (format!("{path}/{name}"), *number)));
                    found.insert(path, None);
                }
            }
        }
        found
    }
}

impl Fate {
    fn of(self, now: &[u8], synced: &[u8]) -> Vec<u8> {
        let mut bytes = match self {
            Self::Old => return synced.to_vec(),
            Self::New => return now.to_vec(),
            Self::Zeros => synced.to_vec(),
            Self::Torn => {
                let kept = now.len().div_ceil(2);
                [&now[..kept], synced.get(kept..).unwrap_or_default()].concat()
            }
        };
        if self == Self::Zeros || synced.len() > now.len() {
            bytes.resize(now.len(), 0);
        }
        bytes
    }
}

/// A running machine: the medium, and the step at which power is lost. From then on everything fails.
pub(super) struct Machine {
    state: Mutex<Running>,
}

struct Running {
    medium: Medium,
    steps: usize,
    ends_at: usize,
    /// As it was when power was lost.
    wreck: Option<Medium>,
}

impl Machine {
    pub(super) fn start(medium: Medium, ends_at: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(Running { medium, steps: 0, ends_at, wreck: None }) })
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap()
    }

    /// Something that changes what lasts is about to happen; fails without power.
    pub(super) fn step(&self) -> io::Result<()> {
        self.changing().map(drop)
    }

    fn changing(&self) -> io::Result<MutexGuard<'_, Running>> {
        let mut running = self.state();
        if running.wreck.is_none() && running.steps >= running.ends_at {
            running.wreck = Some(running.medium.clone());
        }
        running.steps += 1;
        if running.wreck.is_some() { Err(io::Error::other("no power")) } else { Ok(running) }
    }

    fn looking(&self) -> io::Result<MutexGuard<'_, Running>> {
        let running = self.state();
        if running.wreck.is_some() { Err(io::Error::other("no power")) } else { Ok(running) }
    }

    /// What was there when power was lost; `None` while it runs.
    pub(super) fn wreck(&self) -> Option<Medium> {
        self.state().wreck.clone()
    }

    pub(super) fn medium(&self) -> Medium {
        self.state().medium.clone()
    }
}

/// The machine's disk.
pub(super) struct Recording(pub(super) Arc<Machine>);

struct RecordedFile {
    machine: Arc<Machine>,
    number: usize,
}

struct RecordedFolder(Vec<(String, Stat)>);

impl Recording {
    fn open(&self, number: usize) -> Arc<dyn OpenFile> {
        Arc::new(RecordedFile { machine: Arc::clone(&self.0), number })
    }
}

impl Backend for Recording {
    fn era(&self) -> String {
        self.0.state().medium.losses.to_string()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.0.changing()?.medium.settle();
        Ok(())
    }
    fn open_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        let number = self.0.looking()?.medium.file(path)?;
        Ok(self.open(number))
    }
    fn reopen_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.open_file(path)
    }
    fn create_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        let number = self.0.changing()?.medium.add(path, Node::File { now: Vec::new(), synced: Vec::new() })?;
        Ok(self.open(number))
    }
    fn copy_file(&self, from: &DiskPath, to: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        let source = self.0.looking()?.medium.file(from)?;
        let copy = self.create_file(to)?;
        let bytes = self.0.looking()?.medium.bytes(source).clone();
        copy.write_at(0, &bytes)?;
        Ok(copy)
    }
    fn open_folder(&self, path: &DiskPath) -> io::Result<Box<dyn OpenFolder>> {
        let running = self.0.looking()?;
        let folder = running.medium.folder(path)?;
        let Node::Folder { now, .. } = &running.medium.nodes[folder] else { unreachable!("a folder") };
        let stat = |(name, number): (&String, &usize)| (name.clone(), running.medium.stat(*number));
        Ok(Box::new(RecordedFolder(now.iter().map(stat).collect())))
    }
    fn stat(&self, path: &DiskPath) -> io::Result<Stat> {
        let running = self.0.looking()?;
        Ok(running.medium.stat(running.medium.find(path)?))
    }
    fn set_times(&self, path: &DiskPath, _: Times) -> io::Result<()> {
        self.0.changing()?.medium.find(path).map(drop)
    }
    fn make_folder(&self, path: &DiskPath) -> io::Result<()> {
        let node = Node::Folder { now: BTreeMap::new(), synced: BTreeMap::new() };
        self.0.changing()?.medium.add(path, node).map(drop)
    }
    fn remove_file(&self, path: &DiskPath) -> io::Result<()> {
        let mut running = self.0.changing()?;
        running.medium.file(path)?;
        let folder = running.medium.folder(&path.parent())?;
        running.medium.change(folder, path.name(), None, None);
        Ok(())
    }
    fn remove_folder(&self, path: &DiskPath) -> io::Result<()> {
        let mut running = self.0.changing()?;
        let removed = running.medium.folder(path)?;
        if matches!(&running.medium.nodes[removed], Node::Folder { now, .. } if !now.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let folder = running.medium.folder(&path.parent())?;
        running.medium.change(folder, path.name(), None, None);
        Ok(())
    }
    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        let mut running = self.0.changing()?;
        let folder = running.medium.folder(&path.parent())?;
        running.medium.change(folder, path.name(), None, None);
        Ok(())
    }
    fn rename(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<()> {
        self.publish(from, to, replace).map(drop)
    }
    fn publish(&self, staged: &DiskPath, target: &DiskPath, replace: Replace) -> io::Result<bool> {
        self.0.changing()?.medium.rename(staged, target, replace)
    }
    fn sync_folder(&self, path: &DiskPath) -> io::Result<()> {
        let mut running = self.0.changing()?;
        let folder = running.medium.folder(path)?;
        running.medium.sync_folder(folder);
        Ok(())
    }
    fn space(&self) -> io::Result<Space> {
        Ok(Space { block_size: 1, blocks: 1, blocks_free: 1, blocks_available: 1, files: 1, files_free: 1 })
    }
}

impl OpenFile for RecordedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut running = self.machine.looking()?;
        let bytes = running.medium.bytes(self.number);
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut running = self.machine.changing()?;
        let bytes = running.medium.bytes(self.number);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        if bytes.len() < start + data.len() {
            bytes.resize(start + data.len(), 0);
        }
        bytes[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.machine.looking()?.medium.stat(self.number))
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(io::Error::other)?;
        self.machine.changing()?.medium.bytes(self.number).resize(size, 0);
        Ok(())
    }
    fn set_times(&self, _: Times) -> io::Result<()> {
        self.machine.step()
    }
    fn sync(&self) -> io::Result<()> {
        let mut running = self.machine.changing()?;
        if let Node::File { now, synced } = &mut running.medium.nodes[self.number] {
            synced.clone_from(now);
        }
        Ok(())
    }
}

impl OpenFolder for RecordedFolder {
    fn next_batch(&mut self, most: usize) -> io::Result<Vec<(String, Stat)>> {
        Ok(self.0.drain(..most.min(self.0.len())).collect())
    }
}
