//! Text of a monitored host on somebody's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with everything escaped that is not shown as a character of its own: control characters, which would
/// let a file name move the cursor or set the window's title, and those that reverse or hide what follows.
///
/// ```
/// assert_eq!(sysflow::format::terminal::printable("\x1b[2J/tmp/a b"), "\\u{1b}[2J/tmp/a b");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            c if is_hostile(c) => {
                write!(escaped, "\\u{{{:x}}}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
