//! Who may ask: everybody that reaches the address, or whoever shows the token.
//!
//! A program shows the token itself. A browser shows it once and gets a cookie that scripts cannot read; a page in
//! somebody else's frame gets neither, but a text that opens one graph for some minutes. Cookies and such texts are signed
//! with the token: they outlive a restart, and a new token ends them all.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use sysflow::GraphId;

use super::sign::{self, Signer};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hex;

/// Name of the cookie of a browser that has shown the token.
pub(super) const COOKIE: &str = "sysflow_session";

/// How long a browser stays logged in.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);

/// How long a text opens its graph.
const EMBED: Duration = Duration::from_secs(300);

/// Lengths of a token. What has fewer characters can be guessed.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=512;

/// Name of the file below the store's state in which a token is kept that nobody has chosen.
const FILE: &str = "api-token";

const SESSIONS: &str = "session";

/// What a configuration says of who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Whoever reaches the address.
    Open,
    /// Whoever shows the token in this file, which is made when it does not exist.
    Token(PathBuf),
}

/// Who may ask.
#[derive(Debug)]
pub struct Access {
    token: Option<Token>,
    signer: Signer,
}

/// A secret that opens everything.
#[derive(Clone)]
pub struct Token {
    text: String,
    file: PathBuf,
}

/// What a request has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nothing, and nothing is asked for.
    Anyone,
    /// The token.
    Token,
    /// The cookie of a browser that has shown the token.
    Session,
    /// A text that opens one graph.
    Embed(GraphId),
}

/// Why a request may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It shows nothing that opens anything.
    Nothing,
    /// What it shows is wrong or has ended.
    Wrong,
}

impl Plan {
    /// What holds for a configuration. An address that other machines reach needs a token, or consent to do without.
    pub fn of(config: &Config) -> Result<Self> {
        let api = &config.api;
        if let Some(file) = &api.token_file {
            return Ok(Self::Token(file.clone()));
        }
        if api.listen.ip().is_loopback() || api.insecure {
            return Ok(Self::Open);
        }
        match &config.store {
            Some(store) => Ok(Self::Token(store.join("state").join(FILE))),
            None => Err(Error::Usage(format!(
                "{} can be reached by other machines, and there is no token that they would have to show: name a file \
                 for one with --token-file (api.token_file) or keep a store, listen on 127.0.0.1, or let everybody in \
                 with --insecure (api.insecure: true)",
                api.listen
            ))),
        }
    }

    /// Reads the token, or makes it.
    pub fn access(&self) -> Result<Access> {
        match self {
            Self::Open => Access::new(None),
            Self::Token(file) => Access::new(Some(Token::read_or_make(file)?)),
        }
    }
}

impl Access {
    fn new(token: Option<Token>) -> Result<Self> {
        let signer = match &token {
            Some(token) => Signer::new(token.text.as_bytes()),
            None => Signer::new(&random()?),
        };
        Ok(Self { token, signer })
    }

    /// The token, if one is asked for.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Whose request this is.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, secret) = shown.and_then(|shown| shown.split_once(' ')).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("embed") {
            // Also where nothing is asked for: what was made for one graph opens one graph.
            return self.embedded(secret.trim()).map(Caller::Embed).ok_or(Refused::Wrong);
        }
        let Some(token) = &self.token else { return Ok(Caller::Anyone) };
        if scheme.eq_ignore_ascii_case("bearer") {
            return if token.is(secret.trim()) { Ok(Caller::Token) } else { Err(Refused::Wrong) };
        }
        let mut cookies = cookies(headers, COOKIE).peekable();
        if cookies.peek().is_none() {
            return Err(Refused::Nothing);
        }
        let now = sign::now();
        if cookies.any(|cookie| self.signer.is_valid(SESSIONS, cookie, now)) {
            return Ok(Caller::Session);
        }
        Err(Refused::Wrong)
    }

    /// Value of a cookie for a browser that has shown `token`; `None` when it is another one. Nothing is needed where no
    /// token is asked for.
    pub(super) fn log_in(&self, token: &str) -> Option<String> {
        self.token.as_ref()?.is(token).then(|| self.signer.sign(SESSIONS, sign::end_of(SESSION)))
    }

    /// A text that opens `graph`, and when it ends, in seconds since the epoch.
    pub(super) fn embed(&self, graph: GraphId) -> (String, u64) {
        let end = sign::end_of(EMBED);
        (format!("{graph}.{}", self.signer.sign(&format!("embed {graph}"), end)), end)
    }

    fn embedded(&self, text: &str) -> Option<GraphId> {
        let (graph, signed) = text.split_once('.')?;
        let graph = GraphId::parse(graph)?;
        self.signer.is_valid(&format!("embed {graph}"), signed, sign::now()).then_some(graph)
    }
}

