//! The operators' way in.

use super::world::World;
use crate::vfs::VfsError;

#[tokio::test]
async fn a_tree_of_an_account_that_is_changed_meanwhile_is_refused() {
    let world = World::new();
    let account = world.accounts.records.lock().unwrap()[0].account.id;
    let registry = world.registry.clone();
    *world.accounts.meanwhile.lock().unwrap() = Some(Box::new(move || registry.account_changed(account)));
    assert!(matches!(world.access.operator_entry("tests", account).await, Err(VfsError::Busy)));
    // The mounting itself, which finds no disk here.
    assert!(matches!(world.access.operator_entry("tests", account).await, Err(VfsError::NotFound)));
}
