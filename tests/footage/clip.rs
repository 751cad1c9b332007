//! Films made with ffmpeg, each once: kept below the target folder under a hash of all that they were made with, for every test
//! and every later run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::{tool, tool_path};

/// 320×180 at 25 pictures a second, for so long.
pub const PICTURE: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=";
/// As [`PICTURE`], a quarter of the size: for long films, and wherever the picture only goes along.
pub const SMALL: &str = "-f lavfi -i testsrc2=s=160x90:r=25:d=";
/// An encoder that is quick, and makes what every player reads. One thread: the tests beside it have work for the others.
pub const QUICK: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -threads 1";

/// A film that is there.
#[derive(Debug, Clone)]
pub struct Clip {
    pub path: PathBuf,
    key: String,
}

/// Makes a film. `words` are ffmpeg's arguments without the output, parted by blanks.
pub fn film(ending: &str, words: &str) -> Clip {
    film_of(ending, words, &[])
}

/// As [`film`], where `@0`, `@1`, … stand for other clips.
pub fn film_of(ending: &str, words: &str, of: &[&Clip]) -> Clip {
    let keys: Vec<&str> = of.iter().map(|clip| clip.key.as_str()).collect();
    let key = key_of(&[version(), "film", ending, words, &keys.join(" ")]);
    kept(&key, ending, |to| {
        let words = words.split_whitespace().map(|word| match word.strip_prefix('@').and_then(|at| at.parse::<usize>().ok()) {
            Some(at) => of[at].path.to_str().expect("UTF-8").to_owned(),
            None => word.to_owned(),
        });
        let made = ffmpeg().args(words).arg(to).output().expect("ffmpeg runs");
        assert!(made.status.success(), "{} cannot be made: {}", to.display(), String::from_utf8_lossy(&made.stderr));
    })
}

/// A film as it is written into a pipe: no length at its beginning, no index at its end.
pub fn piped(ending: &str, words: &str) -> Clip {
    let key = key_of(&[version(), "piped", ending, words]);
    kept(&key, ending, |to| {
        let made = ffmpeg().args(words.split_whitespace()).arg("pipe:1").output().expect("ffmpeg runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(to, made.stdout).expect("written");
    })
}

/// A file of these bytes.
pub fn bytes(ending: &str, content: impl AsRef<[u8]>) -> Clip {
    let content = content.as_ref();
    let key = key_of(&["bytes", ending, blake3::hash(content).to_hex().as_str()]);
    kept(&key, ending, |to| fs::write(to, content).expect("written"))
}

/// Clips joined without changing their packets, by ffmpeg's list of files.
pub fn spliced(ending: &str, parts: &[&Clip]) -> Clip {
    let list: Vec<String> = parts.iter().map(|part| format!("file '{}'", part.path.display())).collect();
    film_of(ending, "-f concat -safe 0 -i @0 -c copy", &[&bytes("txt", list.join("\n"))])
}

/// Clips joined as `cat` does.
pub fn catenated(ending: &str, parts: &[&Clip]) -> Clip {
    let all: Vec<u8> = parts.iter().flat_map(|part| fs::read(&part.path).expect("read")).collect();
    bytes(ending, all)
}

impl Clip {
    /// The same with other bytes. `how` is what tells this edit from others of the same clip.
    pub fn edited(&self, how: &str, edit: impl FnOnce(&mut Vec<u8>)) -> Clip {
        let ending = self.path.extension().and_then(|ending| ending.to_str()).unwrap_or("bin").to_owned();
        let key = key_of(&[&self.key, how]);
        kept(&key, &ending, |to| {
            let mut content = fs::read(&self.path).expect("read");
            edit(&mut content);
            fs::write(to, content).expect("written");
        })
    }

    /// Its first `share` of a thousand.
    pub fn cut_off(&self, share: usize) -> Clip {
        self.edited(&format!("cut off at {share}"), |content| content.truncate(content.len() * share / 1000))
    }

    /// The same, its bytes replaced by others of as many; they must be there.
    pub fn patched(&self, from: &[u8], to: &[u8]) -> Clip {
        self.edited(&format!("{from:?} to {to:?}"), |content| {
            assert_eq!(from.len(), to.len(), "a patch keeps every place");
            let places: Vec<usize> =
                content.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
            assert!(!places.is_empty(), "{:?} is not in the clip", String::from_utf8_lossy(from));
            for at in places {
                content[at..at + to.len()].copy_from_slice(to);
            }
        })
    }

    /// Without the packets of 188 bytes whose number of `of` packets is so.
    pub fn without_packets(&self, how: &str, lost: impl Fn(usize, usize) -> bool) -> Clip {
        self.edited(how, |content| {
            let of = content.len() / 188;
            let left = content.chunks(188).enumerate().filter(|(at, _)| !lost(*at, of));
            *content = left.flat_map(|(_, packet)| packet.to_vec()).collect();
        })
    }
}

/// ffmpeg, quiet and without questions.
pub fn ffmpeg() -> Command {
    let mut command = Command::new(tool("ffmpeg"));
    command.env("PATH", tool_path()).args(["-hide_banner", "-nostdin", "-v", "error", "-y"]);
    command
}

/// The version of ffmpeg, as another one makes other bytes.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let told = Command::new(tool("ffmpeg")).arg("-version").output().expect("ffmpeg runs");
        String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or_default().to_owned()
    })
}

fn key_of(parts: &[&str]) -> String {
    blake3::hash(parts.join("\0").as_bytes()).to_hex()[..24].to_owned()
}

/// The clip of this key, made now unless it is there. Threads that want the same one wait for each other; other processes make
/// it under a name of their own first.
fn kept(key: &str, ending: &str, make: impl FnOnce(&Path)) -> Clip {
    static MADE: Mutex<BTreeMap<String, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("footage-1");
    let path = folder.join(format!("{key}.{ending}"));
    let turn = {
        let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(made.entry(key.to_owned()).or_default())
    };
    let turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !path.exists() {
        fs::create_dir_all(&folder).expect("a folder");
        let own = folder.join(format!("{}-{key}.{ending}", std::process::id()));
        make(&own);
        fs::rename(&own, &path).expect("renamed");
    }
    drop(turn);
    Clip { path, key: key.to_owned() }
}
