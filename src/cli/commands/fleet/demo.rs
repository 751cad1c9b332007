//! `fleet demo`: a database and a store of its own, two workers, some clips, and a worker that is killed on the way. On a terminal
//! the fleet console shows it; elsewhere it is told in lines. Whatever ends it, nothing of it stays.

mod workers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};
use tempfile::TempDir;

use self::workers::{BUDGET, Given, Workers};
use super::console::{self, Shown};
use super::needs::Needs;
use super::told;
use crate::cli::args::FleetDemoArgs;
use crate::cli::commands::install::{self, ProvideOptions};
use crate::cli::options::Resolved;
use crate::cli::session::has_terminal;
use crate::cli::session::signals::Signals;
use crate::cli::{Usage, write_out, write_stderr};
use crate::domain::fleet::FleetJob;
use crate::domain::text::many;
use crate::host::fleet::db::Database;
use crate::host::fleet::files::Files;
use crate::host::fleet::postgres::{self, PrivatePostgres};
use crate::host::fleet::queue::{self, NewJob, Wanted};
use crate::host::fleet::schema;
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::process::lifeline::end_with_parent;

/// A worker is given up after this: short, so that it can be watched.
const LEASE: Duration = Duration::from_secs(6);
/// One clip in so many is done when a worker is killed.
const KILLED_AFTER: i64 = 4;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the folder is tried to be removed: what was killed may be writing its last.
const REMOVALS: u32 = 20;

/// Runs it; 0 where every clip that is done was converted once, although a worker was killed.
pub fn run(resolved: &Resolved, args: &FleetDemoArgs) -> Result<u8> {
    let ffmpeg = crate::cli::converse(|console| {
        let options = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, console.terminal);
        install::ensure(&options, console)
    })?;
    let ffmpeg = match ffmpeg {
        Ok(ffmpeg) => ffmpeg,
        Err(status) => return Ok(status),
    };
    if !PrivatePostgres::is_installed() && !install_database(resolved, args)? {
        return Ok(2);
    }
    super::block_on(async {
        // From here on there is something to tidy up.
        let mut signals = Signals::listen(false).wrap_err("cannot listen for signals")?;
        let postgres = PrivatePostgres::start()?;
        let folder = tempfile::Builder::new().prefix("plimsoll-fleet").tempdir().wrap_err("cannot make a temporary folder")?;
        let given = Given { folder: folder.path().to_owned(), queue: postgres.address(), ffmpeg: ffmpeg.ffmpeg.clone() };
        let db = Database::new(&given.queue).map_err(told)?;
        let mut demo = Demo { resolved, ffmpeg, clips: args.clips, db, given, workers: Workers::new(), killed: false };
        let has_screen = has_terminal() && !resolved.settings.plain && !args.headless;
        let ended = demo.run(has_screen, &mut signals).await;
        // In this order: what lives on the other ends first.
        drop(demo);
        drop(postgres);
        remove(folder);
        ended
    })
}

/// Installs PostgreSQL, if that is agreed to; otherwise that was told.
fn install_database(resolved: &Resolved, args: &FleetDemoArgs) -> Result<bool> {
    let machine = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, false).machine;
    let way = postgres::way(&machine)?;
    let is_agreed = crate::cli::converse(|console| {
        if args.yes {
            return Ok(true);
        }
        let question = format!("PostgreSQL's server was not found. Install it by the {}?", way.label());
        if console.terminal {
            return install::ask(&question, console.input, console.err);
        }
        writeln!(
            console.err,
            "plimsoll: PostgreSQL's server was not found; run again with --yes to install it by the {}",
            way.label()
        )?;
        Ok(false)
    })?;
    if is_agreed {
        postgres::install(&way, &machine, &mut |line| write_stderr(&format!("{line}\n")))?;
    }
    Ok(is_agreed)
}

fn remove(folder: TempDir) {
    let path = folder.keep();
    for _ in 0..REMOVALS {
        if std::fs::remove_dir_all(&path).is_ok() {
            return;
        }
        std::thread::sleep(LOOK / 10);
    }
    write_stderr(&format!("plimsoll: {} could not be removed\n", path.display()));
}

