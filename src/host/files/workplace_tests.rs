use super::*;

#[test]
fn parts_stand_at_the_top_of_the_outputs_and_elsewhere_only_for_outputs_elsewhere() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join("s1")).expect("made");
    for output in ["a.mp4", "s1/a.mp4", "s2/not/there/a.mp4"] {
        assert_eq!(home(&out, &out.join(output)), out, "{output}");
    }
    assert_eq!(home(&out, Path::new("/old/s1/a.mp4")), Path::new("/old/s1"));
    assert_eq!(homes(&out, Path::new("/old/s1/a.mp4")), [Path::new("/old/s1")]);
    assert_eq!(homes(&out, &out.join("s1/x/a.mp4")), [out.join("s1/x"), out.join("s1"), out.clone()]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_on_another_file_system_has_its_own_work_folder() {
    // /proc is another file system than /, whatever the machine.
    assert_eq!(home(Path::new("/"), Path::new("/proc/self/a.mp4")), Path::new("/proc/self"));
    assert_eq!(home(Path::new("/"), Path::new("/proc/nobody/a.mp4")), Path::new("/proc"));
}

#[test]
fn folders_that_were_made_go_again_when_nothing_came_to_stand_in_them() {
    let dir = tempfile::tempdir().expect("folder");
    let (out, folders) = (dir.path().join("new/out"), Folders::default());
    std::fs::create_dir(dir.path().join("theirs")).expect("made");
    folders.make(&dir.path().join("theirs")).expect("there already");
    folders.make(&out).expect("made");
    let in_use = folders.make_below(&out, &out.join("s1/x/a.mp4")).expect("made");
    folders.remove_empty();
    assert!(out.join("s1/x").is_dir(), "an output is about to be put there");
    drop(in_use);
    drop(folders.make_below(&out, &out.join("s2/a.mp4")).expect("made"));
    std::fs::write(out.join("s2/a.mp4"), "film").expect("written");
    folders.remove_empty();
    assert!(!out.join("s1").exists() && out.join("s2/a.mp4").exists() && dir.path().join("theirs").exists());
    std::fs::remove_dir_all(out.join("s2")).expect("removed");
    folders.remove_empty();
    assert!(!dir.path().join("new").exists(), "the folder of the outputs too");
}

#[test]
fn no_output_is_put_in_place_through_a_link_or_a_step_up() {
    let dir = tempfile::tempdir().expect("folder");
    let (out, elsewhere, folders) = (dir.path().join("out"), dir.path().join("elsewhere"), Folders::default());
    std::fs::create_dir_all(&out).expect("made");
    std::fs::create_dir(&elsewhere).expect("made");
    std::os::unix::fs::symlink(&elsewhere, out.join("s1")).expect("linked");
    for output in ["s1/a.mp4", "s1/x/a.mp4", "../elsewhere/a.mp4"] {
        assert!(folders.make_below(&out, &out.join(output)).is_err(), "{output}");
    }
    assert_eq!(std::fs::read_dir(&elsewhere).expect("read").count(), 0);
}
