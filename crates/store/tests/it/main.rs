//! The data set on a disk, and what is asked of it.

mod bench;
mod data;
mod faults;
mod graphs;
mod hostile;
mod query;
mod rows;
mod s3;
