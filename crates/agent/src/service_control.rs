use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BoxFuture, Services};
use steady_model::config::Config;
use steady_supervise::ServiceHandle;

/// Beyond the grace and the readiness that a service is configured with.
const MARGIN: Duration = Duration::from_secs(30);

/// How a restore stops and starts services: through their owners, proved and ready.
pub struct ServiceControl {
    services: Arc<HashMap<String, ServiceHandle>>,
    config: Arc<Config>,
}

impl ServiceControl {
    pub fn new(services: Arc<HashMap<String, ServiceHandle>>, config: Arc<Config>) -> Self {
        Self { services, config }
    }

    fn limits(&self, name: &str) -> (Duration, Duration) {
        let spec = self.config.services.iter().find(|s| s.name == name);
        spec.map_or((MARGIN, MARGIN), |s| (s.stop_grace + MARGIN, s.ready_timeout + MARGIN))
    }

    fn handle(&self, name: &str) -> Result<&ServiceHandle, String> {
        self.services.get(name).ok_or_else(|| format!("the service {name} is not configured"))
    }
}

impl Services for ServiceControl {
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for name in names {
                let (limit, _) = self.limits(name);
                self.handle(name)?.stop_and_wait(limit).await.map_err(|e| e.to_string())?;
            }
            Ok(())
        })
    }

    fn start_and_wait_healthy<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            for name in names.iter().rev() {
                let (_, limit) = self.limits(name);
                self.handle(name)?.start_and_wait_ready(limit).await.map_err(|e| e.to_string())?;
            }
            Ok(())
        })
    }
}
