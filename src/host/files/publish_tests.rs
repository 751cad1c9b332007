use std::process::{Command, Stdio};

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::domain::job::JobId;
use crate::domain::preset::VideoCodec;
use crate::host::files::prepare::{PrepareOrder, Retryability, Scratch, Tidied, prepare, space_needed, tidy};
use crate::host::fixtures::{account, clip, clip_with, prober, quick, sheet, sound, truncated};
use crate::host::media::arguments::{ABLE, JobCommand, command, environment};
use crate::host::media::probe::Probed;
use crate::host::store::Records;
use std::os::unix::fs::MetadataExt as _;

/// One job from the probe to the end of ffmpeg, with everything that publishing needs.
struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    prober: Prober,
}

struct Run<'a> {
    bench: &'a Bench,
    preset: Preset,
    input: PathBuf,
    probed: Probed,
    output: PathBuf,
    part: Part,
    account: Account,
    overwrite: bool,
}

fn order<'a>(input: &'a Path, output: &'a Path) -> PrepareOrder<'a> {
    PrepareOrder { job: JobId(1), attempt: 1, input, output, home: parent(output), needed: Bytes::ZERO, scratch: None }
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let store = Store::open(&dir.path().join("state"), unbounded_channel().0).expect("opened");
        let prober = prober(dir.path());
        Self { dir, store, prober }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Probes, prepares and converts; whether ffmpeg was content does not matter.
    fn convert(&self, input: &Path, preset: Preset, output: &Path) -> Run<'_> {
        let probed = self.prober.probe(input, &preset).expect("probed");
        let part = prepare(&order(input, output)).expect("prepared");
        let job = JobCommand {
            ffmpeg: Path::new("ffmpeg"),
            preset: &preset,
            media: &probed.media,
            input,
            part: part.path(),
            progress_fd: 1,
            abilities: ABLE,
            mark: "plimsoll",
        };
        let mut ffmpeg: Command = command(&job).expect("built");
        ffmpeg.envs(environment(&std::collections::BTreeMap::new(), self.dir.path()));
        let said = ffmpeg.stdin(Stdio::null()).output().expect("ffmpeg runs").stderr;
        let account = account(&said);
        Run { bench: self, preset, input: input.to_owned(), probed, output: output.to_owned(), part, account, overwrite: false }
    }
}

impl Run<'_> {
    fn finalize(&self) -> Result<Published, Failure> {
        finalize(&self.order())
    }

    fn order(&self) -> FinalizeOrder<'_> {
        FinalizeOrder {
            part: &self.part,
            input: &self.input,
            input_id: self.probed.id,
            output: &self.output,
            preset: &self.preset,
            media: &self.probed.media,
            account: &self.account,
            overwrite: self.overwrite,
            prober: Some(&self.bench.prober),
            store: &self.bench.store,
            now: Wall(7),
        }
    }

    /// Fails, with the part still in its place and nothing under the final name.
    fn refuse(&self) -> Failure {
        let failure = self.finalize().expect_err("refused");
        assert!(self.part.path().exists());
        assert!(!self.output.exists());
        failure
    }
}

#[test]
fn a_finished_job_ends_whole_under_its_name_and_in_the_record() {
    let bench = Bench::new();
    let (input, output) = (bench.path("a.mp4"), bench.path("new/out/a.quick.mp4"));
    clip(&input, 1);
    let run = bench.convert(&input, quick(), &output);
    assert_eq!(run.part.path(), bench.path("new/out/.plimsoll/1.1.part"));
    let published = run.finalize().expect("published");
    assert_eq!(published.output, output);
    assert_eq!(published.size.0, std::fs::metadata(&output).expect("there").len());
    assert!(!run.part.path().exists());
    assert!(bench.prober.probe(&output, &quick()).is_ok());
    let mode = std::fs::metadata(&output).expect("there").mode();
    assert_eq!(mode & 0o777, 0o666 & !umask(), "as any new file");
    let record = bench.store.lookup(&output).expect("recorded");
    assert_eq!((&record.input, record.made_at, record.preset.as_str()), (&input, Wall(7), "quick"));
    assert!(record.is_current(&input, &preset_hash(&quick())).expect("read"));
    drop(run);
    assert_eq!(tidy(&bench.path("new/out")).expect("tidied"), Tidied::default());
    assert!(!bench.path("new/out/.plimsoll").exists());
}

