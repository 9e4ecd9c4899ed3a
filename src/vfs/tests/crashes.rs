//! A crash at any step leaves no unrecorded file, no recorded ghost, and nothing half-written in sight.

use std::io;

use super::super::backend::{LocalBackend, OpenFile, OpenFolder, Stat, Times};
use super::super::places::DiskPath;
use super::super::publisher::WAITING_MOST;
use super::*;

/// A disk that stops for good before the step of that number: to what is on it, the process has died there.
struct Dying {
    disk: LocalBackend,
    life: Arc<Life>,
}

struct Life {
    steps: AtomicUsize,
    ends_at: usize,
}

impl Life {
    fn step(&self) -> io::Result<()> {
        if self.steps.fetch_add(1, Ordering::SeqCst) < self.ends_at { Ok(()) } else { Err(io::Error::other("dead")) }
    }
}

struct DyingFile(Arc<dyn OpenFile>, Arc<Life>);

impl Dying {
    fn file(&self, file: io::Result<Arc<dyn OpenFile>>) -> io::Result<Arc<dyn OpenFile>> {
        Ok(Arc::new(DyingFile(file?, Arc::clone(&self.life))))
    }
}

impl Backend for Dying {
    fn era(&self) -> String {
        self.disk.era()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.disk.sync_all()
    }
    fn open_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.file(self.disk.open_file(path))
    }
    fn reopen_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.file(self.disk.reopen_file(path))
    }
    fn create_file(&self, path: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.life.step()?;
        self.file(self.disk.create_file(path))
    }
    fn copy_file(&self, from: &DiskPath, to: &DiskPath) -> io::Result<Arc<dyn OpenFile>> {
        self.life.step()?;
        self.file(self.disk.copy_file(from, to))
    }
    fn open_folder(&self, path: &DiskPath) -> io::Result<Box<dyn OpenFolder>> {
        self.disk.open_folder(path)
    }
    fn stat(&self, path: &DiskPath) -> io::Result<Stat> {
        self.disk.stat(path)
    }
    fn set_times(&self, path: &DiskPath, times: Times) -> io::Result<()> {
        self.life.step()?;
        self.disk.set_times(path, times)
    }
    fn make_folder(&self, path: &DiskPath) -> io::Result<()> {
        self.life.step()?;
        self.disk.make_folder(path)
    }
    fn remove_file(&self, path: &DiskPath) -> io::Result<()> {
        self.life.step()?;
        self.disk.remove_file(path)
    }
    fn remove_folder(&self, path: &DiskPath) -> io::Result<()> {
        self.life.step()?;
        self.disk.remove_folder(path)
    }
    fn remove_tree(&self, path: &DiskPath) -> io::Result<()> {
        self.life.step()?;
        self.disk.remove_tree(path)
    }
    fn rename(&self, from: &DiskPath, to: &DiskPath, replace: Replace) -> io::Result<()> {
        self.life.step()?;
        self.disk.rename(from, to, replace)
    }
    fn publish(&self, staged: &DiskPath, target: &DiskPath, replace: Replace) -> io::Result<bool> {
        self.life.step()?;
        self.disk.publish(staged, target, replace)
    }
    fn sync_folder(&self, path: &DiskPath) -> io::Result<()> {
        self.life.step()?;
        self.disk.sync_folder(path)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

impl OpenFile for DyingFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // A write that is torn in the middle, too.
        self.1.step()?;
        self.0.write_at(offset, &data[..data.len() / 2])?;
        self.1.step()?;
        self.0.write_at(offset, data)
    }
    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.1.step()?;
        self.0.set_size(size)
    }
    fn set_times(&self, times: Times) -> io::Result<()> {
        self.1.step()?;
        self.0.set_times(times)
    }
    fn sync(&self) -> io::Result<()> {
        self.1.step()?;
        self.0.sync()
    }
}

