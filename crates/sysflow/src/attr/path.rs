//! Parts of paths and command lines.

use std::borrow::Cow;

use crate::record::{File, Process};

/// Last element of a path; empty for an empty path.
pub fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, name)) => name,
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => trimmed,
    }
}

/// All but the last element of a path, without superfluous slashes and dots; `.` for a path of one element.
pub fn directory(path: &str) -> Cow<'_, str> {
    let Some(slash) = path.rfind('/') else { return Cow::Borrowed(".") };
    let parent = &path[..slash];
    let is_clean =
        parent.starts_with('/') && parent[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_clean { Cow::Borrowed(parent) } else { Cow::Owned(clean(&path[..=slash])) }
}

fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".into(),
        (false, path) => path,
    }
}

/// Splits what Falco's libraries call the path of a unix socket, `a->b /path`, into kernel addresses and path.
pub fn socket_parts(file: &File) -> (&str, &str) {
    if file.restype != i32::from(b'u') {
        return ("", &file.path);
    }
    match file.path.split_once(' ') {
        Some((link, path)) if link.contains("->") => (link, path),
        None if file.path.contains("->") => (&file.path, ""),
        _ => ("", &file.path),
    }
}

/// Executable and arguments, as a shell's user would have typed them.
pub fn command_line(process: &Process) -> Cow<'_, str> {
    match (process.exe.trim(), process.exe_args.trim()) {
        (exe, "") => Cow::Borrowed(exe),
        (exe, args) => Cow::Owned(format!("{exe} {args}")),
    }
}

/// Character of a file's type; `None` when the number is none.
pub fn file_type(file: &File) -> Option<char> {
    u8::try_from(file.restype).ok().filter(u8::is_ascii_graphic).map(char::from)
}
