//! Secrets in command lines, replaced before anything is hashed, stored or sent.

/// What stands in place of a secret.
const MASK: &str = "***";

/// Flags whose value is a secret, without their dashes.
const SECRET_FLAGS: &[&str] = &[
    "access-token",
    "api-key",
    "api-token",
    "apikey",
    "auth-token",
    "client-secret",
    "credential",
    "credentials",
    "db-password",
    "http-password",
    "oauth2-bearer",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "private-key",
    "proxy-password",
    "proxy-user",
    "secret",
    "secret-access-key",
    "secret-key",
    "session-token",
    "token",
];

/// A short flag whose value is a secret.
#[derive(Clone, Copy)]
struct Short {
    flag: char,
    /// The value is glued to the flag, never in the next argument.
    glued_only: bool,
    /// Flags without a value that may stand before it in one argument (`curl -sSu user:password`).
    before: &'static str,
}

impl Short {
    const fn next(flag: char, before: &'static str) -> Self {
        Self { flag, glued_only: false, before }
    }

    const fn glued(flag: char, before: &'static str) -> Self {
        Self { flag, glued_only: true, before }
    }
}

/// curl(1), the flags without a value.
const CURL: &str = "#0123456BGIJLMNOSZafgijklnpqsv";
const MYSQL: &str = "#ABCEGHILNTUVXabcfijklnoqrstvwx";

/// Short flags with a secret, by program.
const SHORT_FLAGS: &[(&str, Short)] = &[
    ("curl", Short::next('u', CURL)),
    ("curl", Short::next('U', CURL)),
    ("mysql", Short::glued('p', MYSQL)),
    ("mysqladmin", Short::glued('p', MYSQL)),
    ("mysqldump", Short::glued('p', MYSQL)),
    ("mariadb", Short::glued('p', MYSQL)),
    ("mariadb-dump", Short::glued('p', MYSQL)),
    ("sshpass", Short::next('p', "ev")),
    ("redis-cli", Short::next('a', "cx")),
    ("ldapsearch", Short::next('w', "nvxZAMIQCLU")),
    ("mongo", Short::next('p', "")),
    ("mongosh", Short::next('p', "")),
];

/// Long flags with a secret, by program; beside those of [`SECRET_FLAGS`].
const LONG_FLAGS: &[(&str, &str)] = &[("curl", "user"), ("wget", "user"), ("curl", "cookie")];

/// Flags whose value is a header.
const HEADER_FLAGS: &[&str] = &["-H", "--header", "--proxy-header"];

/// Headers whose value is a secret.
const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
    "x-vault-token",
];

/// What the next argument is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Anything,
    Secret,
    Header,
}

/// Masks the secrets in the arguments (argv[1..]) of `exe`. An argument that was cut at its end may have lost the mark
/// that tells a secret from a name; `cut` says which length means that.
pub(crate) fn mask(exe: &str, args: &mut [String], cut: usize) {
    let mut program = exe.rsplit('/').next().unwrap_or(exe).to_owned();
    let mut next = Next::Anything;
    for arg in args {
        match std::mem::replace(&mut next, Next::Anything) {
            // `--password --verbose`: the value is missing, a flag is no secret.
            Next::Secret if !arg.starts_with('-') => {
                MASK.clone_into(arg);
                continue;
            }
            Next::Header => {
                mask_header(arg, 0);
                continue;
            }
            _ => {}
        }
        if let Some(at) = short_secret(&program, arg) {
            next = mask_short(arg, at);
        } else if let Some(at) = header_of(arg) {
            if at < arg.len() {
                mask_header(arg, at);
            } else {
                next = Next::Header;
            }
        } else if let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) {
            let (flag, value) =
                flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
            if is_secret(flag) || is_long_secret(&program, flag) {
                match value {
                    Some(value) => hide_from(arg, arg.len() - value.len()),
                    None => next = Next::Secret,
                }
            } else {
                mask_userinfo(arg, cut);
            }
        } else if let Some((name, value)) = arg.split_once('=')
            && is_secret(name)
        {
            // `PGPASSWORD=x psql` as argument of env, `password=x` of a connection string.
            hide_from(arg, arg.len() - value.len());
        } else {
            // `env PGPASSWORD=x mysql -px`, `sudo mysql -px`: the program is another.
            if is_wrapper(&program) && !arg.contains('=') {
                arg.rsplit('/').next().unwrap_or(arg).clone_into(&mut program);
            }
            mask_userinfo(arg, cut);
        }
    }
}

