//! Messages between plugin and processor.

use proptest::prelude::*;
use sysflow::Schema;
use sysflow::stream::{
    Decoder, Frame, Hello, MAX_MESSAGE, MAX_TEXT, Message, PROTOCOL, Welcome, encode_ack, encode_frame,
    encode_hello, encode_refused, encode_welcome,
};

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        schema: Schema::Extended,
        next: 7,
        stream: *b"0123456789abcdef",
        node: "node-ä".into(),
        boot_id: "c0ffee".into(),
        version: "0.1.0".into(),
    }
}

pub(crate) fn all() -> (Vec<u8>, Vec<Message>) {
    let mut bytes = Vec::new();
    let welcome = Welcome { stored: u64::MAX, pid: 12, pid_ns: 4_026_531_836 };
    encode_hello(&hello(), &mut bytes);
    encode_welcome(&welcome, &mut bytes);
    encode_refused("a second stream of node-1", &mut bytes);
    encode_frame(7, 3, b"three records", &mut bytes);
    encode_frame(10, 0, b"", &mut bytes);
    encode_ack(10, &mut bytes);
    let messages = vec![
        Message::Hello(hello()),
        Message::Welcome(welcome),
        Message::Refused { reason: "a second stream of node-1".into() },
        Message::Frame(Frame { first: 7, count: 3, block: b"three records".to_vec() }),
        Message::Frame(Frame { first: 10, count: 0, block: Vec::new() }),
        Message::Ack { stored: 10 },
    ];
    (bytes, messages)
}

fn error_of(bytes: &[u8]) -> String {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    let error = decoder.next().unwrap_err().to_string();
    assert_eq!(decoder.next().unwrap_err().to_string(), error, "it stays broken");
    error
}

#[test]
fn all_messages_in_pieces_of_any_size() {
    let (bytes, messages) = all();
    for size in 1..bytes.len() {
        let mut decoder = Decoder::default();
        let mut got = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.push(piece);
            while let Some(message) = decoder.next().unwrap() {
                got.push(message);
            }
        }
        assert_eq!(got, messages, "in pieces of {size}");
        assert_eq!(decoder.pending(), 0);
    }
}

#[test]
fn a_cut_message_is_pending() {
    let (bytes, _) = all();
    let mut decoder = Decoder::default();
    decoder.push(&bytes[..10]);
    assert_eq!(decoder.next().unwrap(), None);
    assert_eq!(decoder.pending(), 10);
}

#[test]
fn damage_is_named() {
    let mut frame = Vec::new();
    encode_frame(7, 3, b"three records", &mut frame);
    *frame.last_mut().unwrap() ^= 1;
    assert_eq!(error_of(&frame), "broken stream message: checksum of the frame at record 7 is wrong");

    let too_long = (MAX_MESSAGE as u32 + 1).to_le_bytes();
    assert!(error_of(&too_long).contains("length 16777217 is not within 1..=16777216"));
    assert!(error_of(b"GET / HTTP/1.1\r\n").contains("is the peer a SysFlow plugin?"));
    assert!(error_of(&[0, 0, 0, 0]).contains("length 0"));
    assert_eq!(error_of(&[1, 0, 0, 0, 9]), "broken stream message: unknown type 9");
    assert_eq!(error_of(&[2, 0, 0, 0, 5, 1]), "broken stream message: it ends too early");
    assert_eq!(
        error_of(&[10, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 9]),
        "broken stream message: 1 bytes too many"
    );
    assert_eq!(error_of(&[4, 0, 0, 0, 3, 1, 0, 0xff]), "broken stream message: a text that is not UTF-8");
}

#[test]
fn another_protocol_is_refused_by_name() {
    let mut bytes = Vec::new();
    encode_hello(&Hello { protocol: 9, ..hello() }, &mut bytes);
    assert!(error_of(&bytes).contains("the plugin speaks protocol 9, this processor speaks 1"));
}

#[test]
fn long_text_is_cut_between_characters() {
    let mut bytes = Vec::new();
    encode_refused(&"ä".repeat(MAX_TEXT), &mut bytes);
    encode_refused(&format!("x{}", "ä".repeat(MAX_TEXT)), &mut bytes);
    let mut decoder = Decoder::default();
    decoder.push(&bytes);
    for length in [MAX_TEXT, MAX_TEXT - 1] {
        let Some(Message::Refused { reason }) = decoder.next().unwrap() else { panic!("no refusal") };
        assert_eq!(reason.len(), length);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_messages_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 5..120), kind in 0u8..7) {
        // A length that fits, so that the payloads are reached.
        let length = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = kind;
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        if let Ok(message) = decoder.next() {
            prop_assert!(message.is_some());
            prop_assert_eq!(decoder.pending(), 0);
        }
    }
}
