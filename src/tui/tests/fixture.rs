//! Runs for tests, made of events alone: what the engine would have told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;

use crate::domain::cleanup::{CleanupAction, CleanupId, CleanupTrigger, CleanupVerdict};
use crate::domain::event::{Event, EventKind, JobCounts, MemoryFigures, RoomWanted, RunSummary, Seq};
use crate::domain::job::{AudioStream, Damage, JobId, LogLevel, MediaInfo, Outcome, RejectReason, VideoStream};
use crate::domain::memory::{Level, Lines};
use crate::domain::plan::{Change, Forecast, Kind, Plan, Way};
use crate::domain::profile::{GUIDE_MARKS, GuideWords, LargeRule, Picture, Profile, Slots};
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;
use crate::runtime::link::{Checkup, Finding, FindingStatus, SettingInForce, Update};
use crate::tui::app::complete::Places;
use crate::tui::app::{App, Settings};
use crate::tui::input::action::Effect;
use crate::tui::input::keymap::Keymap;
use crate::tui::terminal::theme::{ColorMode, ThemeName};
use crate::tui::terminal::translate::action_of;

/// 2026-11-22 11:57:31 UTC: seven minutes before the mock-ups' 12:04:31.
const BEGAN: i64 = 1_795_348_651_000;
/// The moment of the busy dashboard, in seconds since the run began.
const NOW: u64 = 420;

/// Writes a run down, event by event.
pub struct Story {
    pub events: Vec<Event>,
    at: u64,
}

impl Story {
    /// A run that has just begun.
    pub fn new(governor: bool) -> Self {
        let mut story = Self { events: Vec::new(), at: 0 };
        story.emit(EventKind::RunStarted {
            version: "0.1.0".to_owned(),
            governor,
            before: JobCounts::default(),
            preset: "web-720p".to_owned(),
        });
        let profile = profiles()[1].clone();
        let lines = Lines::new(&profile.memory, Bytes::gib(2));
        story.select(profile);
        story.emit(EventKind::BudgetChanged {
            budget_bytes: Bytes::gib(2),
            budget_source: "the container's limit (memory.max of /sys/fs/cgroup)".to_owned(),
            available_bytes: Bytes::gib(2),
            by_operator: false,
            lines,
        });
        story
    }

    /// It is now this many milliseconds into the run.
    pub fn at(&mut self, ms: u64) -> &mut Self {
        self.at = ms.max(self.at);
        self
    }

    /// The profile is chosen.
    pub fn select(&mut self, profile: Profile) -> &mut Self {
        self.emit(EventKind::ProfileSelected {
            name: profile.name.clone(),
            max_concurrent: profile.max_concurrent.fixed().unwrap_or(3),
            auto: profile.max_concurrent.fixed().is_none(),
            max_file_bytes: profile.max_file_size,
            profile: Box::new(profile),
        })
    }

    pub fn emit(&mut self, kind: EventKind) -> &mut Self {
        let seq = Seq(self.events.len() as u64 + 1);
        self.events.push(Event { seq, at: Wall(BEGAN + self.at as i64), mono: Mono::from_millis(self.at), kind });
        self
    }

    pub fn queue(&mut self, id: u64, name: &str, mb: u64) -> &mut Self {
        self.emit(EventKind::JobQueued {
            job: JobId(id),
            input: PathBuf::from(format!("/v/{name}")),
            size_bytes: Bytes::mib(mb),
            preset: "web-720p".to_owned(),
            output: Some(PathBuf::from(format!("/v/plimsoll-out/{name}.web-720p.mp4"))),
            rank: id as i64,
        })
    }

