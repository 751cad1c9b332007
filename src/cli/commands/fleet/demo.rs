//! `fleet demo`: a database and a store of its own, two workers, twenty clips, and a worker that is killed on the way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};
use tempfile::TempDir;

use super::needs::Needs;
use super::told;
use crate::cli::args::FleetDemoArgs;
use crate::cli::commands::install::{self, ProvideOptions};
use crate::cli::options::Resolved;
use crate::cli::{Usage, tell, write_out};
use crate::domain::fleet::FleetJob;
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::host::compare::run_group::{RunGroup, RunGroups};
use crate::host::fleet::db::Database;
use crate::host::fleet::files::Files;
use crate::host::fleet::postgres::{self, PostgresError, PrivatePostgres};
use crate::host::fleet::queue::{self, NewJob, Wanted};
use crate::host::fleet::schema;
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::memory::cgroup::Roots;
use crate::host::process::lifeline::end_with_parent;

/// Clips that are queued.
const CLIPS: u32 = 20;
/// Memory that each worker may use.
const BUDGET: Bytes = Bytes::mib(600);
/// A worker is given up after this: short, so that it can be watched.
const LEASE: Duration = Duration::from_secs(6);
/// So many are done when a worker is killed.
const KILLED_AFTER: i64 = 5;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Runs it; 0 where every clip was converted once, although a worker was killed.
pub fn run(resolved: &Resolved, args: &FleetDemoArgs) -> Result<u8> {
    let ffmpeg = crate::cli::converse(|console| {
        let options = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, console.terminal);
        install::ensure(&options, console)
    })?;
    let ffmpeg = match ffmpeg {
        Ok(ffmpeg) => ffmpeg,
        Err(status) => return Ok(status),
    };
    let Some(postgres) = database(resolved, args)? else { return Ok(2) };
    let folder = tempfile::Builder::new().prefix("plimsoll-fleet").tempdir().wrap_err("cannot make a temporary folder")?;
    let (groups, held_by) = match RunGroups::open(&Roots::default()) {
        Ok(groups) => (Some(groups), "each in a memory group of its own".to_owned()),
        Err(why) => (None, format!("held by their budget alone: {why}")),
    };
    let mut demo = Demo { resolved, ffmpeg, postgres, folder, groups, held_by, workers: BTreeMap::new() };
    super::block_on(demo.run())
}

/// A private PostgreSQL, installed first where it is missing and that is agreed to; `None` = not agreed to, which was told.
fn database(resolved: &Resolved, args: &FleetDemoArgs) -> Result<Option<PrivatePostgres>> {
    match PrivatePostgres::start() {
        Err(PostgresError::Missing) => {}
        started => return Ok(Some(started?)),
    }
    let machine = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, false).machine;
    let way = postgres::way(&machine)?;
    let agreed = crate::cli::converse(|console| {
        if args.yes {
            return Ok(true);
        }
        let question = format!("PostgreSQL's server was not found. Install it by the {}?", way.words());
        if console.terminal {
            return install::ask(&question, console.input, console.err);
        }
        writeln!(
            console.err,
            "plimsoll: PostgreSQL's server was not found; run again with --yes to install it by the {}",
            way.words()
        )?;
        Ok(false)
    })?;
    if !agreed {
        return Ok(None);
    }
    postgres::install(&way, &machine, &mut |line| tell(&format!("{line}\n")))?;
    Ok(Some(PrivatePostgres::start()?))
}

struct Demo<'a> {
    resolved: &'a Resolved,
    ffmpeg: Ffmpeg,
    /// They end before what they live on.
    workers: BTreeMap<String, Running>,
    postgres: PrivatePostgres,
    folder: TempDir,
    groups: Option<RunGroups>,
    /// What keeps the workers to their memory, in words.
    held_by: String,
}

/// A worker; it is killed when this is dropped, then its group goes.
struct Running {
    process: Child,
    _group: Option<RunGroup>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Demo<'_> {
    async fn run(&mut self) -> Result<u8> {
        let db = Database::new(&self.postgres.address()).map_err(told)?;
        let (_, presets) = self.resolved.load_presets()?;
        schema::init(&db, LEASE, &presets).await.map_err(told)?;
        let store = self.folder.path().join("files");
        let files = Files::open(&store.to_string_lossy()).map_err(|error| Usage(error.to_string()))?;
        tell(&format!("fleet demo: a private PostgreSQL, files in {}, {CLIPS} clips\n", store.display()));
        let needs = Needs::with(&self.ffmpeg);
        for number in 1..=CLIPS {
            let clip = self.clip(number)?;
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
            queue::add(&db, &new).await.map_err(told)?;
        }
        self.start("one")?;
        self.start("two")?;
        tell(&format!("fleet demo: two workers of {BUDGET}, {}; one of them is killed on the way\n", self.held_by));
        let (mut last, mut was_killed) = (String::new(), false);
        loop {
            let counts = queue::counts(&db).await.map_err(told)?;
            let line = format!("{} queued, {} running, {} done", counts.queued, counts.running, counts.done);
            if line != last {
                tell(&format!("fleet demo: {line}\n"));
                last = line;
            }
            let left = counts.queued + counts.running;
            if left == 0 {
                break;
            }
            if counts.done >= KILLED_AFTER && !was_killed && self.kill_one(&db).await? {
                was_killed = true;
                self.start("three")?;
            }
            if self.workers.values_mut().all(|worker| !matches!(worker.process.try_wait(), Ok(None))) {
                return Err(eyre!("no worker is left:\n{}", self.logs()));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = tokio::signal::ctrl_c() => return Ok(130),
            }
        }
        let wanted = Wanted { limit: i64::from(CLIPS) + 1, ..Wanted::default() };
        let jobs = queue::jobs(&db, &wanted).await.map_err(told)?;
        Self::tell_figures(&jobs, &store, was_killed)
    }

