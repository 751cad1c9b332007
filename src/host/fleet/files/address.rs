//! Addresses of stores and of objects, and the keys below them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::FilesError;
use crate::host::files::scratch::WORK_FOLDER;

/// Most bytes of a key that every store takes.
const LONGEST_KEY: usize = 1024;
/// Most bytes of a name between two slashes that every file system takes.
const LONGEST_NAME: usize = 255;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Amazon S3 and whatever speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Kind {
    fn of_scheme(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "s3" | "s3a" => Self::S3,
            "gs" => Self::Google,
            "az" | "azure" => Self::Azure,
            _ => return None,
        })
    }

    /// What its addresses begin with.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// The name of an object below a prefix, as it is: nothing in it is escaped. Names between single slashes, none of them `.`
/// or `..`, no control characters, no slash at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Checks a key.
    pub fn parse(text: &str) -> Result<Self, FilesError> {
        let refuse = |why: &str| Err(FilesError::refused(format!("the key `{text}`"), why));
        if text.is_empty() {
            return refuse("it is empty; name an object");
        }
        if text.len() > LONGEST_KEY {
            return refuse("it is longer than 1024 bytes; choose a shorter one");
        }
        if text.starts_with('/') {
            return refuse("it begins with a slash; write it as it stands below the prefix of the store");
        }
        if text.ends_with('/') {
            return refuse("it ends with a slash and would name a folder; name an object");
        }
        if text.chars().any(char::is_control) {
            return refuse("it holds a control character; rename the object");
        }
        for name in text.split('/') {
            match name {
                "" => return refuse("it holds two slashes in a row; rename the object"),
                "." | ".." => return refuse("it holds `.` or `..` as a name; write where the object lies"),
                name if name.len() > LONGEST_NAME => return refuse("it holds a name longer than 255 bytes; choose a shorter one"),
                WORK_FOLDER => return refuse("names below `.plimsoll` are plimsoll's own; choose another"),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// A name of plimsoll's own, below its work folder.
    pub(super) fn own(name: &str) -> Self {
        Self(format!("{WORK_FOLDER}/{name}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an input lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectAddress {
    /// Below the prefix of the fleet's own store.
    Below(Key),
    /// In a bucket named by itself, read with the same credentials.
    InBucket {
        /// The kind of store.
        kind: Kind,
        bucket: String,
        /// The key in it, from its root.
        key: Key,
    },
}

impl ObjectAddress {
    /// Reads `s3://bucket/key` (or `gs://`, `az://`), or a key below the prefix, which for a folder is a relative path.
    /// Nothing is unescaped: `%20`, `?` and `#` stand for themselves.
    pub fn parse(text: &str) -> Result<Self, FilesError> {
        let Some((scheme, rest)) = text.split_once("://") else { return Key::parse(text).map(Self::Below) };
        let Some(kind) = Kind::of_scheme(scheme) else {
            return Err(FilesError::refused(
                shown(text),
                "an input is named as s3://bucket/key, gs://bucket/key, az://container/key, or as a key below the store's prefix",
            ));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        check_bucket(text, bucket)?;
        Ok(Self::InBucket { kind, bucket: bucket.to_owned(), key: Key::parse(key)? })
    }
}

impl FromStr for ObjectAddress {
    type Err = FilesError;

    fn from_str(text: &str) -> Result<Self, FilesError> {
        Self::parse(text)
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(key) => key.fmt(f),
            Self::InBucket { kind, bucket, key } => write!(f, "{}://{bucket}/{key}", kind.scheme()),
        }
    }
}

/// Where a fleet's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreAddress {
    /// A folder that all boxes share.
    Folder(PathBuf),
    /// A bucket, and what all keys in it begin with.
    Bucket { kind: Kind, bucket: String, prefix: Option<Key> },
}

impl StoreAddress {
    pub(super) fn parse(text: &str) -> Result<Self, FilesError> {
        let Some((scheme, rest)) = text.split_once("://") else { return folder(text, Path::new(text)) };
        if scheme == "file" {
            let path = reqwest::Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
            let path = path.and_then(|url| url.to_file_path().ok());
            let why = "write a folder of this machine as a plain path, or as file:///path with `#`, `?` and `%` escaped";
            return folder(text, &path.ok_or_else(|| FilesError::refused(shown(text), why))?);
        }
        let Some(kind) = Kind::of_scheme(scheme) else {
            return Err(FilesError::refused(
                shown(text),
                "the files of a fleet lie at s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or in a folder; \
                 the server of another S3 store is named by AWS_ENDPOINT_URL in the environment",
            ));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        check_bucket(text, bucket)?;
        let query = prefix.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
        if ["sig=", "signature=", "token=", "secret", "password", "access_key"].iter().any(|mark| query.contains(mark)) {
            return Err(has_secret(text));
        }
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { None } else { Some(Key::parse(prefix)?) };
        Ok(Self::Bucket { kind, bucket: bucket.to_owned(), prefix })
    }
}

fn folder(text: &str, path: &Path) -> Result<StoreAddress, FilesError> {
    if text.is_empty() || text.contains('\0') {
        return Err(FilesError::refused(format!("`{text}`"), "name a bucket as s3://bucket/prefix, or a folder"));
    }
    let path = std::path::absolute(path).map_err(|error| FilesError::disk(path, error))?;
    Ok(StoreAddress::Folder(path))
}

fn check_bucket(text: &str, bucket: &str) -> Result<(), FilesError> {
    if bucket.contains('@') {
        return Err(has_secret(text));
    }
    if bucket.contains(':') {
        let why = "a port is no part of a bucket's name; the server is named by AWS_ENDPOINT_URL in the environment";
        return Err(FilesError::refused(shown(text), why));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if bucket.is_empty() || bucket.starts_with('.') || !bucket.chars().all(is_plain) {
        let why = "the name of a bucket is of letters, digits, `-`, `_` and `.`, as in s3://films/prefix";
        return Err(FilesError::refused(shown(text), why));
    }
    Ok(())
}

fn has_secret(text: &str) -> FilesError {
    FilesError::refused(
        shown(text),
        "keys and passwords do not belong into an address, where every user of the machine can read them; put them into the \
         environment as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME and \
         AZURE_STORAGE_ACCOUNT_KEY for the others)",
    )
}

/// An address without what may be a secret in it.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.split('?').next().unwrap_or("");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A secret key may hold slashes itself.
    match (rest.rsplit_once('@'), authority.split_once('@')) {
        (Some((_, host)), _) => format!("{scheme}://…@{host}"),
        (None, _) if path.is_empty() => format!("{scheme}://{authority}"),
        (None, _) => format!("{scheme}://{authority}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_names_are_kept_as_they_are() {
        for name in ["a b/ü %20 100%.mp4", "clip#1", "what?.mkv", "日本/映画.mp4", "a+b=c&d;e,f'g\"h", "..a", ".hidden/x"] {
            assert_eq!(Key::parse(name).expect("a key").as_str(), name);
            let ObjectAddress::InBucket { key, .. } = ObjectAddress::parse(&format!("s3://films/{name}")).expect("an address")
            else {
                panic!("{name} is in a bucket")
            };
            assert_eq!(key.as_str(), name);
        }
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused_with_words() {
        for (key, word) in [
            ("", "empty"),
            ("/etc/passwd", "begins with a slash"),
            ("a/../../etc/passwd", "`..`"),
            ("./a", "`.`"),
            ("a//b", "two slashes"),
            ("a/", "folder"),
            ("a\nb", "control"),
            ("a\0b", "control"),
            (".plimsoll/1.part", "own"),
        ] {
            let error = Key::parse(key).expect_err(key).to_string();
            assert!(error.contains(word), "{key:?}: {error}");
            assert!(!error.contains('\n') && !error.contains('\0'), "{error:?}");
        }
        assert!(Key::parse(&"x".repeat(256)).is_err());
        assert!(Key::parse(&"x/".repeat(600)).is_err());
    }

    #[test]
    fn an_address_with_a_secret_is_refused_without_showing_it() {
        for address in [
            "s3://AKIA:hunter2@films/prefix",
            "s3://AKIA:hun/ter2@films/prefix",
            "s3://films/prefix?X-Amz-Signature=hunter2",
            "az://films/prefix?sv=2022&sig=hunter2",
            "https://user:hunter2@minio.example.org/films",
        ] {
            let error = StoreAddress::parse(address).expect_err(address).to_string();
            assert!(!error.contains("hunter2") && !error.contains("ter2@"), "{error}");
            assert!(error.contains("environment"), "{error}");
        }
    }

    #[test]
    fn a_store_is_a_bucket_or_a_folder() {
        let films = |prefix: Option<&str>| StoreAddress::Bucket {
            kind: Kind::S3,
            bucket: "films".to_owned(),
            prefix: prefix.map(|prefix| Key::parse(prefix).expect("a key")),
        };
        assert_eq!(StoreAddress::parse("s3://films").expect("a bucket"), films(None));
        assert_eq!(StoreAddress::parse("s3://films/").expect("a bucket"), films(None));
        assert_eq!(StoreAddress::parse("s3://films/a b/ü/").expect("a bucket"), films(Some("a b/ü")));
        let folder = |path: &str| StoreAddress::Folder(PathBuf::from(path));
        assert_eq!(StoreAddress::parse("/shared/my files").expect("a folder"), folder("/shared/my files"));
        assert_eq!(StoreAddress::parse("file:///shared/my%20files").expect("a folder"), folder("/shared/my files"));
        for bad in ["", "s3://", "s3:///key", "s3://films:9000/x", "ftp://films/x", "s3://a b/x", "file://host/x", "file:///a#b"] {
            assert!(StoreAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
