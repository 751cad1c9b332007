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

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::domain::job::{Exit, Job, Phase, RejectReason};
use crate::domain::media::AudioStream;
use crate::domain::text::{many, path_text};
use crate::domain::time::{clock, seconds_words, span_words};
use crate::domain::units::Bytes;
use crate::tui::app::chronicle;
use crate::tui::app::job_words::state_of;
use crate::tui::app::waiting;
use crate::tui::app::{App, job_name};
use crate::tui::layout::Layout;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, Span, bar, fit, mb, spoken, time_of_day, wrap};
use crate::tui::view::plot::Plot;
use crate::tui::view::scroll::{self, Seen};
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
            let title = vec![("Job".to_owned(), theme.style(Role::Accent))];
            let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(area, buf);
            Line::new(buf, inner, 0).put("it is no longer on the list; esc goes back", theme.style(Role::Dim));
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
    spans: Vec<Span>,
}

fn draw_facts(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let (symbol, word, role) = state_of(theme, state, job);
    let tries = if job.attempts > 0 { format!(", try {}", job.attempts) } else { String::new() };
    let title = vec![("Job ".to_owned(), theme.style(Role::Strong)), (job_name(job), theme.style(Role::Accent))];
    let right = vec![(format!("{symbol} {}", long_word(job).unwrap_or(word)), theme.style(role)), (tries, theme.style(Role::Dim))];
    let inner = Framed { theme, focused: false, title, right }.draw(area, buf);
    let room = usize::from(inner.width.saturating_sub(LABEL));
    let lines = usize::from(inner.height);
    if let Some(first) = app.facts {
        let facts = all(app, job, room);
        let above = first.min(facts.len().saturating_sub(lines));
        scroll::draw(theme, Seen { above, rows: lines.min(facts.len()), of: facts.len() }, area, buf);
        return put(app, &facts[above..], inner, buf);
    }
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
    let mut asked = wrap(asked_for(app, job), room);
    // What comes before the input is the same for every job; the whole of it is the first line of the log's file.
    if let Some(command) = command.filter(|_| asked.len() > asked_lines)
        && let Some((before, after)) = command.split_once(" -i ")
    {
        let program = before.split(' ').next().unwrap_or_default();
        asked = wrap(&format!("{program} {} -i {after}", theme.symbols.more), room);
    }
    let style = theme.style(if command.is_some() { Role::Text } else { Role::Dim });
    let shown = asked.len().min(asked_lines);
    for (at, text) in asked.iter().take(shown).enumerate() {
        // What is left out stands behind the last line's end, so that it is cut there.
        let is_cut = at + 1 == shown && asked.len() > shown;
        let text = if is_cut { fit(&asked[at..].concat(), room, theme.symbols).into_owned() } else { text.clone() };
        facts.push(Fact { label: if at == 0 { "asked" } else { "" }, spans: vec![(text, style)] });
    }
    let reason = broken(progress(app, job), room);
    // A reason is read to its end: what else there is to say gives way, from its end to the input.
    while facts.len() > 1 && facts.len() + reason.len() + missing.len() + 1 > lines {
        facts.pop();
    }
    facts.extend(reason);
    facts.extend(missing);
    facts.push(memory(app, job));
    put(app, &facts, inner, buf);
}

/// What its program was asked to do.
fn asked_for<'a>(app: &'a App, job: &Job) -> &'a str {
    match app.detail(job.id).and_then(|detail| detail.command.as_deref()) {
        Some(command) => command,
        None if job.attempts > 0 => "the first line of its log tells (o)",
        None if job.phase.is_terminal() => "never started",
        None => "not started yet",
    }
}

/// Every fact to its end, for a page that has room for nothing else.
fn all(app: &App, job: &Job, room: usize) -> Vec<Fact> {
    let text = app.theme().style(Role::Text);
    let asked = Fact { label: "asked", spans: vec![(asked_for(app, job).to_owned(), text)] };
    let mut facts = vec![input(app, job), media(app, job), output(app, job), choices(app, job), asked, progress(app, job)];
    facts.extend(missing(app, job));
    facts.push(memory(app, job));
    facts.into_iter().flat_map(|fact| broken(fact, room)).collect()
}

/// Lines of all facts of the selected job, on a page of this width.
pub fn all_lines(app: &App, width: u16) -> usize {
    let job = app.selected().and_then(|id| app.shown().jobs.get(&id));
    job.map_or(0, |job| all(app, job, usize::from(width.saturating_sub(LABEL + 2))).len())
}

