//! Content security policies: ours for what is shown in the frame, and room for our script in the UI's.

/// For everything that is served for the frame: its own files, no way to the page around it even when it is opened alone
/// (`sandbox` gives it an origin of its own), and no frame but one of the same host.
pub(super) const FRAME: &str = "sandbox allow-scripts; default-src 'none'; script-src 'self'; style-src 'self'; \
                                connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; \
                                form-action 'none'; frame-ancestors 'self'";

/// A policy of a page that lets our script in, and with it its requests and its frame, all of the page's own origin.
///
/// Falcosidekick-UI has none; one may come from an ingress. What a policy does not limit stays so.
pub(super) fn admit(policy: &str, nonce: &str) -> String {
    policy.split(',').map(|one| admit_one(one.trim(), nonce)).collect::<Vec<_>>().join(", ")
}

fn admit_one(policy: &str, nonce: &str) -> String {
    let mut directives: Vec<Vec<String>> = policy
        .split(';')
        .map(|directive| directive.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|directive| !directive.is_empty())
        .collect();
    grant(&mut directives, &["script-src-elem", "script-src", "default-src"], |sources| {
        script(sources, nonce);
    });
    grant(&mut directives, &["connect-src", "default-src"], own_origin);
    grant(&mut directives, &["frame-src", "child-src", "default-src"], own_origin);
    directives.iter().map(|directive| directive.join(" ")).collect::<Vec<_>>().join("; ")
}

/// Changes the sources of the first of these directives that a policy has; a fallback is not changed for all that use it.
fn grant(directives: &mut Vec<Vec<String>>, names: &[&str], change: impl FnOnce(&mut Vec<String>)) {
    let named = |name: &str, directives: &[Vec<String>]| {
        directives.iter().position(|directive| directive[0].eq_ignore_ascii_case(name))
    };
    let Some(at) = names.iter().find_map(|name| named(name, directives)) else { return };
    let mut sources = directives[at][1..].to_vec();
    change(&mut sources);
    if sources == directives[at][1..] {
        return;
    }
    let own = directives[at][0].eq_ignore_ascii_case("default-src");
    let name = if own { names[names.len() - 2].to_owned() } else { directives[at][0].clone() };
    let directive = [vec![name], sources].concat();
    if own {
        directives.push(directive);
    } else {
        directives[at] = directive;
    }
}

fn script(sources: &mut Vec<String>, nonce: &str) {
    let has = |what: &str| sources.iter().any(|source| source.eq_ignore_ascii_case(what));
    let lower = |source: &String| source.to_ascii_lowercase();
    let listed = sources.iter().map(lower).any(|s| s.starts_with("'nonce-") || s.starts_with("'sha"));
    if has("'self'") && !has("'strict-dynamic'") {
        return;
    }
    // A nonce would take the right of all other inline scripts away.
    if has("'unsafe-inline'") && !listed && !has("'strict-dynamic'") {
        return own_origin(sources);
    }
    sources.retain(|source| !source.eq_ignore_ascii_case("'none'"));
    sources.push(format!("'nonce-{nonce}'"));
}

fn own_origin(sources: &mut Vec<String>) {
    if sources.iter().any(|source| source == "*" || source.eq_ignore_ascii_case("'self'")) {
        return;
    }
    sources.retain(|source| !source.eq_ignore_ascii_case("'none'"));
    sources.push("'self'".to_owned());
}

#[cfg(test)]
mod tests {
    use super::admit;

    #[test]
    fn our_script_is_let_in_and_nothing_else_changes() {
        for (policy, wanted) in [
            ("frame-ancestors 'none'", "frame-ancestors 'none'"),
            ("default-src 'self'; img-src *", "default-src 'self'; img-src *"),
            (
                "default-src 'none'; script-src https://cdn.example",
                "default-src 'none'; script-src https://cdn.example 'nonce-N'; connect-src 'self'; child-src 'self'",
            ),
            (
                "script-src 'strict-dynamic' 'nonce-x' 'self'",
                "script-src 'strict-dynamic' 'nonce-x' 'self' 'nonce-N'",
            ),
            ("script-src 'unsafe-inline'", "script-src 'unsafe-inline' 'self'"),
            ("Script-Src 'none'; frame-src 'none'", "Script-Src 'nonce-N'; frame-src 'self'"),
            (
                "default-src *; connect-src https://a, script-src b",
                "default-src *; connect-src https://a 'self'; script-src * 'nonce-N', script-src b 'nonce-N'",
            ),
            ("", ""),
        ] {
            assert_eq!(admit(policy, "N"), wanted, "{policy}");
        }
    }
}
