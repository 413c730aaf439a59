//! Bytes as what comes over the socket, in pieces: the first byte says how long they are.

use sysflow::stream::{
    Decoder, Message, encode_ack, encode_frame, encode_hello, encode_refused, encode_welcome,
};

/// Fuzz target.
pub(crate) fn run(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let mut decoder = Decoder::default();
    for bytes in data.chunks(usize::from(*piece).max(1)) {
        decoder.push(bytes);
        loop {
            match decoder.next() {
                Ok(Some(message)) => check(&message),
                Ok(None) => break,
                Err(error) => {
                    let again = decoder.next().expect_err("it stays broken");
                    assert_eq!(again.to_string(), error.to_string());
                    return;
                }
            }
        }
        assert!(decoder.pending() <= data.len());
    }
}

/// A message that was understood is understood again.
fn check(message: &Message) {
    let mut written = Vec::new();
    match message {
        Message::Hello(hello) => encode_hello(hello, &mut written),
        Message::Welcome(welcome) => encode_welcome(welcome, &mut written),
        Message::Refused { reason } => encode_refused(reason, &mut written),
        Message::Frame(frame) => encode_frame(frame.first, frame.count, &frame.block, &mut written),
        Message::Ack { stored } => encode_ack(*stored, &mut written),
    }
    let mut decoder = Decoder::default();
    decoder.push(&written);
    assert_eq!(decoder.next().expect("just written").as_ref(), Some(message));
    assert_eq!(decoder.pending(), 0);
}
