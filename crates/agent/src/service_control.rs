use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BoxFuture, Services};
use steady_model::config::{Config, Service};
use steady_model::depend;
use steady_supervise::ServiceHandle;
use tokio::sync::watch;

use crate::registry::Registry;

/// Beyond the grace and the readiness that a service is configured with.
const MARGIN: Duration = Duration::from_secs(30);

/// How a restore stops and starts services: through their owners, in order, proved and ready.
pub struct ServiceControl {
    services: Registry<ServiceHandle>,
    config: watch::Receiver<Arc<Config>>,
}

impl ServiceControl {
    pub fn new(services: Registry<ServiceHandle>, config: watch::Receiver<Arc<Config>>) -> Self {
        Self { services, config }
    }

    /// The named services, each after what it needs.
    fn in_order(&self, names: &[String]) -> Result<Vec<(Service, ServiceHandle)>, String> {
        let config = self.config.borrow();
        if let Some(unknown) = names.iter().find(|name| self.services.get(name).is_none()) {
            return Err(format!("the service {unknown} is not configured"));
        }
        let waves = depend::waves(&config.services).unwrap_or_default();
        Ok(waves
            .into_iter()
            .flatten()
            .filter(|service| names.contains(&service.name))
            .filter_map(|service| Some((service.clone(), self.services.get(&service.name)?)))
            .collect())
    }
}

impl Services for ServiceControl {
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for (spec, handle) in self.in_order(names)?.iter().rev() {
                handle.stop_and_wait(spec.stop_grace + MARGIN).await.map_err(|e| e.to_string())?;
            }
            Ok(())
        })
    }

    fn start_and_wait_healthy<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for (spec, handle) in &self.in_order(names)? {
                // What has done its work has nothing to be asked for.
                if !spec.oneshot {
                    let limit = spec.ready_timeout + MARGIN;
                    handle.start_and_wait_ready(limit).await.map_err(|e| e.to_string())?;
                }
            }
            Ok(())
        })
    }
}
