//! Tells a service manager (systemd) how a server stands: ready, status, stopping, and that it is alive.
//!
//! A sign of life follows from an answer of the engine's driver loop alone. A loop that is frozen sends none, and the service
//! manager starts the server anew; a disk that is full or slow keeps nobody from an answer, for the loop never waits for one.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

use super::fold::Fold;
use crate::domain::command::{Command, JobRequest, RequestId};
use crate::domain::event::EventKind;
use crate::domain::state::State;
use crate::domain::text::many;
use crate::runtime::link::{Link, Update};

/// The longest time between two looks at what the status line tells.
const STATUS: Duration = Duration::from_secs(10);
/// The shortest, whatever the service manager asks for.
const SHORTEST: Duration = Duration::from_millis(10);

/// Follows a server that can be reached, to its end. `tell` hands messages to the service manager, which wants a sign of life
/// at least every `watchdog`, where it wants one. The event loop has to have time.
pub async fn follow(mut link: Link, watchdog: Option<Duration>, mut tell: impl FnMut(&[NotifyState<'_>])) {
    // Two may come late before the third is missed.
    let pace = watchdog.map_or(STATUS, |span| (span / 3).clamp(SHORTEST, STATUS));
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut fold, mut told) = (Fold::default(), String::new());
    let (mut asked, mut last) = (None, 0);
    let (mut is_ready, mut is_stopping) = (false, false);
    loop {
        tokio::select! {
            update = link.updates.recv() => match update {
                Some(Update::Snapshot(state)) => {
                    let is_over = state.summary.is_some();
                    fold.learn(*state);
                    // The driver loop has answered: whoever connects is served.
                    if !is_ready {
                        is_ready = true;
                        told = status(fold.state());
                        tell(&[NotifyState::Ready, NotifyState::Status(&told)]);
                    }
                    if is_over {
                        break;
                    }
                }
                Some(Update::Event(event)) => {
                    fold.add(&event);
                    match event.kind {
                        EventKind::ShutdownStarted if !is_stopping => {
                            is_stopping = true;
                            tell(&[NotifyState::Stopping, NotifyState::Status("stops the jobs; they stay in the queue")]);
                        }
                        EventKind::RunFinished(_) => break,
                        _ => {}
                    }
                }
                Some(Update::Reply(request, _)) if asked == Some(request) => {
                    asked = None;
                    tell(&[NotifyState::Watchdog]);
                }
                Some(Update::Reply(..) | Update::Playing(_) | Update::Retold(_) | Update::Line(_)) => {}
                None => break,
            },
            _ = ticks.tick(), if is_ready => {
                if watchdog.is_some() && asked.is_none() {
                    last += 1;
                    asked = Some(RequestId(last));
                    // It is asked to do something for no job: only the answer matters.
                    let _ = link.requests.send(RequestId(last), Command::Each(Vec::new(), JobRequest::Resume));
                }
                let now = status(fold.state());
                if !is_stopping && now != told {
                    tell(&[NotifyState::Status(&now)]);
                    told = now;
                }
            }
        }
    }
    if !is_stopping {
        tell(&[NotifyState::Stopping]);
    }
}

/// Jobs and memory in one line.
fn status(state: &State) -> String {
    let counts: Vec<String> = state
        .counts_by_state()
        .into_iter()
        .filter(|(name, count)| *count > 0 && *name != "already_done")
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    let jobs = if counts.is_empty() { many(0, "job") } else { counts.join(", ") };
    let (memory, held) = (&state.memory, if state.paused { "; the queue is held" } else { "" });
    let compares = state
        .comparison
        .as_ref()
        .map_or_else(String::new, |comparison| format!("; a comparison has the machine ({})", comparison.run_words()));
    let (counted, budget) = (memory.counted_bytes.whole(), memory.budget_bytes.whole());
    format!("{jobs}; memory {counted} of {budget}, {}{held}{compares}", memory.shown_level().label())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::domain::command::{Answer, ClientId};
    use crate::domain::event::{Event, RunSummary, Seq};
    use crate::domain::time::{Mono, Wall};
    use crate::runtime::link::{Control, Outbox};

    /// The end of a line at which a driver loop would be, and what the service manager was told.
    struct Rig {
        control: mpsc::UnboundedReceiver<Control>,
        outbox: Outbox,
        told: mpsc::UnboundedReceiver<String>,
        seq: u64,
    }

    impl Rig {
        /// Follows with a watchdog of so many milliseconds.
        fn start(watchdog: Option<u64>) -> Self {
            let (sender, mut control) = mpsc::unbounded_channel();
            let link = Link::attach(ClientId(1), sender);
            let Ok(Control::Attach(_, outbox)) = control.try_recv() else { panic!("it attaches itself") };
            let (tells, told) = mpsc::unbounded_channel();
            let tell = move |states: &[NotifyState<'_>]| {
                let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
                let _ = tells.send(lines.join("\n"));
            };
            tokio::task::spawn_local(follow(link, watchdog.map(Duration::from_millis), tell));
            Self { control, outbox, told, seq: 0 }
        }

        fn event(&mut self, kind: EventKind) {
            self.seq += 1;
            let event = Event { seq: Seq(self.seq), at: Wall(0), mono: Mono::START, kind };
            assert!(self.outbox.send(Update::Event(Box::new(event))));
        }

        /// Waits for a request, as a driver loop would.
        async fn request(&mut self) -> RequestId {
            loop {
                match self.control.recv().await {
                    Some(Control::Request(_, request, _)) => return request,
                    Some(_) => {}
                    None => panic!("nobody asks any more"),
                }
            }
        }

        /// The next message that holds this.
        async fn until(&mut self, text: &str) -> String {
            loop {
                let told = self.told.recv().await.expect("more is told");
                if told.contains(text) {
                    return told;
                }
            }
        }
    }

    fn run(test: impl AsyncFnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, test());
    }

    fn reply(request: RequestId) -> Update {
        Update::Reply(request, Ok(Answer::default()))
    }

    #[test]
    fn it_is_ready_when_the_driver_loop_has_answered_and_stopping_when_the_run_ends() {
        run(async || {
            let mut rig = Rig::start(None);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(rig.told.try_recv().is_err(), "the driver loop has not answered yet");
            assert!(rig.outbox.send(Update::Snapshot(Box::default())));
            let told = rig.until("READY=1").await;
            assert_eq!(told, "READY=1\nSTATUS=0 jobs; memory 0 B of 0 B, under the line");
            rig.event(EventKind::ShutdownStarted);
            rig.until("STOPPING=1").await;
            rig.event(EventKind::RunFinished(RunSummary::default()));
            assert_eq!(rig.told.recv().await, None, "nothing is told twice");

            let mut rig = Rig::start(None);
            assert!(rig.outbox.send(Update::Snapshot(Box::default())));
            rig.event(EventKind::RunFinished(RunSummary::default()));
            assert_eq!(rig.until("STOPPING").await, "STOPPING=1", "a run that ends by itself stops too");
        });
    }

    #[test]
    fn each_sign_of_life_follows_from_an_answer_and_a_loop_that_does_not_answer_gives_none() {
        run(async || {
            let mut rig = Rig::start(Some(60));
            assert!(rig.outbox.send(Update::Snapshot(Box::default())));
            for _ in 0..3 {
                let request = rig.request().await;
                assert!(rig.outbox.send(reply(RequestId(999))), "an answer to somebody else");
                assert!(rig.outbox.send(reply(request)));
                assert_eq!(rig.until("WATCHDOG").await, "WATCHDOG=1");
            }
            // Events go on, the loop's answer does not come: many spans pass without a sign of life.
            let request = rig.request().await;
            for _ in 0..10 {
                rig.event(EventKind::QueuePaused);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            while let Ok(told) = rig.told.try_recv() {
                assert!(!told.contains("WATCHDOG"), "{told}");
            }
            assert!(rig.outbox.send(reply(request)));
            rig.until("WATCHDOG=1").await;
        });
    }

    #[test]
    fn the_status_line_follows_the_queue_and_no_sign_of_life_is_sent_that_nobody_wants() {
        run(async || {
            let mut rig = Rig::start(Some(30));
            assert!(rig.outbox.send(Update::Snapshot(Box::default())));
            rig.event(EventKind::QueuePaused);
            assert!(rig.until("STATUS=").await.starts_with("READY=1"));
            assert!(rig.until("STATUS=").await.contains("the queue is held"));

            let mut rig = Rig::start(None);
            assert!(rig.outbox.send(Update::Snapshot(Box::default())));
            rig.until("READY=1").await;
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert!(rig.told.try_recv().is_err());
            assert!(!matches!(rig.control.try_recv(), Ok(Control::Request(..))), "nobody is asked");
        });
    }
}