    pub fn inspect(&mut self, id: u64, seconds: u64, peak: u64) -> &mut Self {
        let video = VideoStream {
            codec: "h264".to_owned(),
            width: 1920,
            height: 1080,
            pixel_format: "yuv420p".to_owned(),
            fps: 30_000.0 / 1001.0,
            ..VideoStream::default()
        };
        let media = MediaInfo {
            demuxer: "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
            duration: Some(Duration::from_secs(seconds)),
            video: Some(video),
            audio: Some(AudioStream { codec: "aac".to_owned(), channels: 2, ..AudioStream::default() }),
            ..MediaInfo::default()
        };
        self.emit(EventKind::JobInspected {
            job: JobId(id),
            media: Box::new(media),
            predicted_peak_bytes: Some(Bytes::mib(peak)),
            learned_from: 0,
            pixels: 1920 * 1080,
            disk: None,
            choices:
                "hdr tonemap, deinterlace auto, pixel_aspect square, tracks best, subtitles drop, location drop, on_damage keep"
                    .to_owned(),
        })
    }

    pub fn start(&mut self, id: u64, attempt: u32) -> &mut Self {
        self.emit(EventKind::JobAdmitted { job: JobId(id), attempt, reserved_bytes: Bytes::mib(if id == 17 { 720 } else { 500 }) });
        let command = format!(
            "/usr/bin/ffmpeg -hide_banner -nostdin -loglevel level+info -progress pipe:3 -i /v/job-{id}.mp4 -map 0:v:0 -map '0:a:0?' \
             -c:v libx264 -preset medium -crf 23 -vf scale=-2:720 -pix_fmt yuv420p -threads 2 -c:a aac -b:a 128k \
             -movflags +faststart -f mp4 /v/plimsoll-out/.plimsoll/{id}.part"
        );
        let (job, pid) = (JobId(id), 1000 + id as u32);
        self.emit(EventKind::JobStarted { job, attempt, pid, predicted_peak_bytes: None, command: Some(command) })
    }

    pub fn progress(&mut self, id: u64, ratio: f64, speed: f64, eta: u64, mb: u64) -> &mut Self {
        self.emit(EventKind::JobProgressed {
            job: JobId(id),
            ratio: Some(ratio),
            fps: 51.0,
            speed,
            eta_seconds: Some(eta),
            memory_bytes: Bytes::mib(mb),
            frame: 3771,
            out_time_ms: 125_000,
            written_bytes: Bytes::mib(33),
        })
    }

    pub fn finish(&mut self, id: u64, outcome: Outcome, peak: u64, seconds: f64, reason: Option<&str>) -> &mut Self {
        self.emit(EventKind::JobFinished {
            job: JobId(id),
            outcome,
            output: None,
            peak_memory_bytes: Bytes::mib(peak),
            seconds,
            attempts: 1,
            exit_code: Some(i32::from(!outcome.is_success())),
            signal: None,
            reason: reason.map(str::to_owned),
            damage: None,
            left_out: Vec::new(),
        })
    }

    pub fn sample(&mut self, mb: u64, jobs: &[(u64, u64)]) -> &mut Self {
        let level = match mb {
            1844.. => Level::Critical,
            1536.. => Level::High,
            1306.. => Level::Elevated,
            _ => Level::Normal,
        };
        self.emit(EventKind::MemorySampled(MemoryFigures {
            usage_bytes: Bytes::mib(mb + 310),
            working_set_bytes: Bytes::mib(mb),
            hard_bytes: Bytes::mib(mb.saturating_sub(120)),
            console_bytes: Bytes::mib(38),
            foreign_bytes: Bytes::ZERO,
            jobs: jobs.iter().map(|(id, mb)| (JobId(*id), Bytes::mib(*mb))).collect::<BTreeMap<_, _>>(),
            reserved_bytes: Bytes::mib(jobs.iter().map(|(id, _)| if *id == 17 { 720 } else { 500 }).sum()),
            budget_bytes: Bytes::gib(2),
            high_water_bytes: Bytes::mib(1536),
            level,
            file_cache_bytes: Bytes::mib(172),
            counted_bytes: Bytes::mib(mb),
            ..MemoryFigures::default()
        }))
    }

