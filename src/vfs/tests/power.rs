//! Power is lost at every step of everything that changes files, in every way that [`super::recording`] knows; what a
//! fresh start makes of the rest must be what was acknowledged, with at most the one thing that was under way: the files,
//! what is held for its rename, and the records of all that happened, in their order, each once.

use std::collections::BTreeMap;

use super::super::places::DiskPath;
use super::super::uploads::Unfinished;
use super::recording::{Fate, Machine, Medium, Outcome, Recording};
use super::*;

/// Something that a login, or an operator where it says so, does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Put(&'static str, &'static str),
    /// Writes over the beginning of what is there, without truncating it.
    Update(&'static str, &'static str),
    OperatorPut(&'static str, &'static str),
    OperatorRemove(&'static str),
    /// Sends so much and loses the connection.
    Cut(&'static str, &'static str),
    /// Sends what is missing of this.
    Resume(&'static str, &'static str),
    Discard(&'static str),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    MakeFolder(&'static str),
    RemoveFolder(&'static str),
    MoveFolder(&'static str, &'static str),
    /// The gateway moves a file to the trash.
    Trash(&'static str),
    /// Sends a file to where a rename publishes it.
    Hold(&'static str, &'static str),
    /// That rename.
    Release(&'static str, &'static str),
}

use Act::*;

/// What is published, and what is on record about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct World {
    /// Contents by path; `None` for a folder.
    files: BTreeMap<String, Option<String>>,
    /// What the login sees beside, whole and not published.
    held: BTreeMap<String, String>,
    /// What the trash holds, by the path that it had.
    trashed: BTreeMap<String, String>,
    /// What is recorded, in that order.
    records: Vec<String>,
}

/// What a record tells, with the names that raise no event.
fn record_of(happening: &Happening) -> String {
    told(happening).unwrap_or_else(|| match happening {
        Happening::Published(publication) => format!("received {} {}", publication.path, publication.bytes),
        Happening::Changed(_) => unreachable!("every change that is recorded raises an event"),
    })
}

fn is_temporary(at: &str) -> bool {
    TemporaryNames::default().matches(at)
}

impl World {
    fn publish(&mut self, at: &str, content: &str) {
        self.files.insert(at.to_owned(), Some(content.to_owned()));
        let what = if is_temporary(at) { "received" } else { "uploaded" };
        self.records.push(format!("{what} {at} {}", content.len()));
    }

    fn after(&self, act: Act) -> Self {
        let mut world = self.clone();
        match act {
            Put(at, content) | Resume(at, content) => world.publish(at, content),
            OperatorPut(at, content) => {
                for folder in Self::folders_above(at).into_iter().skip(1) {
                    world.files.entry(folder).or_insert(None);
                }
                world.publish(at, content);
            }
            Update(at, start) => {
                let old = world.files[at].clone().unwrap();
                let rest = old.get(start.len()..).unwrap_or_default().to_owned();
                world.publish(at, &format!("{start}{rest}"));
            }
            Cut(..) | Discard(_) => {}
            Remove(at) | OperatorRemove(at) => {
                let removed = world.files.remove(at).unwrap().unwrap();
                if !is_temporary(at) {
                    world.records.push(format!("deleted {at} {}", removed.len()));
                }
            }
            Trash(at) => {
                let removed = world.files.remove(at).unwrap().unwrap();
                if !is_temporary(at) {
                    world.records.push(format!("deleted {at} {}", removed.len()));
                }
                world.trashed.insert(at.to_owned(), removed);
            }
            RemoveFolder(at) => {
                world.files.remove(at);
            }
            Hold(at, content) => {
                world.held.insert(at.to_owned(), content.to_owned());
            }
            Release(from, to) => {
                let content = world.held.remove(from).unwrap();
                world.publish(to, &content);
            }
            MakeFolder(at) => {
                world.files.insert(at.to_owned(), None);
            }
            Rename(from, to) | MoveFolder(from, to) => {
                if matches!(act, MoveFolder(..)) {
                    world.files.insert(to.to_owned(), None);
                } else if self.is_told(from, to) {
                    let length = self.files[from].as_ref().map_or(0, String::len);
                    let ends_upload = self.files[from].is_some() && is_temporary(from);
                    let record = if ends_upload { format!("uploaded {to}") } else { format!("renamed {from} {to}") };
                    world.records.push(format!("{record} {length}"));
                }
                for (path, content) in self.below(from) {
                    world.files.remove(&path);
                    world.files.insert(path.replacen(from, to, 1), content);
                }
            }
        }
        world
    }

    /// Whether a rename raises an event.
    fn is_told(&self, from: &str, to: &str) -> bool {
        self.files[from].is_none() || !is_temporary(from) || !is_temporary(to)
    }

    /// While it is under way: a rename may have given the new name and not yet taken the old one, an operator's upload
    /// may have made some of the folders on its way.
    fn during(&self, act: Act) -> Vec<Self> {
        let mut worlds = vec![self.clone(), self.after(act)];
        if let Rename(from, to) | MoveFolder(from, to) = act {
            // Of a file whose rename is told, the start that tells it finishes it.
            let is_finished = matches!(act, Rename(..)) && self.files[from].is_some() && self.is_told(from, to);
            let mut both = Self { records: self.records.clone(), ..self.after(act) };
            both.files.extend(self.below(from));
            worlds.extend((!is_finished).then_some(both));
        }
        if let Trash(at) = act
            && is_temporary(at)
        {
            let mut both = self.after(act);
            both.files.insert(at.to_owned(), self.files[at].clone());
            worlds.push(both);
        }
        if let OperatorPut(at, _) = act {
            let mut world = self.clone();
            for folder in Self::folders_above(at).into_iter().skip(1) {
                world.files.entry(folder).or_insert(None);
                worlds.push(world.clone());
            }
        }
        worlds
    }

    /// From the outermost in; the first is the remote folder.
    fn folders_above(at: &str) -> Vec<String> {
        let ends = at.match_indices('/').map(|(end, _)| end).filter(|end| *end > 0);
        ends.map(|end| at[..end].to_owned()).collect()
    }

    fn below(&self, at: &str) -> Vec<(String, Option<String>)> {
        let is_below = |path: &str| path == at || path.starts_with(&format!("{at}/"));
        self.files.iter().filter(|(path, _)| is_below(path)).map(|(p, c)| (p.clone(), c.clone())).collect()
    }
}

/// Durable when it answers, as it says; the machine may lose power before and after.
struct LastingLedger {
    machine: Arc<Machine>,
    records: Mutex<Vec<Happening>>,
}

impl LastingLedger {
    fn record_one(&self, happening: Happening) -> Result<(), LedgerError> {
        let no_power = |error: std::io::Error| LedgerError(error.to_string());
        self.machine.step().map_err(no_power)?;
        let mut records = self.records.lock().unwrap();
        match records.iter().find(|known| known.event() == happening.event()) {
            Some(known) => {
                assert_eq!(format!("{known:?}"), format!("{happening:?}"), "one event has one content");
            }
            None => records.push(happening),
        }
        drop(records);
        self.machine.step().map_err(no_power)
    }
}

impl Ledger for LastingLedger {
    fn record(&self, happenings: Vec<Happening>) -> BoxFuture<'_, Vec<Result<(), LedgerError>>> {
        Box::pin(async move { happenings.into_iter().map(|one| self.record_one(one)).collect() })
    }

    fn noted(&self, _: TransferNote) {}

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What is there between two starts.
#[derive(Clone)]
struct Rest {
    medium: Medium,
    records: Vec<Happening>,
}

/// When the records of publications are made: at any moment after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    AfterEach,
    AfterAll,
}

