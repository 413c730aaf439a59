//! Messages between the plugin and the processor over a unix stream socket, without the socket.
//!
//! A *stream* is one life of a collector on one boot of a node; its records are numbered from 0. The plugin
//! connects and says [`Hello`]; the processor answers [`Welcome`] with how many records of that stream it has
//! stored, or [`Message::Refused`]. The plugin continues from that number with [`Frame`]s, each a block of whole
//! records, and the processor answers each, or several at once, with an [`Message::Ack`] once they are stored.
//!
//! ```text
//! message  u32 length of what follows, u8 type, payload          all numbers little-endian
//! 1 Hello    "SYSFLOW\0", u16 protocol, u8 schema, u64 next, 16 bytes stream, text node, text boot id, text version
//! 2 Welcome  u64 stored, u32 pid, u64 pid namespace
//! 3 Refused  text reason
//! 4 Frame    u64 first, u32 count, u32 crc32c of the block, block of Avro datums
//! 5 Ack      u64 stored
//! text       u16 length, UTF-8
//! ```
//!
//! The protocol number comes first in a Hello and is judged before the rest, so that a newer plugin is refused by name; what it may
//! append to a Hello is skipped.

use crate::error::{Error, Result};
use crate::schema::Schema;

/// Version of the protocol; ends that differ do not talk.
pub const PROTOCOL: u16 = 1;

/// Largest message that is accepted, in bytes after its length.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Largest block that fits in a frame.
pub const MAX_BLOCK: usize = MAX_MESSAGE - FRAME_HEAD - 1;

/// Longest text in a message; longer ones are cut when they are encoded.
pub const MAX_TEXT: usize = 4096;

const MAGIC: &[u8; 8] = b"SYSFLOW\0";
const FRAME_HEAD: usize = 8 + 4 + 4;

const HELLO: u8 = 1;
const WELCOME: u8 = 2;
const REFUSED: u8 = 3;
const FRAME: u8 = 4;
const ACK: u8 = 5;

/// A message of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// First message of the plugin.
    Hello(Hello),
    /// The processor takes the stream.
    Welcome(Welcome),
    /// The processor does not take the stream and closes.
    Refused {
        /// Why, for the operator.
        reason: String,
    },
    /// Records.
    Frame(Frame),
    /// Records are stored.
    Ack {
        /// Number of records of the stream that are stored.
        stored: u64,
    },
}

/// Who the plugin is and what it is about to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol, [`PROTOCOL`].
    pub protocol: u16,
    /// Schema of the datums in frames.
    pub schema: Schema,
    /// Number of the oldest record that the plugin can still send.
    pub next: u64,
    /// Identity of the stream: random, or derived from the capture in a replay.
    pub stream: [u8; 16],
    /// Identity of the node.
    pub node: String,
    /// Identity of the node's boot.
    pub boot_id: String,
    /// Version of the plugin.
    pub version: String,
}

/// The processor's answer to a [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Records of this stream stored so far, which is the number of the next record expected.
    pub stored: u64,
    /// Process id of the processor in its own pid namespace, so that the plugin can leave its doings out.
    pub pid: u32,
    /// Inode of that pid namespace.
    pub pid_ns: u64,
}

/// A block of whole records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number of the first record.
    pub first: u64,
    /// How many records the block holds.
    pub count: u32,
    /// The records as Avro datums one after the other, uncompressed. Its checksum was right.
    pub block: Vec<u8>,
}

/// Appends a Hello to `out`.
pub fn encode_hello(hello: &Hello, out: &mut Vec<u8>) {
    message(HELLO, out, |out| {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&hello.protocol.to_le_bytes());
        out.push(match hello.schema {
            Schema::V5 => 0,
            Schema::Extended => 1,
        });
        out.extend_from_slice(&hello.next.to_le_bytes());
        out.extend_from_slice(&hello.stream);
        text(&hello.node, out);
        text(&hello.boot_id, out);
        text(&hello.version, out);
    });
}

/// Appends a Welcome to `out`.
pub fn encode_welcome(welcome: &Welcome, out: &mut Vec<u8>) {
    message(WELCOME, out, |out| {
        out.extend_from_slice(&welcome.stored.to_le_bytes());
        out.extend_from_slice(&welcome.pid.to_le_bytes());
        out.extend_from_slice(&welcome.pid_ns.to_le_bytes());
    });
}

