//! The load job is run as a process of its own: this test binary, called with the arguments of one helper test.

use std::io::BufRead as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use super::*;

/// The child's side of the tests below. Its progress goes to descriptor 3 as the command line would have it.
#[test]
#[ignore = "runs in a child process of the other tests"]
fn load_child() {
    let curve = std::env::var("LOAD_CURVE").unwrap();
    let mut spec = LoadSpec::new(&curve, None).unwrap();
    spec.part = std::env::var_os("LOAD_PART").map(Into::into);
    spec.progress_fd = Some(3);
    run(&spec).unwrap();
}

/// Starts a load job; its progress can be read from the pipe given back.
fn start(curve: &str, part: Option<&Path>) -> (Child, io::BufReader<File>) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "host::demo::load_job::tests::load_child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("LOAD_CURVE", curve).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(part) = part {
        command.env("LOAD_PART", part);
    }
    let fd = writer.as_raw_fd();
    // SAFETY: dup2 is async-signal-safe and both descriptors are open in the child. Where the pipe is 3 already, dup2
    // would leave it close-on-exec.
    unsafe {
        command.pre_exec(move || {
            if fd == 3 {
                libc::fcntl(3, libc::F_SETFD, 0);
            } else if libc::dup2(fd, 3) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn().unwrap();
    drop(writer);
    (child, io::BufReader::new(File::from(reader)))
}

#[cfg(target_os = "linux")]
fn anonymous_of(pid: u32) -> Option<Bytes> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(Bytes(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024))
}

/// The next whole progress block; `None` at the end.
fn next_block(progress: &mut impl io::BufRead) -> Option<Vec<(String, String)>> {
    let mut block = Vec::new();
    for line in progress.lines() {
        let line = line.unwrap();
        let (key, value) = line.split_once('=').unwrap();
        block.push((key.to_owned(), value.trim().to_owned()));
        if key == "progress" {
            return Some(block);
        }
    }
    assert!(block.is_empty(), "cut off: {block:?}");
    None
}

#[cfg(target_os = "linux")]
fn value<'a>(block: &'a [(String, String)], key: &str) -> &'a str {
    &block.iter().find(|(k, _)| k == key).unwrap_or_else(|| panic!("no {key} in {block:?}")).1
}

#[cfg(target_os = "linux")]
#[test]
fn anonymous_memory_follows_the_curve_up_and_down() {
    // Flat stretches of a second, so that a busy machine does not matter; a block arrives every half second.
    let curve: Curve = "0:60,1.2:60,1.4:200,2.7:200,2.9:90,4.2:90".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("1.1.part");
    let (mut child, mut progress) = start(&curve.to_string(), Some(&part));
    let mut compared = Vec::new();
    let mut blocks = Vec::new();
    while let Some(block) = next_block(&mut progress) {
        let at: f64 = value(&block, "out_time_us").parse::<f64>().unwrap() / 1e6;
        let steady = curve.at(at) == curve.at(at + 0.15) && curve.at(at) == curve.at(at - 0.1);
        if let Some(seen) = anonymous_of(child.id()).filter(|_| steady && value(&block, "progress") == "continue") {
            compared.push((at, curve.at(at).as_mb(), seen.as_mb()));
        }
        blocks.push(block);
    }
    assert!(child.wait().unwrap().success());
    for (at, wanted, seen) in &compared {
        assert!((seen - wanted).abs() <= 0.15 * wanted, "at {at} s {seen:.0} MB instead of {wanted:.0}; all: {compared:?}");
    }
    for level in [60.0, 200.0, 90.0] {
        assert!(compared.iter().any(|(_, wanted, _)| (wanted - level).abs() < 0.1), "never seen at {level} MB: {compared:?}");
    }
    let last = blocks.last().unwrap();
    assert_eq!(value(last, "progress"), "end");
    assert_eq!((value(last, "out_time"), value(last, "frame")), ("00:00:04.200000", "105"));
    assert_eq!(value(last, "total_size"), (105 * FRAME_BYTES).to_string());
    let output = probe_load(&part).unwrap();
    assert_eq!(output.media().duration, Some(Duration::from_secs_f64(4.2)));

    // Cut off, it is no output any more.
    OpenOptions::new().write(true).open(&part).unwrap().set_len(output.size.0 - 1).unwrap();
    assert!(probe_load(&part).unwrap_err().to_string().contains("not a whole load file"));
}

