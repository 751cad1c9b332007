//! A question with two buttons; the one that changes nothing comes first and is the default.
//!
//! ```text
//! ╭ Cancel ───────────────────────────────╮
//! │ Cancel #17 lecture-04.mp4?            │
//! │ It is running, 63 % done.             │
//! │                                       │
//! │   [ Keep it ]   [ Cancel the job ]    │
//! ╰───────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Margin, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};
use unicode_width::UnicodeWidthStr;

use crate::domain::job::{JobId, Phase};
use crate::domain::text::{many, percent};
use crate::tui::app::{App, Ask, Question, job_name};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, popup};
use crate::tui::view::text::fit;

/// Columns of the widest question.
const WIDEST: u16 = 78;

struct Words {
    title: &'static str,
    lines: Vec<String>,
    buttons: [&'static str; 2],
}

/// Draws it.
pub fn draw(app: &App, ask: &Ask, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let words = words(app, ask.question);
    let buttons = words.buttons.map(|button| format!("[ {button} ]"));
    let widest = usize::from(area.width.min(WIDEST)).saturating_sub(6);
    // The question is in one line; what an answer does is read to its end.
    let (question, effects) = words.lines.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let effects: Text<'_> = effects.iter().map(|line| Line::from(theme.span(line, Role::Text))).collect();
    let both = buttons.iter().map(|button| button.width()).sum::<usize>() + 3;
    let width = effects.width().min(widest).max(question.width()).max(both) as u16;
    let effects = Paragraph::new(effects).wrap(Wrap { trim: true });
    let lines = effects.line_count(widest as u16) as u16 + 1;
    let place = popup(area, (width + 6).min(WIDEST), lines + 5, buf);
    let inner = Framed::new(theme, vec![theme.span(words.title, Role::Warn)]).draw(place, buf);
    // A free line above where there is room for it.
    let above = u16::from(inner.height > lines + 2);
    let [_, question_at, effects_at, buttons_at] =
        Layout::vertical([Constraint::Length(above), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
            .areas(inner);
    let [question_at, effects_at] = [question_at, effects_at].map(|area| area.inner(Margin::new(2, 0)));
    theme.span(fit(question, question_at.width.into(), theme.symbols), Role::Strong).render(question_at, buf);
    effects.render(effects_at, buf);
    let [keep, act] = buttons;
    let button = |text: String, chosen: bool| {
        if chosen { theme.span(text, Role::Strong).patch_style(theme.selection()) } else { theme.span(text, Role::Dim) }
    };
    Line::from(vec![button(keep, !ask.yes), "   ".into(), button(act, ask.yes)]).centered().render(buttons_at, buf);
}

fn words(app: &App, question: Question) -> Words {
    let running = app.present().index.active.len();
    let are = if running == 1 { "1 job is".to_owned() } else { format!("{running} jobs are") };
    match question {
        Question::Cancel(id) => Words {
            title: "Cancel",
            lines: vec![format!("Cancel {}?", name(app, id)), state(app, id)],
            buttons: ["Keep it", "Cancel the job"],
        },
        Question::Remove(id) => Words {
            title: "Delete",
            lines: vec![
                format!("Take {} off the list?", name(app, id)),
                "Neither input nor output is touched.".to_owned(),
                can_be_taken_back(app, id),
            ],
            buttons: ["Keep it", "Take it off"],
        },
        Question::CancelMany(count) => Words {
            title: "Cancel",
            lines: vec![
                format!("Cancel {}?", many(count as u64, "job")),
                "What those at work have made so far is thrown away.".to_owned(),
            ],
            buttons: ["Keep them", "Cancel them"],
        },
        Question::RemoveMany(count) => Words {
            title: "Delete",
            lines: vec![
                format!("Take {} off the list?", many(count as u64, "job")),
                "Neither inputs nor outputs are touched; what runs stays.".to_owned(),
                format!("{} puts back those that had not ended, and only those.", app.keys().label_in(KeyMode::Normal, Act::Undo)),
            ],
            buttons: ["Keep them", "Take them off"],
        },
        Question::ClearFinished(count) => Words {
            title: "Clear",
            lines: vec![
                format!("Take {} that ended off the list?", many(count as u64, "job")),
                "Done, failed and cancelled ones; files are not touched.".to_owned(),
                "This cannot be taken back.".to_owned(),
            ],
            buttons: ["Keep them", "Clear them"],
        },
        Question::EndIdle => Words {
            title: "End the server",
            lines: vec!["Nothing waits and nothing runs.".to_owned(), "It would end at once, and take no more jobs.".to_owned()],
            buttons: ["Keep it", "End it"],
        },
        Question::Quit => Words {
            title: "Quit",
            lines: vec![
                format!("{are} running."),
                "Stopped jobs begin anew; what is done stays done.".to_owned(),
                format!("{} again stops them too.", app.keys().label_in(KeyMode::Ask, Act::Quit)),
            ],
            buttons: ["Keep running", "Stop and quit"],
        },
        Question::EndComparison => Words {
            title: "End the comparison",
            lines: vec![
                "The run under way is stopped.".to_owned(),
                format!("What was measured before it is kept{}.", if app.compares() { " and printed" } else { "" }),
                format!("{} again ends it too.", app.keys().label_in(KeyMode::Ask, Act::Quit)),
            ],
            buttons: ["Go on", "End it and quit"],
        },
        Question::StopComparison => Words {
            title: "End the comparison",
            lines: vec!["The run under way is stopped.".to_owned(), "What was measured before it is kept.".to_owned()],
            buttons: ["Go on", "End it"],
        },
        Question::StartServer => Words {
            title: "The server has gone",
            lines: vec!["Start it again?".to_owned(), "What was not finished is kept in the queue, and goes on.".to_owned()],
            buttons: ["Wait", "Start it again"],
        },
        Question::Kill => Words {
            title: "Quit at once",
            lines: vec![format!("{are} still being stopped."), "Kill at once? What is done stays done.".to_owned()],
            buttons: ["Wait", "Kill and quit"],
        },
    }
}

fn name(app: &App, id: JobId) -> String {
    app.present().jobs.get(&id).map_or_else(|| format!("#{id}"), job_name)
}

/// Whether a job that is taken off the list can be put back.
fn can_be_taken_back(app: &App, id: JobId) -> String {
    if app.had_ended(id) {
        "It has ended: this cannot be taken back.".to_owned()
    } else {
        format!("{} puts it back.", app.keys().label_in(KeyMode::Normal, Act::Undo))
    }
}

fn state(app: &App, id: JobId) -> String {
    let Some(job) = app.present().jobs.get(&id) else { return "It is no longer on the list.".to_owned() };
    match &job.phase {
        Phase::Running { .. } => {
            let done = job.progress.and_then(|progress| progress.ratio).map(|ratio| format!(", {} % done", percent(ratio)));
            format!("It is running{}; what is made so far is thrown away.", done.unwrap_or_default())
        }
        Phase::Starting | Phase::Finalizing => "It is just starting or ending.".to_owned(),
        Phase::Stopping { .. } => "It is being stopped.".to_owned(),
        Phase::Queued | Phase::Backoff { .. } if job.lack_of_room().is_some() => "It waits for room on disk.".to_owned(),
        Phase::Queued => "It has not started yet.".to_owned(),
        Phase::Backoff { .. } if job.waits_for_input().is_some() => "It waits for its input.".to_owned(),
        Phase::Backoff { .. } => "It waits for another try.".to_owned(),
        Phase::Rejected(_) | Phase::Finished(_) => "It has ended meanwhile.".to_owned(),
    }
}
