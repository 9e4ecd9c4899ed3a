//! Whether the gateway takes work: for `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::management::Readiness;
use crate::store::{PageRequest, Store, StoreError};
use crate::vfs::Storage;

/// How long database and storage may take to answer: probes of orchestrators give up after a second or a few.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ready when the database answers, the storage can be written, and nobody asked to stop.
pub(super) struct GatewayReadiness {
    store: Store,
    storage: Arc<Storage>,
    draining: AtomicBool,
}

impl GatewayReadiness {
    pub(super) fn new(store: Store, storage: Arc<Storage>) -> Arc<Self> {
        Arc::new(Self { store, storage, draining: AtomicBool::new(false) })
    }

    /// From now on: not ready.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn store_answers(&self) -> Result<(), StoreError> {
        self.store.read().await?.instances().list(&PageRequest { after: None, limit: 1 }).await.map(drop)
    }
}

impl Readiness for GatewayReadiness {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            if self.draining.load(Ordering::Relaxed) {
                return Err("the gateway is stopping".to_owned());
            }
            match timeout(PATIENCE, self.store_answers()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("the database: {error}")),
                Err(_) => return Err("the database does not answer in time".to_owned()),
            }
            match timeout(PATIENCE, self.storage.is_writable()).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("the storage cannot be written".to_owned()),
                Err(_) => Err("the storage does not answer in time".to_owned()),
            }
        })
    }
}