    pub fn clean(
        &mut self,
        id: u64,
        trigger: CleanupTrigger,
        job: Option<u64>,
        action: CleanupAction,
        figures: (u64, u64),
    ) -> &mut Self {
        let (before, freed) = figures;
        self.emit(EventKind::CleanupStarted {
            cleanup: CleanupId(id),
            trigger,
            job: job.map(JobId),
            action,
            before_bytes: Bytes::mib(before),
        });
        self.emit(EventKind::CleanupFinished {
            cleanup: CleanupId(id),
            action,
            before_bytes: Bytes::mib(before),
            after_bytes: Bytes::mib(before.saturating_sub(freed)),
            freed_bytes: Bytes::mib(freed),
            millis: 84,
            verdict: if freed == 0 { CleanupVerdict::Futile } else { CleanupVerdict::Effective },
        })
    }

    pub fn log(&mut self, job: Option<u64>, level: LogLevel, text: &str) -> &mut Self {
        self.emit(EventKind::JobLogged { job: job.map(JobId), level, text: text.to_owned(), own: false })
    }

    /// An app that has heard all of it.
    pub fn app(&self, settings: Settings) -> App {
        let mut app = App::new(settings);
        app.on_update(Update::Snapshot(Box::default()));
        for event in &self.events {
            on_event(&mut app, event);
        }
        app
    }
}

pub fn on_event(app: &mut App, event: &Event) -> Vec<Effect> {
    app.on_update(Update::Event(Box::new(event.clone())))
}

/// Tells the app what the story has gained since its event number `from`.
pub fn apply_from(app: &mut App, story: &Story, from: usize) {
    for event in &story.events[from..] {
        on_event(app, event);
    }
}

/// Memory of the busy run at a second, shaped as ffmpeg's: ramps, plateaus, drops between jobs.
fn curve(second: u64) -> u64 {
    const KNOTS: [(u64, u64); 18] = [
        (0, 210),
        (100, 980),
        (120, 1290),
        (131, 1420),
        (137, 860),
        (160, 900),
        (200, 1080),
        (216, 1549),
        (222, 1210),
        (250, 1330),
        (290, 760),
        (310, 1090),
        (330, 1140),
        (352, 1240),
        (384, 1300),
        (387, 1618),
        (390, 1327),
        (420, 1312),
    ];
    let after = KNOTS.iter().position(|(at, _)| *at >= second).unwrap_or(KNOTS.len() - 1).max(1);
    let ((t0, m0), (t1, m1)) = (KNOTS[after - 1], KNOTS[after]);
    let share = (second - t0.min(second)) as f64 / (t1 - t0) as f64;
    let wobble = (second * 37 % 23) as f64 - 11.0;
    (m0 as f64 + (m1 as f64 - m0 as f64) * share + if second == 420 || second == 387 { 0.0 } else { wobble }) as u64
}

/// The busy dashboard after a job whose input is damaged has ended.
pub fn damaged() -> Story {
    let mut story = busy(true);
    let damage =
        Damage { seconds: 1.2, frames: 30, cause: "the recording is cut off in the middle of a group of pictures".to_owned() };
    story.at(NOW * 1000 + 400).emit(EventKind::JobFinished {
        job: JobId(17),
        outcome: Outcome::Done,
        output: Some(PathBuf::from("/v/plimsoll-out/lecture-04.web-720p.mp4")),
        peak_memory_bytes: Bytes::mib(618),
        seconds: 171.0,
        attempts: 1,
        exit_code: Some(0),
        signal: None,
        reason: None,
        damage: Some(damage),
        left_out: vec!["2 further sound tracks".to_owned(), "1 subtitle".to_owned()],
    });
    story
}

/// The busy dashboard when there is no room for the next output.
pub fn no_room() -> Story {
    let mut story = busy(true);
    let reason = "disk full: /v/plimsoll-out has 6 MB free and the output needs about 40 MB; free some space or choose another \
                  folder with --out";
    story.at(NOW * 1000 + 400).start(19, 1).emit(EventKind::JobRequeued {
        job: JobId(19),
        attempt: 1,
        reason: reason.to_owned(),
        delay_ms: 5000,
        uncounted: true,
        for_room: true,
        away: None,
    });
    story.emit(EventKind::RoomWanted(RoomWanted {
        job: JobId(19),
        disk: None,
        folder: PathBuf::from("/v/plimsoll-out"),
        needs_bytes: Some(Bytes::mib(40)),
        free_bytes: Some(Bytes::mib(6)),
        reason: reason.to_owned(),
        waited_ms: 120_000,
        gives_up_ms: None,
    }));
    story
}