/// Programs whose first argument that is no flag and no assignment is the program that they run.
fn is_wrapper(program: &str) -> bool {
    ["env", "sudo", "doas", "nohup", "setsid", "exec", "time", "watch", "xargs", "nice", "ionice"]
        .contains(&program)
}

/// Where a secret short flag ends in the argument, and whether its value can be in the next.
fn short_secret(program: &str, arg: &str) -> Option<(usize, bool)> {
    let flags = arg.strip_prefix('-').filter(|flags| !flags.is_empty() && !flags.starts_with('-'))?;
    SHORT_FLAGS.iter().filter(|(name, _)| *name == program).find_map(|(_, short)| {
        let at = flags.find(short.flag)?;
        let only_flags = flags[..at].chars().all(|flag| short.before.contains(flag));
        only_flags.then_some((1 + at + short.flag.len_utf8(), !short.glued_only))
    })
}

fn mask_short(arg: &mut String, (end, value_may_follow): (usize, bool)) -> Next {
    if arg.len() > end {
        hide_from(arg, end);
    } else if value_may_follow {
        return Next::Secret;
    }
    Next::Anything
}

fn is_long_secret(program: &str, flag: &str) -> bool {
    LONG_FLAGS.contains(&(program, flag))
}

/// Where the header begins in an argument that is a flag for one; at its end when it is the next argument.
fn header_of(arg: &str) -> Option<usize> {
    HEADER_FLAGS.iter().find_map(|flag| {
        let rest = arg.strip_prefix(flag)?;
        match (rest.as_bytes().first(), flag.starts_with("--")) {
            (None, _) => Some(arg.len()),
            (Some(b'='), true) => Some(flag.len() + 1),
            (Some(_), false) => Some(flag.len()),
            _ => None,
        }
    })
}

/// `Authorization: Bearer x` → `Authorization: ***`, from `start` of the argument.
fn mask_header(arg: &mut String, start: usize) {
    let Some(colon) = arg[start..].find(':').map(|at| start + at) else { return };
    let name = arg[start..colon].trim();
    if SECRET_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) || is_secret(name) {
        let space = usize::from(arg[colon + 1..].starts_with(' '));
        hide_from(arg, colon + 1 + space);
    }
}

/// Puts the mask in place of what the argument has from `at` on.
fn hide_from(arg: &mut String, at: usize) {
    arg.truncate(at);
    arg.push_str(MASK);
}

