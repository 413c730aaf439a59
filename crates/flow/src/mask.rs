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

/// Short flags with a secret in the next argument, or glued to them, by program.
const SHORT_FLAGS: &[(&str, &str)] = &[
    ("curl", "-u"),
    ("mysql", "-p"),
    ("mysqladmin", "-p"),
    ("mysqldump", "-p"),
    ("mariadb", "-p"),
    ("mariadb-dump", "-p"),
    ("sshpass", "-p"),
    ("redis-cli", "-a"),
    ("ldapsearch", "-w"),
    ("wget", "--user"),
];

/// Programs whose short flag has its value glued to it, never in the next argument.
const GLUED_ONLY: &[&str] = &["mysql", "mysqladmin", "mysqldump", "mariadb", "mariadb-dump"];

/// Masks the secrets in the arguments (argv[1..]) of `exe`.
pub(crate) fn mask(exe: &str, args: &mut [String]) {
    let name = exe.rsplit('/').next().unwrap_or(exe);
    let short = SHORT_FLAGS.iter().find(|(program, _)| *program == name).map(|(_, flag)| *flag);
    let mut value_follows = false;
    for arg in args {
        if value_follows {
            value_follows = false;
            // `--password --verbose`: the value is missing, a flag is no secret.
            if !arg.starts_with('-') {
                MASK.clone_into(arg);
                continue;
            }
        }
        if let Some(flag) = short
            && !flag.starts_with("--")
            && arg.starts_with(flag)
            && !arg.starts_with("--")
        {
            if arg.len() > flag.len() {
                arg.truncate(flag.len());
                arg.push_str(MASK);
            } else {
                value_follows = !GLUED_ONLY.contains(&name);
            }
            continue;
        }
        if let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) {
            let (flag, value) =
                flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
            if is_secret(flag) {
                match value {
                    Some(value) => {
                        arg.truncate(arg.len() - value.len());
                        arg.push_str(MASK);
                    }
                    None => value_follows = true,
                }
                continue;
            }
        } else if let Some((name, value)) = arg.split_once('=')
            && is_secret(name)
        {
            // `PGPASSWORD=x psql` as argument of env, `password=x` of a connection string.
            arg.truncate(arg.len() - value.len());
            arg.push_str(MASK);
            continue;
        }
        mask_userinfo(arg);
    }
}

/// Whether a flag or variable of this name holds a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_FLAGS.binary_search(&name.as_str()).is_ok()
        || ["password", "passwd", "-secret", "-token", "-api-key"].iter().any(|end| name.ends_with(end))
}

/// `scheme://user:password@host` → `scheme://***@host`, everywhere in the argument.
fn mask_userinfo(arg: &mut String) {
    let mut from = 0;
    while let Some(at) = arg[from..].find("://") {
        let start = from + at + 3;
        let authority =
            arg[start..].find(['/', '?', '#', ' ', '"', '\'']).map_or(arg.len(), |len| start + len);
        match arg[start..authority].rfind('@') {
            Some(len) => {
                arg.replace_range(start..start + len, MASK);
                from = start + MASK.len();
            }
            None => from = authority.max(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(exe: &str, args: &str) -> String {
        let mut args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        mask(exe, &mut args);
        args.join(" ")
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
            ("/usr/bin/curl", "--data-binary @/tmp/dump.tgz", "--data-binary @/tmp/dump.tgz"),
        ] {
            assert_eq!(masked(exe, args), want, "{exe} {args}");
        }
    }
}