#[test]
fn sound_alone_and_contact_sheets_are_published_too() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 2);
    for (preset, name) in [(sound(), "a.sound.m4a"), (sheet(), "a.sheet.jpg")] {
        let run = bench.convert(&input, preset, &bench.path("out").join(name));
        assert_eq!(run.finalize().map(|published| published.output), Ok(bench.path("out").join(name)));
    }
}

#[test]
fn a_truncated_file_with_its_index_in_front_is_never_done_without_a_word() {
    let bench = Bench::new();
    let whole = bench.path("whole.mp4");
    clip_with(&whole, 4, &["-movflags", "+faststart"]);
    let mostly = truncated(&whole, 0.7, &bench.path("a.mp4"));
    let published = bench.convert(&mostly, quick(), &bench.path("out/a.mp4")).finalize().expect("useful");
    let damage = published.damage.expect("told");
    assert!(damage.seconds > 0.3 && damage.cause.contains("cut off"), "{damage:?}");
    let hardly = truncated(&whole, 0.3, &bench.path("b.mp4"));
    let failure = bench.convert(&hardly, quick(), &bench.path("out/b.mp4")).refuse();
    assert_eq!(failure.cause, Cause::Input);
    assert!(failure.reason.contains("% of what the input promises could be read"), "{}", failure.reason);
}

#[test]
fn a_preset_may_refuse_damage_and_says_how_to_take_it() {
    let bench = Bench::new();
    let whole = bench.path("whole.mp4");
    clip_with(&whole, 4, &["-movflags", "+faststart"]);
    let input = truncated(&whole, 0.8, &bench.path("a.mp4"));
    let strict = Preset { on_damage: OnDamage::Fail, ..quick() };
    let failure = bench.convert(&input, strict, &bench.path("out/a.mp4")).refuse();
    assert!(failure.reason.contains("on_damage: keep") && failure.reason.contains("tolerant"), "{}", failure.reason);
}

#[test]
fn a_short_sound_track_beside_a_long_picture_is_no_damage() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    crate::host::fixtures::make(
        &input,
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc=d=6:s=64x64:r=5",
            "-f",
            "lavfi",
            "-i",
            "sine=d=2",
            "-c:v",
            "mpeg4",
            "-c:a",
            "aac",
            "-f",
            "mp4",
        ],
    );
    let run = bench.convert(&input, sound(), &bench.path("out/a.m4a"));
    assert!(run.finalize().is_ok());
}

#[test]
fn an_empty_or_cut_part_is_refused() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 1);
    let run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    let whole = std::fs::read(run.part.path()).expect("read");
    std::fs::write(run.part.path(), "").expect("emptied");
    let reason = run.refuse().reason;
    assert!(reason.starts_with("the output is empty: ") && reason.contains("try another copy of the input"), "{reason}");
    // The index stands in front and is whole, the pictures behind it are not.
    for kept in [whole.len() / 2, whole.len() - 200] {
        std::fs::write(run.part.path(), &whole[..kept]).expect("cut");
        let failure = run.refuse();
        assert!(failure.reason.starts_with("the output is not whole: "), "{kept}: {}", failure.reason);
    }
    std::fs::write(run.part.path(), &whole[..200]).expect("cut");
    run.refuse();
    std::fs::write(run.part.path(), &whole).expect("restored");
    assert!(run.finalize().is_ok(), "and the reason was the part alone");
}

