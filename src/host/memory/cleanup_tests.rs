//! Cleanups of real files, parts and heaps: what they say they freed is held against what is really gone.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::domain::cleanup::CleanupId;
use crate::host::memory::sampler::SamplerConfig;

struct Bench {
    ledger: FileLedger,
    cleaner: Cleaner,
    inputs: UnboundedReceiver<Input>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let ledger = FileLedger::default();
        let samples = SampleSource::new(SamplerConfig::new(ledger.clone()));
        let (sender, inputs) = unbounded_channel();
        let config = CleanerConfig { roots: Roots::default(), ledger: ledger.clone(), samples, scratch_dirs: Vec::new() };
        let cleaner = Cleaner::spawn(config, sender).expect("starts");
        Self { ledger, cleaner, inputs, dir: tempfile::tempdir().expect("tempdir") }
    }

    fn clean(&mut self, action: CleanupAction, job: Option<JobId>) -> CleanupResult {
        self.cleaner.clean(CleanOrder { id: CleanupId(9), action, job, running: BTreeSet::new() });
        match self.inputs.blocking_recv() {
            Some(Input::CleanupDone(CleanupId(9), result)) => result,
            other => panic!("{other:?}"),
        }
    }

    fn file(&self, name: &str, mib: u64) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("makes it");
        std::fs::write(&path, vec![5; (mib * MIB) as usize]).expect("writes");
        path
    }

    /// How long the disk takes for so much just now.
    #[allow(clippy::disallowed_methods)] // a measurement
    fn handing_over(&self, mib: u64) -> Duration {
        let path = self.file("beside.mp4", mib);
        let began = Instant::now();
        File::open(&path).and_then(|file| file.sync_all()).expect("syncs");
        began.elapsed()
    }

    fn cached(path: &Path) -> Bytes {
        page_cache::resident(&page_cache::open(path).expect("opens"), 0).expect("can be told")
    }
}

/// A shell that has said `ready`; killed when dropped.
struct Reader(Child);

