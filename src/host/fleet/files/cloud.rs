//! Buckets: how they are opened from the settings of the environment, and requests of one answer each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::path::Path as ObjectPath;
use object_store::{ClientOptions, CopyMode, CopyOptions, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode};
use object_store::{PutOptions, PutPayload, RetryConfig};

use super::address::{Key, Kind, ObjectAddress};
use super::error::{FilesError, Named};
use super::patience::{Patience, Tries, once, persist};

/// Settings as the environment holds them: `AWS_…`, `GOOGLE_…`, `AZURE_…`.
pub type Settings = BTreeMap<String, String>;

/// Most buckets besides the fleet's own that are kept open.
const MOST_OTHERS: usize = 32;

/// A bucket of any kind.
pub(super) trait Bucket: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Bucket for T {}

/// An object in an opened bucket.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) path: ObjectPath,
    pub(super) named: Named,
}

/// The bucket of a fleet, and others that jobs name.
pub(super) struct Cloud {
    kind: Kind,
    bucket: String,
    prefix: Option<Key>,
    settings: Settings,
    pub(super) patience: Patience,
    own: Arc<dyn Bucket>,
    others: Mutex<BTreeMap<String, Arc<dyn Bucket>>>,
}

impl Cloud {
    pub(super) fn open(
        kind: Kind,
        bucket: String,
        prefix: Option<Key>,
        settings: Settings,
        patience: Patience,
    ) -> Result<Self, FilesError> {
        let own = open_bucket(kind, &bucket, &settings, &patience)?;
        Ok(Self { kind, bucket, prefix, settings, patience, own, others: Mutex::default() })
    }

    pub(super) fn address(&self) -> String {
        let prefix = self.prefix.as_ref().map_or_else(String::new, |prefix| format!("/{prefix}"));
        format!("{}://{}{prefix}", self.kind.scheme(), self.bucket)
    }

    /// Where the object of a key below the prefix lies.
    pub(super) fn below(&self, key: &Key) -> Result<Place, FilesError> {
        let named = Named { address: format!("{}/{key}", self.address()), is_ours: true };
        let key = self.prefix.as_ref().map_or_else(|| key.to_string(), |prefix| format!("{prefix}/{key}"));
        place(Arc::clone(&self.own), &key, named)
    }

    /// The bucket itself and what is listed below a part of the prefix; with how long that is in the keys.
    pub(super) fn listed(&self, under: Option<&Key>) -> Result<(Place, usize), FilesError> {
        let prefix = self.prefix.as_ref().map_or("", Key::as_str);
        let cut = if prefix.is_empty() { 0 } else { prefix.len() + 1 };
        if let Some(under) = under {
            return Ok((self.below(under)?, cut));
        }
        let named = Named { address: self.address(), is_ours: true };
        Ok((place(Arc::clone(&self.own), prefix, named)?, cut))
    }

    pub(super) fn place(&self, object: &ObjectAddress) -> Result<Place, FilesError> {
        let (kind, bucket, key) = match object {
            ObjectAddress::Below(key) => return self.below(key),
            ObjectAddress::InBucket { kind, bucket, key } => (*kind, bucket, key),
        };
        if kind != self.kind {
            let why = format!("the files of this fleet lie at {}, and only such addresses can be read", self.address());
            return Err(FilesError::refused(object, why));
        }
        let is_ours = *bucket == self.bucket;
        let opened = if is_ours { Arc::clone(&self.own) } else { self.other(bucket)? };
        place(opened, key.as_str(), Named { address: object.to_string(), is_ours })
    }