    /// Kills the worker that has a job, if one has.
    async fn kill_one(&mut self, db: &Database) -> Result<bool> {
        let running = Wanted { state: Some("running".to_owned()), limit: 1, ..Wanted::default() };
        let jobs = queue::jobs(db, &running).await.map_err(told)?;
        let Some(FleetJob { job, worker: Some(at), .. }) = jobs.into_iter().next() else { return Ok(false) };
        let Some(name) = self.workers.keys().find(|name| at.ends_with(&format!("/{name}"))).cloned() else { return Ok(false) };
        self.workers.remove(&name);
        tell(&format!("fleet demo: worker {name} is killed in the middle of job {job}; another one takes its place\n"));
        Ok(true)
    }

    /// What came of it: which worker has done how much, and whether every output is whole.
    fn tell_figures(jobs: &[FleetJob], store: &Path, was_killed: bool) -> Result<u8> {
        let mut by_worker: BTreeMap<&str, u64> = BTreeMap::new();
        let mut whole = 0;
        for job in jobs.iter().filter(|job| job.state == "done") {
            *by_worker.entry(job.worker.as_deref().unwrap_or("?")).or_default() += 1;
            let bytes = job.output.as_ref().and_then(|key| std::fs::read(store.join(key)).ok());
            let hash = bytes.map(|bytes| blake3::hash(&bytes).to_hex().to_string());
            whole += u64::from(hash.is_some() && hash == job.blake3);
        }
        let losses: i32 = jobs.iter().map(|job| job.losses).sum();
        for (worker, done) in &by_worker {
            let name = worker.rsplit('/').next().unwrap_or(worker);
            write_out(format!("worker {name:<6} did {}\n", many(*done, "job")).as_bytes())?;
        }
        write_out(
            format!(
                "{} of {CLIPS} clips are done, {whole} outputs hold what the queue says of them; {} lost with {} and done by another\n",
                jobs.iter().filter(|job| job.state == "done").count(),
                many(losses.max(0) as u64, "job"),
                if was_killed { "the killed worker" } else { "no worker" }
            )
            .as_bytes(),
        )?;
        Ok(u8::from(whole != u64::from(CLIPS)))
    }

    fn start(&mut self, name: &str) -> Result<()> {
        let log = std::fs::File::create(self.folder.path().join(format!("{name}.log"))).wrap_err("cannot write a log")?;
        let mut command = Command::new(crate::cli::own_program()?);
        command.args(["worker", "--profile", "balanced", "--state-dir"]);
        command.arg(self.folder.path().join(name)).arg("--ffmpeg").arg(&self.ffmpeg.ffmpeg);
        command.arg("--budget").arg(BUDGET.0.to_string());
        command.env("PLIMSOLL_QUEUE", self.postgres.address()).env("PLIMSOLL_FILES", self.folder.path().join("files"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        end_with_parent(&mut command, libc::SIGTERM);
        let number = u32::try_from(self.workers.len()).unwrap_or(u32::MAX);
        let group = self.groups.as_ref().map(|groups| groups.make(number, Some(BUDGET))).transpose();
        let group = group.wrap_err("cannot make a memory group for a worker")?;
        if let Some(group) = &group {
            group.holds(&mut command).wrap_err("cannot open the memory group of a worker")?;
        }
        let process = command.spawn().wrap_err("cannot start a worker")?;
        self.workers.insert(name.to_owned(), Running { process, _group: group });
        Ok(())
    }

    fn logs(&self) -> String {
        let logs = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"));
        logs.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default()).collect()
    }

    /// A clip of some seconds, each with pictures of its own.
    fn clip(&self, number: u32) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("clip-{number:02}.mp4"));
        let size = ["320x180", "640x360", "1280x720"][number as usize % 3];
        let picture = format!("testsrc2=s={size}:r=25:d=3,hue=h={}", number * 17);
        let mut command = Command::new(&self.ffmpeg.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &picture]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]).arg(&path);
        let made = command.stdin(Stdio::null()).output().wrap_err("cannot run ffmpeg")?;
        if !made.status.success() {
            return Err(eyre!("ffmpeg cannot make a clip: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(path)
    }
}
