//! The data set: files of rows on a disk or in an object store.
//!
//! Invariants:
//! * a file is put there as a whole: readers see all of it or nothing. On a disk it is written under a name that readers
//!   pass over and is renamed, after its bytes have reached the disk;
//! * its name says the stream and the range of records that it holds. Ranges of one stream are disjoint, but for a
//!   file that compaction has made: its range covers those of the files that it took in, which count no more from
//!   the moment it is there;
//! * so what is stored of a stream is what the names say, and rows that are written a second time take their own place.

use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::object_store::ObjectStoreUrl;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use url::Url;

use crate::HashMap;
use crate::builder::Rows;
use crate::encode;
use crate::error::{Error, Result};
use crate::names::{self, Name};

/// How long a request is tried again before the object store is said to be away.
const AWAY: Duration = Duration::from_secs(15);

/// Below the store, beside `archive/`.
const DIRECTORY: &str = "parquet";

/// A store of Parquet files.
#[derive(Clone, Debug)]
pub struct DataSet {
    objects: Arc<dyn ObjectStore>,
    /// Where the files lie, if they do on a local disk.
    local: Option<PathBuf>,
}

/// A file of the data set.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(crate) meta: ObjectMeta,
    pub(crate) name: Name,
}

impl Segment {
    /// Stream, 32 hex digits.
    pub fn stream(&self) -> &str {
        &self.name.stream
    }

    /// Numbers of the first and last record.
    pub fn range(&self) -> (u64, u64) {
        (self.name.first, self.name.last)
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.meta.size
    }

    /// Key below the data set.
    pub fn key(&self) -> &str {
        self.meta.location.as_ref()
    }

    /// Hour that it belongs to: the directory.
    pub(crate) fn directory(&self) -> &str {
        self.key().rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    /// Whether a row of it may touch the stretch of time.
    pub(crate) fn overlaps(&self, since: Option<i64>, until: Option<i64>) -> bool {
        since.is_none_or(|since| self.name.to >= since) && until.is_none_or(|until| self.name.from <= until)
    }
}

impl DataSet {
    /// The data set of the store `target`: a directory, or a URL such as `s3://bucket/prefix`, whose region, endpoint
    /// and credentials come from the usual variables of the environment (`AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ALLOW_HTTP` ...).
    pub fn open(target: &str) -> Result<Self> {
        Self::open_with(target, environment())
    }

    /// The same with settings that are given, such as `aws_endpoint`.
    pub fn open_with(target: &str, settings: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        match place(target, DIRECTORY, settings)? {
            Place::Local(path) => Self::at(&path),
            Place::Remote(objects) => Ok(Self { objects, local: None }),
        }
    }

    /// The data set of the store in a directory, which is made when it does not exist.
    pub fn at(store: &LocalPath) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let directory = store.join(DIRECTORY);
        // Command lines may hold secrets.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(io("make", &directory))?;
        let objects = LocalFileSystem::new_with_prefix(&directory)?.with_automatic_cleanup(true);
        Ok(Self { objects: Arc::new(objects), local: Some(directory) })
    }

    /// Removes what a kill has left half written; to be called before anybody writes.
    pub fn repair(&self) -> Result<u64> {
        self.local.as_deref().map_or(Ok(0), remove_staged)
    }

    /// All files, those left out that a compacted one took in.
    pub async fn segments(&self) -> Result<Vec<Segment>> {
        Ok(self.all_segments().await?.0)
    }

    /// Files that count, and those that count no more.
    pub(crate) async fn all_segments(&self) -> Result<(Vec<Segment>, Vec<Segment>)> {
        let listed: Vec<ObjectMeta> = self.objects.list(None).try_collect().await?;
        let parsed = listed.into_iter().filter_map(|meta| {
            let name = Name::parse(meta.location.filename()?)?;
            Some(Segment { meta, name })
        });
        let mut by_place: HashMap<(String, String), Vec<Segment>> = HashMap::default();
        for segment in parsed {
            let place = (segment.directory().to_owned(), segment.name.stream.clone());
            by_place.entry(place).or_default().push(segment);
        }
        let (mut live, mut superseded) = (Vec::new(), Vec::new());
        for mut segments in by_place.into_values() {
            // Whoever covers another one comes before it.
            segments.sort_by_key(|segment| (segment.name.first, std::cmp::Reverse(segment.name.last)));
            let mut widest: Option<Name> = None;
            for segment in segments {
                if widest.as_ref().is_some_and(|widest| widest.covers(&segment.name)) {
                    superseded.push(segment);
                } else {
                    widest = Some(segment.name.clone());
                    live.push(segment);
                }
            }
        }
        live.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
        Ok((live, superseded))
    }

    /// Time of the newest record that is stored, in ns; 0 when there is none.
    pub async fn newest(&self) -> Result<i64> {
        Ok(self.segments().await?.iter().map(|segment| segment.name.to).max().unwrap_or(0))
    }

