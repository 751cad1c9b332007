//! Queues and texts of any size: a hundred thousand jobs, any events, any keys.

use super::*;

fn many() -> App {
    let mut story = Story::new(true);
    for id in 1..=100_000 {
        story.queue(id, &format!("clip-{id:06}.mp4"), 20 + id % 300);
    }
    for id in 1..=30_000 {
        story.finish(id, if id % 50 == 0 { Outcome::Failed } else { Outcome::Done }, 300, 12.0, Some("no moov"));
    }
    for id in [40_000, 40_001, 40_002, 40_003] {
        story.start(id, 1).progress(id, 0.4, 1.2, 30, 300);
    }
    for second in 0..3600 {
        story.at(second * 1000).sample(900 + second % 700, &[(40_000, 300)]);
    }
    for line in 0..3000 {
        story.log(Some(40_000), LogLevel::Info, &format!("frame= {line} fps= 51 size= 19456kB time=00:01:17 speed=1.7x"));
    }
    story.app(settings(ColorMode::True, false))
}

/// Of this thread: others that want the processor do not count.
fn processor_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn a_frame_with_a_hundred_thousand_jobs_is_quick() {
    let mut app = many();
    let area = Rect::new(0, 0, 200, 60);
    app.update(Action::Resize(200, 60));
    for (what, keys) in
        [("top", "g"), ("middle", "g<c-d><c-d>"), ("filtered", "/99<enter>"), ("end", "<esc>G"), ("chart of 2 h", ">>>>")]
    {
        press(&mut app, keys);
        let mut times: Vec<std::time::Duration> = (0..40)
            .map(|_| {
                let begun = processor_time();
                let mut buf = Buffer::empty(area);
                view::render(&app, area, &mut buf);
                processor_time().saturating_sub(begun)
            })
            .collect();
        times.sort();
        println!("frame 200x60, 100,000 jobs, {what}: median {:?}", times[20]);
        let limit = if cfg!(debug_assertions) { 60 } else { 5 };
        assert!(times[20] < std::time::Duration::from_millis(limit), "{what}: {:?}", times[20]);
    }
}

#[test]
fn rows_stand_in_order_from_either_end() {
    let app = screen("busy", ColorMode::True, false);
    let rows = app.rows();
    let mut down = vec![rows.first().expect("a row")];
    while let Some(next) = rows.after(down[down.len() - 1]) {
        down.push(next);
    }
    let mut up = vec![rows.last().expect("a row")];
    while let Some(next) = rows.before(up[up.len() - 1]) {
        up.push(next);
    }
    up.reverse();
    assert_eq!(down, up);
    let ids: Vec<u64> = down.iter().map(|key| key.id.0).collect();
    assert_eq!(ids, [17, 18, 15, 19, 21, 22, 23, 24, 20, 16, 13, 14]);
}

fn any_event() -> impl Strategy<Value = EventKind> {
    let job = (1_u64..40).prop_map(JobId);
    prop_oneof![
        (1_u64..40, -5_i64..5).prop_map(|(id, rank)| EventKind::JobQueued {
            job: JobId(id),
            input: format!("/v/clip {id} ä.mp4").into(),
            size_bytes: crate::domain::units::Bytes::mib(id),
            preset: "p".to_owned(),
            output: None,
            rank,
        }),
        job.clone().prop_map(|job| EventKind::JobStarted { job, attempt: 1, pid: 5, predicted_peak_bytes: None, command: None }),
        job.clone().prop_map(|job| EventKind::JobFinished {
            job,
            outcome: Outcome::Failed,
            output: None,
            peak_memory_bytes: crate::domain::units::Bytes(7),
            seconds: -1.0,
            attempts: 1,
            exit_code: None,
            signal: Some(9),
            reason: None,
            damage: None,
            left_out: Vec::new(),
        }),
        job.clone().prop_map(|job| EventKind::JobRequeued {
            job,
            attempt: 1,
            reason: "x".to_owned(),
            delay_ms: 900,
            uncounted: true,
            for_room: true,
            away: None,
        }),
        job.clone().prop_map(|job| EventKind::JobRemoved { job, output: None }),
        (job.clone(), -9_i64..9).prop_map(|(job, rank)| EventKind::JobMoved { job, rank }),
        job.clone().prop_map(|job| EventKind::JobLogged {
            job: Some(job),
            level: LogLevel::Memory,
            text: "日本語 line".repeat(20),
            own: true
        }),
        (job, any::<f64>()).prop_map(|(job, ratio)| EventKind::JobProgressed {
            job,
            ratio: Some(ratio),
            fps: ratio,
            speed: ratio,
            eta_seconds: Some(u64::MAX),
            memory_bytes: crate::domain::units::Bytes(u64::MAX),
            frame: 1,
            out_time_ms: 1,
            written_bytes: crate::domain::units::Bytes(1)
        }),
        Just(EventKind::ShutdownStarted),
        Just(EventKind::QueuePaused),
    ]
}