/// Uploads over `before` with a disk that dies at that step; answers whether the client was told OK.
async fn upload_dying_at(place: &Place, step: usize, options: WriteOptions) -> bool {
    let life = Arc::new(Life { steps: AtomicUsize::new(0), ends_at: usize::MAX });
    let disk = LocalBackend::open(place.directory()).unwrap();
    let whole = place.over(Arc::new(Dying { disk, life }));
    let setup = place.login_over(&whole).await;
    put(&setup, "/in/a", "before").await.unwrap();
    whole.settle().await;
    drop((setup, whole));

    // Mounting takes no step that counts: the folders are there.
    let life = Arc::new(Life { steps: AtomicUsize::new(0), ends_at: step + 2 });
    let disk = LocalBackend::open(place.directory()).unwrap();
    let dying = place.over(Arc::new(Dying { disk, life: Arc::clone(&life) }));
    let tree = place.login_over(&dying).await;
    assert_eq!(life.steps.load(Ordering::SeqCst), 2, "making staging and trash are the two steps of the start");
    let upload = async {
        let upload = tree.open_write(&path("/in/a"), options).await?;
        upload.write_at(0, b"after!!")?;
        upload.publish().await
    };
    let ok = upload.await.is_ok();
    dying.settle().await;
    ok
}

#[tokio::test]
async fn death_at_any_step_of_an_upload_leaves_the_old_file_or_the_new_one_recorded() {
    die_at_each_step(START_NEW).await;
}

#[tokio::test]
async fn death_at_any_step_of_an_update_in_place_does_too() {
    die_at_each_step(CONTINUE).await;
}

async fn die_at_each_step(options: WriteOptions) {
    let mut told_ok = 0;
    let mut seen_after = 0;
    for step in 0.. {
        let mut place = Place::new();
        let ok = upload_dying_at(&place, step, options).await;
        let recovery = place.restart().await;
        let content = place.content("/in/a").unwrap();
        let recorded = place.recorded().await;
        let case = format!("step {step}: {content}, {recovery:?}, told ok: {ok}");

        assert!(content == "before" || content == "after!!", "{case}");
        let of_new = recorded.iter().filter(|publication| publication.bytes == 7).count();
        assert_eq!(of_new, usize::from(content == "after!!"), "recorded once if and only if visible: {case}");
        assert!(!ok || content == "after!!", "an acknowledged upload is there: {case}");
        // What was received can be continued, and nothing else is left in staging.
        let login = place.login().await;
        if login.stat(&path("/in/a")).await.unwrap().incomplete {
            assert_eq!(recovery.incomplete, 1, "{case}");
            assert_eq!(place.staging().await.len(), 2, "{case}");
            put(&login, "/in/a", "again").await.unwrap();
            assert_eq!(place.content("/in/a").unwrap(), "again");
        }
        assert!(place.staging().await.is_empty(), "{case}: {:?}", place.staging().await);
        assert_eq!(place.storage.sweep().await.unwrap(), Sweep::default(), "{case}");
        told_ok += usize::from(ok);
        seen_after += usize::from(content == "after!!");
        if ok && told_ok > 2 {
            break;
        }
    }
    assert!(seen_after > told_ok, "some died between the rename and the answer");
}

#[tokio::test]
async fn a_ledger_that_fails_leaves_the_file_to_be_recorded_by_the_sweep() {
    let place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&login, "/in/a", "abc").await.unwrap();
    assert_eq!(get(&login, "/in/a").await.unwrap(), "abc", "it is in place");
    place.storage.sweep().await.unwrap();
    assert!(place.recorded().await.is_empty());
    assert_eq!(place.staging().await.len(), 1, "the intent stays");
    place.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(place.storage.sweep().await.unwrap(), Sweep::default());
    assert_eq!(place.recorded().await.len(), 1);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn while_too_many_wait_for_their_record_uploads_are_refused_and_kept() {
    let place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&login, "/in/first", "abc").await.unwrap();
    let core = &place.storage.core;
    let happening = core.uploads.pending().remove(0).1.happening;
    while core.uploads.count_pending() < WAITING_MOST {
        core.uploads.pend(core.new_upload_id(), happening.clone());
    }
    assert_eq!(outcome(&put(&login, "/in/a", "abc").await), "Ledger");
    assert_eq!(place.content("/in/a"), None);
    assert!(login.stat(&path("/in/a")).await.unwrap().incomplete, "its client can go on with it");

    let (recorded, _) = core.uploads.pending().pop().unwrap();
    core.uploads.recorded(recorded);
    login.open_write(&path("/in/a"), CONTINUE).await.unwrap().publish().await.unwrap();
    assert_eq!(place.content("/in/a").as_deref(), Some("abc"));
}