    /// Number of the first record of each stream that is not stored yet.
    pub async fn stored(&self) -> Result<Vec<(String, u64)>> {
        let mut next: HashMap<String, u64> = HashMap::default();
        for segment in self.segments().await? {
            let (_, last) = segment.range();
            let known = next.entry(segment.name.stream).or_default();
            *known = (*known).max(last.saturating_add(1));
        }
        Ok(next.into_iter().collect())
    }

    /// Writes rows, in one file that is there as a whole or not at all.
    pub async fn write(&self, rows: &Rows) -> Result<Segment> {
        let name = Name {
            stream: rows.stream.clone(),
            first: rows.first,
            last: rows.last,
            from: rows.from,
            to: rows.to,
        };
        let directory = names::directory(&rows.node, rows.to);
        let bytes = encode::parquet(&rows.batch)?;
        self.put(&directory.join(name.file()), bytes).await
    }

    pub(crate) async fn put(&self, location: &Path, bytes: Vec<u8>) -> Result<Segment> {
        let size = bytes.len() as u64;
        match &self.local {
            // The object store's own way does not force the bytes to the disk before the name.
            Some(directory) => {
                let path = directory.join(location.as_ref());
                tokio::task::spawn_blocking(move || put_local(&path, &bytes))
                    .await
                    .map_err(|error| Error::Row(format!("writing panicked: {error}")))??;
            }
            None => _ = self.objects.put(location, bytes.into()).await?,
        }
        let meta = self.objects.head(location).await?;
        debug_assert_eq!(meta.size, size);
        let name = location.filename().and_then(Name::parse);
        let name = name.ok_or_else(|| Error::Row(format!("{location} is no file of the data set")))?;
        Ok(Segment { meta, name })
    }

    pub(crate) async fn remove(&self, segment: &Segment) -> Result<()> {
        match self.objects.delete(&segment.meta.location).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// What the query engine calls it: it knows nothing but this data set.
    pub(crate) fn url() -> Result<ObjectStoreUrl> {
        Ok(ObjectStoreUrl::parse("sysflow://store")?)
    }
}

/// Objects by their keys, for files that are not part of a data set.
#[derive(Clone, Debug)]
pub struct Objects(Arc<dyn ObjectStore>);

impl Objects {
    /// Those below `target`, which is as in [`DataSet::open`].
    pub fn open(target: &str) -> Result<Self> {
        let objects = match place(target, "", environment())? {
            Place::Remote(objects) => objects,
            Place::Local(path) => {
                std::fs::create_dir_all(&path).map_err(io("make", &path))?;
                Arc::new(LocalFileSystem::new_with_prefix(&path)?)
            }
        };
        Ok(Self(objects))
    }

    /// Writes an object, as a whole or not at all.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        self.0.put(&key, bytes.into()).await?;
        Ok(())
    }
}

enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>),
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
}

/// Where a store is; below it, `directory`.
fn place(
    target: &str,
    directory: &str,
    settings: impl IntoIterator<Item = (String, String)>,
) -> Result<Place> {
    let wrong = |why: String| Error::Target { target: target.to_owned(), why };
    if !target.contains("://") {
        return Ok(Place::Local(target.into()));
    }
    let url = Url::parse(target).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "file" => {
            let path = url.to_file_path();
            path.map(Place::Local).map_err(|()| wrong("a path on this machine is expected".into()))
        }
        "s3" => {
            let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
            let bucket = bucket.ok_or_else(|| wrong("s3://bucket/prefix is expected".into()))?;
            let mut store = AmazonS3Builder::new()
                .with_bucket_name(bucket)
                .with_retry(RetryConfig { retry_timeout: AWAY, ..RetryConfig::default() });
            for (name, value) in settings {
                // Variables that mean something to other programs are passed over.
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    store = store.with_config(key, value);
                }
            }
            let store = store.build().map_err(|error| wrong(format!("{error}; see the variables AWS_*")))?;
            let prefix = format!("{}/{directory}", url.path().trim_matches('/'));
            let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| wrong(error.to_string()))?;
            Ok(Place::Remote(Arc::new(PrefixStore::new(store, prefix))))
        }
        other => Err(wrong(format!("{other}: is not known; a directory, file:// or s3:// is expected"))),
    }
}

fn io<'a>(action: &'static str, path: &'a LocalPath) -> impl Fn(std::io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.display().to_string(), source }
}

/// Suffix of a file that is being written; no reader takes it for one of the data set.
const STAGED: &str = "part";

fn put_local(path: &LocalPath, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let directory = path.parent().unwrap_or(path);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(io("make", directory))?;
    let staged = path.with_extension(STAGED);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&staged)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&staged, path))
        .and_then(|()| std::fs::File::open(directory)?.sync_all());
    if written.is_err() {
        // A full disk needs the room.
        _ = std::fs::remove_file(&staged);
    }
    written.map_err(io("write", path))
}

fn remove_staged(directory: &LocalPath) -> Result<u64> {
    let mut removed = 0;
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).map_err(io("list", &directory))? {
            let entry = entry.map_err(io("list", &directory))?;
            let (kind, path) = (entry.file_type().map_err(io("look at", &directory))?, entry.path());
            if kind.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == STAGED) {
                std::fs::remove_file(&path).map_err(io("remove", &path))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