/// The account of these tests; the same in every life.
struct Account {
    owner: TreeOwner,
    clock: Arc<ManualClock>,
}

/// One life of the gateway.
struct Life<'a> {
    account: &'a Account,
    machine: Arc<Machine>,
    ledger: Arc<LastingLedger>,
}

impl Account {
    fn new() -> Self {
        let now = Timestamp::from_seconds(1_795_456_800);
        let (instance, account) = (InstanceId::new(now, &OsRandom), AccountId::new(now, &OsRandom));
        let folder = |at| RemoteFolder {
            id: FolderId::new(now, &OsRandom),
            account,
            name: FolderName::parse("folder").unwrap(),
            path: path(at),
            rights: Rights::all(),
            rules: FolderRules { publish_on_rename: at == "/held", ..FolderRules::default() },
        };
        let owner = TreeOwner::new(instance, account, ["/in", "/out", "/held"].map(folder).to_vec());
        Self { owner, clock: Arc::new(ManualClock::at(now)) }
    }

    fn live(&self, rest: &Rest, ends_at: usize) -> Life<'_> {
        let machine = Machine::start(rest.medium.clone(), ends_at);
        let records = Mutex::new(rest.records.clone());
        let ledger = Arc::new(LastingLedger { machine: Arc::clone(&machine), records });
        Life { account: self, machine, ledger }
    }

    fn world(&self, rest: &Rest) -> World {
        let top = DiskPath::of(self.owner.instance, self.owner.account, &VirtualPath::root());
        // Remote folders are made whenever they are missing: they say nothing.
        let is_own =
            |path: &String| !path.is_empty() && !self.owner.folders.iter().any(|folder| folder.path.as_str() == path);
        let tree = rest.medium.tree(&top).into_iter().filter(|(path, _)| is_own(path));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let records = rest.records.iter().map(record_of).collect();
        let files = tree.map(|(path, content)| (path, content.map(text))).collect();
        // `/<entry>/<instance>/<account>/<path>`
        let trash = rest.medium.tree(&DiskPath::trash()).into_iter();
        let trashed = trash.filter_map(|(place, content)| {
            let at = place.splitn(5, '/').nth(4)?;
            Some((format!("/{at}"), text(content?)))
        });
        World { files, held: BTreeMap::new(), trashed: trashed.collect(), records }
    }
}

