//! One record of version 5 as one message that SysFlow's processor can take.

use sysflow::{
    Record, Schema, avro,
    record::{Process, op},
};

/// The original processor reads into a buffer of 16,384 bytes and gives the connection up at a message that is longer.
pub(super) const MAX_MESSAGE: usize = 16_000;
/// Operations that version 5 has.
const V5_OPERATIONS: i32 = (1 << 21) - 1;

/// How a record went into its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitted {
    /// As it is.
    Whole,
    /// Without a part of its text.
    Cut,
}

/// Appends the record's message to `out`; `None` when version 5 has no such record.
pub(super) fn encode(record: Record, out: &mut Vec<u8>) -> Option<Fitted> {
    let mut record = in_v5(record)?;
    let start = out.len();
    avro::encode(Schema::V5, &record, out);
    if out.len() - start <= MAX_MESSAGE {
        return Some(Fitted::Whole);
    }
    shorten(&mut record, out.len() - start - MAX_MESSAGE);
    out.truncate(start);
    avro::encode(Schema::V5, &record, out);
    if out.len() - start <= MAX_MESSAGE {
        return Some(Fitted::Cut);
    }
    out.truncate(start);
    None
}

/// What a collector of version 5 would have written; `None` when it would have written nothing.
fn in_v5(mut record: Record) -> Option<Record> {
    let flags = match &mut record {
        Record::NetworkFlow(flow) if flow.sip6.is_some() || flow.dip6.is_some() => return None,
        // An open that was refused.
        Record::FileEvent(event) if event.op_flags & op::OPEN != 0 => return None,
        Record::ProcessEvent(event) => &mut event.op_flags,
        Record::NetworkFlow(flow) => &mut flow.op_flags,
        Record::FileEvent(event) => &mut event.op_flags,
        _ => return Some(record),
    };
    let known = *flags & V5_OPERATIONS;
    let is_new = known == 0 && *flags != 0;
    *flags = known;
    (!is_new).then_some(record)
}

/// Takes at least `excess` bytes of text out of a record: what is missed least goes first.
fn shorten(record: &mut Record, mut excess: usize) {
    match record {
        Record::Process(process) => shorten_process(process, &mut excess),
        Record::File(file) => cut(&mut file.path, &mut excess),
        Record::Container(container) => {
            for text in [&mut container.imageid, &mut container.image, &mut container.name] {
                cut(text, &mut excess);
            }
        }
        Record::ProcessEvent(event) => {
            for text in event.args.iter_mut().rev() {
                cut(text, &mut excess);
            }
        }
        Record::Header(header) => {
            for text in [&mut header.filename, &mut header.ip, &mut header.exporter] {
                cut(text, &mut excess);
            }
        }
        Record::K8sEvent(event) => cut(&mut event.message, &mut excess),
        Record::Pod(pod) => {
            pod.selectors.clear();
            pod.labels.clear();
            pod.services.clear();
        }
        Record::NetworkFlow(_)
        | Record::FileFlow(_)
        | Record::FileEvent(_)
        | Record::NetworkEvent(_)
        | Record::ProcessFlow(_) => {}
    }
}

/// The environment, then the arguments, then what else is text.
fn shorten_process(process: &mut Process, excess: &mut usize) {
    while *excess > 0
        && let Some(last) = process.env.pop()
    {
        *excess = excess.saturating_sub(encoded_length(last.len()));
    }
    for text in [
        &mut process.exe_args,
        &mut process.cwd,
        &mut process.exe,
        &mut process.user_name,
        &mut process.group_name,
    ] {
        cut(text, excess);
    }
}

/// Bytes that a text of this length takes: Avro writes twice the length before it, seven bits a byte.
fn encoded_length(length: usize) -> usize {
    let bits = usize::BITS - (2 * length).leading_zeros();
    length + (bits.max(1) as usize).div_ceil(7)
}

/// Cuts the end of a text off, as far as that is needed.
fn cut(text: &mut String, excess: &mut usize) {
    let before = text.len();
    let mut end = before.saturating_sub(*excess);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    *excess = excess.saturating_sub(before - end);
}
