//! Brings events of older schemas to the current layout, as libscap does when it reads an old capture.
//!
//! Captures of 2018 to 2024 hold two events a system call; since schema 4 the exit event alone says everything. So
//! enter events are kept per thread and their parameters go into the exit event; types that were replaced become
//! their successors, several steps if need be; what an old driver did not record becomes an empty parameter. The
//! rules are data, in `rules.rs`.
//!
//! Deviations from libscap: where it gives up on the whole file, an exit event whose enter event is of another call
//! takes the fallback its rule names, and an exit event with more parameters than the schema has comes from a newer
//! driver and is passed on; and events that the rules leave alone (process exits, socket options) get the
//! parameters that their old drivers lacked as empty ones, so that every event has the number its type says.

mod rules;

use std::collections::HashMap;

use crate::{
    event::{self, HEADER_LEN, Malformed, RawEvent},
    schema::{self, LARGE, MANAGED, OLD, UNUSED, is_enter},
};
use rules::{Action, Source};

/// More than the longest chain (the oldest execve takes 15 steps).
const MAX_STEPS: usize = 32;
/// Memory for enter events whose exit has not come; beyond it all are forgotten. No real machine has as many
/// threads in system calls at once.
const MAX_STORED: usize = 64 * 1024 * 1024;

/// Converts a stream of events; keeps the enter events of calls that have not returned yet.
#[derive(Debug, Default)]
pub struct Converter {
    /// By thread; an empty one is a used one.
    stored: HashMap<i64, Vec<u8>>,
    /// Capacity of `stored`'s buffers.
    stored_bytes: usize,
    /// The result.
    out: Vec<u8>,
    /// The step before it.
    previous: Vec<u8>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Converted {
    /// It is current: deliver it as it is.
    Unchanged,
    /// [`Converter::event`] is to be delivered instead.
    Changed,
    /// Nothing is to be delivered.
    Absorbed,
}

/// Why an event cannot be brought to the current schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The schema never had this number of parameters.
    #[error("{name} with {nparams} parameters is in no known schema")]
    NoRule {
        /// Event type.
        name: &'static str,
        /// Parameters found.
        nparams: u32,
    },
    /// The event's code is not in the table.
    #[error("event code {0} is not known")]
    UnknownCode(u16),
    /// A rule needs a parameter that is not there, or the result would be too long for its length fields.
    #[error("{name} cannot take parameter {index}")]
    Parameter {
        /// Event type.
        name: &'static str,
        /// Parameter of the new event.
        index: usize,
    },
    /// The result is not an event.
    #[error("result of converting {name}: {problem}")]
    Result {
        /// Event type.
        name: &'static str,
        /// Why.
        problem: Malformed,
    },
    /// A rule leads in a circle.
    #[error("{0} never reaches the current schema")]
    Endless(&'static str),
}

enum Verdict {
    Pass,
    Drop,
    Convert,
    /// Append empty parameters.
    Pad,
}

// === impl Converter ===

impl Converter {
    /// A converter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides on an event and converts it if need be.
    pub fn convert(&mut self, event: RawEvent<'_>) -> Result<Converted, ConvertError> {
        let mut changed = self.judge(event)?;
        for _ in 0..MAX_STEPS {
            if changed != Converted::Changed {
                return Ok(changed);
            }
            std::mem::swap(&mut self.out, &mut self.previous);
            let previous = std::mem::take(&mut self.previous);
            let next = RawEvent::parse(&previous)
                .map_err(|problem| ConvertError::Result { name: event.name(), problem })
                .and_then(|e| self.judge(e));
            self.previous = previous;
            changed = match next? {
                Converted::Unchanged => {
                    std::mem::swap(&mut self.out, &mut self.previous);
                    return Ok(Converted::Changed);
                }
                other => other,
            };
        }
        Err(ConvertError::Endless(event.name()))
    }

    /// The event that [`Converted::Changed`] speaks of, until the next call.
    pub fn event(&self) -> Result<RawEvent<'_>, Malformed> {
        RawEvent::parse(&self.out)
    }

    /// Forgets all enter events: another capture begins.
    pub fn clear(&mut self) {
        self.stored.clear();
        self.stored_bytes = 0;
    }

