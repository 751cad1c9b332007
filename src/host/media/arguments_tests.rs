use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::Duration;

use super::*;
use crate::domain::media::AudioStream;
use crate::domain::preset::{AudioPlan, SpeedPreset};
use crate::host::fixtures::{clip, clip_with, make, prober, quick, sheet, sound};

/// Names that plain tools stumble over.
pub const ODD_NAMES: &[&[u8]] = &[
    b"with spaces.mp4",
    b"it's \"quoted\".mp4",
    b"-y",
    b"%d.mp4",
    b"%03d%%.mp4",
    b"concat:a|b.mp4",
    b"http:__host.mp4",
    b"data:,x.mp4",
    b"new\nline.mp4",
    b"caf\xe9\xff.mp4",
    b"esc\x1b[31m\xc2\x9b.mp4",
    b"$(touch x)`;&|*?[a]{b}\\.mp4",
    "日本語 🎬.mp4".as_bytes(),
];

fn media() -> MediaInfo {
    MediaInfo {
        demuxer: "mov".to_owned(),
        duration: Some(Duration::from_secs(2)),
        video: Some(VideoStream {
            codec: "h264".to_owned(),
            width: 128,
            height: 96,
            pixel_format: "yuv420p".to_owned(),
            fps: 25.0,
            ..VideoStream::default()
        }),
        audio: Some(AudioStream {
            codec: "aac".to_owned(),
            channels: 1,
            layout: "mono".to_owned(),
            sample_rate: 44_100,
            index: 1,
            ..AudioStream::default()
        }),
        ..MediaInfo::default()
    }
}

/// A job of a whole ffmpeg that writes its progress to descriptor 3.
fn job<'a>(preset: &'a Preset, media: &'a MediaInfo, input: &'a Path, part: &'a Path) -> JobCommand<'a> {
    let ffmpeg = Path::new("ffmpeg");
    JobCommand { ffmpeg, preset, media, input, part, progress_fd: 3, abilities: ABLE, mark: "plimsoll" }
}

fn line(preset: &Preset) -> String {
    let media = media();
    let (input, part) = (Path::new("/in/a.mp4"), Path::new("/out/.plimsoll/1.1.part"));
    let job = job(preset, &media, input, part);
    shown(&command(&job).expect("built"))
}

/// Probes, builds and runs, with the log on stderr and progress on stdout.
fn run(preset: &Preset, input: &Path, part: &Path) -> std::process::Output {
    let folder = part.parent().expect("a folder");
    let media = prober(folder).probe(input, preset).expect("probed").media;
    let job = JobCommand { progress_fd: 1, ..job(preset, &media, input, part) };
    let mut command = command(&job).expect("built");
    command.envs(environment(&BTreeMap::new(), folder)).stdin(Stdio::null());
    command.output().expect("ffmpeg runs")
}

fn run_well(preset: &Preset, input: &Path, part: &Path) {
    let output = run(preset, input, part);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {log}", input.display());
    assert!(!log.contains("[error]") && !log.contains("[fatal]"), "{log}");
    assert!(output.stdout.ends_with(b"progress=end\n"));
}

#[test]
fn the_command_line_is_the_hardened_one() {
    assert_eq!(
        line(&quick()),
        "ffmpeg -hide_banner -nostdin -nostats -loglevel level+verbose -max_error_rate 1 -stats_period 0.5 -progress pipe:3 -y \
         -filter_threads 1 -protocol_whitelist file \
         -format_whitelist mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,wav,mp3,aac,flac,mxf,dv,gif,h264,hevc,\
         av1,obu,ivf,m4v,mpegvideo,vc1,yuv4mpegpipe,wtv,nut,rm,ac3,eac3,dts,dtshd,truehd,amr,aiff,au,caf,w64,wv,ape,tta \
         -max_pixels 35389440 -threads 1 -f mov -i file:/in/a.mp4 -map 0:0 -c:v libx264 \
         -vf 'setsar=1,scale=w='\\''max(2,round(min(86,64*dar/(1/1))/2)*2)'\\'':h='\\''max(2,round(min(64,86*(1/1)/dar)/2)*2)'\\'':\
         eval=frame:in_color_matrix=bt601:out_color_matrix=bt601:in_range=tv:out_range=tv,format=yuv420p,pad=86:64:(ow-iw)/2:(oh-ih)/2:eval=frame,\
         setsar=1/1,setparams=range=tv:colorspace=bt470bg:color_primaries=bt470bg:color_trc=smpte170m' \
         -pix_fmt yuv420p -fps_mode vfr -enc_time_base 1:240000 -preset:v ultrafast -crf:v 30 \
         -map 0:1 -c:a aac -b:a 64000 -filter:a:0 aresample=async=1,aformat=sample_rates=44100:channel_layouts=mono -sn \
         -map_metadata:g -1 -map_metadata:s -1 -map_chapters -1 -metadata encoding_tool=plimsoll -muxing_queue_data_threshold 268435456 -dn -threads 1 \
         -fflags +bitexact -movflags +faststart -f mp4 file:/out/.plimsoll/1.1.part"
    );
}