impl Life<'_> {
    async fn start(&self) -> Result<Arc<Storage>, VfsError> {
        let backend = Arc::new(Recording(Arc::clone(&self.machine)));
        let (ledger, clock) = (Arc::clone(&self.ledger) as _, Arc::clone(&self.account.clock) as _);
        let storage = Storage::over(backend, &settings(Path::new("/")), ledger, clock, Arc::new(OsRandom))?;
        storage.recover().await?;
        Ok(storage)
    }

    async fn login(&self, storage: &Arc<Storage>) -> Result<SessionTree, VfsError> {
        let actor = Actor::Login {
            session: SessionId::new(self.account.clock.now(), &OsRandom),
            login: LoginName::parse("acme-payroll").unwrap(),
            connection_type: ConnectionType::Sftp,
            address: "192.0.2.7".parse().unwrap(),
            client: ClientSoftware::said("SSH-2.0-OpenSSH_9.9"),
            algorithms: None,
        };
        SessionTree::mount(storage, self.account.owner.clone(), actor).await
    }

    /// Starts and does these until power is lost; answers how many were acknowledged.
    async fn run(&self, acts: &[Act], recording: Recorded) -> usize {
        let Ok(storage) = self.start().await else { return 0 };
        let Ok(login) = self.login(&storage).await else { return 0 };
        let mut acknowledged = 0;
        for act in acts {
            if let Err(error) = self.perform(*act, &storage, &login).await {
                assert!(self.machine.wreck().is_some(), "{act:?} fails with power: {error:?}");
                break;
            }
            acknowledged += 1;
            if recording == Recorded::AfterEach {
                storage.settle().await;
            }
        }
        storage.settle().await;
        acknowledged
    }

    async fn perform(&self, act: Act, storage: &Arc<Storage>, login: &SessionTree) -> Result<(), VfsError> {
        let TreeOwner { instance, account, .. } = self.account.owner;
        let owner = self.account.owner.clone();
        let operator = OperatorTree::mount(storage, owner, Actor::Operator { name: String::from("payroll-import") });
        self.account.clock.advance(Duration::from_millis(10));
        match act {
            Put(at, content) | Hold(at, content) => put(login, at, content).await.map(drop),
            Update(at, start) => {
                let upload = login.open_write(&path(at), CONTINUE).await?;
                upload.write_at(0, start.as_bytes())?;
                upload.publish().await.map(drop)
            }
            OperatorPut(at, content) => {
                let upload = operator.await?.open_write(&path(at), START_NEW).await?;
                upload.write_at(0, content.as_bytes())?;
                upload.publish().await.map(drop)
            }
            OperatorRemove(at) => operator.await?.remove_file(&path(at)).await,
            Trash(at) => {
                let actor = Actor::Gateway { rule: String::from("retention") };
                let gateway = OperatorTree::mount(storage, self.account.owner.clone(), actor).await?;
                let (entry, late) = (gateway.new_trash_entry(), self.account.clock.now());
                let removed = gateway.remove_if_older(&path(at), late, Some(&entry)).await?;
                assert!(removed.is_some(), "{at} is old enough");
                Ok(())
            }
            Cut(at, content) => {
                let upload = login.open_write(&path(at), START_NEW).await?;
                upload.write_at(0, content.as_bytes())?;
                upload.cut(CutReason::ConnectionLost).await;
                self.machine.step().map_err(VfsError::Storage)
            }
            Resume(at, content) => {
                let upload = login.open_write(&path(at), CONTINUE).await?;
                let sent = usize::try_from(upload.metadata()?.size).unwrap();
                upload.write_at(sent as u64, content.get(sent..).unwrap_or_default().as_bytes())?;
                upload.publish().await.map(drop)
            }
            Rename(from, to) | Release(from, to) => login.rename(&path(from), &path(to), Replace::Allow).await,
            Remove(at) | Discard(at) => login.remove_file(&path(at)).await,
            MakeFolder(at) => login.make_folder(&path(at)).await,
            RemoveFolder(at) => login.remove_folder(&path(at)).await,
            MoveFolder(from, to) => storage.move_folder(instance, account, &path(from), &path(to)).await,
        }
    }

    /// What is left when its power comes back as `outcome` says.
    fn rest(&self, outcome: &Outcome) -> Rest {
        let medium = self.machine.wreck().unwrap_or_else(|| self.machine.medium());
        Rest { medium: medium.after_the_loss(outcome), records: self.ledger.records.lock().unwrap().clone() }
    }
}