#[test]
fn an_index_that_lists_more_than_can_be_read_is_noticed_even_without_a_word_of_ffprobe() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 1);
    // A container that we do not read ourselves.
    let preset = Preset { container: Container::Ts, extra: Vec::new(), ..quick() };
    let run = bench.convert(&input, preset, &bench.path("out/a.ts"));
    let program = bench.path("ffprobe");
    let stream = |kind: &str, read: u32| {
        format!(r#"{{"codec_type":"{kind}","codec_name":"x","width":86,"height":64,"nb_frames":"100","nb_read_packets":"{read}"}}"#)
    };
    for (read, whole) in [(100, true), (98, true), (90, false), (0, false)] {
        let streams = [stream("video", 100), stream("audio", read)].join(",");
        let answer = format!(r#"{{"streams":[{streams}],"format":{{"format_name":"mov","duration":"1.0"}}}}"#);
        std::fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("set");
        let prober = Prober { ffprobe: program.clone(), ..bench.prober.clone() };
        let checked = check_content(&FinalizeOrder { prober: Some(&prober), ..run.order() });
        assert_eq!(checked.is_ok(), whole, "{read} of 100: {checked:?}");
    }
}

#[test]
fn a_missing_sound_track_is_noticed() {
    let bench = Bench::new();
    let (input, silent) = (bench.path("a.mp4"), bench.path("s.mp4"));
    clip(&input, 1);
    clip_with(&silent, 1, &["-an"]);
    let run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    std::fs::write(run.part.path(), std::fs::read(&silent).expect("read")).expect("written");
    assert_eq!(run.refuse(), Failure { cause: Cause::Unknown, reason: "the output has no sound; retry it".to_owned() });
}

#[test]
fn what_comes_up_on_the_way_is_told_as_left_out() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 1);
    let mut run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    run.account.late = vec![StreamKind::Audio, StreamKind::Other, StreamKind::Audio];
    assert_eq!(run.finalize().expect("published").left_out, ["2 sound tracks, found only long after the beginning"]);
}

#[test]
fn an_input_that_changed_or_went_is_noticed() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 1);
    let run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    let bytes = std::fs::read(&input).expect("read");
    std::fs::write(&input, &bytes).expect("written again");
    assert_eq!(run.refuse(), Failure { cause: Cause::Input, reason: "input changed while it was read".to_owned() });
    std::fs::remove_file(&input).expect("removed");
    let failure = run.refuse();
    assert_eq!((failure.cause, failure.reason), (Cause::Input, format!("the input {} is gone", input.display())));
}

#[test]
fn a_part_that_was_swapped_for_a_link_is_refused() {
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip(&input, 1);
    let run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    std::fs::rename(run.part.path(), bench.path("moved")).expect("moved");
    std::os::unix::fs::symlink(bench.path("moved"), run.part.path()).expect("linked");
    assert!(run.refuse().reason.ends_with("was replaced while ffmpeg wrote to it"));
}

#[test]
fn a_name_taken_meanwhile_is_left_alone_and_a_number_is_taken() {
    let bench = Bench::new();
    let (input, output) = (bench.path("a.mp4"), bench.path("out/a.quick.mp4"));
    clip(&input, 1);
    let run = bench.convert(&input, quick(), &output);
    std::fs::write(&output, "a stranger's").expect("written");
    std::os::unix::fs::symlink("/nowhere", bench.path("out/a-2.quick.mp4")).expect("linked");
    let published = run.finalize().expect("published");
    assert_eq!(published.output, bench.path("out/a-3.quick.mp4"));
    assert_eq!(std::fs::read(&output).expect("read"), b"a stranger's");
    assert!(bench.store.lookup(&published.output).is_some_and(|record| record.stands()));
    assert_eq!(bench.store.lookup(&output), None);
}

#[test]
fn overwrite_replaces_the_planned_file_and_never_a_folder() {
    let bench = Bench::new();
    let (input, output) = (bench.path("a.mp4"), bench.path("out/a.quick.mp4"));
    clip(&input, 1);
    let mut run = bench.convert(&input, quick(), &output);
    std::fs::write(&output, "old").expect("written");
    run.overwrite = true;
    assert_eq!(run.finalize().map(|published| published.output), Ok(output.clone()));
    assert!(bench.prober.probe(&output, &quick()).is_ok());
    drop(run);
    let taken = bench.path("out/b.quick.mp4");
    let mut run = bench.convert(&input, quick(), &taken);
    std::fs::create_dir(&taken).expect("made");
    run.overwrite = true;
    assert_eq!(run.finalize().map(|published| published.output), Ok(bench.path("out/a-2.quick.mp4")));
    assert!(taken.is_dir());
}