/// The line for a film whose picture is of this kind.
fn line_of(preset: &Preset, change: impl FnOnce(&mut MediaInfo)) -> String {
    let mut media = media();
    change(&mut media);
    let (input, part) = (Path::new("/in/a.mp4"), Path::new("/out/p"));
    let job = job(preset, &media, input, part);
    shown(&command(&job).expect("built"))
}

fn picture_of(media: &mut MediaInfo) -> &mut VideoStream {
    media.video.as_mut().expect("a picture")
}

#[test]
fn filters_stay_for_sheets_and_where_they_look_ahead_unless_ffmpeg_turns_or_crops_in_front() {
    let kept = |line: &str| line.contains(" -reinit_filter:v 0 -noautorotate ");
    assert!(kept(&line(&sheet())) && !kept(&line(&quick())));
    assert!(kept(&line_of(&quick(), |media| picture_of(media).is_interlaced = true)));
    assert!(!kept(&line_of(&sheet(), |media| picture_of(media).has_matrix = true)));
    assert!(!kept(&line_of(&sheet(), |media| picture_of(media).is_cropped = true)));
}

#[test]
fn copied_hevc_gets_the_tag_of_quicktime_where_its_parameters_are_kept_apart() {
    let video = quick().video.map(|plan| VideoPlan { codec: VideoCodec::Copy, ..plan });
    let copies = |container| Preset { video: video.clone(), container, extra: Vec::new(), ..quick() };
    let line = |container, demuxer: &str, codec: &str| {
        line_of(&copies(container), |media| {
            demuxer.clone_into(&mut media.demuxer);
            codec.clone_into(&mut picture_of(media).codec);
        })
    };
    assert!(line(Container::Mp4, "matroska", "hevc").contains(" -tag:v hvc1 "));
    for line in [
        line(Container::Mp4, "mov", "hevc"),
        line(Container::Mp4, "mpegts", "hevc"),
        line(Container::Mp4, "matroska", "h264"),
        line(Container::Mkv, "mpegts", "hevc"),
    ] {
        assert!(!line.contains("-tag:v"), "{line}");
    }
}

#[test]
fn x265_is_asked_for_the_ways_of_hdr10_only_where_it_knows_them() {
    let keeps = |format| {
        let video =
            quick().video.map(|plan| VideoPlan { codec: VideoCodec::X265, hdr: Hdr::Keep, pixel_format: Some(format), ..plan });
        Preset { video, ..quick() }
    };
    let of = |format, transfer: &str| line_of(&keeps(format), |media| transfer.clone_into(&mut picture_of(media).colour.transfer));
    assert!(of(PixelFormat::Yuv420p10, "smpte2084").contains(":hdr10-opt=1:repeat-headers=1"));
    for line in [of(PixelFormat::Yuv420p10, "arib-std-b67"), of(PixelFormat::Yuv422p10, "smpte2084")] {
        assert!(!line.contains("hdr10-opt") && line.contains(":repeat-headers=1"), "{line}");
    }
}

#[test]
fn an_older_ffmpeg_gets_the_older_word() {
    let (media, preset) = (media(), quick());
    let (input, part) = (Path::new("/in/a.mp4"), Path::new("/out/p"));
    let job =
        JobCommand { progress_fd: 9, abilities: Abilities { has_fps_mode: false, ..ABLE }, ..job(&preset, &media, input, part) };
    let text = shown(&command(&job).expect("built"));
    assert!(text.contains(" -vsync vfr ") && !text.contains("-fps_mode") && text.contains(" pipe:9 "), "{text}");
}

