//! One job: what ffmpeg was asked to do, how far it is, its memory against what is set aside for it, what happened to it.
//! Its log stands below.
//!
//! ```text
//! ╭ Job #17 lecture-04.mp4 ──────────────────────────────── ▶ run, try 1 ╮
//! │input     /v/lecture-04.mp4, 148 MB                                   │
//! │asked     ffmpeg -i /v/lecture-04.mp4 -c:v libx264 …                  │
//! │done      ███████▌···· 63 %  1.8x  51 fps  33 MB written  left 00:41  │
//! │memory    612 MB now  peak 640  reserved 720  expected 626            │
//! ╰──────────────────────────────────────────────────────────────────────╯
//! ╭ Its memory ─────── 720 MB reserved ╮╭ What happened ─────────────────╮
//! ╰────────────────────────────────────╯╰────────────────────────────────╯
//! ```

use std::borrow::Cow;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Row, Table, Widget as _};

use crate::domain::job::{Exit, Job, Phase};
use crate::domain::media::AudioStream;
use crate::domain::text::{many, path_text, percent};
use crate::domain::time::{clock, seconds_words, span_words};
use crate::domain::units::Bytes;
use crate::tui::app::{App, job_name};
use crate::tui::input::action::Act;
use crate::tui::layout::Layout;
use crate::tui::pages::events::chronicle;
use crate::tui::pages::queue::job_words::state_of;
use crate::tui::pages::queue::waiting;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, Seen};
use crate::tui::view::text::{bar, fit, fit_line, mb, spoken, time_of_day, wrap};
use crate::tui::view::widgets::{Curve, LoadChart};
use crate::tui::view::{events, log};

/// Columns of the labels.
const LABEL: u16 = 10;
/// Lines of the screen from which on what the input holds is told.
const MEDIA_FROM: u16 = 20;
/// Lines of the facts from which on the preset has one of its own.
const ROOMY: usize = 8;

/// Draws it.
pub fn draw(app: &App, layout: &Layout, buf: &mut Buffer) {
    if let Some(area) = layout.panes[3] {
        log::draw(app, area, buf);
    }
    let Some(job) = app.selected().and_then(|id| app.shown().jobs.get(&id)) else {
        if let Some(area) = layout.job[0] {
            let theme = app.theme();
            let number = app.selected().map_or_else(|| "Job".to_owned(), |id| format!("Job #{id}"));
            let inner = Framed::new(theme, vec![theme.span(number, Role::Accent)]).draw(area, buf);
            let words = if app.is_replay() { "it is not on the list at this time" } else { "it is no longer on the list" };
            theme.span(format!("{words}; {} goes back", app.key_label(Act::Back)), Role::Dim).render(inner, buf);
        }
        return;
    };
    if let Some(area) = layout.job[0] {
        draw_facts(app, job, area, buf);
    }
    if let Some(area) = layout.job[1] {
        draw_memory(app, job, area, buf);
    }
    if let Some(area) = layout.job[2] {
        draw_story(app, job, area, buf);
    }
}

/// A labelled line of the facts.
struct Fact {
    label: &'static str,
    spans: Vec<Span<'static>>,
}

