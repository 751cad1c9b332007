//! `status --html`: one page without anything beside it, for whoever wants to show how a server stands.

use std::fmt::Write as _;

use super::{counting, standing};
use crate::domain::job::Job;
use crate::domain::state::State;
use crate::domain::text::{file_name_text, many, path_text, percent};
use crate::domain::units::Bytes;

/// Size of the gauge and of the chart, in units of the picture.
const WIDTH: f64 = 800.0;
/// See [`WIDTH`].
const GAUGE: f64 = 28.0;
/// See [`WIDTH`].
const CHART: f64 = 180.0;
/// Jobs of each kind in the table.
const JOBS: usize = 50;
/// The look, for light and dark screens.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:860px;margin:2em auto;padding:0 1em;color:#1b1b1f;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .6em;border-bottom:1px solid #8884}\
td.n{text-align:right;white-space:nowrap}svg{width:100%;height:auto}.warn{color:#b35c00}.dim{color:#777}\
.jobs{fill:#0072b2}.console{fill:#009e73}.others{fill:#cc79a7}.cache{fill:#999}.reserved{fill:#0072b244}.mark{stroke:#d55e00;stroke-width:2}\
.counted{fill:none;stroke:#0072b2;stroke-width:2}.frame{fill:none;stroke:#8888}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16161a}}";

/// What is known of the server itself, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The machine and the process.
    pub server: String,
    /// When this was so.
    pub at: String,
}

pub fn render(state: &State, about: &About) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>plimsoll: {counts}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>plimsoll</h1>\n<p>{counts}</p>\n\
         <p class=\"dim\">{server}, {at}</p>\n",
        counts = escaped(&counting::words(state)),
        server = escaped(&about.server),
        at = escaped(&about.at),
    );
    standing(&mut page, state);
    gauge(&mut page, state);
    chart(&mut page, state);
    warnings(&mut page, state);
    jobs(&mut page, state);
    page.push_str("</body>\n</html>\n");
    page
}

/// What a browser would take for markup is text again.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The profile, and what keeps the queue from going on.
fn standing(page: &mut String, state: &State) {
    if let Some(profile) = &state.profile {
        let _ = writeln!(page, "<p>profile {}: {}</p>", escaped(&profile.name), escaped(&profile.title));
    }
    for words in standing::words(state) {
        let _ = writeln!(page, "<p class=\"warn\">{}</p>", escaped(&words));
    }
}

/// Memory by parts against the budget, with the load line.
fn gauge(page: &mut String, state: &State) {
    let memory = &state.memory;
    let scale = |bytes: Bytes| bytes.0 as f64 / memory.budget_bytes.0.max(1) as f64 * WIDTH;
    let jobs: Bytes = memory.jobs.values().copied().sum();
    let known = jobs + memory.console_bytes + memory.foreign_bytes;
    let parts = [
        ("jobs", jobs),
        ("console", memory.console_bytes),
        ("others", memory.foreign_bytes),
        ("cache", memory.counted_bytes - known),
        ("reserved", memory.reserved_bytes - jobs),
    ];
    let _ = writeln!(
        page,
        "<h2>Memory</h2>\n<p>{} of {}, the line stands at {}: {}</p>\n<svg viewBox=\"0 0 {WIDTH} {GAUGE}\" role=\"img\" aria-label=\"memory by parts\">",
        memory.counted_bytes.whole(),
        memory.budget_bytes.whole(),
        memory.high_water_bytes.whole(),
        escaped(memory.shown_level().label()),
    );
    let mut from = 0.0;
    for (class, bytes) in parts {
        let width = scale(bytes).min(WIDTH - from).max(0.0);
        let _ = writeln!(
            page,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"4\" width=\"{width:.1}\" height=\"20\"><title>{class} {}</title></rect>",
            bytes.whole()
        );
        from += width;
    }
    let line = scale(memory.high_water_bytes);
    let _ = writeln!(
        page,
        "<rect class=\"frame\" x=\"0\" y=\"4\" width=\"{WIDTH}\" height=\"20\"/>\n<line class=\"mark\" x1=\"{line:.1}\" y1=\"0\" x2=\"{line:.1}\" y2=\"{GAUGE}\"/>\n</svg>"
    );
}

/// Memory over the time that is known, against the line.
fn chart(page: &mut String, state: &State) {
    let (Some(first), Some(last)) = (state.history.front(), state.history.back()) else { return };
    let seconds = (last.second - first.second).max(1) as f64;
    let most = state.history.iter().map(|point| point.counted).max().unwrap_or_default().max(state.memory.high_water_bytes);
    let top = most.0.max(1) as f64 * 1.08;
    let height = |bytes: Bytes| CHART - bytes.0 as f64 / top * CHART;
    // The eye sees no more than a point for each unit of the picture: of several the highest.
    let every = state.history.len().div_ceil(WIDTH as usize).max(1);
    let points: Vec<_> = state.history.iter().collect();
    let curve: Vec<String> = points
        .chunks(every)
        .filter_map(|some| some.iter().max_by_key(|point| point.counted))
        .map(|point| format!("{:.1},{:.1}", (point.second - first.second) as f64 / seconds * WIDTH, height(point.counted)))
        .collect();
    let line = height(state.memory.high_water_bytes);
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 {WIDTH} {CHART}\" role=\"img\" aria-label=\"memory over time\">\n<polyline class=\"counted\" points=\"{}\"/>\n\
         <line class=\"mark\" x1=\"0\" y1=\"{line:.1}\" x2=\"{WIDTH}\" y2=\"{line:.1}\"/>\n<rect class=\"frame\" x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{CHART}\"/>\n</svg>\n\
         <p class=\"dim\">the last {}, peak {}</p>",
        curve.join(" "),
        escaped(&crate::domain::time::seconds_words(seconds)),
        state.totals.peak_counted.whole(),
    );
}

