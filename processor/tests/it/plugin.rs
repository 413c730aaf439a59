//! The plugin's side of the socket, in the few lines that a test needs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use sysflow::stream::{self, Decoder, Hello, Message, PROTOCOL};
use sysflow::{Record, Schema, avro};

use crate::records;

pub(crate) const STREAM: [u8; 16] = *b"stream of a test";

pub(crate) struct Plugin {
    socket: UnixStream,
    decoder: Decoder,
}

pub(crate) fn hello(next: u64) -> Hello {
    Hello {
        protocol: PROTOCOL,
        schema: Schema::Extended,
        next,
        stream: STREAM,
        node: records::NODE.into(),
        boot_id: "boot".into(),
        version: "0".into(),
    }
}

pub(crate) fn block(records: &[Record]) -> Vec<u8> {
    let mut block = Vec::new();
    for record in records {
        avro::encode(Schema::Extended, record, &mut block);
    }
    block
}

impl Plugin {
    /// Connects and says hello; the answer is the processor's.
    pub(crate) fn connect(path: &Path, hello: &Hello) -> (Self, Message) {
        let mut plugin = Self { socket: UnixStream::connect(path).unwrap(), decoder: Decoder::default() };
        plugin.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut out = Vec::new();
        stream::encode_hello(hello, &mut out);
        plugin.raw(&out);
        let answer = plugin.receive().expect("an answer to the hello");
        (plugin, answer)
    }

    /// Connects, and expects to be welcome; how much is stored.
    pub(crate) fn welcome(path: &Path, next: u64) -> (Self, u64) {
        match Self::connect(path, &hello(next)) {
            (plugin, Message::Welcome(welcome)) => (plugin, welcome.stored),
            (_, other) => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn frame(&mut self, first: u64, records: &[Record]) {
        let mut out = Vec::new();
        stream::encode_frame(first, records.len() as u32, &block(records), &mut out);
        self.raw(&out);
    }

    /// The next message, `None` at the end of the connection.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.decoder.push(&buffer[..n]),
            }
        }
    }

    /// Reads all answers from here on, which nobody else does then, until the connection is closed.
    pub(crate) fn discard_answers(&self) -> std::thread::JoinHandle<()> {
        let mut socket = self.socket.try_clone().unwrap();
        std::thread::spawn(move || _ = std::io::copy(&mut socket, &mut std::io::sink()))
    }

    /// Says that no more comes.
    pub(crate) fn end(&self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Waits until this many records are acknowledged.
    pub(crate) fn until_stored(&mut self, records: u64) {
        loop {
            match self.receive() {
                Some(Message::Ack { stored }) if stored >= records => return,
                Some(Message::Ack { .. }) => {}
                other => panic!("{records} records are not acknowledged: {other:?}"),
            }
        }
    }
}
