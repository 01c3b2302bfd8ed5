//! The transitions.

use super::pace::{CRASH_LIMIT, CRASH_WINDOW, KILL_AGAIN, SLOW_LANE, STABLE_AFTER, backoff};
use super::{AfterStop, Effect, End, Input, Lifecycle, Policy, RestartPolicy, State, StopReason};
use crate::process::{Exit, PortOwner, ProcessId};
use crate::time::Now;
use crate::words;

/// One input to a service at a moment. `dice` in `[0, 1)` decides the jitter.
pub fn step(was: &Lifecycle, policy: &Policy, input: Input, now: Now, dice: f64) -> (Lifecycle, Vec<Effect>) {
    let mut life = was.clone();
    let effects = match input {
        Input::Start => life.start(now),
        Input::Stop => life.stop(policy, now, AfterStop::Stay),
        Input::Restart => life.restart(policy, now),
        Input::Wait(on) => life.wait(on, now),
        Input::StillWaits(on) => life.still_waits(on),
        Input::Release => life.release(now),
        Input::Spawned(process) => life.spawned(policy, process, now),
        Input::SpawnFailed(cause) => life.spawn_failed(policy, cause, now, dice),
        Input::Adopted(process) => life.adopted(policy, process, now),
        Input::PortTaken(owner) => life.port_taken(owner, now),
        Input::ReadinessPassed => life.readiness_passed(now),
        Input::LivenessFailed(reason) => life.liveness_failed(policy, reason, now),
        Input::MemoryExceeded(reason) => life.memory_exceeded(policy, reason, now),
        Input::Exited(exit) => life.exited(policy, exit, now, dice),
        Input::WentToBackground { pid } => life.went_to_background(pid, now),
        Input::ProvedStopped => life.proved_stopped(now, dice),
        Input::Timer => life.timer(policy, now),
    };
    (life, effects)
}

impl Lifecycle {
    fn launch(&mut self, now: Now) -> Vec<Effect> {
        self.state = State::Starting { process: None, since: now };
        vec![Effect::Spawn]
    }

    fn start(&mut self, now: Now) -> Vec<Effect> {
        match &mut self.state {
            State::Stopped { .. } | State::Foreign { .. } | State::Unknown => self.launch(now),
            State::Backoff { .. } | State::CrashLoop { .. } => {
                self.forget_exits();
                self.launch(now)
            }
            State::Stopping { then, .. } => {
                *then = AfterStop::Restart;
                vec![]
            }
            State::Starting { .. } | State::Ready { .. } | State::Degraded { .. } => vec![],
        }
    }

    fn restart(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match self.process() {
            Some(_) => {
                self.forget_exits();
                self.stop(policy, now, AfterStop::Restart)
            }
            None => self.start(now),
        }
    }

