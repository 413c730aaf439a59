//! Rows to Parquet.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::{SortColumn, cast, lexsort_to_indices, take_record_batch};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use crate::column::{self, BLOOM, COLUMNS, Form};
use crate::error::Result;

/// Rows of a row group: what statistics and Bloom filters can leave out at once.
const ROW_GROUP: usize = 128 * 1024;

/// Rows of a page: what the page index can leave out at once.
const PAGE: usize = 8 * 1024;

/// A dictionary of subjects or paths may be large: plain values would cost many times that.
const DICTIONARY: usize = 32 << 20;

/// Numbers that grow slowly from row to row, stored as differences.
const DELTAS: &[&str] = &[column::TS, column::END, column::RECORD];

/// Columns whose bounds nobody asks for.
const NO_BOUNDS: &[&str] = &[column::SUBJECT, column::FILE, column::NEW_FILE, column::ALERTS];

static PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    let level = ZstdLevel::try_new(3).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("sysflow ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(1024)
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_sorting_columns(Some(sorting()));
    for name in BLOOM {
        let path = ColumnPath::new(vec![(*name).to_owned()]);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path, 0.01);
    }
    for name in DELTAS {
        let path = ColumnPath::new(vec![(*name).to_owned()]);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    for name in NO_BOUNDS {
        let path = ColumnPath::new(vec![(*name).to_owned()]);
        properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    properties.build()
});

fn sorting() -> Vec<SortingColumn> {
    let leaf = |name: &str| COLUMNS.iter().position(|column| column.name == name);
    // Leaves are counted, and a list is one leaf here.
    debug_assert!(COLUMNS.iter().all(|column| matches!(
        column.form,
        Form::Text | Form::Texts | Form::Int | Form::Bool | Form::Bytes
    )));
    [column::GRAPH, column::TS]
        .into_iter()
        .filter_map(leaf)
        .map(|at| SortingColumn { column_idx: at as i32, descending: false, nulls_first: true })
        .collect()
}

/// Rows sorted by graph, then time, then number.
pub(crate) fn sorted(batch: &RecordBatch) -> Result<RecordBatch> {
    let by: Vec<SortColumn> = [column::GRAPH, column::TS, column::STREAM, column::RECORD]
        .into_iter()
        .filter_map(|name| batch.column_by_name(name))
        .map(|values| SortColumn { values: Arc::clone(values), options: None })
        .collect();
    let order: UInt32Array = lexsort_to_indices(&by, None)?;
    Ok(take_record_batch(batch, &order)?)
}

/// A Parquet file of sorted rows.
pub(crate) fn parquet(batch: &RecordBatch) -> Result<Vec<u8>> {
    let schema = column::schema();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(PROPERTIES.clone()))?;
    for start in (0..batch.num_rows()).step_by(PAGE) {
        let slice = batch.slice(start, PAGE.min(batch.num_rows() - start));
        // Texts are told as such in the file; only subjects are for this program alone.
        let columns: Result<Vec<_>, _> = schema
            .fields()
            .iter()
            .zip(slice.columns())
            .map(|(f, column)| cast(column, f.data_type()))
            .collect();
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns?)?)?;
    }
    Ok(writer.into_inner()?)
}