/// Whether a flag or variable of this name holds a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_FLAGS.binary_search(&name.as_str()).is_ok()
        || ["password", "passwd", "-pwd", "-secret", "-token", "-api-key", "-secret-access-key"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// `scheme://user:password@host` → `scheme://***@host`, everywhere in the argument. Where the argument is cut (at `cut`
/// bytes) before it is clear whether a user or a host follows, all of it is hidden.
fn mask_userinfo(arg: &mut String, cut: usize) {
    let is_cut = arg.len() >= cut;
    let mut from = 0;
    while let Some(at) = arg[from..].find("://") {
        let start = from + at + 3;
        let end = arg[start..].find(['/', '?', '#', ' ', '"', '\'']).map(|len| start + len);
        match arg[start..end.unwrap_or(arg.len())].rfind('@') {
            Some(len) => {
                arg.replace_range(start..start + len, MASK);
                from = start + MASK.len();
            }
            None if end.is_none() && is_cut => {
                hide_from(arg, start);
                return;
            }
            None => from = end.unwrap_or(arg.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(exe: &str, args: &str) -> String {
        let mut args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        mask(exe, &mut args, usize::MAX);
        args.join(" ")
    }

    /// Of arguments with spaces in them.
    fn masked_args(exe: &str, args: &[&str], cut: usize) -> Vec<String> {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        mask(exe, &mut args, cut);
        args
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SECRET_FLAGS.is_sorted());
    }

    #[test]
    fn secrets_are_masked_and_the_rest_is_not() {
        for (exe, args, want) in [
            ("/usr/bin/x", "--password hunter2 -v", "--password *** -v"),
            ("x", "--password=hunter2", "--password=***"),
            ("x", "--db_password=hunter2", "--db_password=***"),
            ("x", "--token", "--token"),
            ("x", "--password --verbose", "--password --verbose"),
            ("/usr/bin/mysql", "-phunter2 -u root shop", "-p*** -u root shop"),
            ("/usr/bin/mysql", "-p shop", "-p shop"),
            ("sshpass", "-p hunter2 ssh a@b", "-p *** ssh a@b"),
            ("curl", "-u me:secret https://h/x", "-u *** https://h/x"),
            ("curl", "https://me:secret@h:1/x?y=http://z", "https://***@h:1/x?y=http://z"),
            ("env", "PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
            ("ssh", "-p 22 host", "-p 22 host"),
            ("git", "clone git@github.com:a/b", "clone git@github.com:a/b"),
            ("make", "tokens=3 all", "tokens=3 all"),
            ("/usr/bin/curl", "-sSu me:secret https://h/", "-sSu *** https://h/"),
            ("/usr/bin/curl", "-sSume:secret https://h/", "-sSu*** https://h/"),
            ("/usr/bin/curl", "-Lo user.txt http://h/", "-Lo user.txt http://h/"),
            ("/usr/bin/curl", "--user me:secret --user=me:secret", "--user *** --user=***"),
            ("/usr/bin/curl", "-x p:1 -U me:secret", "-x p:1 -U ***"),
            ("ssh", "--user me h", "--user me h"),
            ("mysql", "-uroot -hdb -phunter2", "-uroot -hdb -p***"),
            ("mysql", "--password=hunter2 --port=3306", "--password=*** --port=3306"),
            ("mysql", "-vp shop", "-vp shop"),
            ("/usr/bin/env", "PGPASSWORD=x mysql -phunter2", "PGPASSWORD=*** mysql -p***"),
            (
                "sudo",
                "MYSQL_PWD=x AWS_SECRET_ACCESS_KEY=y run",
                "MYSQL_PWD=*** AWS_SECRET_ACCESS_KEY=*** run",
            ),
            ("/usr/bin/curl", "--data-binary @/tmp/dump.tgz", "--data-binary @/tmp/dump.tgz"),
        ] {
            assert_eq!(masked(exe, args), want, "{exe} {args}");
        }
    }

    #[test]
    fn headers_with_secrets_are_masked() {
        for (args, want) in [
            (
                vec!["-H", "Authorization: Bearer abc", "http://h"],
                vec!["-H", "Authorization: ***", "http://h"],
            ),
            (vec!["--header=authorization:Basic abc"], vec!["--header=authorization:***"]),
            (vec!["-HCookie: a=b; c=d"], vec!["-HCookie: ***"]),
            (vec!["--header", "X-My-Token: abc"], vec!["--header", "X-My-Token: ***"]),
            (vec!["-H", "Accept: text/html"], vec!["-H", "Accept: text/html"]),
            (vec!["-H", "no colon"], vec!["-H", "no colon"]),
        ] {
            assert_eq!(masked_args("curl", &args, usize::MAX), want);
        }
        // With other programs too: wget, http clients of all kinds.
        assert_eq!(masked_args("wget", &["--header=Cookie: x"], usize::MAX), ["--header=Cookie: ***"]);
    }

    #[test]
    fn a_url_that_is_cut_before_its_host_is_hidden() {
        for (arg, want) in [
            ("http://me:hunter2", "http://***"),
            ("http://host:8080", "http://***"),
            ("http://host/pathpath", "http://host/pathpath"),
            ("https://ghp_token", "https://***"),
            ("see http://a/ and http://b", "see http://a/ and http://***"),
        ] {
            assert_eq!(masked_args("x", &[arg], arg.len()), [want]);
            assert_eq!(masked_args("x", &[arg], arg.len() + 1), [arg], "not cut");
        }
    }

    #[test]
    fn hostile_arguments_do_no_harm() {
        for arg in [
            "-",
            "--",
            "-H",
            "--header=",
            "=",
            "://",
            "-u",
            "-é",
            "-Hé:",
            "--é=",
            "a://é@",
            "-sé",
            "--header",
        ] {
            for exe in ["curl", "mysql", "env", ""] {
                masked_args(exe, &[arg, arg], 1);
            }
        }
    }
}