impl Reader {
    fn of(file: &Path, bytes: u64) -> Self {
        let script =
            format!("exec 5<'{}'; dd bs=1M count={} <&5 >/dev/null 2>&1; echo ready; read line", file.display(), bytes / MIB);
        let mut child =
            Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("reads");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_cache_of_a_finished_job_is_dropped_and_what_that_freed_is_measured() {
    let mut bench = Bench::new();
    let input = bench.file("in.mkv", 100);
    File::open(&input).and_then(|file| file.sync_all()).expect("syncs");
    bench.ledger.started(JobId(1), 1, input.clone(), bench.dir.path().join(".plimsoll/1.1.part"));
    bench.ledger.published(JobId(1), bench.dir.path().join("gone.mp4"));
    bench.ledger.ended(JobId(1));
    assert_eq!(Bench::cached(&input), Bytes::mib(100));
    let result = bench.clean(CleanupAction::DropFileCache, Some(JobId(1)));
    println!("drop 100 MB of a finished input: {result:?}");
    assert!(result.freed >= Bytes::mib(90) && result.freed <= Bytes::mib(100), "{result:?}");
    assert_eq!(result.verdict, CleanupVerdict::Effective);
    assert!(Bench::cached(&input) <= Bytes::mib(10));
    assert!(bench.ledger.finished().is_empty(), "it is forgotten once it is out");
    let again = bench.clean(CleanupAction::DropFileCache, Some(JobId(1)));
    assert_eq!((again.freed, again.verdict), (Bytes::ZERO, CleanupVerdict::Futile));
}

#[test]
fn an_output_just_written_goes_to_disk_first_and_never_takes_long() {
    let mut bench = Bench::new();
    let output = bench.file("out.mp4", 100);
    let before = Bench::cached(&output);
    bench.ledger.published(JobId(1), output.clone());
    let result = bench.clean(CleanupAction::DropFileCache, None);
    println!("drop 100 MB just written: {result:?}");
    // A disk that others keep busy takes nothing in the time that it is waited for.
    assert!(result.freed > Bytes::ZERO || u128::from(result.millis) >= page_cache::SETTLE.as_millis(), "{result:?}");
    // The kernel may take pages by itself between the two looks: those are gone as well, and are not to be claimed.
    let gone = before - Bench::cached(&output);
    assert!(result.freed <= gone && result.freed.0 * 10 >= gone.0 * 9, "{result:?}, {gone} are no longer there");
    assert!(Duration::from_millis(result.millis) < Duration::from_secs(2) + 3 * bench.handing_over(100), "{result:?}");
    let mut text = Vec::new();
    File::open(&output).expect("opens").read_to_end(&mut text).expect("reads");
    assert!(text.len() == 100 * MIB as usize && text.iter().all(|byte| *byte == 5), "every byte is on disk");
}

#[test]
fn of_a_live_jobs_input_only_what_it_has_passed_is_dropped() {
    let mut bench = Bench::new();
    let input = bench.file("in.mkv", 40);
    File::open(&input).and_then(|file| file.sync_all()).expect("syncs");
    let slow = Reader::of(&input, 12 * MIB);
    let fast = Reader::of(&input, 30 * MIB);
    bench.ledger.started(JobId(1), slow.0.id(), input.clone(), bench.dir.path().join("1.1.part"));
    bench.ledger.started(JobId(2), fast.0.id(), input.clone(), bench.dir.path().join("2.1.part"));
    let result = bench.clean(CleanupAction::DropFileCache, Some(JobId(2)));
    assert_eq!((result.freed, result.verdict), (Bytes::mib(10), CleanupVerdict::Effective), "as far as the slower of the two");
    assert_eq!(Bench::cached(&input), Bytes::mib(30));
    let first = page_cache::resident(&page_cache::open(&input).expect("opens"), 10 * MIB);
    assert_eq!(first, Some(Bytes::ZERO));
    drop(slow);
    let result = bench.clean(CleanupAction::DropFileCache, None);
    assert_eq!(result.freed, Bytes::ZERO, "a reader whose position cannot be told protects the file");
    bench.ledger.ended(JobId(1));
    let result = bench.clean(CleanupAction::DropFileCache, None);
    assert_eq!(result.freed, Bytes::mib(18));
    assert_eq!(Bench::cached(&input), Bytes::mib(12));
}

#[test]
fn strays_are_removed_and_the_parts_of_running_jobs_stay() {
    let mut bench = Bench::new();
    let shm = tempfile::tempdir_in("/dev/shm").expect("tempdir");
    for name in ["1.1.part", "1.2.part", "2.1.part", "3.1.part"] {
        std::fs::write(shm.path().join(name), vec![1; 2 * MIB as usize]).expect("writes");
    }
    for (job, name) in [(1, "1.2.part"), (2, "2.1.part"), (3, "3.1.part")] {
        bench.ledger.started(JobId(job), std::process::id(), "/nowhere".into(), shm.path().join(name));
    }
    bench.ledger.ended(JobId(1));
    bench.ledger.ended(JobId(3));
    let running = BTreeSet::from([JobId(3)]);
    bench.cleaner.clean(CleanOrder { id: CleanupId(1), action: CleanupAction::RemoveScratch, job: None, running });
    let Some(Input::CleanupDone(_, result)) = bench.inputs.blocking_recv() else { panic!("an answer comes") };
    assert_eq!((result.freed, result.verdict), (Bytes::mib(4), CleanupVerdict::Effective));
    let left: BTreeSet<_> = std::fs::read_dir(shm.path()).expect("reads").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, BTreeSet::from(["2.1.part".into(), "3.1.part".into()]), "2 runs, 3 holds a slot");
    let again = bench.clean(CleanupAction::RemoveScratch, Some(JobId(1)));
    assert_eq!((again.freed, again.verdict), (Bytes::ZERO, CleanupVerdict::Futile));
}

/// In a process of its own: arenas and free heap of other tests would blur the figure.
#[cfg(target_env = "gnu")]
#[test]
fn trimming_gives_a_freed_heap_back() {
    const ALONE: &str = "PLIMSOLL_TEST_TRIM_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let me = std::env::current_exe().expect("is told");
        let name = "host::memory::cleanup::tests::trimming_gives_a_freed_heap_back";
        let ran = Command::new(me).args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().expect("runs");
        let text = String::from_utf8_lossy(&ran.stdout);
        println!("{text}");
        assert!(ran.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&ran.stderr));
        return;
    }
    limit_arenas();
    let mut bench = Bench::new();
    let blocks: Vec<Box<[u8; 1000]>> = (0..100_000).map(|_| Box::new([1; 1000])).collect();
    // A block at the top keeps the allocator from giving the rest back by itself.
    let plug = std::hint::black_box(Box::new([1_u8; 1000]));
    drop(std::hint::black_box(blocks));
    let anon = || procfs::own_rss_anon(Path::new("/proc")).expect("we run");
    let before = anon();
    assert!(before > Bytes::mib(90), "{before}");
    let result = bench.clean(CleanupAction::TrimHeap, None);
    println!("trim: {before} before, {} after, {result:?}", anon());
    assert!(anon() < before - Bytes::mib(80));
    assert!(result.freed >= Bytes::mib(80) && result.verdict == CleanupVerdict::Effective, "{result:?}");
    drop(plug);
    let again = bench.clean(CleanupAction::TrimHeap, None);
    assert!(again.freed < Bytes::mib(1), "{again:?}");
}