fn draw_facts(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let (symbol, word, role) = state_of(theme, state, job);
    let tries = if job.attempts > 0 { format!(", try {}", job.attempts) } else { String::new() };
    let title = vec![theme.span("Job ", Role::Strong), theme.span(job_name(job), Role::Accent)];
    let right = vec![theme.span(format!("{symbol} {}", long_word(job).unwrap_or(word)), role), theme.span(tries, Role::Dim)];
    let frame = Framed::new(theme, title).beside().right(right);
    if let Some(scroll) = app.opened_facts() {
        let mut facts = all(app, job, usize::from(area.width.saturating_sub(LABEL + 2)));
        let (lines, of) = (usize::from(area.height.saturating_sub(2)), facts.len());
        let above = scroll.seen(of, lines);
        let inner = frame.seen(Seen { above, rows: lines.min(of), of }).draw(area, buf);
        return put(app, facts.split_off(above), inner, buf);
    }
    let inner = frame.draw(area, buf);
    let room = usize::from(inner.width.saturating_sub(LABEL));
    let lines = usize::from(inner.height);
    // What matters most stays when there is little room.
    let missing: Vec<Fact> = missing(app, job).into_iter().flat_map(|fact| broken(fact, room)).collect();
    // Every key of the preset, where there is room for the line.
    let choices = if lines >= ROOMY { broken(choices(app, job), room) } else { Vec::new() };
    let asked_lines = match lines.saturating_sub(missing.len() + choices.len()) {
        0..=5 => 1,
        6..=7 => 2,
        lines => lines - 5,
    };
    // Paths are read to their end.
    let mut facts = broken(input(app, job), room);
    if shows_media(app) {
        facts.extend(broken(media(app, job), room));
    }
    facts.extend(broken(output(app, job), room));
    let asked_lines =
        if lines >= ROOMY { asked_lines.min(lines.saturating_sub(facts.len() + choices.len() + 2).max(1)) } else { asked_lines };
    facts.extend(choices);
    let command = app.detail(job.id).and_then(|detail| detail.command.as_deref());
    let mut asked = wrap(&asked_for(app, job), room);
    // What comes before the input is the same for every job; the whole of it is the first line of the log's file.
    if let Some(command) = command.filter(|_| asked.len() > asked_lines)
        && let Some((before, after)) = command.split_once(" -i ")
    {
        let program = before.split(' ').next().unwrap_or_default();
        asked = wrap(&format!("{program} {} -i {after}", theme.symbols.more), room);
    }
    let role = if command.is_some() { Role::Text } else { Role::Dim };
    let shown = asked.len().min(asked_lines);
    for (at, text) in asked.iter().take(shown).enumerate() {
        // What is left out stands behind the last line's end, so that it is cut there.
        let is_cut = at + 1 == shown && asked.len() > shown;
        let text = if is_cut { fit(&asked[at..].concat(), room, theme.symbols).into_owned() } else { text.clone() };
        facts.push(Fact { label: if at == 0 { "asked" } else { "" }, spans: vec![theme.span(text, role)] });
    }
    let reason = broken(progress(app, job), room);
    // A reason is read to its end: what else there is to say gives way, from its end to the input.
    while facts.len() > 1 && facts.len() + reason.len() + missing.len() + 1 > lines {
        facts.pop();
    }
    facts.extend(reason);
    facts.extend(missing);
    facts.push(memory(app, job));
    put(app, facts, inner, buf);
}

/// What its program was asked to do.
fn asked_for<'a>(app: &'a App, job: &Job) -> Cow<'a, str> {
    match app.detail(job.id).and_then(|detail| detail.command.as_deref()) {
        Some(command) => command.into(),
        None if job.attempts > 0 => format!("the first line of its log tells ({})", app.key_label(Act::WholeLog)).into(),
        None if job.phase.is_terminal() => "never started".into(),
        None => "not started yet".into(),
    }
}

/// Every fact to its end, for a page that has room for nothing else.
fn all(app: &App, job: &Job, room: usize) -> Vec<Fact> {
    let asked = Fact { label: "asked", spans: vec![app.theme().span(asked_for(app, job).into_owned(), Role::Text)] };
    let mut facts = vec![input(app, job), media(app, job), output(app, job), choices(app, job), asked, progress(app, job)];
    facts.extend(missing(app, job));
    facts.push(memory(app, job));
    facts.into_iter().flat_map(|fact| broken(fact, room)).collect()
}

/// Draws facts, as many as there is room for.
fn put(app: &App, facts: Vec<Fact>, inner: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let room = inner.width.saturating_sub(LABEL);
    let rows = facts.into_iter().map(|fact| {
        let said = fit_line(fact.spans, room, theme.symbols);
        Row::new([theme.span(fact.label, Role::Dim).into(), said])
    });
    Table::new(rows, [Constraint::Length(LABEL), Constraint::Fill(1)]).column_spacing(0).render(inner, buf);
}

/// Lines that the reason of a job needs beyond its first one, on a page of this width.
pub fn reason_lines(app: &App, job: &Job, width: u16) -> u16 {
    let room = usize::from(width.saturating_sub(LABEL + 2));
    let missing: usize = missing(app, job).into_iter().map(|fact| broken(fact, room).len()).sum();
    let held = shows_media(app).then(|| media(app, job));
    let longer: usize = [input(app, job), output(app, job), progress(app, job)]
        .into_iter()
        .chain(held)
        .map(|fact| broken(fact, room).len() - 1)
        .sum();
    (longer + missing) as u16
}

