//! User list blocks: the accounts of the captured host.

use super::cursor::{Cursor, Problem};

/// A user of the captured host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Login name.
    pub name: Vec<u8>,
    /// Home directory.
    pub home: Vec<u8>,
    /// Login shell.
    pub shell: Vec<u8>,
}

/// A group of the captured host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Group id.
    pub gid: u32,
    /// Its name.
    pub name: Vec<u8>,
}

/// An entry of the list.
pub(super) enum Account {
    User(UserInfo),
    Group(GroupInfo),
}

const USER: u8 = 0;
const GROUP: u8 = 1;

/// Reads one block; `push` takes the entries.
pub(super) fn read(
    body: &[u8],
    sized: bool,
    mut push: impl FnMut(Account) -> Result<(), String>,
) -> Result<(), Problem> {
    let mut list = Cursor::new(body);
    while list.left() >= 4 {
        let before = list.clone();
        let account = if sized {
            let start = list.position();
            let len = list.u32("length of a user entry")?;
            let mut entry = list.entry(start, len, "user entry")?;
            read_entry(&mut entry)?
        } else {
            read_entry(&mut list)?
        };
        push(account).map_err(|text| before.problem(text))?;
    }
    Ok(())
}

fn read_entry(c: &mut Cursor<'_>) -> Result<Account, Problem> {
    match c.u8("type of a user entry")? {
        USER => Ok(Account::User(UserInfo {
            uid: c.u32("uid")?,
            gid: c.u32("gid")?,
            name: c.string("user name")?,
            home: c.string("home directory")?,
            shell: c.string("shell")?,
        })),
        GROUP => Ok(Account::Group(GroupInfo { gid: c.u32("gid")?, name: c.string("group name")? })),
        other => Err(c.problem(format!("a user entry has type {other}, which is neither user nor group"))),
    }
}