/// Splitmix64, for choices that are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fate(&mut self) -> Fate {
        [Fate::Old, Fate::New, Fate::Zeros, Fate::Torn][(self.next() % 4) as usize]
    }

    fn outcome(&mut self, (changes, files): (usize, usize)) -> Outcome {
        let changes = (0..changes).map(|_| self.next().is_multiple_of(2)).collect();
        Outcome { changes, files: (0..files).map(|_| self.fate()).collect() }
    }
}

/// Nothing, everything, each alone, all but each, and some at random.
fn outcomes(unsynced: (usize, usize), dice: &mut Dice) -> Vec<Outcome> {
    let (changes, files) = unsynced;
    let whole = |survives: bool, fate: Fate| Outcome { changes: vec![survives; changes], files: vec![fate; files] };
    let mut outcomes = few_outcomes(unsynced, dice);
    outcomes.extend([whole(true, Fate::Zeros), whole(true, Fate::Torn), whole(true, Fate::Old)]);
    for one in 0..changes {
        for (others, fate) in [(false, Fate::Old), (true, Fate::New), (true, Fate::Zeros)] {
            let mut outcome = whole(others, fate);
            outcome.changes[one] = !others;
            outcomes.push(outcome);
        }
    }
    for one in 0..files {
        for (others, fate) in [(Fate::Old, Fate::New), (Fate::New, Fate::Old), (Fate::New, Fate::Torn)] {
            let mut outcome = whole(true, others);
            outcome.files[one] = fate;
            outcomes.push(outcome);
        }
    }
    outcomes.extend((0..5).map(|_| dice.outcome(unsynced)));
    outcomes
}