/// There is room for what the input holds.
const fn shows_media(app: &App) -> bool {
    app.layout_size().1 >= MEDIA_FROM
}

/// A fact in as many lines as it needs. What is drawn, as a bar is, stays in its one line.
fn broken(fact: Fact, room: usize) -> Vec<Fact> {
    let whole: usize = fact.spans.iter().map(Span::width).sum();
    let Some(first) = fact.spans.first().filter(|_| whole > room && fact.label != "done").cloned() else {
        return vec![fact];
    };
    let lines = wrap(&first.content, room).into_iter();
    let mut rows: Vec<Vec<Span<'static>>> = lines.map(|line| vec![Span::styled(line, first.style)]).collect();
    for span in fact.spans.into_iter().skip(1) {
        let used: usize = rows.last().map_or(0, |row| row.iter().map(Span::width).sum());
        match rows.last_mut() {
            Some(row) if used + span.width() <= room => row.push(span),
            _ => rows.push(vec![Span::styled(span.content.trim_start_matches([',', ' ']).to_owned(), span.style)]),
        }
    }
    let labelled = |(at, spans)| Fact { label: if at == 0 { fact.label } else { "" }, spans };
    rows.into_iter().enumerate().map(labelled).collect()
}

/// Where the table has room for one word only.
fn long_word(job: &Job) -> Option<&'static str> {
    match &job.phase {
        _ if job.lack_of_room().is_some() => Some("held: no room"),
        Phase::Running { paused: true, for_memory: true, .. } => Some("stopped for memory"),
        Phase::Running { paused: true, .. } => Some("paused by hand"),
        Phase::Finalizing => Some("output being checked"),
        Phase::Stopping { .. } => Some("being stopped"),
        Phase::Finished(finished) if finished.is_damaged() => Some("done, damaged"),
        Phase::Finished(finished) => Some(finished.outcome.word()),
        Phase::Rejected(_) => Some("not let in"),
        _ => None,
    }
}

fn input(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let spans = vec![theme.span(path_text(&job.input), Role::Text), theme.span(format!(", {}", job.size), Role::Dim)];
    Fact { label: "input", spans }
}

fn output(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let path = job.output.as_ref().map_or_else(|| "not known yet".to_owned(), |path| path_text(path));
    let spans = vec![theme.span(path, Role::Text), theme.span(format!(", preset {}", job.preset), Role::Dim)];
    Fact { label: "output", spans }
}

/// What the preset does with what an input may hold.
fn choices(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    if job.choices.is_empty() {
        let words = if job.phase.is_terminal() { "not known" } else { "told once the input is looked at" };
        return Fact { label: "preset", spans: vec![theme.span(words, Role::Dim)] };
    }
    Fact { label: "preset", spans: vec![theme.span(job.choices.clone(), Role::Text)] }
}

fn media(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let Some(media) = &job.media else {
        let words = match &job.phase {
            phase if phase.is_too_large() => "not looked at: its size alone keeps it out",
            Phase::Rejected(_) => "nothing that could be read",
            Phase::Finished(_) => "not looked at",
            _ => "not looked at yet",
        };
        return Fact { label: "holds", spans: vec![theme.span(words, Role::Dim)] };
    };
    let mut parts = Vec::new();
    if let Some(video) = &media.video {
        parts.push(format!("{} {}x{} {} fps {}", video.codec, video.width, video.height, rate(video.fps), video.pixel_format));
    }
    let extras = &media.extras;
    // A recording of an earlier version knows the chosen track alone.
    let sounds = if extras.sounds.is_empty() { media.audio.as_slice() } else { &extras.sounds[..] };
    parts.extend(sounds.iter().map(sound));
    if !extras.subtitles.is_empty() {
        let languages: Vec<&str> = extras.subtitles.iter().filter_map(|track| track.language.as_deref()).collect();
        let told = if languages.is_empty() { String::new() } else { format!(" ({})", languages.join(", ")) };
        parts.push(format!("{}{told}", many(extras.subtitles.len() as u64, "subtitle")));
    }
    let further = [
        (extras.further_pictures, "further picture"),
        (u32::from(extras.cover.is_some()), "cover"),
        (extras.chapters, "chapter"),
        (extras.attachments, "attachment"),
        (extras.data, "data stream"),
    ];
    parts.extend(further.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| many(count.into(), word)));
    if let Some(duration) = media.duration {
        parts.push(seconds_words(duration.as_secs_f64()));
    }
    if parts.is_empty() {
        parts.push("nothing that was told".to_owned());
    }
    Fact { label: "holds", spans: vec![theme.span(parts.join(", "), Role::Text)] }
}