    /// Does one step towards the current schema.
    fn judge(&mut self, event: RawEvent<'_>) -> Result<Converted, ConvertError> {
        match verdict(&event)? {
            Verdict::Pass => Ok(Converted::Unchanged),
            Verdict::Drop => Ok(Converted::Absorbed),
            Verdict::Convert => self.step(event),
            Verdict::Pad => {
                let missing = schema::info(event.code()).map_or(0, |i| i.params.len());
                let missing = missing.saturating_sub(event.nparams() as usize);
                self.append(event, &vec![Source::Empty; missing])
            }
        }
    }

    /// Applies the one rule for an event. `Unchanged` means that it is current after all.
    fn step(&mut self, event: RawEvent<'_>) -> Result<Converted, ConvertError> {
        let action = rules::find(event.code(), event.nparams())
            .ok_or(ConvertError::NoRule { name: event.name(), nparams: event.nparams() })?;
        match action {
            Action::Pass => Ok(Converted::Unchanged),
            Action::Store => {
                self.store(event);
                Ok(Converted::Absorbed)
            }
            Action::StoreAndPass => {
                self.store(event);
                Ok(Converted::Unchanged)
            }
            Action::Add(sources) => self.append(event, sources),
            Action::Become(code, sources) => self.rebuild(event, code, sources.iter()),
        }
    }

    /// The event with more parameters at its end.
    fn append(&mut self, event: RawEvent<'_>, sources: &[Source]) -> Result<Converted, ConvertError> {
        // A rule, or the table, has found fewer than 256 parameters.
        let old = event.nparams().min(u32::from(u8::MAX)) as u8;
        let copy = [Source::Olds(0, old.saturating_sub(1))];
        let copy: &[Source] = if old == 0 { &[] } else { &copy };
        self.rebuild(event, event.code(), copy.iter().chain(sources))
    }

    fn store(&mut self, event: RawEvent<'_>) {
        if self.stored_bytes > MAX_STORED {
            self.clear();
        }
        let slot = self.stored.entry(event.tid()).or_default();
        let before = slot.capacity();
        slot.clear();
        slot.extend_from_slice(event.bytes());
        self.stored_bytes += slot.capacity() - before + size_of::<(i64, Vec<u8>)>();
    }

    /// Writes the event of type `code` made of `sources` into `out`.
    fn rebuild<'s>(
        &mut self,
        event: RawEvent<'_>,
        code: u16,
        sources: impl Iterator<Item = &'s Source> + Clone,
    ) -> Result<Converted, ConvertError> {
        let info = schema::info(code).ok_or(ConvertError::UnknownCode(code))?;
        // A stored event of another call is a leftover of a lost exit event.
        let mut enter = self
            .stored
            .get_mut(&event.tid())
            .filter(|e| RawEvent::parse(e).is_ok_and(|e| e.code().checked_add(1) == Some(event.code())));
        let nparams: usize = sources.clone().map(|s| s.count()).sum();
        let width = schema::length_width(code);
        let max = if info.flags & LARGE != 0 { u32::MAX as usize } else { usize::from(u16::MAX) };

        self.out.clear();
        self.out.resize(HEADER_LEN + nparams * width, 0);
        let mut writer = Writer { out: &mut self.out, info, width, max, index: 0 };
        let mut used_enter = false;
        for source in sources {
            match *source {
                Source::Old(n) => writer.value(event.param(usize::from(n)))?,
                Source::Olds(first, last) => {
                    for n in first..=last {
                        writer.value(event.param(usize::from(n)))?;
                    }
                }
                Source::Enter(n) | Source::EnterOrEmpty(n) => {
                    let stored = enter.as_deref().and_then(|e| RawEvent::parse(e).ok());
                    match stored.and_then(|e| e.param(usize::from(n))) {
                        Some(value) => {
                            used_enter = true;
                            writer.value(Some(value))?;
                        }
                        None if matches!(source, Source::Enter(_)) => writer.default()?,
                        None => writer.value(Some(&[]))?,
                    }
                }
                Source::Default => writer.default()?,
                Source::Empty => writer.value(Some(&[]))?,
                Source::ContainerJson => writer.value(Some(&container_json(event)))?,
            }
        }
        if used_enter && let Some(enter) = &mut enter {
            enter.clear();
        }
        event::write_header(&mut self.out, event.ts(), event.tid(), code, nparams as u32);
        Ok(Converted::Changed)
    }
}

