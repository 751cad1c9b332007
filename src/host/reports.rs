//! What a job reports on its way to the engine, and what the host itself keeps of it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::curve::JobCurve;
use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::engine::estimate::RecipeKey;
use crate::engine::port::{Input, JobReport};
use crate::host::Shared;
use crate::host::files::intent::Completed;
use crate::host::media::curves::CurveBook;
use crate::host::process::orphans::Leftovers;
use crate::host::process::supervisor::Listener;

/// Keeps the ledger and the courses of the jobs in step with what they report, before the engine acts on it.
#[derive(Debug, Default)]
pub(super) struct JobBook {
    /// Weak: the supervisor within holds this book, and neither would ever end.
    shared: OnceLock<Weak<Shared>>,
    curves: Mutex<CurveBook>,
}

impl JobBook {
    /// Jobs may be started from now on.
    pub(super) fn open(&self, shared: &Arc<Shared>) {
        self.shared.get_or_init(|| Arc::downgrade(shared));
    }

    fn curves(&self) -> MutexGuard<'_, CurveBook> {
        // Each job's course is its own; after a panic elsewhere the others are still whole.
        self.curves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for JobBook {
    fn hear(&self, job: JobId, report: &JobReport) {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else { return };
        match report {
            JobReport::Spawned { pid, .. } => {
                let files = shared.jobs().get(&job).and_then(|files| {
                    let (order, part) = (files.order.as_ref()?, files.part.as_ref()?);
                    Some((order.input.clone(), part.path().to_owned()))
                });
                self.curves().started(job, *pid);
                if let Some((input, part)) = files {
                    shared.ledger.started(job, *pid, input, part);
                }
            }
            JobReport::Progress(progress) => self.curves().progressed(job, progress),
            JobReport::Exited(report) => {
                if let Some(files) = shared.jobs().get_mut(&job) {
                    files.account = report.account.clone();
                }
                shared.keep_curve(job, |media| self.curves().ended(job, report, media));
                shared.ledger.ended(job);
            }
            _ => {}
        }
    }
}

/// Says what an earlier run had left behind.
pub(super) fn tell_leftovers(leftovers: &Leftovers, completed: &Completed, inputs: &UnboundedSender<Input>) {
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
    /// Keeps the course of a job that ended well, where it tells anything of its kind.
    fn keep_curve(&self, job: JobId, curve: impl FnOnce(Option<Duration>) -> Option<JobCurve>) {
        let order = self.jobs().get(&job).and_then(|files| files.order.clone());
        let media = order.as_ref().map(|order| &order.media);
        let Some(mut curve) = curve(media.and_then(|media| media.duration)) else { return };
        let Some(order) = order else { return };
        let recipe = self.preset_of(job, &order.preset).and_then(|preset| RecipeKey::of(&order.media, &preset));
        if let Some(recipe) = recipe {
            recipe.as_str().clone_into(&mut curve.recipe);
            self.store.remember_curve(curve);
        }
    }
}