/// `aac 2 channels (eng)`.
fn sound(track: &AudioStream) -> String {
    let codec = if track.codec.is_empty() { "unknown sound" } else { track.codec.as_str() };
    let language = track.language.as_ref().map_or_else(String::new, |language| format!(" ({language})"));
    format!("{codec} {}{language}", many(track.channels.into(), "channel"))
}

/// `25`, `29.97`.
fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.strip_suffix(".00").map_or_else(|| text.clone(), str::to_owned)
}

/// How far it is, how it ended, or why it waits.
fn progress(app: &App, job: &Job) -> Fact {
    let (theme, state) = (app.theme(), app.shown());
    match &job.phase {
        Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
            let Some(progress) = job.progress else {
                return Fact { label: "done", spans: vec![theme.span("nothing was reported yet", Role::Dim)] };
            };
            let ratio = progress.ratio.map(|ratio| ratio.clamp(0.0, 1.0));
            let done = ratio.map_or_else(|| "?".to_owned(), |ratio| format!("{} %", percent(ratio)));
            let mut spans = bar(theme, ratio.unwrap_or(0.0), 14, Role::Running).to_vec();
            spans.push(theme.span(format!(" {done}  "), Role::Strong));
            spans.push(theme.span(format!("{:.1}x  {:.0} fps  ", progress.speed, progress.fps), Role::Text));
            // Of one that stands still nobody knows.
            let is_paused = matches!(job.phase, Phase::Running { paused: true, .. });
            if let Some(left) = progress.eta_seconds.filter(|_| !is_paused) {
                spans.push(theme.span(format!("{} left  ", span_words(Duration::from_secs(left))), Role::Text));
            }
            // Whole seconds that are passed, as players count and the log of ffmpeg has it.
            let at = clock(Duration::from_secs(progress.out_time.as_secs()));
            spans.push(theme.span(format!("frame {} at {at}, {} written", progress.frame, progress.written), Role::Dim));
            Fact { label: "done", spans }
        }
        Phase::Starting => Fact { label: "starts", spans: vec![theme.span("memory is cleaned first", Role::Dim)] },
        Phase::Queued if let Some(lack) = job.lack_of_room() => {
            let words = format!("{lack}; looks again when its turn comes");
            Fact { label: "waits", spans: vec![theme.span(words, Role::Warn)] }
        }
        Phase::Queued => {
            let mut words = waiting::reason(state, job.id).unwrap_or_else(|| "others are before it".to_owned());
            let is_held = state.held.is_some_and(|held| held.job == job.id);
            if let (true, Some(way)) = (is_held, waiting::way_in(state)) {
                words = format!("{words}; runs {way}");
            }
            Fact { label: "waits", spans: vec![theme.span(words, if is_held { Role::Warn } else { Role::Text })] }
        }
        Phase::Backoff { until, reason } => {
            let looks = job.wants_room.is_some() || job.away.is_some();
            let next = if looks { "looks again" } else { "next try" };
            let words = format!("{reason}; {next} in {}", spoken(until.since(state.now)));
            Fact { label: "waits", spans: vec![theme.span(words, Role::Warn)] }
        }
        Phase::Rejected(why) => Fact { label: "rejected", spans: vec![theme.span(why.detail.clone(), Role::Warn)] },
        Phase::Finished(finished) => {
            let (role, words) = chronicle::ended(finished.outcome, finished.took, finished.reason.as_deref(), None, &[]);
            let exit = match finished.exit {
                Some(Exit::Code(code)) => format!("  exit status {code}"),
                Some(Exit::Signal(signal)) => format!("  ended by signal {signal}"),
                None => String::new(),
            };
            let at = format!("  at {}", time_of_day(finished.at, app.time_zone(), false));
            Fact { label: "ended", spans: vec![theme.span(words, role), theme.span(exit, Role::Dim), theme.span(at, Role::Dim)] }
        }
    }
}

