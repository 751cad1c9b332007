//! What a job reports on its way to the engine, and what the host itself keeps of it.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};

use crate::domain::curve::JobCurve;
use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::engine::estimate::RecipeKey;
use crate::engine::port::{Input, JobReport};
use crate::host::Shared;
use crate::host::files::intent::Completed;
use crate::host::media::curves::CurveBook;
use crate::host::process::orphans::Leftovers;

/// Keeps the ledger in step with what the supervisor reports, then passes the report on.
pub(super) fn forwarding_loop(shared: &Weak<Shared>, mut reported: mpsc::UnboundedReceiver<Input>) {
    let mut curves = CurveBook::default();
    while let Some(input) = reported.blocking_recv() {
        let Some(shared) = shared.upgrade() else { return };
        match &input {
            Input::Job(job, JobReport::Spawned { pid, .. }) => {
                let files = shared.jobs().get(job).and_then(|files| {
                    let (order, part) = (files.order.as_ref()?, files.part.as_ref()?);
                    Some((order.input.clone(), part.path().to_owned()))
                });
                curves.started(*job, *pid);
                if let Some((input, part)) = files {
                    shared.ledger.started(*job, *pid, input, part);
                }
            }
            Input::Job(job, JobReport::Progress(progress)) => curves.progressed(*job, progress),
            Input::Job(job, JobReport::Exited(report)) => {
                if let Some(files) = shared.jobs().get_mut(job) {
                    files.account = report.account.clone();
                }
                shared.keep_curve(*job, |media| curves.ended(*job, report, media));
                shared.ledger.ended(*job);
            }
            _ => {}
        }
        if shared.inputs.send(input).is_err() {
            return;
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
