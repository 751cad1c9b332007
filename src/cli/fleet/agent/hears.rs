//! What the engine tells of the jobs that it has for the fleet, and what follows from it.

use super::Worker;
use crate::cli::fleet::held::Stage;
use crate::domain::command::Command;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::JobId;
use crate::domain::units::Bytes;
use crate::host::fleet::results;
use crate::runtime::link::Update;

impl Worker<'_> {
    pub(super) fn heed(&mut self, update: Update) {
        match update {
            Update::Snapshot(state) => {
                self.state = *state;
                self.look_over();
            }
            Update::Event(event) => {
                self.state.apply(&event);
                self.on_event(&event);
            }
            Update::Reply(id, answer) => {
                let Some(at) = self.queueing.iter().position(|(request, _)| *request == id) else { return };
                let (_, job) = self.queueing.swap_remove(at);
                self.answered(job, answer);
            }
            Update::Retold(_) | Update::Playing(_) | Update::Line(_) => {}
        }
    }

    /// After events were missed: every job as it stands now.
    fn look_over(&mut self) {
        let jobs: Vec<JobId> = self.holding.iter().filter_map(|held| held.job).collect();
        for local in jobs {
            self.on_end(local);
        }
    }

    fn on_event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::JobQueued { job, input, .. } => {
                let Some(held) = self.holding.of_input(input) else { return };
                // It has ended here already: there is nothing left to make.
                if held.stage == Stage::Ending {
                    return self.drop_job(*job);
                }
                // An earlier life has brought the input: what is on its way now would take its place under whoever reads it.
                if let Some(fetch) = held.fetch.take() {
                    fetch.abort();
                }
                (held.stage, held.job) = (Stage::Here, Some(*job));
                // Somebody was quicker than the engine.
                if held.cancelled {
                    self.ask(Command::Cancel(*job));
                }
            }
            EventKind::JobInspected { job, predicted_peak_bytes: Some(needs), .. } => {
                let size = self.state.jobs.get(job).map_or(Bytes::ZERO, |job| job.size);
                let needs = *needs;
                if let Some(held) = self.holding.of_job(*job) {
                    held.claimed.needs = Some(needs);
                    // It is known now what is left beside it.
                    self.look_at = tokio::time::Instant::now();
                    let (db, hold) = (self.agent.db.clone(), held.claimed.hold);
                    // Others are told with the result too; this is for who looks on meanwhile.
                    tokio::task::spawn_local(async move { drop(results::inspected(&db, &hold, needs, size).await) });
                }
            }
            EventKind::JobFinished { job, .. } | EventKind::JobRejected { job, .. } => self.on_end(*job),
            _ => {}
        }
    }
}