/// A comparison with figures that nobody measured.
fn any_kept() -> impl Strategy<Value = SavedComparison> {
    let number = || prop_oneof![Just(0_u64), 0..100_u64, 0..9_000_000_000_000_000_u64];
    let time = || prop_oneof![Just(0.0_f64), -1e3..1e4, -1e15..1e15];
    let run = (time(), number(), number(), number(), prop::collection::vec((time(), number()), 0..30)).prop_map(
        |(seconds, peak, line, count, points)| RunFigures {
            whole: count % 3 > 0,
            peak_memory_bytes: Bytes(peak),
            high_water_bytes: Bytes(line),
            budget_bytes: Bytes(line / 2 + count),
            seconds,
            throughput: -seconds,
            done: count,
            unfinished: count / 2,
            oom_kills: peak % 5,
            curve: points.into_iter().map(|(seconds, bytes)| CurvePoint { seconds, hard_bytes: Bytes(bytes) }).collect(),
            ..RunFigures::default()
        },
    );
    let columns = prop::collection::vec((prop::collection::vec(run.clone(), 0..3), any::<bool>(), "\\PC{0,12}"), 0..9);
    let standing = prop::sample::select(vec![Standing::UnderWay, Standing::Finished, Standing::Interrupted, Standing::BrokenOff]);
    (columns, any::<u32>(), number(), standing, prop::option::of((run, time()))).prop_map(
        |(columns, rounds, inputs, standing, live)| {
            let mut kept = compared();
            let words = kept.comparison.columns[0].clone();
            let column = |(runs, governor, profile)| Column { profile, governor, runs, ..words.clone() };
            kept.comparison.columns = columns.into_iter().map(column).collect();
            kept.comparison.rounds = rounds;
            kept.subject.inputs = inputs;
            kept.progress.standing = standing;
            kept.progress.run = live.map(|(figures, seconds)| {
                let first = kept.comparison.columns.first();
                let profile = first.map_or_else(String::new, |column| column.profile.clone());
                let run = RunTag { number: rounds, of: 1, round: 0, profile, governor: first.is_none_or(|column| column.governor) };
                RunUnderWay { run, seconds, figures }
            });
            kept
        },
    )
}

const KEYS: &str = "1234jkgG z/nNfabcc[]<>tTmyYLSxrJKDA{}EpC?q :\tedoWlws";

#[test]
fn what_waits_beyond_the_list_is_counted_in_the_title_and_the_header() {
    let mut app = screen("busy", ColorMode::True, false);
    let mut story = busy(true);
    let before = text(&draw(&mut app, 120, 36));
    let queued = app.shown().waiting();
    for kind in [
        EventKind::QueueRestored { jobs: 98_000 + queued, interrupted: 2 },
        EventKind::BacklogChanged { jobs: 98_000, bytes: Bytes::gib(900) },
    ] {
        story.emit(kind);
        on_event(&mut app, &story.events[story.events.len() - 1]);
    }
    let screen = text(&draw(&mut app, 120, 36));
    assert!(!before.contains("98,000 more") && screen.contains("98,000 more"), "{screen}");
    assert!(screen.contains(&(98_000 + queued).to_string()), "{screen}");
    assert!(screen.contains("of an earlier run are queued again"), "{screen}");
}

/// Random screens of each property; `just fuzz` takes more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_size_and_no_keys_make_it_panic(
        width in 1_u16..300, height in 1_u16..100,
        steps in prop::collection::vec(prop_oneof![
            (0..KEYS.len()).prop_map(|at| Ok(KEYS.as_bytes()[at] as char)),
            Just(Ok('\u{1b}')), Just(Ok('\n')), Just(Ok('é')),
            any_event().prop_map(Err),
        ], 0..60),
        name in prop::sample::select(SCREENS.to_vec()), ascii: bool,
    ) {
        let mut app = screen(name, ColorMode::True, ascii);
        let mut story = busy(true);
        draw(&mut app, width, height);
        for step in steps {
            match step {
                Ok('\u{1b}') => drop(press(&mut app, "<esc>")),
                Ok('\n') => drop(press(&mut app, "<enter>")),
                Ok('\t') => drop(press(&mut app, "<tab>")),
                Ok(key) => drop(press(&mut app, &key.to_string())),
                Err(kind) => {
                    story.emit(kind);
                    on_event(&mut app, &story.events[story.events.len() - 1]);
                }
            }
            let area = Rect::new(0, 0, width, height);
            view::render(&app, area, &mut Buffer::empty(area));
        }
        draw(&mut app, height, width.min(100));
    }

    #[test]
    fn a_comparison_of_any_figures_is_drawn_at_any_size(
        kept in any_kept(), width in 1_u16..220, height in 1_u16..70, keys in "[jkgGc\t\\[\\]]{0,12}", ascii: bool,
    ) {
        let mut app = busy(true).app(settings(ColorMode::Mono, ascii));
        open(&mut app, kept);
        draw(&mut app, width, height);
        for key in keys.chars() {
            press(&mut app, &if key == '\t' { "<tab>".to_owned() } else { key.to_string() });
            let buf = draw(&mut app, width, height);
            prop_assert!(!ascii || text(&buf).is_ascii());
        }
    }

    #[test]
    fn the_selection_stays_on_its_job_whatever_happens(
        moves in 0_usize..9,
        events in prop::collection::vec(any_event(), 1..80),
    ) {
        let mut app = screen("busy", ColorMode::True, false);
        press(&mut app, &"j".repeat(moves));
        let chosen = app.selected().expect("a job is selected");
        let mut story = busy(true);
        for kind in events {
            let removed = matches!(kind, EventKind::JobRemoved { job, .. } if job == chosen);
            story.emit(kind);
            on_event(&mut app, &story.events[story.events.len() - 1]);
            if removed {
                break;
            }
            prop_assert_eq!(app.selected(), Some(chosen));
            let window = app.window(12);
            prop_assert_eq!(window.line.map(|line| window.ids[line]), Some(chosen));
        }
    }
}
