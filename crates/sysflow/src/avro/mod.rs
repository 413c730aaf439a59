//! Binary codec of single records, without schema resolution: for records written with one of our own schemas.
//!
//! A general Avro library takes microseconds a record and gives a tree of values; this codec takes some tens of
//! nanoseconds and gives [`Record`](crate::Record)s. That both mean the same is a property test.

mod cursor;
mod decode;
mod encode;
#[cfg(feature = "any-schema")]
mod resolve;

pub(crate) use cursor::Cursor;
pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::long as encode_long;
#[cfg(feature = "any-schema")]
pub(crate) use resolve::Resolver;