/// Nothing, everything, and something.
fn few_outcomes(unsynced: (usize, usize), dice: &mut Dice) -> Vec<Outcome> {
    let whole =
        |survives: bool, fate: Fate| Outcome { changes: vec![survives; unsynced.0], files: vec![fate; unsynced.1] };
    vec![whole(false, Fate::Old), whole(true, Fate::New), dice.outcome(unsynced)]
}

/// Loses power at each step of these acts, in many ways; starts again, loses power at each step of that start too.
async fn lose_power_at_each_step(setup: &[Act], acts: &[Act]) {
    for recording in [Recorded::AfterEach, Recorded::AfterAll] {
        lose_power_at_each_step_of(setup, acts, recording).await;
    }
}

async fn lose_power_at_each_step_of(setup: &[Act], acts: &[Act], recording: Recorded) {
    let account = Account::new();
    let nothing = Rest { medium: Medium::new(), records: Vec::new() };
    let mut before = nothing.clone();
    if !setup.is_empty() {
        let first = account.live(&nothing, usize::MAX);
        assert_eq!(first.run(setup, recording).await, setup.len());
        before = Rest { medium: first.machine.medium(), records: first.ledger.records.lock().unwrap().clone() };
        before.medium.settle();
    }
    let held = setup.iter().fold(World::default(), |world, act| world.after(*act)).held;

    let mut dice = Dice(0x006c_7563_6361);
    for step in 0.. {
        let life = account.live(&before, step);
        let acknowledged = life.run(acts, recording).await;
        let is_over = life.machine.wreck().is_none();
        let start = World { held: held.clone(), ..account.world(&before) };
        let mut worlds = vec![start];
        for act in &acts[..acknowledged] {
            worlds = vec![worlds[0].after(*act)];
        }
        if let Some(under_way) = acts.get(acknowledged) {
            worlds = worlds[0].during(*under_way);
        }
        let unsynced = life.machine.wreck().unwrap_or_else(|| life.machine.medium()).unsynced();
        for outcome in outcomes(unsynced, &mut dice) {
            let case =
                format!("step {step}, recorded {recording:?}, {acknowledged} of {acts:?} acknowledged, {outcome:?}");
            check(&account, &life.rest(&outcome), &worlds, acts, &case).await;
        }
        for outcome in few_outcomes(unsynced, &mut dice) {
            lose_power_in_the_start(&account, &life.rest(&outcome), &worlds, acts, step, &mut dice).await;
        }
        lose_power_after_a_kill(&account, &life, &worlds, acts, step, &mut dice).await;
        if is_over {
            assert_eq!(acknowledged, acts.len());
            return;
        }
    }
}

async fn lose_power_in_the_start(
    account: &Account,
    rest: &Rest,
    worlds: &[World],
    acts: &[Act],
    first: usize,
    dice: &mut Dice,
) {
    for step in 0.. {
        let life = account.live(rest, step);
        let _ = life.start().await;
        let Some(wreck) = life.machine.wreck() else { return };
        for outcome in few_outcomes(wreck.unsynced(), dice) {
            let case = format!("step {first} of {acts:?}, then step {step} of the start, {outcome:?}");
            check(account, &life.rest(&outcome), worlds, acts, &case).await;
        }
    }
}

/// At that step the gateway alone dies, and the next one builds on what it did not sync.
async fn lose_power_after_a_kill(
    account: &Account,
    killed: &Life<'_>,
    worlds: &[World],
    acts: &[Act],
    step: usize,
    dice: &mut Dice,
) {
    const NEXT: Act = Put("/in/a", "at last!!");
    let medium = killed.machine.wreck().unwrap_or_else(|| killed.machine.medium());
    let records = killed.ledger.records.lock().unwrap().clone();
    let life = account.live(&Rest { medium, records }, usize::MAX);
    assert_eq!(life.run(&[NEXT], Recorded::AfterAll).await, 1);
    let worlds: Vec<World> = worlds.iter().map(|world| world.after(NEXT)).collect();
    for outcome in few_outcomes(life.machine.medium().unsynced(), dice) {
        let case = format!("killed at step {step} of {acts:?}, then {NEXT:?}, then {outcome:?}");
        check(account, &life.rest(&outcome), &worlds, &[acts, &[NEXT]].concat(), &case).await;
    }
}