/// The busy dashboard of the mock-ups.
pub fn busy(governor: bool) -> Story {
    use CleanupAction::{DropFileCache, RemoveScratch, TrimHeap};
    use CleanupTrigger::{AfterFailure, AfterJob, BeforeJob, HighWater, Operator};
    let mut story = Story::new(governor);
    let names = [
        (13, "phone-vert.3gp", 18),
        (14, "lecture-03.mp4", 152),
        (15, "drone-raw.mp4", 177),
        (16, "intro-loop.mp4", 22),
        (17, "lecture-04.mp4", 148),
        (18, "match-cam2.mov", 191),
        (19, "keynote-q3.mp4", 96),
        (20, "wedding-full.mov", 412),
        (21, "podcast-112.mkv", 88),
        (22, "tutorial-a.mp4", 64),
        (23, "tutorial-b.mp4", 62),
        (24, "site-walk.mov", 121),
    ];
    for (id, name, mb) in names {
        story.queue(id, name, mb);
    }
    story.emit(EventKind::JobRejected {
        job: JobId(20),
        input: PathBuf::from("/v/wedding-full.mov"),
        size_bytes: Bytes::mib(412),
        limit_bytes: Some(Bytes::mib(200)),
        reason: RejectReason::TooLarge,
        detail: "over the limit".to_owned(),
    });
    story
        .inspect(17, 198, 626)
        .inspect(18, 560, 489)
        .inspect(14, 190, 600)
        .inspect(16, 59, 310)
        .inspect(19, 240, 489)
        .inspect(21, 300, 210);
    story.start(14, 1).start(13, 1);
    let cleanups = [
        (13, Operator, None, DropFileCache, (1240, 97)),
        (31, BeforeJob, Some(16), TrimHeap, (1190, 9)),
        (120, HighWater, None, DropFileCache, (1549, 188)),
        (154, AfterJob, Some(14), TrimHeap, (1105, 63)),
        (256, BeforeJob, Some(17), TrimHeap, (1003, 21)),
        (280, AfterFailure, Some(13), TrimHeap, (912, 12)),
        (281, AfterFailure, Some(13), RemoveScratch, (900, 206)),
        (349, AfterJob, Some(16), TrimHeap, (1230, 44)),
        (387, HighWater, None, TrimHeap, (1618, 0)),
        (388, HighWater, None, DropFileCache, (1610, 291)),
        (410, BeforeJob, Some(18), TrimHeap, (1300, 38)),
    ];
    let mut next = cleanups.iter().enumerate().peekable();
    for second in 1..=NOW {
        story.at(second * 1000);
        match second {
            150 => drop(story.finish(14, Outcome::Done, 604, 112.0, None).start(16, 1)),
            250 => drop(story.start(17, 1)),
            279 => drop(story.finish(13, Outcome::Failed, 206, 4.0, Some("exit 1, no moov")).start(15, 1)),
            348 => drop(story.finish(16, Outcome::Done, 318, 19.0, None)),
            400 => drop(story.emit(EventKind::JobRequeued {
                job: JobId(15),
                attempt: 1,
                reason: "no disk space".to_owned(),
                delay_ms: 32_000,
                uncounted: false,
                for_room: false,
                away: None,
            })),
            411 => drop(story.start(18, 1)),
            _ => {}
        }
        if let Some((at, (_, trigger, job, action, figures))) = next.next_if(|(_, cleanup)| cleanup.0 == second) {
            story.clean(at as u64 + 1, *trigger, *job, *action, *figures);
        }
        busy_log(&mut story, second);
        let grown = |began: u64, full: u64| (full * (second.saturating_sub(began) + 2).min(14) / 14) + second * 13 % 9;
        match second {
            420.. => drop(story.sample(curve(second), &[(17, 612), (18, 490)])),
            411.. => drop(story.sample(curve(second), &[(17, grown(250, 590)), (18, grown(411, 480))])),
            _ => drop(story.sample(curve(second), &[(17, grown(250, 560))])),
        }
    }
    story.progress(17, 0.63, 1.8, 41, 612).progress(18, 0.22, 0.9, 137, 490);
    story
}

