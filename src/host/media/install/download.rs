//! Fetches a build of ffmpeg into our own data folder, where no package manager has one.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::{fmt, fs, thread};

use ffmpeg_sidecar::download::{FfmpegDownloadProgressEvent, download_ffmpeg_package_with_progress, unpack_ffmpeg};

use crate::domain::text::{path_text, sanitise};
use crate::domain::units::Bytes;
use crate::host::files::fsops::free_space;
use crate::host::media::ffmpeg::{Found, Search, locate};
use crate::host::media::install::{DOWNLOAD_SPACE, STALL, UNPACK_LIMIT};

/// Word from the thread that downloads.
pub(super) enum News {
    Progress(FfmpegDownloadProgressEvent),
    Over(Result<(), String>),
}

/// Downloads and unpacks a build into `folder`, where it appears only when it was complete and ran.
pub(super) fn download(url: &str, folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), String> {
    let says = |what: &str, path: &Path, error: &dyn fmt::Display| format!("cannot {what} {}: {error}", path_text(path));
    let work = folder.join(format!(".download-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(|error| says("make the folder", &work, &error))?;
    let _cleared = Cleared(work.clone());
    let free = free_space(&work).map_err(|error| says("ask for the free space of", &work, &error))?;
    if free < DOWNLOAD_SPACE {
        return Err(format!("{} has {free} free, the download needs {DOWNLOAD_SPACE}", path_text(folder)));
    }
    progress(&format!("downloading {url}"));
    let (sender, news) = mpsc::channel();
    let (from, to) = (url.to_owned(), work.clone());
    // A thread of its own, since the library sets no time limit: what hangs is left behind.
    thread::spawn(move || {
        let report = |event| {
            let _ = sender.send(News::Progress(event));
        };
        let result = download_ffmpeg_package_with_progress(&from, &to, report).and_then(|archive| {
            let _ = sender.send(News::Progress(FfmpegDownloadProgressEvent::UnpackingArchive));
            unpack_ffmpeg(&archive, &to)
        });
        let _ = sender.send(News::Over(result.map_err(|error| sanitise(format!("{error:#}").as_bytes()))));
    });
    wait_for_download(url, &news, progress)?;
    // It must run here before it gets a name under which it is found.
    let trial = Search { data: Some(work.clone()), ..Search::default() };
    let found = locate(&trial).map_err(|error| format!("what was downloaded does not work here: {error}"))?;
    if found.source != Found::Data || found.ffprobe.parent() != Some(&work) {
        return Err("the download has no ffmpeg and ffprobe".to_owned());
    }
    for name in ["ffprobe", "ffmpeg"] {
        let to = folder.join(name);
        fs::rename(work.join(name), &to).map_err(|error| says("write", &to, &error))?;
    }
    Ok(())
}

pub(super) fn wait_for_download(url: &str, news: &mpsc::Receiver<News>, progress: &mut dyn FnMut(&str)) -> Result<(), String> {
    let mut limit = STALL;
    let mut told = 0;
    loop {
        match news.recv_timeout(limit) {
            Ok(News::Progress(FfmpegDownloadProgressEvent::Downloading { total_bytes, downloaded_bytes })) => {
                let step = if total_bytes > 0 { total_bytes.div_ceil(10) } else { 16 * 1024 * 1024 };
                if downloaded_bytes / step > told {
                    told = downloaded_bytes / step;
                    let of = if total_bytes > 0 { format!(" of {}", Bytes(total_bytes)) } else { String::new() };
                    progress(&format!("downloaded {}{of}", Bytes(downloaded_bytes)));
                }
            }
            Ok(News::Progress(FfmpegDownloadProgressEvent::UnpackingArchive)) => {
                limit = UNPACK_LIMIT;
                progress("unpacking");
            }
            Ok(News::Progress(_)) => {}
            Ok(News::Over(Ok(()))) => return Ok(()),
            Ok(News::Over(Err(error))) => return Err(format!("{error}; is {} reachable from here?", host_of(url))),
            Err(_) => return Err(format!("nothing came from {} for {} s; given up", host_of(url), limit.as_secs())),
        }
    }
}

/// The host's name in a URL; the whole text where there is none.
pub(super) fn host_of(url: &str) -> &str {
    url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(url)
}

/// A folder that is removed with all in it.
pub(super) struct Cleared(PathBuf);

impl Drop for Cleared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
