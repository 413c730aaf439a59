//! The oldest files go.

use std::time::Duration;

use crate::dataset::DataSet;
use crate::error::Result;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all files; beyond, the oldest go. `None`: no bound.
    pub bytes: Option<u64>,
    /// How long a file is kept after it was written, whatever the times of its rows. `None`: for ever.
    pub age: Option<Duration>,
}

impl DataSet {
    /// Removes what is beyond the bounds; how many files went. `now` is the time of the clock.
    pub async fn retain(&self, keep: &Retention, now: std::time::SystemTime) -> Result<usize> {
        let mut segments = self.segments().await?;
        segments.sort_by_key(|segment| (segment.meta.last_modified, segment.name.to));
        let mut excess = match keep.bytes {
            Some(bytes) => segments.iter().map(crate::Segment::size).sum::<u64>().saturating_sub(bytes),
            None => 0,
        };
        let oldest = keep.age.and_then(|age| now.checked_sub(age));
        let mut gone = 0;
        for segment in &segments {
            let written = std::time::SystemTime::from(segment.meta.last_modified);
            if excess == 0 && oldest.is_none_or(|oldest| written >= oldest) {
                break;
            }
            self.remove(segment).await?;
            excess = excess.saturating_sub(segment.size());
            gone += 1;
        }
        Ok(gone)
    }
}
