//! The services together: started after what they need, stopped before it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use steady_model::config::{Config, Service};
use steady_model::depend;
use steady_model::service::{Lifecycle, State, StopReason};
use steady_supervise::{ServiceHandle, SuperviseError};
use tokio::sync::watch;

use crate::hold::Hold;
use crate::registry::Registry;

/// Beyond a service's own grace.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// Cheap to clone.
#[derive(Clone)]
pub struct Stack {
    services: Registry<ServiceHandle>,
    config: watch::Receiver<Arc<Config>>,
    hold: Hold,
}

impl Stack {
    pub fn new(services: Registry<ServiceHandle>, config: watch::Receiver<Arc<Config>>) -> Self {
        Self { services, config, hold: Hold::default() }
    }

    /// None that `hold` holds is started.
    #[must_use]
    pub fn held_by(self, hold: &Hold) -> Self {
        Self { hold: hold.clone(), ..self }
    }

    /// What this service waits for until an interrupted restore is ended.
    pub fn held(&self, name: &str) -> Option<String> {
        self.hold.waits_for(name)
    }

    pub fn service(&self, name: &str) -> Option<ServiceHandle> {
        self.services.get(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.services.names()
    }

    /// Starts a service and whatever it needs, each as soon as what it needs itself allows it.
    pub fn start(&self, name: &str) -> Result<(), SuperviseError> {
        let config = self.config();
        for service in depend::with_needs(&config.services, name) {
            let Some(handle) = self.services.get(&service.name) else { continue };
            let asked_for = service.name == name;
            match handle.lifecycle().state {
                State::Stopped { .. } | State::Unknown => match self.waits_for(service) {
                    Some(words) => handle.wait_for(words)?,
                    None => handle.start()?,
                },
                // What only serves another one is left to its own next try.
                _ if asked_for => handle.start()?,
                _ => {}
            }
        }
        Ok(())
    }

    pub fn restart(&self, name: &str) -> Result<(), SuperviseError> {
        match self.services.get(name) {
            Some(handle) if handle.lifecycle().process().is_some() => handle.restart(),
            _ => self.start(name),
        }
    }

    pub fn start_all(&self) -> Result<(), SuperviseError> {
        self.config().services.iter().try_for_each(|service| self.start(&service.name))
    }

    /// A person's stop of everything, in order; what they stopped stays so.
    pub async fn stop_all(&self) {
        self.stop_in_order().await;
        for handle in self.services.all() {
            // It is stopped already: this is what makes it the person's wish.
            if let Err(e) = handle.stop() {
                tracing::error!("{e}");
            }
        }
    }

    /// Down to the last one in reverse order, then up again in order.
    pub async fn restart_all(&self) {
        self.stop_in_order().await;
        if let Err(e) = self.start_all() {
            tracing::error!("{e}");
        }
    }

    /// Stops each before what it needs, those that do not need each other at once; all are asked, also
    /// after one failed.
    pub async fn stop_in_order(&self) {
        let config = self.config();
        let waves = depend::waves(&config.services).unwrap_or_default();
        for wave in waves.iter().rev() {
            let stops = wave.iter().filter_map(|service| {
                let handle = self.services.get(&service.name)?;
                let limit = service.stop_grace + STOP_MARGIN;
                Some(async move { handle.stop_and_wait(limit).await })
            });
            for failed in join_all(stops).await.into_iter().filter_map(Result::err) {
                tracing::error!("{failed}");
            }
        }
    }

    /// A service's life changed: it, and those that need it, may have to go on or to wait for something else.
    pub fn changed(&self, name: &str) {
        let config = self.config.borrow();
        let concerned = config
            .services
            .iter()
            .filter(|service| service.name == name || service.depends_on.iter().any(|d| d.service == name));
        for service in concerned {
            self.advance(service);
        }
    }

    fn advance(&self, service: &Service) {
        let Some(handle) = self.services.get(&service.name) else { return };
        let State::Stopped { reason: StopReason::Waiting(told), .. } = handle.lifecycle().state else {
            return;
        };
        let moved = match self.waits_for(service) {
            None => handle.release(),
            Some(words) if words != told => handle.still_waits_for(words),
            Some(_) => Ok(()),
        };
        if let Err(e) = moved {
            // Its commands are full: it is told so again with its next change.
            tracing::warn!("{e}");
        }
    }

    fn waits_for(&self, service: &Service) -> Option<String> {
        if let Some(held) = self.held(&service.name) {
            return Some(held);
        }
        let lives: Vec<(&str, Lifecycle)> = service
            .depends_on
            .iter()
            .filter_map(|d| Some((d.service.as_str(), self.services.get(&d.service)?.lifecycle())))
            .collect();
        depend::waits_for(&service.depends_on, |name| {
            lives.iter().find(|(known, _)| *known == name).map(|(_, life)| life)
        })
    }

    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }
}