#[test]
fn an_output_that_is_its_own_input_is_refused_before_and_after() {
    let bench = Bench::new();
    let (input, twin) = (bench.path("a.mp4"), bench.path("twin.mp4"));
    clip(&input, 1);
    let bytes = std::fs::read(&input).expect("read");
    std::fs::hard_link(&input, &twin).expect("linked");
    let link = bench.path("link.mp4");
    std::os::unix::fs::symlink(&input, &link).expect("linked");
    for output in [&input, &twin, &link] {
        let error = prepare(&order(&input, output)).expect_err("refused");
        assert!(matches!(error, PrepareError::SameFile(_)) && error.retryability() == Retryability::Never, "{error}");
    }
    let mut run = bench.convert(&input, quick(), &bench.path("out/a.mp4"));
    std::fs::hard_link(&input, &run.output).expect("linked meanwhile");
    run.probed.id = FileId::of(&input).expect("stat");
    run.overwrite = true;
    let failure = run.finalize().expect_err("refused");
    assert!(failure.reason.contains("is its own input"), "{}", failure.reason);
    assert_eq!(std::fs::read(&input).expect("read"), bytes);
}

#[test]
fn equal_bytes_under_two_names_give_two_outputs_of_equal_bytes() {
    let bench = Bench::new();
    let inputs = [bench.path("1/a.mp4"), bench.path("2/a.mp4")];
    for input in &inputs {
        std::fs::create_dir_all(parent(input)).expect("made");
    }
    clip(&inputs[0], 1);
    std::fs::copy(&inputs[0], &inputs[1]).expect("copied");
    let outputs = inputs.each_ref().map(|input| {
        let run = bench.convert(input, quick(), &bench.path("out/a.quick.mp4"));
        run.finalize().expect("published").output
    });
    assert_eq!(outputs, [bench.path("out/a.quick.mp4"), bench.path("out/a-2.quick.mp4")]);
    let bytes = outputs.each_ref().map(|output| std::fs::read(output).expect("read"));
    assert!(bytes[0] == bytes[1]);
    let records = outputs.each_ref().map(|output| bench.store.lookup(output).expect("recorded"));
    assert_eq!(records.each_ref().map(|record| &record.input), [&inputs[0], &inputs[1]]);
    assert_eq!(records[0].input_hash, records[1].input_hash);
}

#[test]
fn too_little_room_is_told_before_the_start_with_the_figures() {
    let bench = Bench::new();
    let (input, output) = (bench.path("a.mp4"), bench.path("out/a.mp4"));
    let wanted = PrepareOrder { needed: Bytes(u64::MAX / 2), ..order(&input, &output) };
    let error = prepare(&wanted).expect_err("refused");
    assert_eq!(error.retryability(), Retryability::Room);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("disk full: {} (on the disk at /", bench.path("out").display())) && text.contains("--out"),
        "{text}"
    );
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let bench = Bench::new();
    std::fs::write(bench.path("file"), "").expect("written");
    let (input, output) = (bench.path("a.mp4"), bench.path("file/out/a.mp4"));
    let error = prepare(&order(&input, &output)).expect_err("refused");
    assert_eq!(error.to_string(), format!("cannot make the folder {}: not a directory", bench.path("file/out").display()));
    assert_eq!(error.retryability(), Retryability::Never);
}

