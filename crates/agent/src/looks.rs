//! Looks that somebody asked for, and who waits for what they see.

use std::sync::{Arc, Mutex, PoisonError};

use steady_health::CheckEvent;
use steady_model::check::Observation;
use steady_model::time::AwakeInstant;
use tokio::sync::{mpsc, oneshot};

use crate::events::Notice;

/// Asks for looks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Looks {
    waiting: Waiting,
    notices: mpsc::Sender<Notice>,
}

/// Who waits for a look of which check.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Vec<Waiter>>>);

#[derive(Debug)]
struct Waiter {
    check: String,
    asked: AwakeInstant,
    reply: oneshot::Sender<Observation>,
}

impl Looks {
    pub fn new(waiting: Waiting, notices: mpsc::Sender<Notice>) -> Self {
        Self { waiting, notices }
    }

    /// Lets a check look. The answer is of a look that began after this call; it never comes when the check does
    /// not look (there is none of that name, it is held back after a wake).
    pub async fn look(&self, check: &str) -> Option<oneshot::Receiver<Observation>> {
        let (reply, answer) = oneshot::channel();
        let asked = steady_clock::now().awake;
        self.waiting.add(Waiter { check: check.to_owned(), asked, reply });
        self.notices.send(Notice::Look(check.to_owned())).await.ok().map(|()| answer)
    }
}

impl Waiting {
    fn add(&self, waiter: Waiter) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who gave up.
        waiters.retain(|w| !w.reply.is_closed());
        waiters.push(waiter);
    }

    /// Whether somebody waited for it.
    pub fn told(&self, event: &CheckEvent) -> bool {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = event.observation.at.awake;
        let answers = |w: &mut Waiter| w.check == event.name && end.since(w.asked) >= event.observation.took;
        let mut waited = false;
        for waiter in waiters.extract_if(.., answers) {
            waited = true;
            // Who went away meanwhile needs no answer.
            let _ = waiter.reply.send(event.observation.clone());
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_model::check::Status;

    use super::*;

    #[tokio::test]
    async fn a_look_that_began_before_the_question_is_no_answer_to_it() {
        let (notices, mut heard) = mpsc::channel(1);
        let waiting = Waiting::default();
        let looks = Looks::new(waiting.clone(), notices);
        let mut answer = looks.look("vault").await.unwrap();
        assert!(matches!(heard.recv().await, Some(Notice::Look(name)) if name == "vault"));
        let seen = |took: Duration, evidence: &str| CheckEvent {
            name: "vault".into(),
            observation: Observation {
                status: Status::Pass,
                evidence: evidence.into(),
                fact: false,
                at: steady_clock::now(),
                took,
                measure: None,
                samples: vec![],
                action: None,
            },
        };
        waiting.told(&seen(Duration::from_secs(60), "begun before"));
        assert!(answer.try_recv().is_err());
        waiting.told(&CheckEvent { name: "disk".into(), ..seen(Duration::ZERO, "another") });
        assert!(answer.try_recv().is_err());
        waiting.told(&seen(Duration::ZERO, "asked for"));
        assert_eq!(answer.await.unwrap().evidence, "asked for");
    }
}
