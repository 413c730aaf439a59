//! A Parquet data set of SysFlow records, and the questions asked of it.

#![forbid(unsafe_code)]