/// Draws facts from the first line on, as many as there is room for.
fn put(app: &App, facts: &[Fact], inner: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    for (at, fact) in facts.iter().take(inner.height.into()).enumerate() {
        let mut line = Line::new(buf, inner, at as u16);
        line.field(fact.label, LABEL, theme.style(Role::Dim), theme.symbols);
        for (text, style) in &fact.spans {
            let left = line.left();
            line.put(fit(text, left, theme.symbols), *style);
        }
    }
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
    let whole: usize = fact.spans.iter().map(|(text, _)| text.width()).sum();
    let Some((first, style)) = fact.spans.first().filter(|_| whole > room && fact.label != "done").cloned() else {
        return vec![fact];
    };
    let mut rows: Vec<Vec<Span>> = wrap(&first, room).into_iter().map(|line| vec![(line, style)]).collect();
    for span in fact.spans.into_iter().skip(1) {
        let used: usize = rows.last().map_or(0, |row| row.iter().map(|(text, _)| text.width()).sum());
        match rows.last_mut() {
            Some(row) if used + span.0.width() <= room => row.push(span),
            _ => rows.push(vec![(span.0.trim_start_matches([',', ' ']).to_owned(), span.1)]),
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
        Phase::Running { paused: true, .. } => Some("paused by you"),
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
    let spans = vec![(path_text(&job.input), theme.style(Role::Text)), (format!(", {}", job.size), theme.style(Role::Dim))];
    Fact { label: "input", spans }
}

fn output(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let path = job.output.as_ref().map_or_else(|| "not known yet".to_owned(), |path| path_text(path));
    let spans = vec![(path, theme.style(Role::Text)), (format!(", preset {}", job.preset), theme.style(Role::Dim))];
    Fact { label: "output", spans }
}

/// What the preset does with what an input may hold.
fn choices(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    if job.choices.is_empty() {
        let words = if job.phase.is_terminal() { "not known" } else { "told once the input is looked at" };
        return Fact { label: "preset", spans: vec![(words.to_owned(), theme.style(Role::Dim))] };
    }
    Fact { label: "preset", spans: vec![(job.choices.clone(), theme.style(Role::Text))] }
}

fn media(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let Some(media) = &job.media else {
        let words = match &job.phase {
            Phase::Rejected(why) if why.reason == RejectReason::TooLarge => "not looked at: its size alone keeps it out",
            Phase::Rejected(_) => "nothing that could be read",
            Phase::Finished(_) => "not looked at",
            _ => "not looked at yet",
        };
        return Fact { label: "holds", spans: vec![(words.to_owned(), theme.style(Role::Dim))] };
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
    Fact { label: "holds", spans: vec![(parts.join(", "), theme.style(Role::Text))] }
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
    let (text, dim) = (theme.style(Role::Text), theme.style(Role::Dim));
    match &job.phase {
        Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
            let Some(progress) = job.progress else {
                return Fact { label: "done", spans: vec![("nothing was reported yet".to_owned(), dim)] };
            };
            let ratio = progress.ratio.map(|ratio| ratio.clamp(0.0, 1.0));
            let (full, rest) = bar(theme, ratio.unwrap_or(0.0), 14);
            let percent = ratio.map_or_else(|| "?".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0));
            let mut spans: Vec<Span> = vec![(full, theme.style(Role::Running)), (rest, dim)];
            spans.push((format!(" {percent}  "), theme.style(Role::Strong)));
            spans.push((format!("{:.1}x  {:.0} fps  ", progress.speed, progress.fps), text));
            // Of one that stands still nobody knows.
            let is_paused = matches!(job.phase, Phase::Running { paused: true, .. });
            if let Some(left) = progress.eta_seconds.filter(|_| !is_paused) {
                spans.push((format!("{} left  ", span_words(std::time::Duration::from_secs(left))), text));
            }
            let at = clock(progress.out_time);
            spans.push((format!("frame {} at {at}, {} written", progress.frame, progress.written), dim));
            Fact { label: "done", spans }
        }
        Phase::Starting => Fact { label: "starts", spans: vec![("memory is cleaned first".to_owned(), dim)] },
        Phase::Queued if let Some(lack) = job.lack_of_room() => {
            let words = format!("{lack}; looks again when its turn comes");
            Fact { label: "waits", spans: vec![(words, theme.style(Role::Warn))] }
        }
        Phase::Queued => {
            let mut words = waiting::reason(state, job.id).unwrap_or_else(|| "others are before it".to_owned());
            let is_held = state.held.is_some_and(|held| held.job == job.id);
            if let (true, Some(way)) = (is_held, waiting::way_in(state)) {
                words = format!("{words}; runs {way}");
            }
            Fact { label: "waits", spans: vec![(words, if is_held { theme.style(Role::Warn) } else { text })] }
        }
        Phase::Backoff { until, reason } => {
            let next = if job.wants_room.is_some() { "looks again" } else { "next try" };
            let words = format!("{reason}; {next} in {}", spoken(until.since(state.now)));
            Fact { label: "waits", spans: vec![(words, theme.style(Role::Warn))] }
        }
        Phase::Rejected(why) => Fact { label: "rejected", spans: vec![(why.detail.clone(), theme.style(Role::Warn))] },
        Phase::Finished(finished) => {
            let (role, words) = chronicle::ended(finished.outcome, finished.took, finished.reason.as_deref(), None, &[]);
            let exit = match finished.exit {
                Some(Exit::Code(code)) => format!("  exit status {code}"),
                Some(Exit::Signal(signal)) => format!("  ended by signal {signal}"),
                None => String::new(),
            };
            let at = format!("  at {}", time_of_day(finished.at, app.time_zone(), false));
            Fact { label: "ended", spans: vec![(words, theme.style(role)), (exit, dim), (at, dim)] }
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
    facts.map(|(label, words, role)| Fact { label, spans: vec![(words, theme.style(role))] }).collect()
}

fn memory(app: &App, job: &Job) -> Fact {
    let theme = app.theme();
    let (text, dim) = (theme.style(Role::Text), theme.style(Role::Dim));
    let mut spans: Vec<Span> = Vec::new();
    if job.phase.holds_slot() {
        spans.push((format!("{} MB", mb(job.memory)), theme.style(Role::Strong)));
        spans.push((" now  ".to_owned(), dim));
    }
    for (name, bytes) in [("peak", job.peak), ("reserved", job.reserved), ("expected", job.predicted_peak.unwrap_or_default())] {
        if bytes > Bytes::ZERO {
            let over = name == "peak" && job.reserved > Bytes::ZERO && bytes > job.reserved;
            spans.push((format!("{name} "), dim));
            spans.push((format!("{} MB", mb(bytes)), if over { theme.style(Role::Warn) } else { text }));
            spans.push(("  ".to_owned(), text));
        }
    }
    if spans.is_empty() {
        spans.push(("not known yet".to_owned(), dim));
    }
    Fact { label: "memory", spans }
}

/// Its memory over its time, what is set aside as dashes.
fn draw_memory(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let dim = theme.style(Role::Dim);
    let title = vec![("Its memory".to_owned(), theme.style(Role::Strong))];
    let reserved = if job.reserved > Bytes::ZERO {
        vec![(format!("{} reserved", job.reserved.whole()), theme.style(Role::Line))]
    } else {
        Vec::new()
    };
    let inner = Framed { theme, focused: false, title, right: reserved }.draw(area, buf);
    let Some(curve) = app.detail(job.id).map(|detail| &detail.curve).filter(|curve| !curve.is_empty()) else {
        Line::new(buf, inner, 0).gap(1).put("not measured in this console", dim);
        return;
    };
    let end = job.reserved.max(job.peak).scale(1.15);
    let plot = Plot { theme, end, mark: job.reserved };
    let labels = (mb(end).len() as u16).max(4) + 1;
    let has_axis = inner.height >= 6;
    let place = Rect {
        x: inner.x + labels,
        width: inner.width.saturating_sub(labels),
        height: inner.height.saturating_sub(u16::from(has_axis)),
        ..inner
    };
    let columns = plot.columns(place.width);
    // Of a job that has ended the axis ends with it.
    let has_ended = job.phase.is_terminal();
    plot.draw(&curve.columns(columns, has_ended), place, buf);
    let mut taken: Vec<u16> = Vec::new();
    let mut label = |bytes: Bytes, style: Style, buf: &mut Buffer| {
        let row = plot.row_of(bytes, place.height);
        if !taken.contains(&row) {
            Line::new(buf, inner, row).right(&mb(bytes), labels - 1, style);
            taken.push(row);
        }
    };
    if job.reserved > Bytes::ZERO {
        label(job.reserved, theme.style(Role::Line), buf);
    }
    label(job.peak, theme.style(if job.peak > job.reserved { Role::Warn } else { Role::Running }), buf);
    label(Bytes::ZERO, dim, buf);
    if has_axis {
        let seconds = curve.seconds(has_ended);
        let mut line = Line::new(buf, inner, inner.height - 1);
        line.gap(labels).put("start", dim).at_end(&spoken(std::time::Duration::from_secs(seconds)), dim);
    }
}

fn draw_story(app: &App, job: &Job, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let title = vec![("What happened".to_owned(), theme.style(Role::Strong))];
    let inner = Framed { theme, focused: false, title, right: Vec::new() }.draw(area, buf);
    let mut row = 0;
    for entry in app.story(job.id) {
        if row >= inner.height {
            break;
        }
        let mut line = Line::new(buf, inner, row);
        line.put(time_of_day(entry.at, app.time_zone(), false), theme.style(Role::Dim)).gap(1);
        line.put(events::symbol(theme, entry), theme.style(entry.role)).gap(1);
        let left = line.left();
        let indent = inner.width.saturating_sub(left as u16);
        for text in wrap(&entry.text, left) {
            Line::new(buf, inner, row).gap(indent).put(text, theme.style(events::ink(entry)));
            row += 1;
        }
    }
    if row == 0 {
        Line::new(buf, inner, 0).gap(1).put("nothing yet", theme.style(Role::Dim));
    }
}
