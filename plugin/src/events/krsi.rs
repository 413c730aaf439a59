//! What was done through io_uring, as Falco's krsi plugin tells of it.
//!
//! No system call stands behind such an operation. The krsi plugin emits an asynchronous event `krsi_open`,
//! `krsi_connect` ... for each, once its thread is in Falco's table; an event `krsi` before that is its own
//! bookkeeping. The payload is `pid u32, tid u32`, the number of the kind as u32 and the fields of that kind: little
//! endian numbers, each with a byte before it that says whether it is there; texts with a length of eight bytes and
//! no NUL. The plugin tells of ordinary system calls in the same way, which we have from their own events: what
//! io_uring has done has the answer of its handler (`iou_ret`).

use sysflow_flow::op::{
    AT_FDCWD, Endpoint, Event, Ignored, LinkKind, LinkOp, Op, Open, PathKind, PathOp, Tuple,
};

use super::{Malformed, Raw};

/// Names of the events begin so.
const PREFIX: &[u8] = b"krsi_";
/// `AT_REMOVEDIR`.
const AT_REMOVEDIR: u32 = 0x200;
/// A direct descriptor is an index of its ring and has no number in the process; it is told as this number and the
/// index, above all that a process can have otherwise (fs.nr_open is at most 2^30).
const DIRECT: i64 = 1 << 30;

/// The bytes of a payload that have not been read.
struct Input<'a>(&'a [u8]);

/// Whether an asynchronous event of this name is one of these.
pub(super) fn is_krsi(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

/// The process that an event speaks of, for a thread that nobody knows: the kernel's own workers do the work of a
/// ring, and no clone tells of them.
pub(crate) fn pid_of(raw: &Raw<'_>) -> Option<i64> {
    if !is_krsi(raw.str(1)) {
        return None;
    }
    Input(raw.bytes(2)).u32().ok().map(i64::from)
}

pub(super) fn decode<'a>(raw: &Raw<'a>) -> Result<Event<'a>, Malformed> {
    let mut input = Input(raw.bytes(2));
    let _pid = input.u32()?;
    let tid = i64::from(input.u32()?);
    let op = match input.u32()? {
        0 => open(&mut input),
        1 => socket(&mut input),
        2 => connect(&mut input),
        3 => symlink(&mut input),
        4 => link(&mut input, LinkKind::Link),
        5 => unlink(&mut input),
        6 => mkdir(&mut input),
        7 => link(&mut input, LinkKind::Rename),
        // A kind that came later.
        _ => Ok(None),
    };
    Ok(Event { ts: raw.ts, tid, op: op?.unwrap_or(Op::Nothing(Ignored::Kind)) })
}

/// `None` where io_uring had no part, here and below.
fn open<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let (fd, index) = (input.option(Input::i64)?, input.option(Input::i32)?);
    let path = input.text_or_none()?;
    let flags = input.option(Input::u32)?.unwrap_or(0);
    let (_mode, _dev) = (input.option(Input::u32)?, input.option(Input::u32)?);
    let _ino = input.option(Input::u64)?;
    let Some(answer) = input.option(Input::i64)? else { return Ok(None) };
    let Some(ret) = new_descriptor(answer, fd, index) else { return Ok(None) };
    // The path is the one that the kernel has found, from the root.
    Ok(Some(Op::Open(Open { ret, unknown_to_collector: true, dirfd: AT_FDCWD, path, resolved: true, flags })))
}

fn socket<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let answer = input.option(Input::i64)?;
    let (fd, index) = (input.option(Input::i64)?, input.option(Input::i32)?);
    let mut number = || Ok(input.option(Input::u32)?.unwrap_or(0));
    let (domain, kind, proto) = (number()?, number()?, number()?);
    let Some(ret) = answer.and_then(|answer| new_descriptor(answer, fd, index)) else { return Ok(None) };
    Ok(Some(Op::Socket { ret, domain, kind, proto }))
}

fn connect<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let (fd, index) = (input.option(Input::i64)?, input.option(Input::i32)?);
    let tuple = input.option(Input::connection)?;
    let Some(ret) = input.result()? else { return Ok(None) };
    let Some(fd) = descriptor(fd, index) else { return Ok(None) };
    Ok(Some(Op::Connect { ret, fd, tuple, addr: None }))
}