    fn wait(&mut self, on: String, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Stopped { reason: StopReason::Waiting(_), .. } => return self.still_waits(on),
            State::Stopped { .. } | State::Unknown => {
                self.state = State::Stopped { since: now.wall, reason: StopReason::Waiting(on) };
            }
            _ => {}
        }
        vec![]
    }

    fn still_waits(&mut self, on: String) -> Vec<Effect> {
        if let State::Stopped { reason: StopReason::Waiting(known), .. } = &mut self.state {
            *known = on;
        }
        vec![]
    }

    fn release(&mut self, now: Now) -> Vec<Effect> {
        match self.state {
            State::Stopped { reason: StopReason::Waiting(_), .. } => self.launch(now),
            _ => vec![],
        }
    }

    fn stop(&mut self, policy: &Policy, now: Now, after: AfterStop) -> Vec<Effect> {
        if let State::Stopping { then, .. } = &mut self.state {
            *then = after;
            return vec![];
        }
        match self.process() {
            Some(process) => {
                let deadline = now.awake.after(policy.stop_grace);
                self.state = State::Stopping { process, deadline, killed: false, then: after };
                vec![Effect::Terminate, Effect::ProveStopped, Effect::WakeAt(deadline)]
            }
            None => {
                self.forget_exits();
                self.state = State::Stopped { since: now.wall, reason: StopReason::Requested };
                vec![]
            }
        }
    }

    fn spawned(&mut self, policy: &Policy, process: ProcessId, now: Now) -> Vec<Effect> {
        if let State::Starting { process: slot @ None, .. } = &mut self.state {
            *slot = Some(process);
            return vec![Effect::WakeAt(now.awake.after(policy.ready_timeout))];
        }
        // A start that nobody waits for any more (stopped meanwhile) must not run on unseen.
        let deadline = now.awake.after(policy.stop_grace);
        self.state = State::Stopping { process, deadline, killed: false, then: AfterStop::Stay };
        vec![Effect::Terminate, Effect::ProveStopped, Effect::WakeAt(deadline)]
    }

    fn spawn_failed(&mut self, policy: &Policy, cause: String, now: Now, dice: f64) -> Vec<Effect> {
        match self.state {
            State::Starting { process: None, .. } if policy.restart == RestartPolicy::Never => {
                self.state = State::Stopped { since: now.wall, reason: StopReason::CouldNotStart(cause) };
                vec![]
            }
            State::Starting { process: None, .. } => self.back_off(cause, now, dice),
            _ => vec![],
        }
    }

    fn adopted(&mut self, policy: &Policy, process: ProcessId, now: Now) -> Vec<Effect> {
        match self.state {
            State::Unknown
            | State::Stopped { .. }
            | State::Foreign { .. }
            | State::Starting { process: None, .. } => {
                self.state = State::Starting { process: Some(process), since: now };
                vec![Effect::WakeAt(now.awake.after(policy.ready_timeout))]
            }
            _ => vec![],
        }
    }

    fn port_taken(&mut self, owner: PortOwner, now: Now) -> Vec<Effect> {
        match self.state {
            State::Starting { process: None, .. } => {
                self.state = State::Foreign { owner, since: now.wall };
                vec![]
            }
            _ => vec![],
        }
    }

    fn readiness_passed(&mut self, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Starting { process: Some(process), .. } | State::Degraded { process, .. } => {
                self.state = State::Ready { process: process.clone(), since: now };
                vec![Effect::WakeAt(now.awake.after(STABLE_AFTER))]
            }
            _ => vec![],
        }
    }

    fn liveness_failed(&mut self, policy: &Policy, reason: String, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Ready { .. } => self.end_by_force(policy, End::Unresponsive(reason), now),
            _ => vec![],
        }
    }

    fn memory_exceeded(&mut self, policy: &Policy, reason: String, now: Now) -> Vec<Effect> {
        match &self.state {
            State::Starting { process: Some(_), .. } | State::Ready { .. } | State::Degraded { .. } => {
                self.end_by_force(policy, End::Memory(reason), now)
            }
            _ => vec![],
        }
    }

    /// It runs, but not as it must: stopped and tried again like after an exit, if it may.
    fn end_by_force(&mut self, policy: &Policy, end: End, now: Now) -> Vec<Effect> {
        let Some(process) = self.process() else { return vec![] };
        if policy.restart == RestartPolicy::Never {
            self.state =
                State::Degraded { process, since: now, reason: format!("in trouble: {}", words::end(&end)) };
            return vec![];
        }
        self.last_end = Some((end.clone(), now.wall));
        let mut effects = vec![Effect::ReportCrash(end.clone())];
        effects.extend(self.stop(policy, now, AfterStop::Retry(end)));
        effects
    }

    fn exited(&mut self, policy: &Policy, exit: Exit, now: Now, dice: f64) -> Vec<Effect> {
        if !self.runs() {
            // While stopping, the proof decides; elsewhere there is no process that could end.
            return vec![];
        }
        let clean = matches!(exit, Exit::Code(code) if code == 0 || policy.success_codes.contains(&code));
        if clean && policy.oneshot {
            self.forget_exits();
            self.state = State::Stopped { since: now.wall, reason: StopReason::Completed(exit) };
            return vec![Effect::Sweep];
        }
        let end = End::Exited(exit);
        self.last_end = Some((end.clone(), now.wall));
        let again = match policy.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !clean,
            RestartPolicy::Never => false,
        };
        let mut effects = vec![Effect::Sweep];
        if !clean {
            effects.insert(0, Effect::ReportCrash(end.clone()));
        }
        if again {
            effects.extend(self.back_off(words::end(&end), now, dice));
        } else {
            self.state = State::Stopped { since: now.wall, reason: StopReason::Ended(end) };
        }
        effects
    }

    /// Tried again it would do the same, so whatever the policy, it stays down until it is told to stay in
    /// the foreground.
    fn went_to_background(&mut self, pid: u32, now: Now) -> Vec<Effect> {
        if !self.runs() {
            return vec![];
        }
        let end = End::Background { pid };
        self.last_end = Some((end.clone(), now.wall));
        self.state = State::Stopped { since: now.wall, reason: StopReason::Ended(end.clone()) };
        vec![Effect::ReportCrash(end), Effect::Sweep]
    }

    fn proved_stopped(&mut self, now: Now, dice: f64) -> Vec<Effect> {
        let State::Stopping { then, .. } = &self.state else { return vec![] };
        match then.clone() {
            AfterStop::Restart => {
                self.restarts += 1;
                self.launch(now)
            }
            AfterStop::Retry(end) => self.back_off(words::end(&end), now, dice),
            AfterStop::Stay => {
                self.forget_exits();
                self.state = State::Stopped { since: now.wall, reason: StopReason::Requested };
                vec![]
            }
        }
    }

    fn timer(&mut self, policy: &Policy, now: Now) -> Vec<Effect> {
        match &mut self.state {
            State::Stopping { deadline, killed, .. } if now.awake >= *deadline => {
                *killed = true;
                *deadline = now.awake.after(KILL_AGAIN);
                vec![Effect::Kill, Effect::WakeAt(*deadline)]
            }
            State::Backoff { until, .. } | State::CrashLoop { until, .. } if now.awake >= *until => {
                self.restarts += 1;
                self.launch(now)
            }
            State::Starting { process: Some(process), since }
                if now.awake.since(since.awake) >= policy.ready_timeout =>
            {
                let waited = now.awake.since(since.awake);
                let reason = format!("not ready after {}", words::span(waited));
                self.state = State::Degraded { process: process.clone(), since: now, reason };
                vec![]
            }
            State::Ready { since, .. } if now.awake.since(since.awake) >= STABLE_AFTER => {
                self.forget_exits();
                vec![]
            }
            _ => vec![],
        }
    }

    /// After an unexpected end: at once the first time, then 1, 2, 4 … 60 s, and the slow lane in a loop.
    fn back_off(&mut self, cause: String, now: Now, dice: f64) -> Vec<Effect> {
        self.exits.retain(|at| now.awake.since(*at) < CRASH_WINDOW);
        self.exits.push(now.awake);
        self.streak += 1;
        self.looping |= self.exits.len() >= CRASH_LIMIT;
        if self.looping {
            let until = now.awake.after(SLOW_LANE);
            self.state = State::CrashLoop { until, cause };
            return vec![Effect::WakeAt(until)];
        }
        let Some(delay) = backoff(self.streak, dice) else {
            self.restarts += 1;
            return self.launch(now);
        };
        let until = now.awake.after(delay);
        self.state = State::Backoff { until, attempt: self.streak, cause };
        vec![Effect::WakeAt(until)]
    }

    /// Whether a process of it is known and nobody asked for its end.
    fn runs(&self) -> bool {
        matches!(
            self.state,
            State::Starting { process: Some(_), .. } | State::Ready { .. } | State::Degraded { .. }
        )
    }

    fn forget_exits(&mut self) {
        self.exits.clear();
        self.streak = 0;
        self.looping = false;
    }

    /// Whether it runs, or will be tried again by itself.
    pub fn is_up(&self) -> bool {
        self.runs() || matches!(self.state, State::Backoff { .. } | State::CrashLoop { .. })
    }

    pub fn process(&self) -> Option<ProcessId> {
        match &self.state {
            State::Starting { process, .. } => process.clone(),
            State::Ready { process, .. }
            | State::Degraded { process, .. }
            | State::Stopping { process, .. } => Some(process.clone()),
            _ => None,
        }
    }
}