    fn other(&self, bucket: &str) -> Result<Arc<dyn Bucket>, FilesError> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = others.get(bucket) {
            return Ok(Arc::clone(opened));
        }
        if others.len() >= MOST_OTHERS {
            others.clear();
        }
        let opened = open_bucket(self.kind, bucket, &self.settings, &self.patience)?;
        others.insert(bucket.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Size, time and etag of an object.
    pub(super) async fn look(&self, place: &Place) -> Result<ObjectMeta, FilesError> {
        let ask = |head| {
            persist(&self.patience, &place.named, self.patience.answer, move || async move {
                let options = GetOptions { head, ..GetOptions::default() };
                Ok(place.bucket.get_opts(&place.path, options).await?.meta)
            })
        };
        match ask(true).await {
            // The answer to HEAD has no room for words: a missing bucket looks like a missing object.
            Err(FilesError::NotFound { .. } | FilesError::Denied { .. }) => ask(false).await,
            result => result,
        }
    }

    /// Puts a small object; its etag.
    pub(super) async fn put(&self, place: &Place, payload: PutPayload, mode: PutMode) -> Result<Option<String>, FilesError> {
        let limit = self.patience.sending(payload.content_length() as u64);
        persist(&self.patience, &place.named, limit, || async {
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            Ok(place.bucket.put_opts(&place.path, payload.clone(), options).await?.e_tag)
        })
        .await
    }

    /// Copies an object within the bucket.
    pub(super) async fn copy(&self, from: &Place, to: &Place, mode: CopyMode) -> Result<(), FilesError> {
        persist(&self.patience, &to.named, self.patience.assemble, || {
            let options = CopyOptions { mode, ..CopyOptions::default() };
            from.bucket.copy_opts(&from.path, &to.path, options)
        })
        .await
    }

    /// Removes an object; one that is not there is no error.
    pub(super) async fn remove(&self, place: &Place) -> Result<(), FilesError> {
        let mut tries = Tries::new(&self.patience, &place.named);
        loop {
            let request = place.bucket.delete(&place.path);
            let Err(trouble) = once(&place.named, self.patience.answer, request).await else { return Ok(()) };
            // It may have been gone before, which stores tell in ways of their own, or the answer was lost.
            if let Err(FilesError::NotFound { .. }) = self.look(place).await {
                return Ok(());
            }
            tries.again(trouble).await?;
        }
    }
}

fn place(bucket: Arc<dyn Bucket>, key: &str, named: Named) -> Result<Place, FilesError> {
    let path = ObjectPath::parse(key).map_err(|error| FilesError::refused(&named.address, error.to_string()))?;
    Ok(Place { bucket, path, named })
}

/// Those variables of the environment that concern stores.
pub(super) fn settings_of_environment() -> Settings {
    let text =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let begins = ["AWS_", "GOOGLE_", "AZURE_"];
    let concerns = |name: &str| name == "SERVICE_ACCOUNT" || begins.iter().any(|begin| name.starts_with(begin));
    std::env::vars_os().filter_map(text).filter(|(name, value)| concerns(name) && !value.is_empty()).collect()
}

/// All retries are ours: only here is known how much of a transfer is through.
const NO_RETRIES: RetryConfig = RetryConfig {
    backoff: object_store::BackoffConfig { init_backoff: Duration::ZERO, max_backoff: Duration::ZERO, base: 1.0 },
    max_retries: 0,
    retry_timeout: Duration::ZERO,
};

fn open_bucket(kind: Kind, bucket: &str, settings: &Settings, patience: &Patience) -> Result<Arc<dyn Bucket>, FilesError> {
    let shown = format!("{}://{bucket}", kind.scheme());
    let names = settings.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let mut client = ClientOptions::new();
    check_endpoint(kind, &shown, settings)?;
    let opened = match kind {
        Kind::S3 => {
            let mut builder = AmazonS3Builder::new();
            for (name, value) in names.filter(|(name, _)| name.starts_with("aws_")) {
                match name.parse() {
                    Ok(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value),
                    Ok(key) => builder = builder.with_config(key, value),
                    Err(_) => {}
                }
            }
            if builder.get_config_value(&AmazonS3ConfigKey::CopyIfNotExists).is_none() {
                let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
                // Cloudflare's has its own way; all others that can do it at all have Amazon's.
                let way = if endpoint.contains(".r2.cloudflarestorage.com") {
                    S3CopyIfNotExists::Header("cf-copy-destination-if-none-match".to_owned(), "*".to_owned())
                } else {
                    S3CopyIfNotExists::Multipart
                };
                builder = builder.with_copy_if_not_exists(way);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(NO_RETRIES);
            builder.with_client_options(limited(client, patience)).build().map(|store| Arc::new(store) as Arc<dyn Bucket>)
        }
        Kind::Google => {
            let mut builder = GoogleCloudStorageBuilder::new();
            for (name, value) in names.filter(|(name, _)| name.starts_with("google_") || name == "service_account") {
                match name.parse() {
                    Ok(GoogleConfigKey::Client(key)) => client = client.with_config(key, value),
                    Ok(key) => builder = builder.with_config(key, value),
                    Err(_) => {}
                }
            }
            let builder = builder.with_bucket_name(bucket).with_retry(NO_RETRIES);
            builder.with_client_options(limited(client, patience)).build().map(|store| Arc::new(store) as Arc<dyn Bucket>)
        }
        Kind::Azure => {
            let mut builder = MicrosoftAzureBuilder::new();
            for (name, value) in names.filter(|(name, _)| name.starts_with("azure_")) {
                match name.parse() {
                    Ok(AzureConfigKey::Client(key)) => client = client.with_config(key, value),
                    Ok(key) => builder = builder.with_config(key, value),
                    Err(_) => {}
                }
            }
            let builder = builder.with_container_name(bucket).with_retry(NO_RETRIES);
            builder.with_client_options(limited(client, patience)).build().map(|store| Arc::new(store) as Arc<dyn Bucket>)
        }
    };
    opened.map_err(|error| FilesError::Denied {
        what: shown,
        why: format!("it cannot be set up from the environment: {error}; check {}", variables(kind)),
    })
}

/// The library's own limit in time is for a whole transfer, which may well take an hour; ours are for each answer.
fn limited(client: ClientOptions, patience: &Patience) -> ClientOptions {
    client.with_timeout_disabled().with_connect_timeout(patience.connect)
}

/// What opens a bucket of each kind, for whoever has to set it.
fn variables(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
        Kind::Google => "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
        Kind::Azure => "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY and AZURE_STORAGE_ENDPOINT",
    }
}

/// Without encryption everybody on the way can read the films; it has to be wished for.
fn check_endpoint(kind: Kind, shown: &str, settings: &Settings) -> Result<(), FilesError> {
    let (names, allows): (&[&str], &str) = match kind {
        Kind::S3 => (&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"], "AWS_ALLOW_HTTP"),
        Kind::Google => (&["GOOGLE_BASE_URL"], "GOOGLE_ALLOW_HTTP"),
        Kind::Azure => (&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"], "AZURE_ALLOW_HTTP"),
    };
    let value = |name: &str| settings.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let Some((name, endpoint)) = names.iter().find_map(|name| Some((*name, value(name)?))) else { return Ok(()) };
    if endpoint.contains('@') {
        return Err(FilesError::refused(shown, format!("{name} holds a password; the keys go into {}", variables(kind))));
    }
    let is_allowed =
        value(allows).is_some_and(|allowed| matches!(allowed.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "y"));
    match endpoint.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", _)) if is_allowed => Ok(()),
        Some(("http", _)) => Err(FilesError::refused(
            shown,
            format!("the server {endpoint} is without encryption; use https, or set {allows}=true if the network is yours"),
        )),
        _ => Err(FilesError::refused(shown, format!("{name} is `{endpoint}`; write it as https://host:port"))),
    }
}
