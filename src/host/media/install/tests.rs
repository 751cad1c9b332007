//! Plans from made-up machines, and steps that are shell scripts: no real package manager is ever run.

use std::net::TcpListener;

use super::*;
use crate::host::media::ffmpeg::Found;
use crate::host::media::ffmpeg::fakes;
#[cfg(target_os = "linux")]
use std::process::Command;
#[cfg(target_os = "linux")]
use std::thread;

/// A machine whose path has these programs, each of which records how it was called.
struct Box {
    folder: tempfile::TempDir,
}

impl Box {
    fn with(programs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        fs::create_dir(folder.path().join("bin")).unwrap();
        for program in programs {
            let body = format!("echo \"{program} $*\" >> '{}'", calls.display());
            fakes::script(&folder.path().join("bin").join(program), &body);
        }
        Self { folder }
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn search(&self) -> Search {
        Search { path: self.bin().into(), data: Some(self.folder.path().join("data")), ..Search::default() }
    }

    fn machine(&self) -> Machine {
        Machine {
            path: self.bin().into(),
            root: true,
            terminal: false,
            apt_lists_age: Some(Duration::from_mins(1)),
            pacman_synced: true,
            data: None,
            download: None,
        }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default()
    }

    /// The commands planned, without the folder of the programs.
    fn planned(&self, machine: &Machine) -> Vec<String> {
        let bin = format!("{}/", self.bin().display());
        let steps = plan(machine).ways.into_iter().flat_map(|way| match way {
            Way::Packages { steps, .. } => steps,
            Way::Download { .. } => Vec::new(),
        });
        steps.map(|step| step.to_string().replace(&bin, "")).collect()
    }
}

#[test]
fn every_package_manager_has_its_exact_command_as_root() {
    for (program, command) in [
        ("apt-get", "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg"),
        ("dnf", "dnf install -y ffmpeg"),
        ("pacman", "pacman -S --needed --noconfirm ffmpeg"),
        ("apk", "apk add --no-cache ffmpeg"),
    ] {
        let fake = Box::with(&[program]);
        assert_eq!(fake.planned(&fake.machine()), [command]);
    }
}

#[test]
fn an_ordinary_user_goes_through_sudo_and_is_asked_only_on_a_terminal() {
    let fake = Box::with(&["apt-get", "sudo"]);
    let user = Machine { root: false, ..fake.machine() };
    let quiet = "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg";
    assert_eq!(fake.planned(&user), [quiet]);
    let at_terminal = Machine { terminal: true, ..user };
    assert_eq!(fake.planned(&at_terminal), [quiet.replace(" -n", "")]);
    let Way::Packages { steps, .. } = &plan(&at_terminal).ways[0] else { panic!("no packages") };
    assert!(steps[0].interactive);
    for (program, command) in [
        ("dnf", "sudo -n dnf install -y ffmpeg"),
        ("pacman", "sudo -n pacman -S --needed --noconfirm ffmpeg"),
        ("apk", "sudo -n apk add --no-cache ffmpeg"),
    ] {
        let fake = Box::with(&[program, "sudo"]);
        assert_eq!(fake.planned(&Machine { root: false, ..fake.machine() }), [command]);
    }
}

#[test]
fn without_root_and_sudo_a_package_manager_is_no_way() {
    for program in ["apt-get", "dnf", "pacman", "apk"] {
        let fake = Box::with(&[program]);
        let plan = plan(&Machine { root: false, ..fake.machine() });
        assert_eq!(plan.ways, []);
        assert!(plan.notes[0].starts_with(&format!("{program} needs root, and there is no sudo")), "{:?}", plan.notes);
    }
}

#[test]
fn brew_runs_as_the_user_and_never_as_root() {
    let fake = Box::with(&["brew", "sudo"]);
    assert_eq!(fake.planned(&Machine { root: false, ..fake.machine() }), ["NONINTERACTIVE=1 brew install ffmpeg"]);
    let as_root = plan(&fake.machine());
    assert_eq!(as_root.ways, []);
    assert!(as_root.notes[0].contains("refuses to run as root"));
    // Somebody without rights on a Debian machine still has their brew.
    let both = Box::with(&["apt-get", "brew"]);
    assert_eq!(both.planned(&Machine { root: false, ..both.machine() }), ["NONINTERACTIVE=1 brew install ffmpeg"]);
}

#[test]
fn package_lists_are_fetched_first_when_they_are_missing_or_old() {
    let fake = Box::with(&["apt-get"]);
    for age in [None, Some(Duration::from_hours(48))] {
        let planned = fake.planned(&Machine { apt_lists_age: age, ..fake.machine() });
        assert_eq!(planned[0], "DEBIAN_FRONTEND=noninteractive apt-get update");
        assert_eq!(planned.len(), 2);
    }
    let arch = Box::with(&["pacman"]);
    assert_eq!(arch.planned(&Machine { pacman_synced: false, ..arch.machine() }), ["pacman -Sy --needed --noconfirm ffmpeg"]);
}

#[test]
fn the_age_of_the_package_lists_is_that_of_the_last_fetch() {
    let lists = tempfile::tempdir().unwrap();
    assert_eq!(apt_lists_age(lists.path()), None);
    fs::create_dir(lists.path().join("partial")).unwrap();
    fs::write(lists.path().join("lock"), "").unwrap();
    assert_eq!(apt_lists_age(lists.path()), None, "an empty cache, as container images have it");
    fs::write(lists.path().join("deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.lz4"), "").unwrap();
    assert!(apt_lists_age(lists.path()).unwrap() < Duration::from_mins(1));
    #[allow(clippy::disallowed_methods)]
    let long_ago = SystemTime::now() - Duration::from_hours(9 * 24);
    for folder in [lists.path().to_owned(), lists.path().join("partial")] {
        fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
    }
    assert!(apt_lists_age(lists.path()).unwrap() > FRESH);
}

#[test]
fn without_a_terminal_and_yes_nothing_is_run_and_the_plan_is_told() {
    let fake = Box::with(&["apt-get"]);
    let error = provide(&fake.search(), &fake.machine(), Consent::Nobody, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("no terminal to ask on") && error.contains("apt-get install -y"), "{error}");
    let mut shown = String::new();
    let mut ask = |plan: &Plan| {
        shown = plan.to_string();
        false
    };
    let error = provide(&fake.search(), &fake.machine(), Consent::Ask(&mut ask), &mut |_| {}).unwrap_err();
    assert!(matches!(error, ProvideError::Declined));
    assert!(shown.starts_with("To install ffmpeg, run:\n  DEBIAN_FRONTEND=noninteractive "), "{shown}");
    assert_eq!(fake.calls(), "");
}

#[test]
fn a_package_manager_that_installs_it_is_enough() {
    let fake = Box::with(&[]);
    let ready = fake.folder.path().join("ready");
    fakes::ffmpeg_in(&ready, "7.1", "61.1.1");
    let body = format!("echo 'Setting up ffmpeg'; printf '50%%\\r100%%\\n'; cp {}/* {}/", ready.display(), fake.bin().display());
    fakes::script(&fake.bin().join("apt-get"), &body);
    let mut lines = Vec::new();
    let provided = provide(&fake.search(), &fake.machine(), Consent::Given, &mut |line| lines.push(line.to_owned())).unwrap();
    let Provided::Installed { ffmpeg, by } = provided else { panic!("it was not there before") };
    assert_eq!((ffmpeg.version.as_str(), ffmpeg.source, by.as_str()), ("7.1", Found::Path, "package manager apt-get"));
    assert!(lines[0].starts_with("$ DEBIAN_FRONTEND=noninteractive "), "{lines:?}");
    assert_eq!(lines[1..], ["Setting up ffmpeg", "50%", "100%"]);
    let again = provide(&fake.search(), &fake.machine(), Consent::Nobody, &mut |_| panic!("silent")).unwrap();
    assert!(matches!(again, Provided::Already(_)), "nothing is done when it is there");
}

#[test]
fn every_failed_way_is_told_with_its_last_lines() {
    let fake = Box::with(&[]);
    let body = "for n in $(seq 1 40); do echo line $n; done; printf 'E: Unable to locate \\033[31mffmpeg\\n' >&2; exit 100";
    fakes::script(&fake.bin().join("apt-get"), body);
    let free_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let machine = Machine {
        data: fake.search().data,
        download: Some(format!("http://127.0.0.1:{free_port}/ffmpeg.tar.xz")),
        ..fake.machine()
    };
    let error = provide(&fake.search(), &machine, Consent::Given, &mut |_| {}).unwrap_err();
    let ProvideError::Failed { attempts } = &error else { panic!("{error}") };
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].reason, "exit status: 100");
    assert_eq!(attempts[0].last_lines.len(), LAST_LINES);
    assert_eq!(attempts[0].last_lines.last().unwrap(), "E: Unable to locate ␛[31mffmpeg", "after all that came before it");
    assert!(attempts[1].reason.contains("is 127.0.0.1:") && attempts[1].reason.contains("refused"), "{}", attempts[1].reason);
    let text = error.to_string();
    assert!(text.contains("install it by hand") && text.contains("--ffmpeg PATH"), "{text}");
}

