//! Small kernel files that are read again and again: opened once, read from the start each time.
//!
//! Knows nothing of what stands in them beyond lines of `key value`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::domain::text::path_text;

/// A file that could not be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path_text(path))]
pub struct ReadError {
    pub path: PathBuf,
    /// What the system, or the reading of its text, said.
    pub source: io::Error,
}

impl ReadError {
    /// The file was read, but `what` is wrong with its text.
    pub fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), source: io::Error::new(io::ErrorKind::InvalidData, what.into()) }
    }
}

/// With fewer descriptors than this none is kept open.
pub const FEW: u64 = 128;

/// Files may be kept open: there are descriptors enough.
pub(in crate::host) fn may_keep() -> bool {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.is_none_or(|most| most >= FEW)
}

/// A file kept open, or opened for each reading where descriptors are few. `/proc` and cgroup files are made anew by the
/// kernel each time they are read from the start.
#[derive(Debug)]
pub struct KeptFile {
    file: Option<File>,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl KeptFile {
    /// Opens `path` for reading.
    pub fn open(path: PathBuf) -> Result<Self, ReadError> {
        match File::open(&path) {
            Ok(file) => Ok(Self { file: may_keep().then_some(file), path, buffer: vec![0; 4096] }),
            Err(source) => Err(ReadError { path, source }),
        }
    }

    /// The whole text as it is now.
    pub fn read(&mut self) -> Result<&[u8], ReadError> {
        let failed = |source| ReadError { path: self.path.clone(), source };
        let opened = if self.file.is_none() { Some(File::open(&self.path).map_err(failed)?) } else { None };
        let Some(file) = self.file.as_ref().or(opened.as_ref()) else { return Ok(&[]) };
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            match file.read_at(&mut self.buffer[filled..], filled as u64) {
                Ok(0) => return Ok(&self.buffer[..filled]),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError { path: self.path.clone(), source }),
            }
        }
    }

    /// The whole text as one number.
    pub fn number(&mut self) -> Result<u64, ReadError> {
        let number = parse_number(self.read()?);
        number.ok_or_else(|| ReadError::malformed(&self.path, "a number was expected"))
    }

    /// The values of `keys` in a text of `key value` lines; a key that is not there is an error.
    pub fn fields<const N: usize>(&mut self, keys: [&str; N]) -> Result<[u64; N], ReadError> {
        let found = fields(self.read()?, keys);
        let mut values = [0; N];
        for (index, value) in found.into_iter().enumerate() {
            values[index] = value.ok_or_else(|| ReadError::malformed(&self.path, format!("`{}` is missing in it", keys[index])))?;
        }
        Ok(values)
    }
}

/// The values of `keys` in `text`, lines of `key value` or `key: value kB`; the unit is left to the caller.
pub fn fields<const N: usize>(text: &[u8], keys: [&str; N]) -> [Option<u64>; N] {
    let mut values = [None; N];
    let mut left = N;
    for line in text.split(|byte| *byte == b'\n') {
        let Some(end) = line.iter().position(|byte| matches!(byte, b' ' | b':' | b'\t')) else { continue };
        let (key, rest) = (&line[..end], &line[end..]);
        if let Some(index) = keys.iter().position(|wanted| wanted.as_bytes() == key) {
            let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii();
            let digits = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
            if values[index].is_none() {
                values[index] = parse_number(digits);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
    }
    values
}

/// A bare number with white space around it.
pub fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_file_shows_what_stands_in_it_now_however_long() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("f");
        std::fs::write(&path, "1\n").expect("writes");
        let mut kept = KeptFile::open(path.clone()).expect("opens");
        assert_eq!(kept.number().expect("reads"), 1);
        let long = format!("{}b 7\n", "a 1\n".repeat(5000));
        std::fs::write(&path, &long).expect("writes");
        assert_eq!(kept.fields(["b"]).expect("reads"), [7]);
    }

    #[test]
    fn fields_are_found_by_their_whole_name_in_any_order() {
        let text = b"file 10\ninactive_file 20\nactive_file 30\nMemTotal:       24683656 kB\n";
        assert_eq!(fields(text, ["active_file", "file", "MemTotal", "gone"]), [Some(30), Some(10), Some(24_683_656), None]);
    }

    #[test]
    fn a_missing_field_is_named_together_with_its_file() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("memory.stat");
        std::fs::write(&path, "cache 1\n").expect("writes");
        let error = KeptFile::open(path).expect("opens").fields(["inactive_file"]).expect_err("is missing").to_string();
        assert!(error.contains("memory.stat") && error.contains("inactive_file"), "{error}");
    }
}
