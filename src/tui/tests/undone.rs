//! What a deletion that is taken back brings back, and where.

use super::*;
use crate::domain::command::Answer;

/// Deletes the jobs of these rows of the busy dashboard, as the engine tells it, and asks to take that back.
fn deleted_and_taken_back(app: &mut App, story: &mut Story, ids: &[JobId], meanwhile: Option<EventKind>) -> Vec<(JobId, i64)> {
    for id in ids {
        app.queue.selected = Some(*id);
        press(app, "v");
    }
    let effects = press(app, "Dy");
    let [Effect::Send(request, Command::Each(..))] = &effects[..] else { panic!("{effects:?}") };
    let from = story.events.len();
    for id in ids {
        story.emit(EventKind::JobRemoved { job: *id, output: None });
    }
    apply_from(app, story, from);
    app.on_update(Update::Reply(*request, Ok(Answer::default())));
    if let Some(kind) = meanwhile {
        let from = story.events.len();
        story.emit(kind);
        apply_from(app, story, from);
    }
    let effects = press(app, "u");
    let [Effect::Send(_, Command::PutBack(jobs))] = &effects[..] else { panic!("{effects:?}") };
    jobs.clone()
}

#[test]
fn a_deletion_that_is_taken_back_asks_for_the_old_places() {
    let waiting = |app: &App| app.shown().index.waiting.iter().copied().collect::<Vec<_>>();
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    let before = waiting(&app);
    let [(first_rank, first), (second_rank, second), (next_rank, next), ..] = before[..] else { panic!("{before:?}") };
    let asked = deleted_and_taken_back(&mut app, &mut story, &[first, second], None);
    assert_eq!(asked.iter().map(|(_, rank)| *rank).collect::<Vec<_>>(), [first_rank, second_rank]);
    assert!(asked.iter().all(|(_, rank)| *rank < next_rank));

    // Whoever stood behind them has gone to the end meanwhile: they go with him, in their order.
    let mut story = busy(true);
    let mut app = story.app(settings(ColorMode::True, false));
    let end = before.last().expect("jobs").0 + 1000;
    let moved = EventKind::JobMoved { job: next, rank: end };
    let asked = deleted_and_taken_back(&mut app, &mut story, &[first, second], Some(moved));
    assert_eq!(asked.iter().map(|(_, rank)| *rank).collect::<Vec<_>>(), [end - 2, end - 1]);
}
