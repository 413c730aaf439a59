//! The files of the data set as a table of the query engine.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::column;
use crate::dataset::Segment;

/// Files that were chosen for one question.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) store: ObjectStoreUrl,
    pub(crate) segments: Vec<Segment>,
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        column::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Statistics, Bloom filters and the reader take their part; what they let through is looked at again.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.segments.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let format = ParquetFormat::default().with_options(state.default_table_options().parquet);
        let files: Vec<_> = self
            .segments
            .iter()
            .map(|segment| PartitionedFile::new_from_meta(segment.meta.clone()))
            .collect();
        let config = FileScanConfigBuilder::new(self.store.clone(), format.file_source(self.schema().into()))
            .with_file_groups(groups(files, state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, config).await
    }
}

/// Files dealt out to the threads that read, the largest first.
fn groups(mut files: Vec<PartitionedFile>, count: usize) -> Vec<FileGroup> {
    files.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
    let mut groups = vec![Vec::new(); count.clamp(1, files.len().max(1))];
    let mut sizes = vec![0; groups.len()];
    for file in files {
        let least = (0..sizes.len()).min_by_key(|at| sizes[*at]).unwrap_or(0);
        sizes[least] += file.object_meta.size;
        groups[least].push(file);
    }
    groups.into_iter().map(FileGroup::new).collect()
}