#[test]
fn orders_are_carried_out_one_by_one_in_their_order() {
    let mut bench = Bench::new();
    for id in 1..=5 {
        let action = CleanupAction::DropFileCache;
        bench.cleaner.clean(CleanOrder { id: CleanupId(id), action, job: None, running: BTreeSet::new() });
    }
    for id in 1..=5 {
        assert!(matches!(bench.inputs.blocking_recv(), Some(Input::CleanupDone(done, _)) if done == CleanupId(id)));
    }
}

#[test]
fn a_verdict_says_what_came_of_it() {
    let outcome =
        |target, freed| Outcome { target: Bytes(target), freed: Bytes(freed), is_measured: true, is_partly_unknown: false };
    assert_eq!(outcome(100, 95).verdict(), CleanupVerdict::Effective);
    assert_eq!(outcome(100, 50).verdict(), CleanupVerdict::Partial);
    assert_eq!(outcome(100, 0).verdict(), CleanupVerdict::Futile);
    assert_eq!(Outcome::default().verdict(), CleanupVerdict::Futile);
    assert_eq!(Outcome { is_partly_unknown: true, ..Outcome::default() }.verdict(), CleanupVerdict::Unverifiable);
    assert_eq!(Outcome { is_partly_unknown: true, ..outcome(100, 95) }.verdict(), CleanupVerdict::Effective);
}

/// A mounted overlay, taken down when dropped; `None`, with the reason printed, where none can be mounted.
struct Overlay(PathBuf);

