//! Bytes as a capture, compressed or not.

use sysflow_replay::{Capture, Error};

/// Fuzz target.
pub(crate) fn run(data: &[u8]) {
    let Ok(mut capture) = Capture::from_bytes("fuzz.scap", data.to_vec()) else { return };
    let error = loop {
        match capture.next_event() {
            // Every parameter lies inside of the event.
            Ok(Some(event)) => assert!(event.params().map(<[u8]>::len).sum::<usize>() < event.bytes().len()),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = error {
        assert!(!matches!(error, Error::Open { .. } | Error::Plugin { .. }), "{error}");
        assert!(error.to_string().contains("fuzz.scap"), "{error}");
    }
    assert!(matches!(capture.next_event(), Ok(None)), "after the end, or an error, there is nothing");
}
