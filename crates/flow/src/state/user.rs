//! Names of users and groups, by container.

use super::Map;

/// Names as events have told them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    users: Map<(u32, u32), String>,
    groups: Map<(u32, u32), String>,
    /// The host's names stand in for those of containers that have told none.
    host_for_all: bool,
}

/// Names kept at most, so that a flood of made-up users costs nothing.
const MAX: usize = 1 << 16;

impl Names {
    pub(crate) fn new(host_for_all: bool) -> Self {
        Self { host_for_all, ..Self::default() }
    }

    pub(crate) fn add_user(&mut self, container: u32, uid: u32, name: String) {
        if self.users.len() < MAX {
            self.users.insert((container, uid), name);
        }
    }

    pub(crate) fn add_group(&mut self, container: u32, gid: u32, name: String) {
        if self.groups.len() < MAX {
            self.groups.insert((container, gid), name);
        }
    }

    /// Drops the names of containers that are gone.
    pub(crate) fn forget(&mut self, containers: &Map<u32, ()>) {
        if containers.is_empty() {
            return;
        }
        self.users.retain(|(container, _), _| !containers.contains_key(container));
        self.groups.retain(|(container, _), _| !containers.contains_key(container));
    }

    pub(crate) fn user(&self, container: u32, uid: i32) -> &str {
        self.find(&self.users, container, uid)
    }

    pub(crate) fn group(&self, container: u32, gid: i32) -> &str {
        self.find(&self.groups, container, gid)
    }

    fn find<'a>(&self, table: &'a Map<(u32, u32), String>, container: u32, id: i32) -> &'a str {
        let id = id as u32;
        let own = table.get(&(container, id));
        let host = || if self.host_for_all { table.get(&(0, id)) } else { None };
        own.or_else(host).map_or("", String::as_str)
    }
}
