//! Many small files of one hour become one.

use std::time::{Duration, SystemTime};

use datafusion::arrow::array::{RecordBatch, new_null_array};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::HashMap;
use crate::column;
use crate::dataset::{DataSet, Segment};
use crate::encode;
use crate::error::Result;
use crate::names::Name;

/// When files are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Files of one hour and stream from which on it is worth it.
    pub files: usize,
    /// Bytes of one file from which on it is left alone, and that a result may have, about.
    pub bytes: u64,
    /// How long a file is left there after another has taken its place: those who read it then may end.
    pub grace: Duration,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { files: 8, bytes: 32 << 20, grace: Duration::from_mins(1) }
    }
}

impl DataSet {
    /// Puts small files together, and removes those that were put together before; how many files went.
    ///
    /// At no moment is a row missing or there twice: the new file's range covers those of the old ones, which count no
    /// more from then on. What a kill leaves of it is done the next time. `now` is the time of the clock.
    pub async fn compact(&self, how: &Compaction, now: SystemTime) -> Result<usize> {
        let (live, superseded) = self.all_segments().await?;
        let mut gone = 0;
        for segment in &superseded {
            let covering = live
                .iter()
                .find(|other| other.directory() == segment.directory() && other.name.covers(&segment.name));
            let since = covering.map_or(segment.meta.last_modified, |other| other.meta.last_modified);
            // A clock that went back makes nothing old.
            let age = now.duration_since(since.into()).unwrap_or_default();
            if age >= how.grace {
                self.remove(segment).await?;
                gone += 1;
            }
        }
        let mut by_place: HashMap<(String, String), Vec<Segment>> = HashMap::default();
        for segment in live {
            let place = (segment.directory().to_owned(), segment.stream().to_owned());
            by_place.entry(place).or_default().push(segment);
        }
        for mut segments in by_place.into_values() {
            segments.sort_by_key(|segment| segment.name.first);
            for run in runs(segments, how) {
                self.merge(&run).await?;
            }
        }
        Ok(gone)
    }

    async fn merge(&self, run: &[Segment]) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let mut batches = Vec::new();
        for segment in run {
            batches.extend(self.read(segment).await?);
        }
        let name = Name {
            stream: first.name.stream.clone(),
            first: first.name.first,
            last: last.name.last,
            from: run.iter().map(|segment| segment.name.from).min().unwrap_or_default(),
            to: run.iter().map(|segment| segment.name.to).max().unwrap_or_default(),
        };
        let location = Path::parse(first.directory()).map_err(object_store::Error::from)?.join(name.file());
        let bytes = tokio::task::spawn_blocking(move || {
            let all = concat_batches(&column::gathered_schema(), &batches)?;
            drop(batches);
            encode::parquet(&encode::sorted(&all)?)
        })
        .await
        .map_err(|error| crate::Error::Row(format!("compaction panicked: {error}")))??;
        self.put(&location, bytes).await?;
        Ok(())
    }

    /// All rows of a file, with the columns of today.
    async fn read(&self, segment: &Segment) -> Result<Vec<RecordBatch>> {
        let bytes = self.objects().get(&segment.meta.location).await?.bytes().await?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?.with_batch_size(65_536).build()?;
        let mut batches = Vec::new();
        for batch in reader {
            batches.push(as_today(&batch?)?);
        }
        Ok(batches)
    }
}

/// A row with all columns: what an older version did not write is missing.
fn as_today(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = column::gathered_schema();
    let columns: Result<Vec<_>, _> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect();
    Ok(RecordBatch::try_new(schema, columns?)?)
}

/// Neighbours that are worth putting together.
fn runs(segments: Vec<Segment>, how: &Compaction) -> Vec<Vec<Segment>> {
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut end = |run: &mut Vec<Segment>| {
        let done = std::mem::take(run);
        if done.len() >= how.files.max(2) {
            runs.push(done);
        }
    };
    for segment in segments {
        if segment.size() >= how.bytes || bytes + segment.size() > how.bytes {
            end(&mut run);
            bytes = 0;
            if segment.size() >= how.bytes {
                continue;
            }
        }
        bytes += segment.size();
        run.push(segment);
    }
    end(&mut run);
    runs
}
