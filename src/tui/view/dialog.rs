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
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::domain::job::{JobId, Phase};
use crate::tui::app::{App, Ask, Question, job_name};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, fit, popup, wrap};

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
    let mut words = words(app, ask.question);
    // What an answer does must be read to its end.
    let room = usize::from(area.width.min(WIDEST)).saturating_sub(6);
    words.lines =
        words.lines.iter().enumerate().flat_map(|(at, line)| if at == 0 { vec![line.clone()] } else { wrap(line, room) }).collect();
    let buttons = words.buttons.map(|button| format!("[ {button} ]"));
    let widest = words
        .lines
        .iter()
        .map(|line| line.width())
        .max()
        .unwrap_or(0)
        .max(buttons.iter().map(|button| button.width()).sum::<usize>() + 3);
    let place = popup(area, (widest as u16 + 6).min(WIDEST), words.lines.len() as u16 + 5, buf);
    let title = vec![(words.title.to_owned(), theme.style(Role::Warn))];
    let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(place, buf);
    let roomy = inner.height as usize > words.lines.len() + 1;
    for (at, text) in words.lines.iter().enumerate() {
        let mut line = Line::new(buf, inner, at as u16 + u16::from(roomy && inner.height as usize > words.lines.len() + 2));
        let room = line.left().saturating_sub(4);
        line.gap(2).put(fit(text, room, theme.symbols), theme.style(if at == 0 { Role::Strong } else { Role::Text }));
    }
    let mut line = Line::new(buf, inner, inner.height.saturating_sub(1));
    let total = buttons.iter().map(|button| button.width()).sum::<usize>() + 3;
    line.gap((line.left().saturating_sub(total) / 2) as u16);
    for (at, button) in buttons.iter().enumerate() {
        let chosen = ask.yes == (at == 1);
        let style = theme.style(if chosen { Role::Strong } else { Role::Dim });
        line.put(button, if chosen { style.patch(theme.selection()) } else { style }).gap(3);
    }
}

fn words(app: &App, question: Question) -> Words {
    let running = app.shown().index.active.len();
    let are = if running == 1 { "1 job is".to_owned() } else { format!("{running} jobs are") };
    match question {
        Question::Cancel(id) => Words {
            title: "Cancel",
            lines: vec![format!("Cancel {}?", name(app, id)), state(app, id)],
            buttons: ["Keep it", "Cancel the job"],
        },
        Question::Remove(id) => Words {
            title: "Delete",
            lines: vec![format!("Take {} off the list?", name(app, id)), "Neither input nor output is touched.".to_owned()],
            buttons: ["Keep it", "Take it off"],
        },
        Question::CancelMany(count) => Words {
            title: "Cancel",
            lines: vec![format!("Cancel {}?", jobs(count)), "What those at work have made so far is thrown away.".to_owned()],
            buttons: ["Keep them", "Cancel them"],
        },
        Question::RemoveMany(count) => Words {
            title: "Delete",
            lines: vec![
                format!("Take {} off the list?", jobs(count)),
                "Neither inputs nor outputs are touched; what runs stays.".to_owned(),
            ],
            buttons: ["Keep them", "Take them off"],
        },
        Question::ClearFinished(count) => Words {
            title: "Clear",
            lines: vec![
                format!("Take {} that ended off the list?", jobs(count)),
                "Done, failed and cancelled ones; files are not touched.".to_owned(),
            ],
            buttons: ["Keep them", "Clear them"],
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
        Question::Release => Words {
            title: "Release the queue",
            lines: vec!["A comparison is being made.".to_owned(), "Jobs beside it take from its runs what is measured.".to_owned()],
            buttons: ["Keep it held", "Release it"],
        },
        Question::Kill => Words {
            title: "Quit at once",
            lines: vec![format!("{are} still being stopped."), "Kill at once? What is done stays done.".to_owned()],
            buttons: ["Wait", "Kill and quit"],
        },
    }
}

fn jobs(count: usize) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

fn name(app: &App, id: JobId) -> String {
    app.shown().jobs.get(&id).map_or_else(|| format!("#{id}"), job_name)
}

fn state(app: &App, id: JobId) -> String {
    let Some(job) = app.shown().jobs.get(&id) else { return "It is no longer on the list.".to_owned() };
    match &job.phase {
        Phase::Running { .. } => {
            let done = job.progress.and_then(|progress| progress.ratio).map(|ratio| format!(", {} % done", (ratio * 100.0) as u32));
            format!("It is running{}; what is made so far is thrown away.", done.unwrap_or_default())
        }
        Phase::Starting | Phase::Finalizing => "It is just starting or ending.".to_owned(),
        Phase::Stopping { .. } => "It is being stopped.".to_owned(),
        Phase::Queued | Phase::Backoff { .. } if job.lack_of_room().is_some() => "It waits for room on disk.".to_owned(),
        Phase::Queued => "It has not started yet.".to_owned(),
        Phase::Backoff { .. } => "It waits for another try.".to_owned(),
        Phase::Rejected(_) | Phase::Finished(_) => "It has ended meanwhile.".to_owned(),
    }
}
