use super::*;
use crate::host::fixtures::quick;

#[test]
fn odd_stems_stay_as_they_are_and_long_ones_are_cut_to_fit() {
    let preset = quick();
    for (stem, kept) in [(&b"new\nline \xff"[..], &b"new\nline \xff"[..]), (b"a.b", b"a.b"), (b"-y", b"-y")] {
        let input = Path::new("/in").join(OsString::from_vec([stem, b".mp4"].concat()));
        let expected = [b"/out/", kept, b".quick.mp4"].concat();
        assert_eq!(output_path(Path::new("/out"), &input, &preset, 1).as_os_str().as_bytes(), expected);
    }
    for stem in ["x".repeat(251), "é".repeat(125), "🎬".repeat(62), format!("x{}", "🎬".repeat(62))] {
        for number in [1, 2, 99_999] {
            let output = output_path(Path::new("/out"), &Path::new("/in").join(format!("{stem}.mp4")), &preset, number);
            let name = output.file_name().expect("a name").to_str().expect("no character was cut in two");
            assert!(name.len() <= NAME_MAX && name.len() > NAME_MAX - 12, "{} bytes", name.len());
            assert!(name.ends_with(".quick.mp4"));
        }
    }
    // Bytes that are no characters are cut too.
    let input = Path::new("/in").join(OsString::from_vec(vec![0x80; 255]));
    assert!(output_path(Path::new("/out"), &input, &preset, 1).file_name().expect("a name").len() <= NAME_MAX);
}

#[test]
fn a_folder_of_outputs_is_never_left_by_a_link_a_step_up_or_a_file_in_the_way() {
    let dir = tempfile::tempdir().expect("folder");
    let (out, elsewhere) = (dir.path().join("out"), dir.path().join("elsewhere"));
    std::fs::create_dir_all(out.join("real")).expect("made");
    std::fs::create_dir(&elsewhere).expect("made");
    std::os::unix::fs::symlink(&elsewhere, out.join("linked")).expect("linked");
    std::os::unix::fs::symlink("nowhere", out.join("linked-2")).expect("linked");
    std::fs::write(out.join("file"), "x").expect("written");
    let below = |path: &str| folder_below(&out, Path::new(path));
    assert_eq!(below("real/new"), out.join("real/new"));
    assert_eq!(below("linked/s1"), out.join("linked-3/s1"));
    assert_eq!(below("file"), out.join("file-2"));
    assert_eq!(below("../elsewhere/./x"), out.join("elsewhere/x"));
    assert_eq!(below("/etc"), out.join("etc"));
}