#[test]
fn nothing_is_built_for_relative_paths_missing_streams_and_foreign_demuxers() {
    let (preset, part) = (quick(), Path::new("/out/p"));
    let build = |media: &MediaInfo, input: &str| {
        let input = Path::new(input);
        let job = job(&preset, media, input, part);
        command(&job).expect_err("refused")
    };
    assert_eq!(build(&media(), "a.mp4"), ArgumentError::NotAbsolute("a.mp4".to_owned()));
    assert_eq!(build(&MediaInfo { demuxer: "hls".to_owned(), ..media() }, "/a"), ArgumentError::Demuxer("hls".to_owned()));
    assert!(matches!(build(&MediaInfo { video: None, ..media() }, "/a"), ArgumentError::Unfit(Unfit::Missing(_))));
}

#[test]
fn odd_names_are_converted_like_any_other() {
    let dir = tempfile::tempdir().expect("folder");
    // The folder of the output may be odd as well.
    let out = dir.path().join("out %d 100%: it's");
    std::fs::create_dir(&out).expect("made");
    let plain = dir.path().join("plain.mp4");
    clip(&plain, 1);
    for (number, name) in ODD_NAMES.iter().enumerate() {
        let input = dir.path().join(OsStr::from_bytes(name));
        std::fs::rename(&plain, &input).expect("renamed");
        let part = out.join(format!("{number}.part"));
        run_well(&quick(), &input, &part);
        let made = prober(&out).read(&part).expect("whole").media;
        assert_eq!(made.video.map(|video| (video.width, video.height)), Some((86, 64)), "{}", input.display());
        assert!(made.audio.is_some());
        std::fs::rename(&input, &plain).expect("renamed");
    }
    let left = std::fs::read_dir(dir.path()).expect("listed").count();
    assert_eq!(left, 2, "nothing was made but the outputs");
}

#[test]
fn a_contact_sheet_is_one_picture_of_all_its_frames_also_in_a_folder_with_a_percent_sign() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("100%d");
    std::fs::create_dir(&out).expect("made");
    let (input, part) = (dir.path().join("a.mp4"), out.join("1.1.part"));
    clip(&input, 2);
    run_well(&sheet(), &input, &part);
    let made = prober(&out).read_output(&part, true).expect("whole").media.video.expect("picture");
    assert_eq!((made.width, made.height), (120, 60));
    // The last field is not black: six frames were found.
    let corner = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "jpeg_pipe", "-i"])
        .arg(file_url(&part))
        .args(["-vf", "crop=40:30:80:30,scale=1:1", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"])
        .output()
        .expect("ffmpeg runs");
    assert!(corner.stdout.first().is_some_and(|&gray| gray > 40), "{corner:?}");
}

#[test]
fn a_clip_with_fewer_frames_than_fields_or_no_known_duration_still_gives_a_sheet() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, part) = (dir.path().join("a.mp4"), dir.path().join("p"));
    clip_with(&input, 1, &["-frames:v", "2"]);
    run_well(&sheet(), &input, &part);
    assert!(prober(dir.path()).read_output(&part, true).is_ok());
    let mut media = media();
    media.duration = None;
    let (preset, part) = (sheet(), dir.path().join("q"));
    let job = JobCommand { progress_fd: 1, ..job(&preset, &media, &input, &part) };
    assert!(command(&job).expect("built").envs(environment(&BTreeMap::new(), dir.path())).output().expect("runs").status.success());
    assert!(prober(dir.path()).read_output(&part, true).is_ok());
}

#[test]
fn a_sound_preset_takes_the_first_sound_alone() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, part) = (dir.path().join("a.mp4"), dir.path().join("p"));
    clip(&input, 1);
    run_well(&sound(), &input, &part);
    let made = prober(dir.path()).read(&part).expect("whole").media;
    assert!(made.video.is_none() && made.audio.is_some());
}

#[test]
fn odd_sizes_become_even_and_nothing_is_enlarged() {
    let dir = tempfile::tempdir().expect("folder");
    for (size, height, expected) in
        [("65x33", Some(720), (64, 32)), ("65x33", None, (64, 32)), ("161x91", Some(46), (82, 46)), ("64x48", Some(48), (64, 48))]
    {
        let (input, part) = (dir.path().join("a.mkv"), dir.path().join("p"));
        make(&input, &["-f", "lavfi", "-i", &format!("testsrc=d=0.2:s={size}"), "-c:v", "mpeg4", "-f", "matroska"]);
        let mut preset = quick();
        if let Some(video) = &mut preset.video {
            video.height = height;
        }
        run_well(&preset, &input, &part);
        let made = prober(dir.path()).read(&part).expect("whole").media.video.expect("picture");
        assert_eq!((made.width, made.height), expected, "{size} {height:?}");
    }
}