/// Appends a refusal to `out`.
pub fn encode_refused(reason: &str, out: &mut Vec<u8>) {
    message(REFUSED, out, |out| text(reason, out));
}

/// Appends a frame to `out`.
///
/// # Panics
/// If `block` is larger than [`MAX_BLOCK`]: whoever fills blocks bounds them.
pub fn encode_frame(first: u64, count: u32, block: &[u8], out: &mut Vec<u8>) {
    assert!(block.len() <= MAX_BLOCK, "a frame's block has at most {MAX_BLOCK} bytes");
    message(FRAME, out, |out| {
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
        out.extend_from_slice(block);
    });
}

/// Appends an acknowledgement to `out`.
pub fn encode_ack(stored: u64, out: &mut Vec<u8>) {
    message(ACK, out, |out| out.extend_from_slice(&stored.to_le_bytes()));
}

fn message(kind: u8, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    payload(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn text(text: &str, out: &mut Vec<u8>) {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let text = &text[..end];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Turns the bytes of a connection, in pieces of any size, into messages.
///
/// After an error the connection cannot be understood any more: every further call gives the same error.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out already.
    taken: usize,
}

impl Decoder {
    /// Takes what was read from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// Not an `Iterator`: `None` does not mean the end.
    #[allow(clippy::should_implement_trait, reason = "None does not mean the end")]
    pub fn next(&mut self) -> Result<Option<Message>> {
        let waiting = &self.buffer[self.taken..];
        let Some((length, rest)) = waiting.split_first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > MAX_MESSAGE {
            return Err(broken(format!(
                "length {length} is not within 1..={MAX_MESSAGE}; is the peer a SysFlow plugin?"
            )));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let message = decode(payload)?;
        self.taken += 4 + length;
        Ok(Some(message))
    }

    /// Bytes held that are not yet a whole message: not 0 at the end of a connection means that it was cut.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }
}

fn decode(message: &[u8]) -> Result<Message> {
    let mut input = Input(message);
    let decoded = match input.u8()? {
        HELLO => return hello(&mut input).map(Message::Hello),
        WELCOME => {
            Message::Welcome(Welcome { stored: input.u64()?, pid: input.u32()?, pid_ns: input.u64()? })
        }
        REFUSED => Message::Refused { reason: input.text()? },
        FRAME => Message::Frame(frame(&mut input)?),
        ACK => Message::Ack { stored: input.u64()? },
        other => return Err(broken(format!("unknown type {other}"))),
    };
    if input.0.is_empty() { Ok(decoded) } else { Err(broken(format!("{} bytes too many", input.0.len()))) }
}

fn hello(input: &mut Input<'_>) -> Result<Hello> {
    if input.array()? != *MAGIC {
        return Err(broken("a hello without the mark of SysFlow".into()));
    }
    let protocol = input.u16()?;
    if protocol != PROTOCOL {
        return Err(broken(format!(
            "the plugin speaks protocol {protocol}, this processor speaks {PROTOCOL}; use the same release of both"
        )));
    }
    Ok(Hello {
        protocol,
        schema: match input.u8()? {
            0 => Schema::V5,
            1 => Schema::Extended,
            other => return Err(broken(format!("unknown schema {other}"))),
        },
        next: input.u64()?,
        stream: input.array()?,
        node: input.text()?,
        boot_id: input.text()?,
        version: input.text()?,
    })
}

fn frame(input: &mut Input<'_>) -> Result<Frame> {
    let (first, count, sum) = (input.u64()?, input.u32()?, input.u32()?);
    let block = std::mem::take(&mut input.0);
    if crc32c::crc32c(block) != sum {
        return Err(broken(format!("checksum of the frame at record {first} is wrong")));
    }
    Ok(Frame { first, count, block: block.to_vec() })
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(|| broken("it ends too early".into()))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::from(self.u16()?);
        if length > MAX_TEXT {
            return Err(broken(format!("a text of {length} bytes, at most {MAX_TEXT} are allowed")));
        }
        let (text, rest) =
            self.0.split_at_checked(length).ok_or_else(|| broken("it ends too early".into()))?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map_err(|_| broken("a text that is not UTF-8".into()))
    }
}

fn broken(what: String) -> Error {
    Error::Message { what }
}
