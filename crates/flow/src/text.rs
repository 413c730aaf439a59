//! Bytes of the monitored host, made into text that is safe to keep and to compare.

use std::{borrow::Cow, fmt::Write as _};

/// Text of at most `limit` bytes. What is not UTF-8 becomes `\xNN`, so that two names never become one.
pub(crate) fn text(bytes: &[u8], limit: usize) -> String {
    borrowed_text(bytes, limit).into_owned()
}

/// The same, without a copy of what is good as it is.
pub(crate) fn borrowed_text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let bytes = &bytes[..bytes.len().min(limit)];
    std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(escaped(bytes)), Cow::Borrowed)
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// The parts of a list in which each ends with NUL; a part that was cut off at the end counts too.
pub(crate) fn parts(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let none = list.is_empty();
    let list = list.strip_suffix(b"\0").unwrap_or(list);
    list.split(|byte| *byte == 0).filter(move |_| !none)
}

/// `path` made absolute against `base` and freed of `.`, `..` and double slashes, without looking at any file system.
/// `base` is a path of the host or container, `path` begins at `root`, beyond which its `..` do not lead; who is outside
/// of the root already stays outside. Where the base is not known a relative path stays relative, and its `..` stay.
pub(crate) fn resolve_into(out: &mut String, root: &str, base: &str, path: &str) {
    out.clear();
    if path.starts_with('/') {
        out.push_str(root);
    } else if base.starts_with('/') {
        push_normal(out, 0, base);
    } else {
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if !out.is_empty() {
                out.push('/');
            }
            out.push_str(part);
        }
        return;
    }
    let is_inside = out.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    push_normal(out, if is_inside { root.len() } else { 0 }, path);
    if out.is_empty() {
        out.push('/');
    }
}

/// Whether an absolute path stays as it is when it is resolved; false also for some that do, such as hidden files.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "a way out in between would keep the compiler from taking many at a time"
)]
pub(crate) fn is_normal(path: &[u8]) -> bool {
    let [b'/', rest @ ..] = path else { return false };
    let odd =
        path.iter().zip(rest).fold(false, |odd, (a, b)| odd | (*a == b'/') & (*b == b'/' || *b == b'.'));
    !odd && path.last() != Some(&b'/')
}

/// Appends the parts of `path`; `..` takes one away, down to `floor`.
fn push_normal(out: &mut String, floor: usize, path: &str) {
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0).max(floor)),
            _ => {
                out.push('/');
                out.push_str(part);
            }
        }
    }
}

/// Path of a memfd by its name, as the kernel names an executable in it; taken off is what /proc adds.
pub(crate) fn memfd_path(name: &str) -> String {
    let name = name.strip_prefix('/').filter(|name| name.starts_with("memfd:")).unwrap_or(name);
    let name = name.strip_prefix("memfd:").unwrap_or(name);
    format!("memfd:{}", name.strip_suffix(" (deleted)").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(base: &str, path: &str) -> String {
        resolve_in("", base, path)
    }

    fn resolve_in(root: &str, base: &str, path: &str) -> String {
        let mut out = String::new();
        resolve_into(&mut out, root, base, path);
        out
    }

    #[test]
    fn a_root_is_where_paths_begin_and_no_way_leads_out() {
        for (base, path, want) in [
            ("/jail", "/etc/passwd", "/jail/etc/passwd"),
            ("/jail", "/../../etc", "/jail/etc"),
            ("/jail/a/", "../../..", "/jail"),
            ("/jail/a/", "b", "/jail/a/b"),
            ("/jail", "/", "/jail"),
            // Who was outside of it when it was made can go where he likes, and is not inside of what begins alike.
            ("/root/", "../etc", "/etc"),
            ("/jail2/", "../..", "/"),
            ("", "x", "x"),
        ] {
            assert_eq!(resolve_in("/jail", base, path), want, "{base:?} + {path:?}");
        }
    }

    #[test]
    fn a_memfd_has_one_name() {
        for name in ["x", "memfd:x", "/memfd:x (deleted)", "/memfd:x"] {
            assert_eq!(memfd_path(name), "memfd:x", "{name}");
        }
        assert_eq!(memfd_path("/x"), "memfd:/x");
    }

    #[test]
    fn paths_are_resolved_lexically() {
        for (base, path, want) in [
            ("/a/b", "c", "/a/b/c"),
            ("/a/b/", "./c//d", "/a/b/c/d"),
            ("/a/b", "../c", "/a/c"),
            ("/a", "../../..", "/"),
            ("/", "..", "/"),
            ("/a", "/b/../c/", "/c"),
            ("", "./c//../d/.", "c/../d"),
            ("", "/x", "/x"),
            ("/a", "", "/a"),
            ("", "", ""),
        ] {
            assert_eq!(resolve(base, path), want, "{base:?} + {path:?}");
        }
    }

    #[test]
    fn a_normal_path_is_what_it_resolves_to() {
        for path in
            ["/a", "/a/b.c/d..", "/a/..b", "/", "", "a", "/a/", "//a", "/a//b", "/a/./b", "/a/..", "/.x"]
        {
            if is_normal(path.as_bytes()) {
                assert_eq!(resolve("/base", path), path);
            }
        }
        assert!(is_normal(b"/usr/lib/libc.so.6"));
        assert!(!is_normal(b"/usr/lib/../lib"));
    }

    #[test]
    fn bytes_that_are_no_text_stay_distinct() {
        assert_eq!(text(b"a\xff\xfeb", 100), "a\\xff\\xfeb");
        assert_eq!(text("ä".as_bytes(), 1), "\\xc3");
        assert_eq!(text(b"abcdef", 3), "abc");
    }

    #[test]
    fn lists_keep_empty_parts() {
        let list = |bytes| parts(bytes).map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>();
        assert_eq!(list(b"a\0b\0"), ["a", "b"]);
        assert_eq!(list(b"a\0\0"), ["a", ""]);
        assert_eq!(list(b"a\0b"), ["a", "b"]);
        assert_eq!(list(b""), [""; 0]);
        assert_eq!(list(b"\0"), [""]);
        assert_eq!(list(b"\0\0"), ["", ""]);
    }
}
