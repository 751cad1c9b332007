//! Presets that copy streams: what fits a container works, what does not is refused with the codec and the container.

use crate::clip::{Clip, QUICK, SMALL, film, film_of};
use crate::facts::Fact::{Decodes, Frames, MayRefuse, NoDamage, Refused, Seconds, StreamTag};
use crate::table::{Row, assert_all, row};

const TONE: &str = "-f lavfi -i sine=440:d=";

fn of(ending: &str, words: &str) -> Clip {
    film(ending, &format!("{SMALL}6 {TONE}6 {words} -threads 1"))
}

fn copies(container: &str, refused: &[(&str, &'static [&'static str])]) {
    let films = [
        ("h264-aac.ts", of("ts", "-c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac")),
        ("h264-aac.mp4", of("mp4", "-c:v libx264 -preset veryfast -bf 2 -c:a aac")),
        ("divx-plain.avi", of("avi", "-c:v mpeg4 -vtag XVID -bf 0 -c:a libmp3lame")),
        ("divx-b.avi", of("avi", "-c:v mpeg4 -vtag XVID -bf 2 -c:a libmp3lame")),
        ("h264-ac3.mkv", of("mkv", "-c:v libx264 -preset veryfast -bf 2 -c:a ac3")),
        ("h264-flac.mkv", of("mkv", "-c:v libx264 -preset veryfast -bf 2 -c:a flac")),
        ("h264-pcm.mov", of("mov", "-c:v libx264 -preset veryfast -bf 2 -c:a pcm_s16le")),
        ("vp9.webm", of("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus")),
        ("mpeg2.vob", of("vob", "-c:v mpeg2video -b:v 2M -c:a mp2")),
        ("hevc.mp4", of("mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=error -tag:v hvc1 -c:a aac")),
        ("aac.flv", of("flv", "-c:v libx264 -preset veryfast -c:a aac -ar 44100")),
        ("theora.ogv", of("ogv", "-c:v libtheora -c:a libvorbis")),
        ("old.wmv", of("wmv", "-c:v wmv2 -c:a wmav2")),
    ];
    let rows: Vec<Row> = films
        .into_iter()
        .map(|(name, clip)| match refused.iter().find(|(refused, _)| *refused == name) {
            Some((_, words)) => row(name, clip, &[Refused(words)]),
            // ffmpeg 5 calls FLAC in MP4 experimental; newer ones do not.
            None if name == "h264-flac.mkv" => row(name, clip, &[MayRefuse(&["flac"]), Seconds(6.0, 0.4), Decodes]),
            // Such files tell no moments for their pictures, and some containers want them.
            None if name == "divx-b.avi" => {
                let words = &["mpeg4", "time stamp", "moment"];
                row(name, clip, &[MayRefuse(words), Seconds(6.0, 0.4), Frames(150, 2), Decodes])
            }
            None => row(name, clip, &[Seconds(6.0, 0.4), Frames(150, 1), Decodes, NoDamage]),
        })
        .collect();
    let preset = format!("name: copy\nvideo: {{ codec: copy }}\naudio: {{ codec: copy }}\ncontainer: {container}\nthreads: 1\n");
    assert_all(&preset, &rows);
}

#[test]
fn streams_are_copied_into_matroska_whatever_they_are() {
    copies("mkv", &[]);
}

#[test]
fn streams_that_do_not_fit_mp4_are_refused_with_their_codec() {
    copies("mp4", &[("h264-pcm.mov", &["pcm"]), ("theora.ogv", &["theora"]), ("old.wmv", &["wmv2"])]);
}

#[test]
fn streams_that_do_not_fit_a_transport_stream_are_refused_with_their_codec() {
    copies(
        "ts",
        &[
            ("h264-flac.mkv", &["flac"]),
            ("h264-pcm.mov", &["pcm"]),
            ("vp9.webm", &["vp9"]),
            ("theora.ogv", &["theora"]),
            ("old.wmv", &["wmv2"]),
        ],
    );
}

#[test]
fn pictures_that_no_player_would_find_in_the_container_are_refused() {
    let of = |ending: &str, words: &str| film(ending, &format!("-f lavfi -i testsrc2=s=160x96:r=25:d=1 {words}"));
    let real = |codec: &str| of("rm", &format!("-c:v {codec}"));
    let preset = |container: &str| {
        format!("name: copy\nvideo: {{ codec: copy }}\naudio: {{ codec: copy }}\ncontainer: {container}\nthreads: 1\n")
    };
    assert_all(
        &preset("mov"),
        &[
            row("10.rm", real("rv10"), &[Refused(&["mov cannot hold a picture in rv10"])]),
            row("20.rm", real("rv20"), &[Refused(&["mov cannot hold a picture in rv20"])]),
            row("raw.avi", of("avi", "-c:v rawvideo -pix_fmt yuv420p"), &[Refused(&["mov cannot hold a picture in rawvideo"])]),
        ],
    );
    assert_all(
        &preset("mkv"),
        &[
            row("graphics.mov", of("mov", "-c:v smc -pix_fmt pal8"), &[Refused(&["mkv cannot hold a picture in smc"])]),
            row("animation.mov", of("mov", "-c:v qtrle -pix_fmt rgb24"), &[Refused(&["mkv cannot hold a picture in qtrle"])]),
        ],
    );
}