impl Overlay {
    fn mount(base: &Path) -> Option<Self> {
        for name in ["lower", "upper", "work", "merged"] {
            std::fs::create_dir(base.join(name)).expect("makes it");
        }
        let [lower, upper, work] = ["lower", "upper", "work"].map(|name| base.join(name).display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let merged = base.join("merged");
        let ran = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged).output();
        match ran {
            Ok(ran) if ran.status.success() => Some(Self(merged)),
            other => {
                crate::host::skip::skip(crate::host::skip::MOUNT, format!("no overlay: {other:?}"));
                None
            }
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn files_of_a_containers_overlay_are_dropped_and_measured_too() {
    let mut bench = Bench::new();
    let base = tempfile::tempdir().expect("tempdir");
    let Some(overlay) = Overlay::mount(base.path()) else { return };
    let input = overlay.0.join("in.mkv");
    std::fs::write(&input, vec![5; 20 * MIB as usize]).expect("writes");
    File::open(&input).and_then(|file| file.sync_all()).expect("syncs");
    assert_eq!(Bench::cached(&input), Bytes::mib(20), "the pages belong to the file below");
    bench.ledger.published(JobId(1), input.clone());
    let result = bench.clean(CleanupAction::DropFileCache, Some(JobId(1)));
    assert_eq!((result.freed, result.verdict), (Bytes::mib(20), CleanupVerdict::Effective));
    // Of what was just written the disk may not have taken all yet, however little else it does: the rest goes afterwards.
    let output = overlay.0.join("out.mp4");
    std::fs::write(&output, vec![5; 20 * MIB as usize]).expect("writes");
    bench.ledger.published(JobId(2), output.clone());
    let first = bench.clean(CleanupAction::DropFileCache, Some(JobId(2)));
    println!("drop 20 MB just written to an overlay: {first:?}");
    assert!(Duration::from_millis(first.millis) < Duration::from_secs(2) + 3 * bench.handing_over(20), "{first:?}");
    File::open(&output).and_then(|file| file.sync_all()).expect("syncs");
    bench.ledger.published(JobId(2), output.clone());
    let second = bench.clean(CleanupAction::DropFileCache, Some(JobId(2)));
    assert_eq!((first.freed + second.freed, Bench::cached(&output)), (Bytes::mib(20), Bytes::ZERO), "{first:?} {second:?}");
}

#[test]
fn a_file_that_is_gone_or_in_shared_memory_is_nothing_to_drop() {
    let mut bench = Bench::new();
    let shm = tempfile::tempdir_in("/dev/shm").expect("tempdir");
    let shared = shm.path().join("out.mp4");
    std::fs::write(&shared, vec![5; MIB as usize]).expect("writes");
    bench.ledger.published(JobId(1), shared);
    bench.ledger.published(JobId(2), "/nowhere/out.mp4".into());
    let result = bench.clean(CleanupAction::DropFileCache, None);
    assert_eq!((result.freed, result.verdict), (Bytes::ZERO, CleanupVerdict::Futile));
    assert!(bench.ledger.finished().is_empty());
}

#[test]
fn the_position_of_a_live_ffmpeg_in_its_input_is_respected() {
    let mut bench = Bench::new();
    let input = bench.dir.path().join("in.mkv");
    let lavfi = "testsrc2=size=640x360:rate=25:duration=8,noise=alls=60:allf=t";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", lavfi, "-c:v", "mpeg4", "-q:v", "2"])
        .arg(&input)
        .output();
    match made {
        Ok(made) if made.status.success() => {}
        other => panic!("ffmpeg makes no clip: {other:?}"),
    }
    File::open(&input).and_then(|file| file.sync_all()).expect("syncs");
    let size = std::fs::metadata(&input).expect("is there").len();
    assert!(size > 20 * MIB, "{size}");
    let proc = Path::new("/proc");
    // Read at the speed of life: eight seconds are enough where the machine is busy.
    let child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-readrate", "1", "-i"])
        .arg(&input)
        .args(["-c", "copy", "-f", "null", "-"])
        .stdin(Stdio::null())
        .spawn();
    let ffmpeg = Reader(child.expect("starts"));
    let pid = ffmpeg.0.id();
    while procfs::read_position(proc, pid, &input).unwrap_or(0) < 5 * MIB {
        assert!(procfs::rss_anon(proc, pid).is_some(), "it ended before it came so far");
        std::thread::yield_now();
    }
    bench.ledger.started(JobId(1), pid, input.clone(), bench.dir.path().join("1.1.part"));
    let before = Bench::cached(&input);
    let earlier = procfs::read_position(proc, pid, &input).expect("it reads");
    let result = bench.clean(CleanupAction::DropFileCache, None);
    println!("behind a live ffmpeg at {earlier} of {size}: {result:?}");
    // The kernel drops whole folios only, which may be as large as 2 MB.
    assert!(result.freed >= Bytes(earlier - BEHIND_READER - 2 * MIB), "{result:?}");
    let later = procfs::read_position(proc, pid, &input).unwrap_or(size);
    assert!(result.freed <= Bytes(later) && before - Bench::cached(&input) <= result.freed, "nothing ahead of it was dropped");
}