/// What of the input is not in the output: what could not be decoded, and what was left out.
fn missing(app: &App, job: &Job) -> Vec<Fact> {
    let Phase::Finished(finished) = &job.phase else { return Vec::new() };
    let theme = app.theme();
    let damage = finished.damage.as_ref().map(|damage| ("damage", damage.words(), Role::Warn));
    let left_out = (!finished.left_out.is_empty()).then(|| ("left out", finished.left_out.join(", "), Role::Text));
    let facts = damage.into_iter().chain(left_out);
    facts.map(|(label, words, role)| Fact { label, spans: vec![theme.span(words, role)] }).collect()
}

fn memory(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let mut spans = Vec::new();
    if job.phase.holds_slot() {
        spans.push(theme.span(format!("{} MB", mb(job.memory)), Role::Strong));
        spans.push(theme.span(" now  ", Role::Dim));
    }
    for (name, bytes) in [("peak", job.peak), ("reserved", job.reserved), ("expected", job.predicted_peak.unwrap_or_default())] {
        if bytes > Bytes::ZERO {
            let over = name == "peak" && job.reserved > Bytes::ZERO && bytes > job.reserved;
            spans.push(theme.span(format!("{name} "), Role::Dim));
            spans.push(theme.span(format!("{} MB", mb(bytes)), if over { Role::Warn } else { Role::Text }));
            spans.push("  ".into());
        }
    }
    if spans.is_empty() {
        spans.push(theme.span("not known yet", Role::Dim));
    }
    Fact { label: "memory", spans }
}

/// Its memory over its time, what is set aside as dashes.
fn draw_memory(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let mut frame = Framed::new(theme, vec![theme.span("Its memory", Role::Strong)]).beside();
    if job.reserved > Bytes::ZERO {
        frame = frame.right(vec![theme.span(format!("{} reserved", job.reserved.whole()), Role::Line)]);
    }
    let inner = frame.draw(area, buf);
    let Some(curve) = app.detail(job.id).map(|detail| &detail.curve).filter(|curve| !curve.is_empty()) else {
        return theme.span(" not measured in this console", Role::Dim).render(inner, buf);
    };
    // Of a job that has ended the axis ends with it.
    let has_ended = job.phase.is_terminal();
    let seconds = Duration::from_secs(curve.seconds(has_ended));
    let time = [theme.span("start", Role::Dim), Span::default(), theme.span(spoken(seconds), Role::Dim)];
    LoadChart {
        theme,
        curves: vec![Curve {
            values: Box::new(|columns| curve.columns(columns, has_ended)),
            style: theme.style(Role::Running),
            over: theme.style(Role::Warn),
            dashes: (1, 0),
            letter: None,
            ends: String::new(),
        }],
        line: job.reserved,
        end: job.reserved.max(job.peak).scale(1.15),
        labels: vec![(job.peak, if job.peak > job.reserved { Role::Warn } else { Role::Running }), (Bytes::ZERO, Role::Dim)],
        time: time.map(Line::from),
        marks: &|_| Vec::new(),
    }
    .render(inner, buf);
}

fn draw_story(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let inner = Framed::new(theme, vec![theme.span("What happened", Role::Strong)]).beside().draw(area, buf);
    let columns = [Constraint::Length(9), Constraint::Length(2), Constraint::Fill(1)];
    let room = usize::from(inner.width.saturating_sub(11));
    let mut left = inner.height;
    let mut rows = Vec::new();
    for entry in app.events_page().story(job.id) {
        if left == 0 {
            break;
        }
        // A row that is cut by the table's end would not be drawn at all.
        let words: Text<'_> = wrap(&entry.text, room)
            .into_iter()
            .take(left.into())
            .map(|line| Line::from(theme.span(line, events::role_of(entry))))
            .collect();
        let height = words.height() as u16;
        left -= height;
        let time = time_of_day(entry.at, app.time_zone(), false);
        let symbol = theme.span(events::symbol(theme, entry), entry.role);
        rows.push(Row::new([Text::from(theme.span(time, Role::Dim)), symbol.into(), words]).height(height));
    }
    if rows.is_empty() {
        return theme.span(" nothing yet", Role::Dim).render(inner, buf);
    }
    Table::new(rows, columns).column_spacing(0).render(inner, buf);
}
