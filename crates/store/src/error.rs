//! What can go wrong in this crate.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

/// Why the data set could not be written or a question not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of a data set that is none.
    #[error("{target} names no store: {why}")]
    Target {
        /// As it was given.
        target: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Disk or object store refused.
    #[error("the store failed: {0}")]
    Object(#[from] object_store::Error),
    /// The local disk refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Its answer.
        source: std::io::Error,
    },
    /// A question that cannot be asked.
    #[error("{0}")]
    Question(String),
    /// A question that took more time or memory than it may.
    #[error("{0}")]
    Limit(String),
    /// A row that no writer of this data set has written.
    #[error("a row of the store is damaged: {0}")]
    Row(String),
    /// The query engine refused or failed.
    #[error("the query failed: {0}")]
    Engine(Box<DataFusionError>),
    /// Rows could not be made or read.
    #[error("the rows cannot be read or written: {0}")]
    Arrow(#[from] ArrowError),
    /// A Parquet file could not be made or read.
    #[error("the Parquet file cannot be read or written: {0}")]
    Parquet(#[from] ParquetError),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(why) => {
                Self::Limit(format!("the query needs more memory than it may have: {why}"))
            }
            DataFusionError::Plan(why) | DataFusionError::NotImplemented(why) => Self::Question(why.clone()),
            DataFusionError::SchemaError(why, _) => Self::Question(why.to_string()),
            DataFusionError::SQL(why, _) => Self::Question(why.to_string()),
            _ => Self::Engine(Box::new(error)),
        }
    }
}