#[test]
fn every_encoder_and_container_gives_a_readable_file_and_the_same_bytes_twice() {
    let dir = tempfile::tempdir().expect("folder");
    let input = dir.path().join("a.mp4");
    clip(&input, 1);
    for (codec, sound, container) in [
        (VideoCodec::X264, AudioCodec::Aac, Container::Mp4),
        (VideoCodec::X264, AudioCodec::Mp3, Container::Mkv),
        (VideoCodec::X265, AudioCodec::Aac, Container::Mp4),
        (VideoCodec::Vp9, AudioCodec::Opus, Container::Webm),
        (VideoCodec::SvtAv1, AudioCodec::Flac, Container::Mkv),
        (VideoCodec::Mpeg4, AudioCodec::Aac, Container::Mov),
        (VideoCodec::Copy, AudioCodec::Copy, Container::Ts),
    ] {
        let mut preset = Preset { container, threads: 2, extra: Vec::new(), ..quick() };
        preset.audio = Some(AudioPlan { bitrate: Some(64_000), ..AudioPlan::new(sound) });
        if let Some(video) = &mut preset.video {
            video.codec = codec;
            video.preset = Some(SpeedPreset::Ultrafast);
        }
        let parts = [dir.path().join("1.part"), dir.path().join("2.part")];
        for part in &parts {
            run_well(&preset, &input, part);
        }
        let made = prober(dir.path()).read(&parts[0]).expect("whole").media;
        assert!(made.video.is_some() && made.audio.is_some(), "{codec}");
        let bytes = parts.each_ref().map(|part| std::fs::read(part).expect("read"));
        assert!(bytes[0] == bytes[1], "{codec} in {container}: the same input gives other bytes");
    }
}

#[test]
fn only_named_tags_go_along_and_none_of_them_can_pose_as_progress() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, part) = (dir.path().join("a.mp4"), dir.path().join("p"));
    clip_with(&input, 1, &["-metadata", "title=frame=1\nprogress=end KEPT", "-metadata", "comment=SECRET"]);
    run_well(&quick(), &input, &part);
    let bytes = std::fs::read(&part).expect("read");
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(holds(b"KEPT") && !holds(b"SECRET") && holds(b"plimsoll"));
}

#[test]
fn progress_comes_on_the_descriptor_that_was_named() {
    let dir = tempfile::tempdir().expect("folder");
    let (input, part) = (dir.path().join("a.mp4"), dir.path().join("p"));
    clip(&input, 1);
    let (reader, writer) = std::io::pipe().expect("pipe");
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).expect("inherited");
    let (media, preset) = (media(), quick());
    let job = JobCommand { progress_fd: writer.as_raw_fd(), ..job(&preset, &media, &input, &part) };
    let mut child = command(&job).expect("built").envs(environment(&BTreeMap::new(), dir.path())).spawn().expect("runs");
    drop(writer);
    let text = std::io::read_to_string(reader).expect("read");
    assert!(child.wait().expect("reaped").success());
    assert!(text.ends_with("progress=end\n"), "{text}");
}

#[test]
fn a_child_gets_the_profile_s_environment_and_nothing_that_opens_a_door() {
    let profile: BTreeMap<String, String> =
        [("MALLOC_TRIM_THRESHOLD_", "100000"), ("HOME", "/root"), ("FFREPORT", "file=x"), ("A=B", "c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let names: Vec<(OsString, OsString)> = environment(&profile, Path::new("/scratch"));
    let find = |name: &str| names.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    assert_eq!(find("MALLOC_TRIM_THRESHOLD_"), ["100000"]);
    assert_eq!(find("HOME"), ["/scratch"]);
    assert_eq!(find("TMPDIR"), ["/scratch"]);
    assert_eq!(find("LC_ALL"), ["C.UTF-8"]);
    assert_eq!(find("PATH").len(), 1);
    assert_eq!(names.len(), 5, "{names:?}");
}

#[test]
fn the_shown_command_line_is_safe_and_a_shell_takes_it_back() {
    for name in ODD_NAMES.iter().copied().chain([&b"\x01a\x1b2\xe2\x80\xae"[..], b"", b"a'\\b\xff"]) {
        let mut command = Command::new("printf");
        command.arg("%s").arg(OsStr::from_bytes(name));
        let text = shown(&command);
        assert_eq!(sanitise(text.as_bytes()), text, "shown text may go to a terminal");
        let echoed = Command::new("bash").args(["-c", &text]).output().expect("bash runs");
        assert_eq!(echoed.stdout, name, "{text}");
    }
}
