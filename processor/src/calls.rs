//! The system calls that the plugin needs from Falco, by Falco's names of their events.
//!
//! The list stands in one place, which users copy: `base_syscalls.custom_set` of falco-config/sysflow.yaml.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

/// The whole list.
pub fn needed() -> &'static BTreeSet<String> {
    static NEEDED: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| list(include_str!("../../falco-config/sysflow.yaml")));
    &NEEDED
}

/// The shorter list for those who want no counts of flows.
pub fn without_counts() -> &'static BTreeSet<String> {
    static WITHOUT: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| list(include_str!("../../falco-config/sysflow-no-io-counts.yaml")));
    &WITHOUT
}

/// The files are part of the program, and a test reads them: what cannot be read needs nothing.
fn list(drop_in: &str) -> BTreeSet<String> {
    serde_saphyr::from_str::<DropIn>(drop_in).map(|file| file.base_syscalls.custom_set).unwrap_or_default()
}

/// The name as this program knows it. Names that come from elsewhere are never used themselves, so that nobody can
/// make more of them.
pub fn known(name: &str) -> Option<&'static str> {
    needed().get(name).map(String::as_str)
}

#[derive(Deserialize)]
struct DropIn {
    base_syscalls: BaseSyscalls,
}

#[derive(Deserialize)]
struct BaseSyscalls {
    custom_set: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_one_that_users_copy() {
        assert!(needed().len() > 90, "{:?}", needed());
        assert!(without_counts().len() > 70 && without_counts().is_subset(needed()));
        assert_eq!((known("read"), known("pread64")), (Some("read"), None), "names are those of events");
    }
}