fn symlink<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let old = input.text_or_none()?;
    let (new_dirfd, new) = (input.directory()?, input.text_or_none()?);
    let kind = LinkKind::SymlinkAt;
    let Some(ret) = input.result()? else { return Ok(None) };
    Ok(Some(Op::Link(LinkOp { ret, kind, old_dirfd: AT_FDCWD, old, new_dirfd, new })))
}

fn link<'a>(input: &mut Input<'a>, kind: LinkKind) -> Result<Option<Op<'a>>, Malformed> {
    let (old_dirfd, old) = (input.directory()?, input.text_or_none()?);
    let (new_dirfd, new) = (input.directory()?, input.text_or_none()?);
    let _flags = input.option(Input::u32)?;
    let Some(ret) = input.result()? else { return Ok(None) };
    Ok(Some(Op::Link(LinkOp { ret, kind, old_dirfd, old, new_dirfd, new })))
}

fn unlink<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let (dirfd, path) = (input.directory()?, input.text_or_none()?);
    let flags = input.option(Input::u32)?.unwrap_or(0);
    let kind = if flags & AT_REMOVEDIR == 0 { PathKind::Unlink } else { PathKind::UnlinkDir };
    let Some(ret) = input.result()? else { return Ok(None) };
    Ok(Some(Op::Path(PathOp { ret, kind, dirfd, path })))
}

fn mkdir<'a>(input: &mut Input<'a>) -> Result<Option<Op<'a>>, Malformed> {
    let (dirfd, path) = (input.directory()?, input.text_or_none()?);
    let _mode = input.option(Input::u32)?;
    let Some(ret) = input.result()? else { return Ok(None) };
    Ok(Some(Op::Path(PathOp { ret, kind: PathKind::Mkdir, dirfd, path })))
}

/// The descriptor that a call has made, or its error.
fn new_descriptor(answer: i64, fd: Option<i64>, index: Option<i32>) -> Option<i64> {
    if answer < 0 {
        return Some(answer);
    }
    descriptor(fd, index)
}

/// A number of the process, or one that stands for an index of the ring; negative ones are errors and stay.
fn descriptor(fd: Option<i64>, index: Option<i32>) -> Option<i64> {
    fd.or_else(|| {
        let index = i64::from(index?);
        Some(if index < 0 { index } else { DIRECT + (index & (DIRECT - 1)) })
    })
}

// === impl Input ===

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    fn option<T>(
        &mut self,
        get: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.array()? {
            [0] => Ok(None),
            [1] => get(self).map(Some),
            _ => Err(Malformed),
        }
    }

    /// A text to its end, or to a NUL, which no path can hold.
    fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u64()?).map_err(|_| Malformed)?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(text.split(|byte| *byte == 0).next().unwrap_or(text))
    }

    fn text_or_none(&mut self) -> Result<&'a [u8], Malformed> {
        Ok(self.option(Self::text)?.unwrap_or(&[]))
    }

    fn directory(&mut self) -> Result<i64, Malformed> {
        Ok(self.option(Self::i64)?.unwrap_or(AT_FDCWD))
    }

    /// What came of a call that io_uring has made: the call's own result, or why it was not made.
    fn result(&mut self) -> Result<Option<i64>, Malformed> {
        let (result, answer) = (self.option(Self::i64)?, self.option(Self::i64)?);
        Ok(answer.map(|answer| result.unwrap_or(answer)))
    }

    fn connection(&mut self) -> Result<Tuple<'a>, Malformed> {
        match self.u32()? {
            0 => {
                let (dest, source) = (self.endpoint()?, self.endpoint()?);
                Ok(Tuple::Inet { source, dest })
            }
            1 => {
                let (source, dest) = (self.u64()?, self.u64()?);
                Ok(Tuple::Unix { source, dest, path: self.text()? })
            }
            _ => Err(Malformed),
        }
    }

    fn endpoint(&mut self) -> Result<Endpoint, Malformed> {
        let ip = match self.u32()? {
            0 => self.array::<4>()?.into(),
            1 => self.array::<16>()?.into(),
            _ => return Err(Malformed),
        };
        Ok(Endpoint { ip, port: self.u16()? })
    }
}