fn busy_log(story: &mut Story, second: u64) {
    let line = match second {
        341 => (LogLevel::Memory, "Memory usage before processing: 902.4MB"),
        342 => (
            LogLevel::Info,
            "ffmpeg -i lecture-04.mp4 -c:v libx264 -preset veryfast -threads 2 -vf scale=-2:720 lecture-04.web-720p.mp4",
        ),
        343 => (LogLevel::Info, "Stream #0:0 h264 1920x1080 29.97 fps  → libx264 1280x720"),
        370 => (LogLevel::Info, "frame= 1204 fps= 44 size= 9216kB time=00:00:40 speed=1.5x"),
        386 => (LogLevel::Warning, "[h264 @ 0x55d] error while decoding MB 61 30, bytestream -7"),
        387 => (LogLevel::Memory, "High memory usage detected: 1618.2MB - forcing cleanup"),
        388 => (LogLevel::Memory, "Memory usage after processing: 1327.0MB"),
        391 => (LogLevel::Info, "frame= 2310 fps= 51 size= 19456kB time=00:01:17 speed=1.7x"),
        408 => (LogLevel::Info, "frame= 3128 fps= 53 size= 27648kB time=00:01:44 speed=1.8x"),
        420 => (LogLevel::Info, "frame= 3771 fps= 54 size= 33792kB time=00:02:05 speed=1.8x"),
        _ => return,
    };
    story.log(Some(17), line.0, line.1);
}

/// Busy, and over the line, with a job that waits for memory and a warning.
pub fn over() -> Story {
    let mut story = busy(true);
    story.at(421_000).sample(1702, &[(17, 912), (18, 560)]);
    story.emit(EventKind::PressureChanged {
        from: Level::Elevated,
        to: Level::High,
        working_set_bytes: Bytes::mib(1702),
        hard_bytes: Bytes::mib(1580),
    });
    story.emit(EventKind::AdmissionHeld {
        job: JobId(19),
        needs_bytes: Bytes::mib(562),
        free_bytes: Bytes::ZERO,
        kept_bytes: Bytes::ZERO,
    });
    story.emit(EventKind::WarningRaised {
        warning: "frequent cleanups".to_owned(),
        evidence: "4 cleanups at the line within 10 min".to_owned(),
        advice: "try profile safe (1 at once, 100 MB)".to_owned(),
        profile: Some("safe".to_owned()),
    });
    story.emit(EventKind::JobPaused { job: JobId(18), by_governor: true });
    story
}

/// Every job has ended.
pub fn all_done() -> Story {
    let mut story = busy(true);
    story.at(430_000);
    for (id, peak) in [(17, 640), (18, 505)] {
        story.finish(id, Outcome::Done, peak, 61.0, None);
    }
    story.emit(EventKind::JobReady { job: JobId(15) });
    for (id, outcome) in [
        (15, Outcome::Done),
        (19, Outcome::AlreadyDone),
        (21, Outcome::Cancelled),
        (22, Outcome::Done),
        (23, Outcome::OutOfMemory),
        (24, Outcome::TimedOut),
    ] {
        let reason = (!outcome.is_success()).then_some(match outcome {
            Outcome::OutOfMemory => "killed by the kernel at 1702 MB",
            Outcome::TimedOut => "ran longer than 10 min",
            _ => "cancelled by the operator",
        });
        story.finish(id, outcome, 300 + id, 40.0, reason);
    }
    story.at(440_000).sample(118, &[]);
    story
}

