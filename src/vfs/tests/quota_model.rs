//! Whatever is asked in whatever order, an account's count is what its disk holds, and what does not fit is refused, and
//! nothing else for that.

use proptest::prelude::*;

use super::quotas::{held, on_the_disk, set};
use super::*;

/// `/held` publishes on rename.
const FOLDERS: [&str; 2] = ["/in", "/held"];

#[derive(Debug, Clone)]
enum Step {
    Put { at: String, size: usize },
    Rename { from: String, to: String },
    Remove { at: String },
    Limit(Quota),
    Recount,
}

fn name() -> impl Strategy<Value = String> {
    (0..FOLDERS.len(), 0..3).prop_map(|(folder, number)| format!("{}/{number}", FOLDERS[folder]))
}

fn step() -> impl Strategy<Value = Step> {
    let limit = |most: u64| prop_oneof![1 => Just(None), 2 => (0..most).prop_map(Some)];
    prop_oneof![
        8 => (name(), 0..12_usize).prop_map(|(at, size)| Step::Put { at, size }),
        6 => (name(), name()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => name().prop_map(|at| Step::Remove { at }),
        2 => (limit(40), limit(6), limit(12))
            .prop_map(|(bytes, files, largest_file)| Step::Limit(Quota { bytes, files, largest_file })),
        1 => Just(Step::Recount),
    ]
}

/// Whether a file of `size` bytes may be published at a path.
fn fits(place: &Place, quota: Quota, at: &str, size: u64) -> bool {
    let there = std::fs::metadata(place.disk(at)).map(|file| file.len()).ok();
    let more = Usage { bytes: size.saturating_sub(there.unwrap_or(0)), files: u64::from(there.is_none()) };
    quota.allows_file(size).and(quota.allows(published(place), more)).is_ok()
}

fn published(place: &Place) -> Usage {
    FOLDERS.iter().fold(Usage::default(), |sum, folder| sum.plus(on_the_disk(&place.disk(folder))))
}

async fn follow(steps: Vec<Step>) {
    let mut place = Place::with(&FOLDERS.map(|folder| (folder, Rights::all())));
    place.owner.folders[1].rules.publish_on_rename = true;
    let mut quota = Quota { bytes: Some(30), files: Some(4), largest_file: Some(10) };
    place.owner.quota = quota;
    let tree = place.login().await;
    held(&place, false).await;
    for step in steps {
        // Whether this publishes, and so may be refused; an upload to be held may be if it could not be published.
        let (outcome, is_allowed) = match &step {
            Step::Put { at, size } => {
                let is_allowed = fits(&place, quota, at, *size as u64);
                (put(&tree, at, &"x".repeat(*size)).await.map(drop), is_allowed)
            }
            Step::Rename { from, to } => {
                let source = tree.stat(&path(from)).await.ok().filter(|file| file.incomplete && from != to);
                let is_allowed = source.is_none_or(|file| fits(&place, quota, to, file.size));
                (tree.rename(&path(from), &path(to), Replace::Allow).await, is_allowed)
            }
            Step::Remove { at } => (tree.remove_file(&path(at)).await, true),
            Step::Limit(limits) => {
                quota = *limits;
                set(&place, quota).await;
                (Ok(()), true)
            }
            Step::Recount => {
                held(&place, true).await;
                (Ok(()), true)
            }
        };
        assert_eq!(matches!(outcome, Err(VfsError::OverQuota(_))), !is_allowed, "{step:?}: {outcome:?}");
        assert_eq!(held(&place, false).await, published(&place), "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_count_is_what_the_disk_holds_and_only_what_does_not_fit_is_refused(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}
