//! Small texts that only we can have made: they carry when they end, and what they are for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;

use crate::hex;

/// Makes and checks signed texts.
#[derive(Debug)]
pub(super) struct Signer {
    key: hmac::Key,
}

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// A text for `purpose` that ends at `end`, in seconds since the epoch.
    pub(super) fn sign(&self, purpose: &str, end: u64) -> String {
        let tag = hmac::sign(&self.key, message(purpose, end).as_bytes());
        format!("{end}.{}", hex::encode(tag.as_ref()))
    }

    /// Whether `text` was made by us for `purpose` and has not ended. Takes as long for every wrong one.
    pub(super) fn is_valid(&self, purpose: &str, text: &str, now: u64) -> bool {
        let Some((end, tag)) = text.split_once('.') else { return false };
        // One text is one number: no sign, no zeros before it.
        let Some(end) = end.parse().ok().filter(|number: &u64| number.to_string() == end) else {
            return false;
        };
        let Some(tag) = hex::decode(tag) else { return false };
        hmac::verify(&self.key, message(purpose, end).as_bytes(), &tag).is_ok() && now < end
    }
}

/// No purpose holds a zero byte, so that no two pairs give the same message.
fn message(purpose: &str, end: u64) -> String {
    format!("{purpose}\0{end}")
}

/// This moment, in seconds since the epoch. Windows of records are on event time; logins are not.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// This moment and so long after it, in seconds since the epoch.
pub(super) fn end_of(life: Duration) -> u64 {
    now().saturating_add(life.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_for_this_and_still_holds_is_valid() {
        let signer = Signer::new(b"a secret");
        let text = signer.sign("session", 100);
        assert!(signer.is_valid("session", &text, 99));
        assert!(!signer.is_valid("session", &text, 100), "it has ended");
        assert!(!signer.is_valid("embed", &text, 0), "it is for something else");
        assert!(!Signer::new(b"another").is_valid("session", &text, 0));
        let (_, tag) = text.split_once('.').unwrap();
        for forged in [
            format!("101.{tag}"),
            format!("0100.{tag}"),
            format!("+100.{tag}"),
            format!("100.{}", tag.to_uppercase()),
            format!("100.{}", &tag[..62]),
            "100.".into(),
            "100".into(),
            String::new(),
        ] {
            assert!(!signer.is_valid("session", &forged, 0), "{forged}");
        }
        for at in 4..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(!signer.is_valid("session", &String::from_utf8(changed).unwrap(), 0), "{at}");
        }
    }
}