pub fn run_finished() -> EventKind {
    EventKind::RunFinished(RunSummary { jobs: JobCounts::default(), ..RunSummary::default() })
}

/// The three shipped rows of the trade-off table.
pub fn profiles() -> Vec<Profile> {
    let row = |name: &str, jobs, mb, words: [&str; 3]| Profile {
        name: name.to_owned(),
        title: format!("{jobs} at once, {mb} MB"),
        max_concurrent: Slots::Fixed(jobs),
        max_file_size: Bytes::mib(mb),
        large: None,
        memory: GUIDE_MARKS,
        scratch_limit: None,
        env: BTreeMap::new(),
        guide: GuideWords { memory: words[0].to_owned(), speed: words[1].to_owned(), reliability: words[2].to_owned() },
    };
    vec![
        row("fast", 4, 500, ["High", "Fast", "Low"]),
        row("balanced", 2, 200, ["Medium", "Medium", "High"]),
        row("safe", 1, 100, ["Low", "Slow", "Very High"]),
    ]
}

pub fn settings(color: ColorMode, ascii: bool) -> Settings {
    Settings {
        theme: ThemeName::Dark,
        color,
        ascii,
        keys: Keymap::default(),
        profiles: profiles(),
        presets: vec!["web-720p".to_owned(), "remux".to_owned()],
        before: None,
        places: Places { cwd: "/v".into(), home: Some("/home/me".into()), is_elsewhere: false },
        time_zone: TimeZone::UTC,
        comparison: None,
        replay: false,
        window: None,
    }
}

/// What `doctor` finds on a machine in fair order.
pub fn checkup() -> Checkup {
    let finding = |name: &str, status, value: &str, advice: Option<&str>| Finding {
        name: name.to_owned(),
        status,
        value: value.to_owned(),
        advice: advice.map(str::to_owned),
    };
    let setting = |name: &str, value: &str, origin: &str| SettingInForce {
        name: name.to_owned(),
        value: value.to_owned(),
        origin: origin.to_owned(),
    };
    Checkup {
        findings: vec![
            finding("ffmpeg", FindingStatus::Fine, "5.1.9 at /usr/bin/ffmpeg (PATH)", None),
            finding("encoders", FindingStatus::Fine, "aac, libx264, mjpeg", None),
            finding("memory budget", FindingStatus::Fine, "2 GB, from /sys/fs/cgroup/memory.max", None),
            finding(
                "job groups",
                FindingStatus::Lacking,
                "cannot be made: read-only file system",
                Some("an overrun of one job may then hit another; give the container a writable cgroup, or delegate one to it"),
            ),
            finding("state folder", FindingStatus::Fine, "/home/me/.local/state/plimsoll, 12.4 GB free", None),
            finding("terminal", FindingStatus::Fine, "xterm-256color, 120x36, truecolor, UTF-8", None),
        ],
        settings: vec![
            setting("profile", "balanced", "default"),
            setting("preset", "web-720p", "default"),
            setting("budget", "auto", "default"),
            setting("retries", "5", "/home/me/.config/plimsoll/settings.yaml"),
            setting("color", "auto", "default"),
        ],
    }
}

