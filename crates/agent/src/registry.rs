use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Handles of owners by name. They come and go with the configuration; everybody sees the same ones.
#[derive(Debug)]
pub struct Registry<H>(Arc<RwLock<BTreeMap<String, H>>>);

impl<H> Clone for Registry<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> Default for Registry<H> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<H: Clone> Registry<H> {
    pub fn get(&self, name: &str) -> Option<H> {
        self.read().get(name).cloned()
    }

    pub fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    pub fn all(&self) -> Vec<H> {
        self.read().values().cloned().collect()
    }

    pub fn put(&self, name: &str, handle: H) {
        self.write().insert(name.to_owned(), handle);
    }

    pub fn take(&self, name: &str) -> Option<H> {
        self.write().remove(name)
    }

    // No code of ours runs while it is locked, so a panic cannot leave it half changed.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, H>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, H>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