/// A fresh start over what is left shows one of these worlds, and can be worked on.
async fn check(account: &Account, rest: &Rest, worlds: &[World], acts: &[Act], case: &str) {
    let life = account.live(rest, usize::MAX);
    let storage = life.start().await.unwrap_or_else(|error| panic!("{case}: no start: {error:?}"));
    let rest_of =
        |life: &Life| Rest { medium: life.machine.medium(), records: life.ledger.records.lock().unwrap().clone() };
    let mut world = account.world(&rest_of(&life));

    // What was cut short is as the client sent it, so that it can be continued.
    let login = life.login(&storage).await.unwrap();
    for act in acts {
        if let Cut(at, sent) | Put(at, sent) | Resume(at, sent) | Hold(at, sent) = act
            && !matches!(storage.core.uploads.unfinished(account.owner.account, &path(at)), Some(Unfinished::Held(_)))
            && login.stat(&path(at)).await.is_ok_and(|metadata| metadata.incomplete)
        {
            let options = WriteOptions { read: true, ..CONTINUE };
            // Its folder may be gone.
            let Ok(upload) = login.open_write(&path(at), options).await else {
                login.remove_file(&path(at)).await.unwrap();
                continue;
            };
            let mut bytes = vec![0; 64];
            let length = upload.read_at(0, &mut bytes).unwrap();
            let kept = String::from_utf8_lossy(&bytes[..length]).into_owned();
            // A whole file that was being edited begins with nothing that was sent.
            let is_edited = acts.iter().any(|act| matches!(act, Update(path, _) if path == at));
            let sources = acts.iter().filter_map(|act| match act {
                Cut(path, sent) | Put(path, sent) | Resume(path, sent) | Hold(path, sent) if path == at => Some(sent),
                _ => None,
            });
            let mut sources = sources.chain([sent]);
            assert!(
                is_edited || sources.any(|sent| sent.starts_with(&kept)),
                "{case}: kept {kept:?} of an upload to {at}"
            );
            upload.cut(CutReason::Aborted).await;
            login.remove_file(&path(at)).await.unwrap();
        }
    }
    // What is held is whole, and its login's.
    for (at, held) in storage.core.uploads.in_folder(account.owner.account, &path("/held")) {
        assert!(matches!(held, Unfinished::Held(_)), "{case}: {at}");
        let at = path("/held").join(&at).unwrap();
        let upload = login.open_write(&at, WriteOptions { read: true, ..CONTINUE }).await.unwrap();
        let mut bytes = vec![0; 64];
        let length = upload.read_at(0, &mut bytes).unwrap();
        world.held.insert(at.to_string(), String::from_utf8_lossy(&bytes[..length]).into_owned());
        upload.cut(CutReason::Aborted).await;
        login.remove_file(&at).await.unwrap();
    }
    assert!(worlds.contains(&world), "{case}:\nfound    {world:?}\nexpected {worlds:?}");
    assert_eq!(storage.sweep().await.unwrap().orphans, 0, "{case}");
    let staging = rest_of(&life).medium.tree(&DiskPath::staging_of(account.owner.account));
    let left: Vec<_> = staging.keys().filter(|name| !name.is_empty()).collect();
    assert!(left.is_empty(), "{case}: {left:?} is left in staging");
    // The next start finds nothing to do.
    drop(storage);
    let world = account.world(&rest_of(&life));
    let next = account.live(&rest_of(&life), usize::MAX);
    next.start().await.unwrap();
    assert_eq!(account.world(&rest_of(&next)), world, "{case}: another start changes it");
}

const SETUP: &[Act] =
    &[Put("/in/a", "before"), MakeFolder("/in/sub"), Put("/in/sub/s", "deep"), Put("/out/o", "other")];

macro_rules! losses {
    ($($name:ident: $setup:expr, $acts:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                lose_power_at_each_step($setup, &$acts).await;
            }
        )*
    };
}

