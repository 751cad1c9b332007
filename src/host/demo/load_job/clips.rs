//! The inputs of load jobs: small files that say what the job is to take.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempPath;

use crate::domain::job::{MediaInfo, VideoStream};
use crate::domain::text::sanitise;
use crate::domain::units::Bytes;
use crate::host::demo::load_job::{CLIPS, Curve, DEMUXER, FPS, LoadError, LoadSpec, MAGIC, MAX_HEADER, header};

/// A load file: the description of a load job, as small text, with a body that has no meaning but its length.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadClip {
    /// The memory the job holds.
    pub curve: Curve,
    /// How long it runs.
    pub seconds: f64,
    /// The frame it stands for, across and down, where it names one.
    pub frame: Option<(u32, u32)>,
    /// Size of the file.
    pub size: Bytes,
}

impl LoadClip {
    /// As a probe of a film would tell it.
    pub fn media(&self) -> MediaInfo {
        let (width, height) = self.frame.unwrap_or((0, 0));
        MediaInfo {
            demuxer: DEMUXER.to_owned(),
            duration: Some(Duration::from_secs_f64(self.seconds)),
            video: Some(VideoStream {
                codec: "load".to_owned(),
                width,
                height,
                pixel_format: "none".to_owned(),
                fps: FPS,
                ..VideoStream::default()
            }),
            ..MediaInfo::default()
        }
    }
}

/// Reads a load file: an input that describes a job, or the output of one. One that was cut off is refused.
pub fn probe_load(path: &Path) -> Result<LoadClip, LoadError> {
    let io_error = |source| LoadError::Io { verb: "read", path: path.to_owned(), source };
    let wrong = |why: String| LoadError::File { path: path.to_owned(), why };
    let mut head = Vec::new();
    let file = File::open(path).map_err(io_error)?;
    let meta = file.metadata().map_err(io_error)?;
    if !meta.is_file() {
        return Err(wrong("not a regular file".to_owned()));
    }
    file.take(MAX_HEADER).read_to_end(&mut head).map_err(io_error)?;
    let end = head.windows(2).position(|pair| pair == b"\n\n");
    let Some(text) = end.and_then(|end| std::str::from_utf8(&head[..end]).ok()) else {
        return Err(wrong(format!("it does not begin with `{MAGIC}` and the lines of a load file")));
    };
    let mut lines = text.lines();
    if lines.next() != Some(MAGIC) {
        return Err(wrong(format!("its first line is not `{MAGIC}`")));
    }
    let (mut seconds, mut curve, mut frame, mut body) = (None, None, None, None);
    for line in lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let bad = || wrong(format!("`{}` makes no sense", sanitise(line.as_bytes())));
        match key {
            "seconds" => seconds = Some(value.parse::<f64>().map_err(|_| bad())?),
            "curve" => curve = Some(value.to_owned()),
            "body" => body = Some(value.parse::<u64>().map_err(|_| bad())?),
            "frame" => {
                let (width, height) = value.split_once('x').ok_or_else(bad)?;
                frame = Some((width.parse().map_err(|_| bad())?, height.parse().map_err(|_| bad())?));
            }
            _ => return Err(bad()),
        }
    }
    let curve = curve.ok_or_else(|| wrong("no `curve` line".to_owned()))?;
    let spec = LoadSpec::new(&curve, seconds).map_err(|error| wrong(error.to_string()))?;
    let whole = (end.unwrap_or(0) as u64 + 2).saturating_add(body.unwrap_or(0));
    if meta.len() != whole {
        return Err(wrong(format!("{} bytes instead of {whole}", meta.len())));
    }
    Ok(LoadClip { curve: spec.curve, seconds: spec.seconds, frame, size: Bytes(meta.len()) })
}

/// Writes the demonstration's load clips into `folder`, replacing older ones. Their bodies are holes and take no disk.
pub fn make_load_clips(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| LoadError::Io { verb, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    let mut clips = Vec::new();
    for (name, curve, frame, size) in CLIPS {
        let path = folder.join(name);
        let spec = LoadSpec::new(curve, None)?;
        let head = header(&spec.curve, spec.seconds, Some(*frame), size.0);
        let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let write = || -> io::Result<()> {
            let temporary = TempPath::try_from_path(temporary)?;
            let mut file = File::create(&temporary)?;
            file.write_all(head.as_bytes())?;
            file.set_len(head.len() as u64 + size.0)?;
            temporary.persist(&path).map_err(|error| error.error)
        };
        write().map_err(failed("write", &path))?;
        clips.push(path);
    }
    Ok(clips)
}