#[test]
fn sigterm_ends_it_as_it_ends_any_program() {
    let (mut child, mut progress) = start("0:30,600:30", None);
    assert!(next_block(&mut progress).is_some());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[cfg(target_os = "linux")]
#[test]
fn a_stopped_job_makes_no_progress_and_goes_on_where_it_was() {
    let (mut child, mut progress) = start("0:30,1.6:30", None);
    let pid = rustix::process::Pid::from_child(&child);
    let first: u64 = value(&next_block(&mut progress).unwrap(), "out_time_us").parse().unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    thread::sleep(Duration::from_millis(1500));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let second: u64 = value(&next_block(&mut progress).unwrap(), "out_time_us").parse().unwrap();
    assert!(second - first < 1_000_000, "went on from {first} to {second} µs while it was stopped");
    while next_block(&mut progress).is_some() {}
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("1.1.part");
    let (mut child, progress) = start("0:10,1:10", Some(&part));
    drop(progress);
    assert!(child.wait().unwrap().success());
    assert!(probe_load(&part).is_ok());
}

#[test]
fn curves_are_straight_lines_between_their_points() {
    let curve: Curve = "0:20,2:200,6:200,8:50".parse().unwrap();
    for (at, mb) in [(0.0, 20), (1.0, 110), (2.0, 200), (4.5, 200), (7.0, 125), (8.0, 50), (99.0, 50)] {
        assert_eq!(curve.at(at), Bytes::mib(mb), "{at}");
    }
    assert_eq!(curve.peak(), Bytes::mib(200));
    assert_eq!(curve.to_string().parse::<Curve>().unwrap(), curve);
    assert_eq!("3:7".parse::<Curve>().unwrap().at(0.0), Bytes::mib(7));
}

#[test]
fn what_is_no_curve_is_refused_with_an_example() {
    for text in ["", "20", "0:20,", "a:b", "0:-1", "0:nan", "0:1,0:2", "2:1,1:1", "0:99999999", "0:1e400"] {
        let error = text.parse::<Curve>().unwrap_err().to_string();
        assert!(error.contains("such as 0:20,2:200"), "{text}: {error}");
    }
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(LoadSpec::new("0:1", Some(seconds)).is_err(), "{seconds}");
    }
    assert!(LoadSpec::new("0:1", None).is_err(), "a curve of one point at 0 has no length");
}

#[test]
fn the_arguments_of_a_job_carry_all_of_it() {
    let mut spec = LoadSpec::new("0:20,2:200", Some(8.5)).unwrap();
    spec.part = Some("/out/1.1.part".into());
    spec.progress_fd = Some(3);
    let args = ["load-job", "--curve", "0:20,2:200", "--seconds", "8.5", "--part", "/out/1.1.part", "--progress-fd", "3"];
    assert_eq!(spec.to_args(), args);
}

#[test]
fn the_output_is_written_into_the_file_that_was_made_for_it_and_never_through_a_link() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("1.1.part");
    fs::write(&part, "what an earlier try left, longer than a header").unwrap();
    let inode = fs::metadata(&part).unwrap().ino();
    let mut spec = LoadSpec::new("0:1", Some(0.001)).unwrap();
    spec.part = Some(part.clone());
    run(&spec).unwrap();
    assert_eq!(fs::metadata(&part).unwrap().ino(), inode);
    probe_load(&part).unwrap();

    let (victim, link) = (folder.path().join("victim"), folder.path().join("2.1.part"));
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    spec.part = Some(link);
    assert!(run(&spec).unwrap_err().to_string().starts_with("cannot create"));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn the_demo_has_load_clips_on_both_sides_of_every_limit() {
    let folder = tempfile::tempdir().unwrap();
    let clips: Vec<LoadClip> = make_load_clips(folder.path()).unwrap().iter().map(|path| probe_load(path).unwrap()).collect();
    for limit in [100, 200, 500] {
        assert!(clips.iter().any(|clip| clip.size > Bytes::mib(limit)), "none over {limit} MB");
    }
    assert!(clips.iter().filter(|clip| clip.size <= Bytes::mib(100)).count() >= 4);
    let big = clips.iter().find(|clip| clip.frame == Some((1920, 1080))).unwrap();
    assert_eq!(big.curve.peak(), Bytes::mib(283));
    let media = big.media();
    assert_eq!((media.demuxer.as_str(), media.duration), (DEMUXER, Some(Duration::from_secs(12))));
    assert_eq!(LoadSpec::of_clip(big), LoadSpec::new(&big.curve.to_string(), Some(12.0)).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), clips.len(), "no leftovers");
    make_load_clips(folder.path()).unwrap();
}

#[test]
fn what_is_no_load_file_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.load");
    for (content, why) in [
        (&b""[..], "does not begin with"),
        (b"\x00\x01\x02", "does not begin with"),
        (b"plimsoll-load 2\nseconds 1\n\n", "first line"),
        (b"plimsoll-load 1\nseconds 1\n\n", "no `curve` line"),
        (b"plimsoll-load 1\nseconds x\ncurve 0:1\n\n", "`seconds x` makes no sense"),
        (b"plimsoll-load 1\nseconds 0\ncurve 0:1\n\n", "no length"),
        (b"plimsoll-load 1\nseconds 1\ncurve 0:1\nframe 12\n\n", "`frame 12` makes no sense"),
        (b"plimsoll-load 1\nseconds 1\ncurve 0:1\nevil \x1b[2J\n\n", "makes no sense"),
        (b"plimsoll-load 1\nseconds 1\ncurve 0:1\nbody 9\n\n1234", "bytes instead of"),
        (b"plimsoll-load 1\nseconds 1\ncurve 0:1\nbody 18446744073709551615\n\n1234", "bytes instead of"),
    ] {
        fs::write(&path, content).unwrap();
        let error = probe_load(&path).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains('\x1b'), "{error} should say {why}");
    }
    assert!(probe_load(folder.path()).unwrap_err().to_string().contains("not a regular file"));
}