struct Demo<'a> {
    resolved: &'a Resolved,
    ffmpeg: Ffmpeg,
    clips: u32,
    db: Database,
    given: Given,
    workers: Workers,
    killed: bool,
}

impl Demo<'_> {
    async fn run(&mut self, has_screen: bool, signals: &mut Signals) -> Result<u8> {
        tokio::select! {
            biased;
            signal = signals.next() => return Ok(128 + signal as u8),
            filled = self.fill() => filled?,
        }
        self.workers.start("one", &self.given)?;
        self.workers.start("two", &self.given)?;
        let begin = format!("two workers of {BUDGET}, {}; one of them is killed on the way", self.workers.held_by);
        if !has_screen {
            write_stderr(&format!("fleet demo: {begin}\n"));
            let signal = self.steer(None, signals).await?;
            return match signal {
                0 => self.sum_up().await,
                signal => Ok(128 + signal as u8),
            };
        }
        let story = format!("Demonstration: {}, {begin}.", many(u64::from(self.clips), "clip"));
        // Connections end with the event loop that has opened them.
        let queue = Database::new(&self.given.queue).map_err(told)?;
        let screen = console::open(self.resolved, queue, Some(story))?;
        let steered = self.steer(Some(&screen), signals).await;
        screen.close();
        // The terminal is given back before anything is said.
        let left = screen.wait();
        steered?;
        match left? {
            0 => self.sum_up().await,
            status => Ok(status),
        }
    }

    /// Makes the queue, the store and the clips.
    async fn fill(&self) -> Result<()> {
        let (_, presets) = self.resolved.load_presets()?;
        schema::init(&self.db, LEASE, &presets).await.map_err(told)?;
        let store = self.given.files();
        let files = Files::open(&store.to_string_lossy()).map_err(|error| Usage(error.to_string()))?;
        files.make().await?;
        write_stderr(&format!("fleet demo: a private PostgreSQL, files in {}, {} clips\n", store.display(), self.clips));
        let needs = Needs::with(&self.ffmpeg);
        for number in 1..=self.clips {
            let clip = self.clip(number).await?;
            let key = format!("in/clip-{number:02}.mp4");
            let stored = files.store(&clip, &key, &mut |_| ControlFlow::Continue(())).await?;
            let new = NewJob {
                input: key,
                etag: stored.etag,
                size: Some(stored.size as i64),
                needs: needs.of(&clip, presets.get("web-720p")),
                preset: "web-720p".to_owned(),
                definition: presets.get("web-720p").cloned(),
                target: Some(format!("films/clip-{number:02}.mp4")),
            };
            queue::add(&self.db, &new).await.map_err(told)?;
        }
        Ok(())
    }

    /// Kills a worker at the right moment, and tells how it goes on: to the end of the queue, or of the screen if there is one,
    /// or up to a signal, whose number comes back.
    async fn steer(&mut self, screen: Option<&Shown>, signals: &mut Signals) -> Result<i32> {
        let (mut last, mut is_done) = (String::new(), false);
        loop {
            let counts = queue::counts(&self.db).await.map_err(told)?;
            let line = format!("{} queued, {} running, {} done", counts.queued, counts.running, counts.done);
            if line != last && screen.is_none() {
                write_stderr(&format!("fleet demo: {line}\n"));
                last = line;
            }
            if counts.done >= i64::from(self.clips) / KILLED_AFTER && !self.killed && counts.running > 0 {
                self.kill_one(screen).await?;
            }
            let is_over = counts.queued + counts.running == 0;
            match screen {
                None if is_over => return Ok(0),
                Some(screen) if is_over && !is_done => {
                    let (done, all) = (counts.done, many(u64::from(self.clips), "clip"));
                    screen.show_story(format!("{done} of {all} are done; q ends the demonstration and tells its figures."));
                    is_done = true;
                }
                _ => {}
            }
            if !is_over && self.workers.have_ended() {
                return Err(eyre!("no worker is left:\n{}", Workers::logs(&self.given.folder)));
            }
            let left = async {
                match screen {
                    Some(screen) => screen.left().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = left => return Ok(0),
                // Ctrl-C at the keyboard is a key of the console, which asks first.
                signal = signals.next() => if screen.is_none() || signal != libc::SIGINT { return Ok(signal) },
            }
        }
    }

    /// Kills the worker that has a job, if one has, and puts another one in its place.
    async fn kill_one(&mut self, screen: Option<&Shown>) -> Result<()> {
        let running = Wanted { state: Some("running".to_owned()), limit: 1, ..Wanted::default() };
        let jobs = queue::jobs(&self.db, &running).await.map_err(told)?;
        let Some(FleetJob { job, worker: Some(at), .. }) = jobs.into_iter().next() else { return Ok(()) };
        let Some(name) = self.workers.kill(&at) else { return Ok(()) };
        self.killed = true;
        self.workers.start("three", &self.given)?;
        queue::note(&self.db, "killed", job, &at, "by the demonstration, in the middle of this job").await.map_err(told)?;
        match screen {
            None => write_stderr(&format!(
                "fleet demo: worker {name} is killed in the middle of job {job}; another one takes its place\n"
            )),
            Some(screen) => screen.show_story(format!(
                "Worker {name} was killed in the middle of job {job}. After {} s of silence it counts as lost, and another worker \
                 does the job. Worker three takes its place.",
                LEASE.as_secs()
            )),
        }
        Ok(())
    }

    /// What came of it: which worker has done how much, and whether every output is whole.
    async fn sum_up(&self) -> Result<u8> {
        let wanted = Wanted { limit: i64::from(self.clips) + 1, ..Wanted::default() };
        let jobs = queue::jobs(&self.db, &wanted).await.map_err(told)?;
        let (told, is_whole) = summary(&jobs, &self.given.files(), self.clips, self.killed);
        write_out(told.as_bytes())?;
        Ok(u8::from(!is_whole))
    }

    /// A clip of some seconds, each with pictures of its own.
    async fn clip(&self, number: u32) -> Result<PathBuf> {
        let path = self.given.folder.join(format!("clip-{number:02}.mp4"));
        let size = ["320x180", "640x360", "1280x720"][number as usize % 3];
        let picture = format!("testsrc2=s={size}:r=25:d=3,hue=h={}", number * 17);
        let mut command = Command::new(&self.ffmpeg.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &picture]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]).arg(&path);
        command.stdin(Stdio::null()).process_group(0);
        end_with_parent(&mut command, libc::SIGKILL);
        let mut command = tokio::process::Command::from(command);
        let made = command.kill_on_drop(true).output().await.wrap_err("cannot run ffmpeg")?;
        if !made.status.success() {
            return Err(eyre!("ffmpeg cannot make a clip: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(path)
    }
}

/// In words, and whether nothing is wrong: every job that has ended is done, and every output holds what the queue says of it.
fn summary(jobs: &[FleetJob], store: &Path, clips: u32, was_killed: bool) -> (String, bool) {
    let mut by_worker: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut done, mut whole, mut lost, mut lost_and_done) = (0, 0, 0, 0);
    for job in jobs {
        let is_done = job.state == "done";
        lost += u64::from(job.losses > 0);
        if !is_done {
            continue;
        }
        done += 1;
        lost_and_done += u64::from(job.losses > 0);
        *by_worker.entry(job.worker.as_deref().unwrap_or("?")).or_default() += 1;
        let bytes = job.output.as_ref().and_then(|key| std::fs::read(store.join(key)).ok());
        let hash = bytes.map(|bytes| blake3::hash(&bytes).to_hex().to_string());
        whole += u64::from(hash.is_some() && hash == job.blake3);
    }
    let mut told = String::new();
    for (worker, done) in &by_worker {
        let name = worker.rsplit('/').next().unwrap_or(worker);
        let _ = writeln!(told, "worker {name:<6} did {}", many(*done, "job"));
    }
    let of_the_lost = match (was_killed, lost - lost_and_done) {
        (false, _) => "no worker was killed".to_owned(),
        (true, 0) => format!("{} lost with the killed worker and done by another", many(lost, "job")),
        (true, left) => format!("{} lost with the killed worker, {left} of them not done again yet", many(lost, "job")),
    };
    let _ = writeln!(told, "{done} of {clips} clips are done, {whole} outputs hold what the queue says of them; {of_the_lost}");
    let has_failed = jobs.iter().any(|job| !matches!(job.state.as_str(), "done" | "queued" | "running" | "cancelled"));
    (told, whole == done && !has_failed)
}