#[test]
fn links_planted_where_the_parts_go_are_not_followed() {
    let bench = Bench::new();
    let (input, output, victim) = (bench.path("a.mp4"), bench.path("out/a.mp4"), bench.path("victim"));
    std::fs::create_dir_all(bench.path("out")).expect("made");
    std::fs::create_dir(&victim).expect("made");
    std::os::unix::fs::symlink(&victim, bench.path("out/.plimsoll")).expect("planted");
    let error = prepare(&order(&input, &output)).expect_err("refused");
    assert!(matches!(error, PrepareError::NotOurs(_)), "{error}");
    assert_eq!(std::fs::read_dir(&victim).expect("listed").count(), 0);

    std::fs::remove_file(bench.path("out/.plimsoll")).expect("removed");
    std::fs::create_dir(bench.path("out/.plimsoll")).expect("made");
    let file = bench.path("victim/file");
    std::fs::write(&file, "precious").expect("written");
    std::os::unix::fs::symlink(&file, bench.path("out/.plimsoll/1.1.part")).expect("planted");
    let part = prepare(&order(&input, &output)).expect("the link itself goes");
    assert!(std::fs::symlink_metadata(part.path()).expect("there").is_file());
    assert_eq!(std::fs::read(&file).expect("read"), b"precious");
    let mode = std::fs::metadata(bench.path("out/.plimsoll")).expect("there").mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_part_that_somebody_writes_is_left_alone_and_a_leftover_is_not() {
    let bench = Bench::new();
    let (input, output) = (bench.path("a.mp4"), bench.path("out/a.mp4"));
    let wanted = order(&input, &output);
    let first = prepare(&wanted).expect("prepared");
    std::fs::write(first.path(), "half").expect("written");
    let second = prepare(&wanted).expect("prepared beside it");
    assert_ne!(first.path(), second.path());
    assert_eq!(tidy(&bench.path("out")).expect("tidied"), Tidied::default());
    assert_eq!((first.size(), second.size()), (Bytes(4), Bytes(0)));
    // The run that wrote it died.
    let path = first.path().to_owned();
    drop(first);
    // A child that another test is just starting has a copy of every descriptor until its exec.
    let tidy_until_one_goes = || {
        while tidy(&bench.path("out")).expect("tidied").parts == 0 {
            std::thread::yield_now();
        }
    };
    tidy_until_one_goes();
    let third = prepare(&wanted).expect("prepared in its place");
    assert_eq!((third.path(), third.size()), (path.as_path(), Bytes(0)));
    third.discard().expect("removed");
    drop(second);
    tidy_until_one_goes();
    assert!(!bench.path("out/.plimsoll").exists());
}

#[test]
fn a_full_disk_is_named_as_such() {
    let error = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
    let failure = host("cannot write", Path::new("/out/p"), &error);
    assert_eq!(failure, Failure { cause: Cause::Room, reason: "disk full: cannot write /out/p; free some space there".to_owned() });
    assert_eq!(PrepareError::io("cannot create", Path::new("/out/p"), &error).retryability(), Retryability::Room);
}

#[test]
fn the_room_asked_for_follows_from_what_is_asked() {
    let media = MediaInfo {
        duration: Some(std::time::Duration::from_secs(80)),
        video: Some(crate::domain::job::VideoStream::default()),
        audio: Some(crate::domain::job::AudioStream::default()),
        ..MediaInfo::default()
    };
    let input = Bytes::mib(100);
    assert_eq!(space_needed(&sound(), &media, input), Bytes(640_000));
    let mut copy = quick();
    copy.audio = None;
    if let Some(video) = &mut copy.video {
        video.codec = VideoCodec::Copy;
    }
    assert_eq!(space_needed(&copy, &media, input), input);
    assert!(space_needed(&quick(), &media, input) < input);
    assert!(space_needed(&sheet(), &media, input) <= Bytes::mib(1));
}

#[test]
fn an_output_over_what_is_left_of_the_scratch_limit_waits_and_one_over_all_of_it_never_fits() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (input, output) = (dir.path().join("in.mp4"), dir.path().join("out/a.mp4"));
    std::fs::write(&input, "x").expect("written");
    let with = |needed: u64, taken: u64| {
        let scratch = Some(Scratch { limit: Bytes::mib(100), taken: Bytes::mib(taken) });
        prepare(&PrepareOrder { needed: Bytes::mib(needed), scratch, ..order(&input, &output) })
    };
    let held = with(60, 70).expect_err("held");
    let said = held.to_string();
    assert!(said.starts_with("disk: ") && said.contains("needs about 60 MB, 30 MB left of the scratch limit of 100 MB"), "{said}");
    assert_eq!(held.retryability(), Retryability::Room);
    assert_eq!(with(101, 0).expect_err("never").retryability(), Retryability::Never);
    with(30, 70).expect("fits exactly");
}

#[test]
fn an_output_has_the_date_of_its_film() {
    let at = |text: &str| recorded_at(text).map(|time| time.duration_since(std::time::UNIX_EPOCH).expect("later").as_secs());
    assert_eq!(at("2019-07-14T10:11:12.000000Z"), Some(1_563_099_072));
    assert_eq!(at("2019-07-14T12:11:12+0200"), Some(1_563_099_072));
    for text in ["1970-01-01T00:00:00Z", "1904-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", ""] {
        assert_eq!(at(text), None, "{text}");
    }
    let bench = Bench::new();
    let input = bench.path("a.mp4");
    clip_with(&input, 1, &["-metadata", "creation_time=2019-07-14T10:11:12Z"]);
    let published = bench.convert(&input, quick(), &bench.path("out/a.mp4")).finalize().expect("published");
    let modified = std::fs::metadata(&published.output).expect("there").modified().expect("told");
    assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).expect("later").as_secs(), 1_563_099_072);
}
