//! What a job reports on its way to the engine, and what the host itself keeps of it.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::engine::estimate::RecipeKey;
use crate::engine::port::{ExitReport, Input, JobReport};
use crate::host::Shared;
use crate::host::files::intent::Completed;
use crate::host::media::curves::CurveRecorder;
use crate::host::process::orphans::Leftovers;
use crate::host::process::supervisor::Listener;

/// Keeps the ledger and the curve of a job in step with what it reports, before the engine acts on it.
#[derive(Debug)]
pub(super) struct JobBook {
    job: JobId,
    /// Weak: a job that will not end keeps nothing open.
    shared: Weak<Shared>,
    recorder: Option<CurveRecorder>,
}

impl JobBook {
    pub(super) fn of(job: JobId, shared: &Arc<Shared>) -> Self {
        Self { job, shared: Arc::downgrade(shared), recorder: None }
    }
}

impl Listener for JobBook {
    fn on_report(&mut self, report: &JobReport) {
        let (Some(shared), job) = (self.shared.upgrade(), self.job) else { return };
        match report {
            JobReport::Spawned { pid, .. } => {
                let files = shared.jobs().get(&job).and_then(|files| {
                    let (order, part) = (files.order.as_ref()?, files.part.as_ref()?);
                    Some((order.input.clone(), part.path().to_owned()))
                });
                self.recorder = Some(CurveRecorder::begin(*pid));
                if let Some((input, part)) = files {
                    shared.ledger.started(job, *pid, input, part);
                }
            }
            JobReport::Progress(progress) => self.recorder.iter_mut().for_each(|recorder| recorder.progressed(progress)),
            JobReport::Exited(report) => {
                if let Some(files) = shared.jobs().get_mut(&job) {
                    files.account = report.account.clone();
                }
                if let Some(recorder) = self.recorder.take() {
                    shared.keep_curve(job, recorder, report);
                }
                shared.ledger.ended(job);
            }
            _ => {}
        }
    }
}

/// Says what an earlier run had left behind.
pub(super) fn report_leftovers(leftovers: &Leftovers, completed: &Completed, inputs: &UnboundedSender<Input>) {
    let tell = |what: String, detail: String| drop(inputs.send(Input::Fault { what, detail }));
    if !leftovers.killed.is_empty() {
        let pids: Vec<String> = leftovers.killed.iter().map(|life| life.pid.to_string()).collect();
        let what = format!("an earlier plimsoll left {} process(es) behind", pids.len());
        tell(what, format!("killed: {}", pids.join(", ")));
    }
    for output in &completed.outputs {
        tell("an earlier plimsoll ended before an output was recorded".to_owned(), format!("completed: {}", path_text(output)));
    }
}

impl Shared {
    /// Keeps the curve of a job that ended well, where it tells anything of its kind.
    fn keep_curve(&self, job: JobId, recorder: CurveRecorder, report: &ExitReport) {
        let Some(order) = self.jobs().get(&job).and_then(|files| files.order.clone()) else { return };
        let Some(mut curve) = recorder.ended(report, order.media.duration) else { return };
        let recipe = self.preset_of(job, &order.preset).and_then(|preset| RecipeKey::of(&order.media, &preset));
        if let Some(recipe) = recipe {
            recipe.as_str().clone_into(&mut curve.recipe);
            self.store.remember_curve(curve);
        }
    }
}