impl Token {
    fn read_or_make(file: &Path) -> Result<Self> {
        match Self::read(file) {
            Ok(token) => Ok(token),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Self::make(file),
            Err(error) => Err(error),
        }
    }

    /// The token in a file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let fail = |e| Error::io("read the token", file)(e);
        let opened = fs::File::open(file).map_err(fail)?;
        let mut text = String::new();
        opened.take(*LENGTHS.end() as u64 + 2).read_to_string(&mut text).map_err(fail)?;
        let text = text.trim_end_matches(['\n', '\r']);
        if !LENGTHS.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Failed(format!(
                "{}: a token is one line of {} to {} letters, digits and signs without spaces; remove the file to \
                 have one made",
                file.display(),
                LENGTHS.start(),
                LENGTHS.end()
            )));
        }
        Ok(Self { text: text.to_owned(), file: file.to_owned() })
    }

    fn make(file: &Path) -> Result<Self> {
        let fail = |e| Error::io("write the token", file)(e);
        let text = hex::encode(&random()?);
        if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
        }
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(fail)?;
        let written = writeln!(new, "{text}").and_then(|()| new.sync_all());
        if let Err(error) = written {
            // Half a token would be refused from then on.
            _ = fs::remove_file(file);
            return Err(fail(error));
        }
        Ok(Self { text, file: file.to_owned() })
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// Where it is kept.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether `text` is this token. Tags are compared, which takes as long for every wrong one.
    fn is(&self, text: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"tokens are compared by their tags");
        hmac::verify(&key, text.as_bytes(), hmac::sign(&key, self.text.as_bytes()).as_ref()).is_ok()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Values of the cookies with this name; a browser may send several.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, value)| value)
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Failed("the system gives no random numbers: no token can be made".into()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use axum::http::HeaderValue;

    use super::*;

    fn plan(change: impl FnOnce(&mut Config)) -> Result<Plan> {
        let mut config = Config::default();
        change(&mut config);
        Plan::of(&config)
    }

    fn shows(headers: &[(header::HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    #[test]
    fn a_token_is_asked_for_where_others_reach_the_address() {
        let outside = |config: &mut Config| config.api.listen = "0.0.0.0:1".parse().unwrap();
        assert_eq!(plan(|_| {}).unwrap(), Plan::Open);
        let error = plan(outside).unwrap_err();
        assert!(error.to_string().contains("--token-file") && error.exit_status() == 2, "{error}");
        let open = plan(|config| {
            outside(config);
            config.api.insecure = true;
        });
        assert_eq!(open.unwrap(), Plan::Open);
        let kept = plan(|config| {
            outside(config);
            config.store = Some("/s".into());
        });
        assert_eq!(kept.unwrap(), Plan::Token("/s/state/api-token".into()));
        // A file that is named is meant, whatever else is said.
        let named = plan(|config| {
            config.api.token_file = Some("/t".into());
            config.api.insecure = true;
        });
        assert_eq!(named.unwrap(), Plan::Token("/t".into()));
    }

    #[test]
    fn a_token_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state/api-token");
        let made = Token::read_or_make(&file).unwrap();
        assert_eq!(made.secret().len(), 64);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::read_or_make(&file).unwrap().secret(), made.secret());
        assert!(!format!("{made:?}").contains(made.secret()));
        for wrong in
            ["", "\n", "short", "with a space in it, long", "0123456789abcdef\nand more", &"x".repeat(513)]
        {
            fs::write(&file, wrong).unwrap();
            let error = Token::read_or_make(&file).unwrap_err().to_string();
            assert!(error.contains("api-token") && error.contains("16 to 512"), "{wrong:?}: {error}");
        }
        fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(Token::read_or_make(&file).unwrap().secret(), "0123456789abcdef");
        assert!(Token::read_or_make(Path::new("/proc/nothing/token")).is_err());
    }

    #[test]
    fn what_is_shown_tells_who_asks() {
        let token = Token { text: "0123456789abcdef".into(), file: PathBuf::new() };
        let access = Access::new(Some(token.clone())).unwrap();
        let bearer = |text: &str| access.caller(&shows(&[(header::AUTHORIZATION, text)]));
        assert_eq!(bearer("Bearer 0123456789abcdef"), Ok(Caller::Token));
        assert_eq!(bearer("bearer 0123456789abcdef"), Ok(Caller::Token));
        for wrong in ["Bearer 0123456789abcde", "Bearer ", "Bearer 0123456789abcdefg"] {
            assert_eq!(bearer(wrong), Err(Refused::Wrong), "{wrong}");
        }
        for nothing in ["0123456789abcdef", "Basic 0123456789abcdef", ""] {
            assert_eq!(bearer(nothing), Err(Refused::Nothing), "{nothing}");
        }
        let cookie = access.log_in("0123456789abcdef").unwrap();
        assert_eq!(access.log_in("0123456789abcdeF"), None);
        let with = |text: String| access.caller(&shows(&[(header::COOKIE, &text)]));
        assert_eq!(with(format!("a=b; {COOKIE}={cookie}; c")), Ok(Caller::Session));
        assert_eq!(with(format!("{COOKIE}=old; {COOKIE}={cookie}")), Ok(Caller::Session));
        assert_eq!(with(format!("{COOKIE}={cookie}0")), Err(Refused::Wrong));
        assert_eq!(with(format!("x{COOKIE}={cookie}")), Err(Refused::Nothing));
        // The same token after a restart, and another one.
        let again = Access::new(Some(token)).unwrap();
        assert!(again.signer.is_valid(SESSIONS, &cookie, sign::now()));
        let other = Token { text: "another token of ours".into(), file: PathBuf::new() };
        assert!(!Access::new(Some(other)).unwrap().signer.is_valid(SESSIONS, &cookie, sign::now()));
    }

    #[test]
    fn a_text_for_one_graph_opens_that_one() {
        let graph = GraphId::parse("00112233445566778899aabbccddeeff").unwrap();
        for token in [None, Some(Token { text: "0123456789abcdef".into(), file: PathBuf::new() })] {
            let access = Access::new(token).unwrap();
            let (text, end) = access.embed(graph);
            assert!((sign::now()..=sign::end_of(EMBED)).contains(&end));
            let caller =
                |text: &str| access.caller(&shows(&[(header::AUTHORIZATION, &format!("Embed {text}"))]));
            assert_eq!(caller(&text), Ok(Caller::Embed(graph)));
            let other = text.replacen("00112233", "10112233", 1);
            for wrong in [other.as_str(), "", ".", &text[..text.len() - 1], &text[33..]] {
                assert_eq!(caller(wrong), Err(Refused::Wrong), "{wrong}");
            }
            let ended = format!("{graph}.{}", access.signer.sign(&format!("embed {graph}"), sign::now()));
            assert_eq!(caller(&ended), Err(Refused::Wrong));
        }
    }
}