/// What looking ahead at the busy queue finds: every kind of way, every way to stand to the line; `guessed` = of half of the
/// jobs too little is known.
pub fn plan(guessed: bool) -> Plan {
    let named = profiles();
    let now = &named[1];
    let way = |change, name: &str, profile: &Profile, budget: u64, figures: (u64, u64, f64, f64, f64, u64)| {
        let (p50, p95, crosses, killed, finish, rejected) = figures;
        let forecast = Forecast {
            name: name.to_owned(),
            short: profile.short(),
            budget: Bytes::mib(budget),
            high_water: Lines::new(&profile.memory, Bytes::mib(budget)).high_water,
            peak_p50: Bytes::mib(p50),
            peak_p95: Bytes::mib(p95),
            crosses,
            crossed_now: false,
            out_of_memory: killed,
            finish_p50: finish,
            finish_p95: finish * 1.2,
            rejected,
            holds: 2,
        };
        let guesses = match change {
            Change::Threads(_) => 7,
            _ if guessed => 4,
            _ => 0,
        };
        Way { change, profile: profile.clone(), guesses, forecast }
    };
    let varied = |name: &str, slots| Profile {
        name: name.to_owned(),
        title: format!("{slots} at once, 200 MB"),
        max_concurrent: Slots::Fixed(slots),
        guide: GuideWords::default(),
        ..now.clone()
    };
    let rule = Some(LargeRule { from: Picture::of_height(1080), at_once: 1 });
    let turns = Profile { large: rule, ..varied("balanced-1080p", 2) };
    let ways = vec![
        way(Change::None, "now: balanced", now, 2048, (1320, 1638, 0.18, 0.0, 447.0, 1)),
        way(Change::Profile, "fast", &named[0], 2048, (2100, 2775, 1.0, 0.71, 240.0, 0)),
        way(Change::Profile, "safe", &named[2], 2048, (696, 860, 0.0, 0.0, 780.0, 3)),
        way(Change::Slots, "balanced, 3 slots", &varied("balanced-3", 3), 2048, (1105, 1341, 0.01, 0.0, 451.0, 1)),
        way(Change::Large, "balanced, one 1080p", &turns, 2048, (1110, 1345, 0.0, 0.0, 470.0, 1)),
        way(Change::Threads(1), "balanced, 1 thread x 2", &varied("balanced-1t", 2), 2048, (980, 1229, 0.0, 0.0, 480.0, 1)),
        way(Change::Budget, "balanced, budget 1 GB", now, 1024, (640, 760, 0.0, 0.0, 803.0, 1)),
        way(Change::Budget, "balanced, budget 4 GB", now, 4096, (1320, 1638, 0.0, 0.0, 440.0, 1)),
    ];
    let kind = |what: &str, jobs, finished, peaks: (u64, u64), cpu| Kind {
        what: what.to_owned(),
        jobs,
        finished,
        peaks: Some((Bytes::mib(peaks.0), Bytes::mib(peaks.1))),
        cpu,
    };
    let rare = if guessed {
        kind("hevc 3840x2160 to web-720p", 4, 0, (705, 705), None)
    } else {
        kind("hevc 3840x2160 to web-720p", 4, 9, (690, 731), Some(2.31))
    };
    Plan {
        jobs: 8,
        bytes: Bytes::mib(947),
        skipped: 1,
        left_out: 0,
        done: 0,
        learned_from: if guessed { 22 } else { 31 },
        guesses: if guessed { 4 } else { 0 },
        budget: Bytes::gib(2),
        budget_source: "the container's limit (memory.max of /sys/fs/cgroup)".to_owned(),
        available: Bytes::gib(2),
        cores: 2,
        runs: 60,
        seed: 7,
        kinds: vec![kind("h264 1920x1080 to web-720p", 4, 22, (588, 641), Some(0.94)), rare],
        ways,
    }
}

/// Presses keys: `<esc>`, `<enter>`, `<tab>`, `<down>`, `<up>`, `<left>`, `<c-x>`, else each letter by itself.
pub fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).filter(|(name, _)| name.len() > 1);
        let event = if let Some((name, after)) = named {
            rest = after;
            match name {
                "esc" => KeyEvent::from(KeyCode::Esc),
                "enter" => KeyEvent::from(KeyCode::Enter),
                "tab" => KeyEvent::from(KeyCode::Tab),
                "down" => KeyEvent::from(KeyCode::Down),
                "up" => KeyEvent::from(KeyCode::Up),
                "left" => KeyEvent::from(KeyCode::Left),
                name => KeyEvent::new(KeyCode::Char(name.chars().last().expect("a key")), KeyModifiers::CONTROL),
            }
        } else {
            rest = &rest[c.len_utf8()..];
            KeyEvent::from(KeyCode::Char(c))
        };
        if let Some(action) = action_of(app, crossterm::event::Event::Key(event)) {
            effects.extend(app.update(action));
        }
    }
    effects
}