fn warnings(page: &mut String, state: &State) {
    for (name, warning) in &state.warnings {
        let text = format!("{name}: {}; {}", warning.evidence, warning.advice);
        let _ = writeln!(page, "<p class=\"warn\">{}</p>", escaped(&text));
    }
    for room in &state.rooms {
        let _ = writeln!(page, "<p class=\"warn\">{}</p>", escaped(&room.reason));
    }
}

/// The jobs at work, the next of those that wait, the latest of those that have ended.
fn jobs(page: &mut String, state: &State) {
    let index = &state.index;
    let rejected = index.rejected.iter().rev().take(JOBS);
    let ended = index.ended.iter().rev().map(|(_, job)| job).take(JOBS);
    let waiting = index.waiting.iter().map(|(_, job)| job).take(JOBS);
    let listed = index.active.iter().chain(&index.backoff).chain(waiting).chain(ended).chain(rejected);
    page.push_str(
        "<h2>Queue</h2>\n<table>\n<tr><th>job</th><th>state</th><th>input</th><th>size</th><th>peak</th><th></th></tr>\n",
    );
    let mut told = 0;
    for job in listed.filter_map(|job| state.jobs.get(job)) {
        told += 1;
        let (word, more) = words(job);
        let peak = if job.peak > Bytes::ZERO { job.peak.whole() } else { String::new() };
        let _ = writeln!(
            page,
            "<tr><td>#{}</td><td>{word}</td><td title=\"{}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{peak}</td><td>{}</td></tr>",
            job.id,
            escaped(&path_text(&job.input)),
            escaped(&file_name_text(&job.input)),
            job.size,
            escaped(&more),
        );
    }
    page.push_str("</table>\n");
    let all = state.unended() + state.ended();
    if all > told {
        let _ = writeln!(page, "<p class=\"dim\">and {} more</p>", many(all - told, "job"));
    }
}

/// The state of a job in words, and what there is to say of it.
fn words(job: &Job) -> (String, String) {
    let share = job.progress.as_ref().and_then(|progress| progress.ratio).filter(|_| job.phase.holds_slot());
    let share = share.map(|ratio| format!("{} %", percent(ratio)));
    (job.phase.name().replace('_', " "), job.reason().map(ToOwned::to_owned).or(share).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, EventKind, MemoryFigures, Seq};
    use crate::domain::job::{JobId, RejectReason};
    use crate::domain::profile::{GUIDE_MARKS, GuideWords, Profile};
    use crate::domain::time::{Mono, Wall};

    fn known(name: &str) -> State {
        let mut state = State::default();
        let mut seq = 0;
        let mut tell = |kind| {
            seq += 1;
            state.apply(&Event { seq: Seq(seq), at: Wall(0), mono: Mono::from_millis(seq * 1000), kind });
        };
        let job = JobId(1);
        tell(EventKind::JobQueued {
            job,
            input: format!("/v/{name}").into(),
            size_bytes: Bytes::mib(5),
            preset: "web-720p".to_owned(),
            output: None,
            rank: 1,
        });
        tell(EventKind::MemorySampled(MemoryFigures {
            counted_bytes: Bytes::mib(500),
            budget_bytes: Bytes::gib(2),
            high_water_bytes: Bytes::mib(1536),
            ..MemoryFigures::default()
        }));
        tell(EventKind::JobRejected {
            job,
            input: format!("/v/{name}").into(),
            size_bytes: Bytes::mib(5),
            limit_bytes: None,
            reason: RejectReason::NotAVideo,
            detail: "it holds <no> video".to_owned(),
        });
        state
    }

    #[test]
    fn the_page_tells_the_figures_of_the_state() {
        let page = render(&known("a.mp4"), &About { server: "box".to_owned(), at: "now".to_owned() });
        for part in
            ["this run: 0 queued, 0 running, 1 rejected", "500 MB of 2048 MB", "<td>rejected</td>", "a.mp4", "<polyline", "</html>"]
        {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }

    #[test]
    fn the_page_tells_the_profile_and_what_keeps_the_queue_from_going_on() {
        let mut state = known("a.mp4");
        let about = About::default();
        assert!(!render(&state, &about).contains("is held"));
        let events = [EventKind::QueuePaused, EventKind::DrainStarted, EventKind::ComparisonStarted { inputs: 2 }];
        for (seq, kind) in (10..).zip(events) {
            state.apply(&Event { seq: Seq(seq), at: Wall(0), mono: Mono::from_millis(seq * 1000), kind });
        }
        state.profile = Some(Box::new(Profile {
            name: "mine".to_owned(),
            title: "one <small>".to_owned(),
            max_concurrent: 1.into(),
            large: None,
            max_file_size: Bytes::mib(200),
            memory: GUIDE_MARKS,
            scratch_limit: None,
            env: std::collections::BTreeMap::new(),
            guide: GuideWords::default(),
        }));
        let page = render(&state, &about);
        for part in ["profile mine: one &lt;small&gt;", "the queue is held", "takes nothing new", "a comparison has the machine"] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }

    #[test]
    fn a_name_cannot_become_markup() {
        let page = render(&known("<script>alert(1)</script>\".mp4"), &About::default());
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("it holds &lt;no&gt; video"));
        // Each quote that is left belongs to a tag of the page.
        for tag in page.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
            let tag = tag.split('>').next().unwrap_or_default();
            assert!(tag.matches('"').count() % 2 == 0, "{tag}");
        }
    }
}