#[test]
fn a_wrong_path_of_the_operator_is_not_answered_by_installing() {
    let fake = Box::with(&["apt-get"]);
    let search = Search { explicit: Some("/no/such/ffmpeg".into()), ..fake.search() };
    let error = provide(&search, &fake.machine(), Consent::Given, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ProvideError::Explicit(_)));
    assert_eq!(fake.calls(), "");
}

#[test]
fn a_machine_with_no_way_says_so() {
    let fake = Box::with(&[]);
    let error = provide(&fake.search(), &fake.machine(), Consent::Given, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("install it by hand") && error.contains("no static build"), "{error}");
}

/// Serves `body` to one HTTP request, declaring `declared` bytes; gives the URL.
#[cfg(target_os = "linux")]
fn serve(body: Vec<u8>, declared: usize) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ffmpeg-test.tar.xz", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            line.clear();
        }
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {declared}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&body);
    });
    url
}

/// A release archive as the real ones are laid out, with an ffmpeg of version 9.0 in it.
#[cfg(target_os = "linux")]
fn archive(folder: &Path) -> Vec<u8> {
    let bin = folder.join("pack/ffmpeg-n9.0-linux64-gpl/bin");
    fakes::ffmpeg_in(&bin, "n9.0-1-gabc", "63.1.1");
    let packed = folder.join("a.tar.xz");
    // The real archive begins with its one folder, not with `.`.
    let status = Command::new("tar")
        .arg("-C")
        .arg(folder.join("pack"))
        .arg("-cJf")
        .arg(&packed)
        .arg("ffmpeg-n9.0-linux64-gpl")
        .status()
        .unwrap();
    assert!(status.success(), "these tests need tar and xz");
    fs::read(packed).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_download_appears_in_the_data_folder_only_when_it_is_whole_and_runs() {
    let fake = Box::with(&[]);
    let search = fake.search();
    let data = search.data.clone().unwrap();
    let body = archive(fake.folder.path());
    let machine = |url: String| Machine { data: Some(data.clone()), download: Some(url), ..fake.machine() };
    let left = || fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();

    let half = serve(body[..body.len() / 2].to_vec(), body.len());
    let error = provide(&search, &machine(half), Consent::Given, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("download from 127.0.0.1"), "{error}");
    assert!(left().is_empty(), "nothing of a broken download stays: {:?}", left());

    let mut lines = Vec::new();
    let whole = serve(body.clone(), body.len());
    let provided = provide(&search, &machine(whole), Consent::Given, &mut |line| lines.push(line.to_owned())).unwrap();
    let Provided::Installed { ffmpeg, .. } = provided else { panic!("it was not there before") };
    assert_eq!((ffmpeg.source, ffmpeg.major), (Found::Data, Some(9)));
    assert_eq!(left().len(), 2, "ffmpeg and ffprobe: {:?}", left());
    assert!(lines.iter().any(|line| line.starts_with("downloaded ")) && lines.contains(&"unpacking".to_owned()), "{lines:?}");
}
