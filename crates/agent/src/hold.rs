//! Services that stay down until an interrupted restore is ended: their data may be between two states.

use std::sync::Arc;

use tokio::sync::watch;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Hold(Arc<watch::Sender<Option<Held>>>);

#[derive(Debug, Clone)]
struct Held {
    services: Vec<String>,
    why: String,
}

impl Hold {
    /// `why` is what the restore could not be ended for.
    pub fn begin(&self, services: &[String], why: String) {
        self.0.send_replace(Some(Held { services: services.to_vec(), why }));
    }

    /// Another try failed.
    pub fn renew(&self, why: String) {
        self.0.send_modify(|held| {
            if let Some(held) = held {
                held.why = why;
            }
        });
    }

    pub fn end(&self) {
        self.0.send_replace(None);
    }

    /// Why the restore could not be ended, while that is so.
    pub fn why(&self) -> Option<String> {
        self.0.borrow().as_ref().map(|held| held.why.clone())
    }

    /// What this service waits for, when it is one of them.
    pub fn waits_for(&self, service: &str) -> Option<String> {
        let held = self.0.borrow();
        let held = held.as_ref().filter(|held| held.services.iter().any(|name| name == service))?;
        Some(format!("an interrupted restore must be ended first: {}", held.why))
    }
}