losses! {
    the_very_first_upload: &[], [Put("/in/a", "first!")];
    a_new_file: SETUP, [Put("/in/new", "fresh!!"), Put("/in/sub/new", "")];
    an_overwritten_file: SETUP, [Put("/in/a", "after!!!"), Put("/in/a", "and again")];
    a_file_updated_in_place: SETUP, [Update("/in/a", "AFT"), Update("/in/a", "after all")];
    an_operators_file: SETUP, [OperatorPut("/in/a", "delivered"), OperatorPut("/in/x/y/new", "deliver")];
    a_renamed_file: SETUP, [Rename("/in/a", "/in/b"), Rename("/in/b", "/out/b"), Rename("/out/b", "/in/a")];
    a_file_renamed_over_another: SETUP, [Rename("/in/a", "/out/o"), Rename("/out/o", "/in/sub/s")];
    an_upload_that_is_renamed: SETUP, [Put("/in/n.part", "partial"), Rename("/in/n.part", "/in/a")];
    a_renamed_folder: SETUP, [Rename("/in/sub", "/in/bus"), Rename("/in/bus", "/out/sub")];
    a_removed_file: SETUP, [Remove("/in/a"), OperatorRemove("/out/o"), Put("/in/a", "again!!")];
    folders_made_and_removed: SETUP, [MakeFolder("/in/f"), Put("/in/f/x", "inside"), Remove("/in/f/x"), RemoveFolder("/in/f")];
    removals_under_temporary_names: SETUP, [Put("/in/a.tmp", "not yet"), Remove("/in/a.tmp"), OperatorRemove("/in/a")];
    files_moved_to_the_trash: SETUP, [Trash("/in/a"), Trash("/in/sub/s"), Put("/in/a", "again!!"), RemoveFolder("/in/sub")];
    a_temporary_file_moved_to_the_trash: SETUP, [Put("/in/n.part", "partial"), Trash("/in/n.part"), Trash("/out/o")];
    an_upload_by_way_of_temporary_names: SETUP, [Put("/in/a.part", "partial"), Rename("/in/a.part", "/in/a.tmp"), Rename("/in/a.tmp", "/out/o")];
    a_file_renamed_there_and_back: SETUP, [Rename("/in/a", "/in/b"), Rename("/in/b", "/in/a"), Rename("/in/a", "/in/b")];
    a_file_removed_and_sent_again: SETUP, [Remove("/in/a"), Put("/in/a", "again"), Remove("/in/a"), Put("/in/a", "at last")];
    a_place_taken_by_a_folder: SETUP, [Rename("/in/sub/s", "/in/s"), RemoveFolder("/in/sub"), Put("/in/sub", "a file"), Remove("/in/sub")];
    folders_renamed_in_a_ring: SETUP, [Rename("/in/sub/s", "/out/s"), Rename("/in/sub", "/out/bus"), MakeFolder("/in/sub"), Rename("/out/s", "/in/sub/s")];
    an_upload_that_is_held: &[], [Hold("/held/x", "whole"), Release("/held/x", "/held/y"), Remove("/held/y")];
    an_upload_that_is_held_twice: SETUP, [Hold("/held/x", "whole"), Hold("/held/x", "another"), Release("/held/x", "/out/o")];
    a_held_upload_released_under_a_temporary_name: SETUP, [Hold("/held/x", "whole"), Release("/held/x", "/in/x.tmp"), Rename("/in/x.tmp", "/in/a")];
    a_moved_remote_folder: SETUP, [MoveFolder("/out", "/elsewhere"), Put("/in/a", "after!!!")];
    an_upload_cut_and_resumed: SETUP, [Cut("/in/new", "half a "), Resume("/in/new", "half a file")];
    an_upload_cut_over_a_file: SETUP, [Cut("/in/a", "half a "), Cut("/in/a", "another "), Put("/in/a", "whole!!!")];
    an_upload_cut_and_discarded: SETUP, [Cut("/in/new", "half a "), Discard("/in/new"), Put("/in/new", "whole!!!")];
}
