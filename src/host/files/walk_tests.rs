use super::*;
use crate::host::fixtures::quick;

#[test]
fn an_unreadable_file_is_told_only_if_it_could_be_a_film_by_its_name() {
    use std::os::unix::fs::PermissionsExt as _;

    // Root may read everything.
    if rustix::process::geteuid().is_root() {
        return crate::host::skip::skip(crate::host::skip::NOT_ROOT, "this is root");
    }
    let dir = tempfile::tempdir().expect("folder");
    for name in ["film.mkv", "notes.db"] {
        std::fs::write(dir.path().join(name), "x").expect("written");
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o000)).expect("closed");
    }
    let mut told = Vec::new();
    let paths = [dir.path().to_owned()];
    let request = Request { paths: &paths, preset: &quick(), out: Path::new("/out"), others: &[], record: &|_| None };
    let passed = find(&request, &mut |path, found| told.push((path_text(path), found.err())));
    assert_eq!(told, [(path_text(&dir.path().join("film.mkv")), Some("permission denied".to_owned()))]);
    assert_eq!(passed.others.number, 1);
}

#[test]
fn a_fifo_or_a_link_to_one_is_never_waited_for() {
    let dir = tempfile::tempdir().expect("folder");
    let fifo = dir.path().join("film.mp4");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("made");
    std::os::unix::fs::symlink(&fifo, dir.path().join("link.mp4")).expect("linked");
    let paths = [dir.path().to_owned()];
    let request = Request { paths: &paths, preset: &quick(), out: Path::new("/out"), others: &[], record: &|_| None };
    assert_eq!(find(&request, &mut |path, _| panic!("{}", path.display())), Passed::default());
}