#[test]
fn a_copy_of_a_transparent_film_stays_transparent() {
    let alpha = "-f lavfi -i testsrc2=s=160x90:r=25:d=1,format=yuva420p";
    let vp9 = film("webm", &format!("{alpha} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -threads 1"));
    let vp8 = film("webm", &format!("{alpha} -c:v libvpx -auto-alt-ref 0 -deadline realtime -cpu-used 15 -threads 1"));
    for container in ["webm", "mkv"] {
        let preset =
            format!("name: copy\nvideo: {{ codec: copy }}\naudio: {{ codec: copy }}\ncontainer: {container}\nthreads: 1\n");
        let facts = [Frames(25, 0), StreamTag("video", "ALPHA_MODE", &["1"])];
        assert_all(&preset, &[row("9.webm", vp9.clone(), &facts), row("8.webm", vp8.clone(), &facts)]);
    }
}

#[test]
fn a_copy_that_would_bring_back_what_was_cut_off_is_refused() {
    let whole = film("mp4", &format!("{SMALL}6 {TONE}6 {QUICK} -bf 2 -g 300 -c:a aac"));
    let begin = film_of("mp4", "-ss 2.5 -i @0 -c copy", &[&whole]);
    // What is shown ends after three seconds, by the word of both tracks.
    let end = whole.patched(
        &[&b"elst\0\0\0\0\0\0\0\x01"[..], &6000_u32.to_be_bytes()].concat(),
        &[&b"elst\0\0\0\0\0\0\0\x01"[..], &3000_u32.to_be_bytes()].concat(),
    );
    let copy = |container: &str| {
        format!("name: copy\nvideo: {{ codec: copy }}\naudio: {{ codec: copy }}\ncontainer: {container}\nthreads: 1\n")
    };
    let refused = [Refused(&["trimmed"])];
    for container in ["mkv", "ts"] {
        assert_all(
            &copy(container),
            &[
                row("trimmed.mp4", begin.clone(), &refused),
                row("ended.mp4", end.clone(), &refused),
                row("whole.mp4", whole.clone(), &[Seconds(6.0, 0.2), Frames(150, 1)]),
            ],
        );
    }
    assert_all(
        &copy("mp4"),
        &[row("trimmed.mp4", begin, &[Seconds(3.5, 0.1), Decodes]), row("ended.mp4", end, &[Refused(&["trimmed at its end"])])],
    );
}

#[test]
fn films_of_old_cameras_and_programs_are_converted() {
    let rate = "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=2";
    let old = |ending: &str, words: &str| film(ending, &format!("{rate} {TONE}2 {words} -threads 1"));
    let facts = [Seconds(2.0, 0.3), Frames(60, 2), Decodes];
    assert_all(
        "proxy-480p",
        &[
            row("divx.avi", old("avi", "-c:v mpeg4 -vtag XVID -bf 2 -c:a libmp3lame"), &facts),
            row("old.wmv", old("wmv", "-c:v wmv2 -c:a wmav2"), &facts),
            row("old.flv", old("flv", "-c:v flv1 -c:a libmp3lame -ar 44100"), &facts),
            row("photo-camera.avi", old("avi", "-c:v mjpeg -q:v 5 -c:a pcm_u8 -ar 11025"), &facts),
            row("t.ogv", old("ogv", "-c:v libtheora -c:a libvorbis"), &facts),
            row("phone2005.3gp", old("3gp", "-c:v h263 -s 352x288 -c:a aac -ar 8000 -ac 1"), &facts),
            row("s24.mov", old("mov", "-c:v libx264 -preset ultrafast -c:a pcm_s24le"), &facts),
            row("msmpeg4.avi", old("avi", "-c:v msmpeg4 -c:a adpcm_ima_wav"), &facts),
            row("huffyuv.avi", old("avi", "-c:v huffyuv -c:a pcm_s16le"), &facts),
            row("svq1.mov", old("mov", "-c:v svq1 -c:a adpcm_ima_qt -ar 22050"), &facts),
            row("prores.mov", old("mov", "-c:v prores_ks -c:a pcm_s16le"), &facts),
            row("dnxhd.mov", old("mov", "-s 1280x720 -c:v dnxhd -b:v 110M -pix_fmt yuv422p -c:a pcm_s16le"), &facts),
            row("av1.mkv", old("mkv", "-c:v libsvtav1 -preset 12 -c:a libopus"), &facts),
            row("vfw.mkv", old("mkv", "-c:v mpeg2video -c:a mp2"), &facts),
        ],
    );
}