#[tokio::test]
async fn a_ledger_that_failed_is_made_up_for_by_the_next_start_too() {
    let mut place = Place::new();
    let login = place.login().await;
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&login, "/in/a", "abc").await.unwrap();
    assert!(!login.stat(&path("/in/a")).await.unwrap().incomplete);
    assert_eq!(get(&login, "/in/a").await.unwrap(), "abc");
    // Taken by a consumer meanwhile: it was published all the same.
    place.operator().await.remove_file(&path("/in/a")).await.unwrap();
    place.ledger.fails.store(false, Ordering::SeqCst);
    assert_eq!(place.restart().await, Recovery { rolled_forward: 2, ..Recovery::default() });
    assert_eq!(place.told().await, ["uploaded /in/a 3", "deleted /in/a 3"]);
    assert!(place.staging().await.is_empty());
}

#[tokio::test]
async fn a_start_with_the_ledger_away_keeps_the_intents() {
    let mut place = Place::new();
    place.ledger.fails.store(true, Ordering::SeqCst);
    put(&place.login().await, "/in/a", "abc").await.unwrap();
    assert_eq!(place.restart().await, Recovery::default());
    place.ledger.fails.store(false, Ordering::SeqCst);
    place.storage.sweep().await.unwrap();
    assert_eq!(place.recorded().await.len(), 1);
}

#[tokio::test]
async fn staging_that_means_nothing_is_cleared_at_start() {
    let mut place = Place::new();
    put_cut(&place.login().await, "/in/a", "kept").await;
    let staging = place.directory().join(".staging").join(place.owner.account.to_string());
    let new_id = || UploadId::new(place.clock.now(), &OsRandom);
    std::fs::write(staging.join(format!("{}.data", new_id())), "without sidecar").unwrap();
    std::fs::write(staging.join(format!("{}.json", new_id())), "without data").unwrap();
    let torn = new_id();
    std::fs::write(staging.join(format!("{torn}.data")), "bytes").unwrap();
    std::fs::write(staging.join(format!("{torn}.json")), "{\"opened\":{\"inst").unwrap();
    assert_eq!(place.restart().await.incomplete, 1);
    assert_eq!(place.staging().await.len(), 2);
}

#[tokio::test]
async fn of_two_attempts_at_one_path_the_later_survives_a_crash() {
    let mut place = Place::new();
    let login = place.login().await;
    put_cut(&login, "/in/a", "first").await;
    place.clock.advance(Duration::from_secs(1));
    let second = login.open_write(&path("/in/a"), START_NEW).await.unwrap();
    second.write_at(0, b"2nd").unwrap();
    std::mem::forget(second);
    assert_eq!(place.restart().await.incomplete, 1);
    assert_eq!(place.login().await.stat(&path("/in/a")).await.unwrap().size, 3);
    assert_eq!(place.staging().await.len(), 2);
}

#[tokio::test]
async fn an_operators_upload_does_not_survive_a_crash() {
    let mut place = Place::new();
    let upload = place.operator().await.open_write(&path("/in/a"), START_NEW).await.unwrap();
    upload.write_at(0, b"abc").unwrap();
    std::mem::forget(upload);
    assert_eq!(place.restart().await, Recovery::default());
    assert!(place.staging().await.is_empty());
}
