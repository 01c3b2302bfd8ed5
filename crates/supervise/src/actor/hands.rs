//! Whose hands the service's process is in.

use std::path::Path;
use std::sync::Arc;

use steady_model::config::{self, Service};

use crate::manager::{Child, Manager, manager_of};

/// The child manager by its own type, because it can do more than every manager can, and without waiting.
#[derive(Clone)]
pub enum Hands {
    Own(Arc<Child>),
    Other(Arc<dyn Manager>),
}

impl Hands {
    pub fn of(spec: &Service, home: &Path) -> Self {
        match spec.manager {
            config::Manager::Child => Self::Own(Arc::new(Child::new(spec, home))),
            config::Manager::Launchd { .. } | config::Manager::Systemd { .. } => {
                Self::Other(manager_of(spec, home))
            }
        }
    }
}
