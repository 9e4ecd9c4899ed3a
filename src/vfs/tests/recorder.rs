//! The recorder of publications: what fails on the way is recorded all the same, and without waiting for the next upload.

use std::io;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::backend::{LocalBackend, OpenFile, OpenFolder, Stat, Times};
use super::super::places::DiskPath;
use super::*;

/// A disk on which one call to make a folder last fails, counted from when a file was put in place.
struct Faltering {
    disk: LocalBackend,
    fails: usize,
    /// The folders that were made to last since then.
    lasting: Mutex<Option<Vec<String>>>,
}

impl Faltering {
    fn over(place: &Place, fails: usize) -> Arc<Self> {
        Arc::new(Self { disk: LocalBackend::open(place.directory()).unwrap(), fails, lasting: Mutex::new(None) })
    }

    fn lasting(&self) -> Vec<String> {
        let lasting = self.lasting.lock().unwrap().clone().unwrap_or_default();
        lasting.into_iter().filter(|folder| !folder.is_empty()).collect()
    }
}

impl Backend for Faltering {
    fn era(&self) -> String {
        self.disk.era()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync_all()
    }
    fn open_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.disk.open_file(path)
    }
    fn reopen_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.disk.reopen_file(path)
    }
    fn create_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.disk.create_file(path)
    }
    fn copy_file(&self, from: &DiskPath, to: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.disk.copy_file(from, to)
    }
    fn open_folder(&self, path: &DiskPath) -> io::Result<Box<dyn OpenFolder>> {
        self.disk.open_folder(path)
    }
    fn stat(&self, path: &DiskPath) -> io::Result<Stat> {
        self.disk.stat(path)
    }
    fn set_times(&self, path: &DiskPath, times: Times) -> io::Result<()> {
        self.disk.set_times(path, times)
    }
    fn make_folder(&self, path: &DiskPath) -> io::Result<()> {
        self.disk.make_folder(path)
    }
    fn remove_file(&self, path: &DiskPath) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn remove_folder(&self, path: &DiskPath) -> io::Result<()> {
        self.disk.remove_folder(path)
    }
    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        self.disk.remove_tree(path)
    }
    fn rename(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<()> {
        self.disk.rename(from, to, replace)
    }
    fn publish(&self, staged: &DiskPath, target: &DiskPath, replace: Replace) -> io::Result<bool> {
        let replaced = self.disk.publish(staged, target, replace)?;
        *self.lasting.lock().unwrap() = Some(Vec::new());
        Ok(replaced)
    }
    fn sync_folder(&self, path: &DiskPath) -> io::Result<()> {
        if let Some(lasting) = self.lasting.lock().unwrap().as_mut() {
            let fails = lasting.len() == self.fails;
            lasting.push(if fails { String::new() } else { path.as_str().to_owned() });
            if fails {
                return Err(io::Error::other("the disk faltered"));
            }
        }
        self.disk.sync_folder(path)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

fn record(storage: &Arc<Storage>) -> JoinHandle<()> {
    let storage = Arc::clone(storage);
    tokio::spawn(async move { storage.keep_recording(CancellationToken::new()).await })
}

/// Waits until so many are recorded.
async fn recorded(place: &Place, count: usize) {
    let all = async {
        while place.ledger.publications().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("it is recorded");
}

#[tokio::test]
async fn what_is_visible_is_recorded_soon_although_the_disk_faltered_once_both_its_names_last() {
    for fails in 0..2 {
        let place = Place::new();
        let disk = Faltering::over(&place, fails);
        let storage = place.over(Arc::clone(&disk) as _);
        let recorder = record(&storage);
        let login = place.login_over(&storage).await;
        put(&login, "/in/a", "abc").await.unwrap_err();
        assert_eq!(place.content("/in/a").unwrap(), "abc");
        recorded(&place, 1).await;
        let staging = DiskPath::staging_of(place.owner.account);
        let target = DiskPath::of(place.owner.instance, place.owner.account, &path("/in"));
        for folder in [staging, target] {
            assert!(disk.lasting().iter().any(|lasting| lasting == folder.as_str()), "{fails}: {}", folder.as_str());
        }
        recorder.abort();
    }
}

#[tokio::test]
async fn what_a_start_could_not_record_does_not_wait_for_the_next_upload() {
    let mut place = Place::new();
    put(&place.login().await, "/in/a", "abc").await.unwrap();
    place.ledger.fails.store(true, Ordering::SeqCst);
    assert_eq!(place.restart().await.rolled_forward, 0);
    place.ledger.fails.store(false, Ordering::SeqCst);
    let recorder = record(&place.storage);
    recorded(&place, 1).await;
    recorder.abort();
}

#[tokio::test]
async fn a_ledger_that_is_away_is_not_asked_for_all_that_waits() {
    let place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    for number in 0..300 {
        put(&login, &format!("/in/{number}"), "x").await.unwrap();
    }
    place.storage.settle().await;
    assert!(place.ledger.asked.load(Ordering::SeqCst) <= 256);
    place.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(place.recorded().await.len(), 300);
}
