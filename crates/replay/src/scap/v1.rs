//! Events of the first generation of captures, whose header lacks the number of parameters.

use crate::{
    event,
    schema::{self, code},
};

/// Size of the old header: today's without the u32 `nparams` at its end.
pub(super) const HEADER_LEN: usize = 22;
/// Free bytes that have to be in front of the block's body.
pub(super) const GAP: usize = 4;

/// Turns the event at `start` of `buffer` into today's layout; returns its new start, [`GAP`] bytes earlier.
pub(super) fn upgrade(buffer: &mut [u8], start: usize) -> Result<usize, String> {
    let u32_at = |b: &[u8], at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    let mut len = u32_at(buffer, start + 16) as usize;
    let code = u16::from_le_bytes([buffer[start + 20], buffer[start + 21]]);
    // The old recorder wrote three bytes too many into the length of these two.
    if code == code::NOTIFICATION_E || code == code::INFRASTRUCTURE_EVENT_E {
        len = len.saturating_sub(3);
    }
    if len < HEADER_LEN || len > buffer.len() - start {
        return Err(format!("event length {len} is not possible in this block"));
    }
    let rest = &buffer[start + HEADER_LEN..start + len];
    let nparams = count(rest, schema::info(code).map_or(0, |e| e.params.len()))
        .ok_or_else(|| format!("{}: no number of parameters agrees with its length", schema::name(code)))?;

    let new = start - GAP;
    buffer.copy_within(start..start + HEADER_LEN, new);
    let len = (len + GAP) as u32;
    buffer[new + 16..new + 20].copy_from_slice(&len.to_le_bytes());
    buffer[new + HEADER_LEN..new + event::HEADER_LEN].copy_from_slice(&(nparams as u32).to_le_bytes());
    Ok(new)
}

/// The largest number of parameters, not above `max`, whose u16 lengths fill the event exactly.
fn count(rest: &[u8], max: usize) -> Option<usize> {
    (0..=max.min(rest.len() / 2)).rev().find(|&n| {
        let lens = rest[..2 * n].chunks_exact(2);
        let sum: usize = lens.map(|l| usize::from(u16::from_le_bytes([l[0], l[1]]))).sum();
        2 * n + sum == rest.len()
    })
}
