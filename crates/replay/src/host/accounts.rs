//! The users and groups of a capture as events.
//!
//! Falco announces them to plugins by events only when they change. A replay has no other source of names than the
//! capture's user list (the accounts of the machine that replays are somebody else's), so the host sends the whole
//! list first, in the form of libsinsp's events: no thread, no container.

use crate::{
    Capture, Error,
    event::encode,
    schema::code::{GROUP_ADDED_E, USER_ADDED_E},
};

/// "No thread" of pseudo events.
const NO_TID: i64 = -1;

/// Calls `each` with an event for every user and group of the capture, all at time `ts`.
pub fn account_events(
    capture: &Capture,
    ts: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut event = Vec::new();
    for user in &capture.users {
        let [name, home, shell] = [&user.name, &user.home, &user.shell].map(|s| c_bytes(s));
        let (uid, gid) = (user.uid.to_le_bytes(), user.gid.to_le_bytes());
        encode(&mut event, ts, NO_TID, USER_ADDED_E, &[&uid, &gid, &name, &home, &shell, b"\0"])?;
        each(&event)?;
    }
    for group in &capture.groups {
        let name = c_bytes(&group.name);
        encode(&mut event, ts, NO_TID, GROUP_ADDED_E, &[&group.gid.to_le_bytes(), &name, b"\0"])?;
        each(&event)?;
    }
    Ok(())
}

/// With the NUL that the schema's strings end with, cut to what a u16 length can say.
fn c_bytes(text: &[u8]) -> Vec<u8> {
    let mut bytes = text[..text.len().min(usize::from(u16::MAX) - 1)].to_vec();
    bytes.push(0);
    bytes
}