/// The rules of eligibility (libs: userspace/libscap/engine/savefile/converter/README.md).
fn verdict(event: &RawEvent<'_>) -> Result<Verdict, ConvertError> {
    let info = schema::info(event.code()).ok_or(ConvertError::UnknownCode(event.code()))?;
    let old = info.flags & OLD != 0;
    let incomplete = (event.nparams() as usize) < info.params.len();
    Ok(if info.flags & UNUSED != 0 {
        Verdict::Drop
    } else if info.flags & MANAGED == 0 {
        // Old exit events are all managed: the table test of this crate proves it.
        match old {
            true => Verdict::Drop,
            false if incomplete => Verdict::Pad,
            false => Verdict::Pass,
        }
    } else if is_enter(event.code()) || old || incomplete {
        Verdict::Convert
    } else {
        Verdict::Pass
    })
}

/// Appends parameters to an event whose lengths array is in place but empty.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    info: &'static schema::EventInfo,
    width: usize,
    max: usize,
    index: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: Option<&[u8]>) -> Result<(), ConvertError> {
        let error = ConvertError::Parameter { name: self.info.name, index: self.index };
        let value = value.ok_or_else(|| error.clone())?;
        // A type may have become narrower (the command of bpf, 64 to 32 bits): little-endian, so cut.
        let size = self.info.params.get(self.index).and_then(|t| t.fixed_size()).unwrap_or(self.max);
        let value = &value[..value.len().min(size)];
        let at = HEADER_LEN + self.index * self.width;
        let len = (value.len() as u32).to_le_bytes();
        self.out[at..at + self.width].copy_from_slice(&len[..self.width]);
        self.out.extend_from_slice(value);
        self.index += 1;
        Ok(())
    }

    fn default(&mut self) -> Result<(), ConvertError> {
        let value = self.info.params.get(self.index).map_or(&[][..], |t| t.default_value());
        self.value(Some(value))
    }
}

/// `{"id", "image", "name", "type"}` of the four parameters id, type, name and image.
fn container_json(event: RawEvent<'_>) -> Vec<u8> {
    let text = |i: usize| {
        let bytes = event.param(i).unwrap_or_default();
        String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
    };
    let kind = event.param(1).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let json = serde_json::json!({ "id": text(0), "image": text(3), "name": text(2), "type": kind });
    let mut bytes = json.to_string().into_bytes();
    bytes.push(0);
    bytes
}

// === impl Source ===

impl Source {
    /// Number of parameters it stands for.
    fn count(self) -> usize {
        match self {
            Self::Olds(first, last) => usize::from(last - first) + 1,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every rule must lead to an event that is either final or has a rule itself, and take parameters that exist.
    #[test]
    fn rules_are_consistent() {
        let mut seen = HashSet::new();
        for rule in rules::all() {
            let name = schema::name(rule.code);
            assert!(seen.insert((rule.code, rule.nparams)), "two rules for {name}/{}", rule.nparams);
            let info = schema::info(rule.code).expect("a known code");
            assert_ne!(info.flags & MANAGED, 0, "{name} is not managed");
            let (code, sources, base) = match rule.action {
                Action::Add(sources) => (rule.code, sources, usize::from(rule.nparams)),
                Action::Become(code, sources) => (code, sources, 0),
                _ => continue,
            };
            let target = schema::info(code).expect("a known code");
            let n = base + sources.iter().map(|s| s.count()).sum::<usize>();
            assert!(n <= target.params.len(), "{name}/{} makes too many parameters", rule.nparams);
            for source in sources {
                match *source {
                    Source::Old(i) | Source::Olds(_, i) => assert!(i < rule.nparams, "{name}"),
                    Source::Enter(i) | Source::EnterOrEmpty(i) => {
                        assert!(
                            rules::all().any(|r| r.code == rule.code - 1
                                && i < r.nparams
                                && matches!(r.action, Action::Store | Action::StoreAndPass)),
                            "{name}: E{i}"
                        );
                    }
                    _ => {}
                }
            }
            let zero = vec![&[][..]; n];
            let bytes = event::build(1, 1, code, &zero).expect("encodes");
            let event = RawEvent::parse(&bytes).expect("parses");
            if matches!(verdict(&event), Ok(Verdict::Convert)) {
                assert!(rules::find(code, n as u32).is_some(), "{name}/{} ends in the void", rule.nparams);
            }
        }
    }

    /// What `verdict` relies on.
    #[test]
    fn old_exit_events_are_managed() {
        for (code, info) in schema::EVENTS.iter().enumerate() {
            if info.flags & OLD != 0 && info.flags & UNUSED == 0 && !is_enter(code as u16) {
                assert_ne!(info.flags & MANAGED, 0, "{}", info.name);
            }
        }
    }
}
