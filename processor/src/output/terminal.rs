//! Alerts for people at a terminal.

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;
use sysflow_policy::Priority;

use super::Output;
use crate::alert::{Alert, text};
use crate::engine::Told;
use crate::error::{self, Result};
use crate::time;

/// Longest command line shown.
const MAX_COMMAND: usize = 160;

/// Writes alerts to standard output as they happen.
#[derive(Debug)]
pub struct Terminal {
    colour: bool,
    bar: Option<ProgressBar>,
    /// Graphs whose address was told.
    linked: Option<HashSet<String>>,
}

impl Terminal {
    /// Colours when standard output is a terminal and NO_COLOR is not set. `bar` steps aside for each alert. `links`: the page is up, so the first severe alert of a graph shows its address.
    pub fn new(bar: Option<ProgressBar>, links: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && io::stdout().is_terminal(), bar, linked: links.then(HashSet::new) }
    }
}

impl Output for Terminal {
    fn alert(&mut self, told: &Told) -> Result<()> {
        let mut text = render(&told.alert, self.colour);
        if let Some(address) = self.link(&told.alert) {
            text.push_str(&address);
        }
        let write = || {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
        .map_err(error::stdout)
    }

    fn name(&self) -> &'static str {
        "stdout"
    }
}

impl Terminal {
    /// A line with the address of the alert's graph, when it is severe and the graph's first one.
    fn link(&mut self, alert: &Alert) -> Option<String> {
        let (graph, url) = (alert.graph()?, alert.field("sf.graph_url")?);
        let linked = self.linked.as_mut()?;
        let new = alert.priority >= Priority::Warning && linked.insert(graph.to_owned());
        new.then(|| format!("    {}\n", paint(self.colour, "4", &text::ascii(url))))
    }
}

/// Two lines: when, how bad, which rule, techniques; then what was run, where, and the graph. All of it printable ASCII.
fn render(alert: &Alert, colour: bool) -> String {
    let paint =
        |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let clock = time::clock(alert.ts);
    let techniques: Vec<_> =
        alert.tags.iter().filter(|tag| text::is_technique(tag)).map(String::as_str).collect();
    let times = if alert.count > 1 { format!(" x{}", alert.count) } else { String::new() };
    let field = |name: &str| alert.field(name).map(|value| text::ascii(value).into_owned());
    let mut second = vec![
        field("sf.proc.cmdline")
            .or_else(|| field("sf.proc.exe"))
            .map(|command| text::cut(&command, MAX_COMMAND).into_owned())
            .unwrap_or_default(),
    ];
    second.extend(field("sf.file.path").map(|path| format!("file={path}")));
    if let (Some(ip), Some(port)) = (field("sf.net.dip"), alert.output_fields.get("sf.net.dport")) {
        second.push(format!("to={ip}:{port}"));
    }
    second.extend(field("sf.container.name").map(|name| format!("container={name}")));
    second.extend(alert.graph().map(|graph| paint("2", &format!("graph={graph}"))));
    format!(
        "{} {} {}{times}{}\n    {}\n",
        paint("2", clock.get(..12).unwrap_or(&clock)),
        paint(colour_of(alert.priority), &format!("{:<13}", alert.priority.as_str())),
        paint("1", &alert.rule),
        if techniques.is_empty() {
            String::new()
        } else {
            paint("36", &format!("  {}", techniques.join(" ")))
        },
        second.join("  "),
    )
}

fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn colour_of(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert => "1;97;41",
        Priority::Critical => "1;31",
        Priority::Error => "31",
        Priority::Warning => "33",
        Priority::Notice => "34",
        Priority::Informational | Priority::Debug => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(command: &str) -> Alert {
        let fields = [
            ("sf.proc.cmdline", command),
            ("sf.graphid", "0123456789abcdef0123456789abcdef"),
            ("sf.graph_url", "http://127.0.0.1:8686/g/0123456789abcdef0123456789abcdef?at=1"),
            ("sf.net.dip", "198.51.100.77"),
        ];
        let mut output_fields: serde_json::Map<_, _> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        output_fields.insert("sf.net.dport".into(), 8443.into());
        Alert {
            id: "0123456789abcdef".into(),
            ts: 1_795_489_172_532_306_532,
            priority: Priority::Warning,
            rule: "Call home".into(),
            source: "sysflow".into(),
            hostname: "node-1".into(),
            tags: vec!["T1571".into(), "mitre_command_and_control".into()],
            text: String::new(),
            output: String::new(),
            output_fields,
            count: 3,
        }
    }

    #[test]
    fn an_alert_is_two_lines_for_people() {
        assert_eq!(
            render(&alert("python3 x.py"), false),
            "02:59:32.532 Warning       Call home x3  T1571\n    \
             python3 x.py  to=198.51.100.77:8443  graph=0123456789abcdef0123456789abcdef\n"
        );
    }

    #[test]
    fn nothing_of_the_host_reaches_the_terminal_unescaped() {
        let shown = render(&alert("\x1b]0;title\x07\n\u{202e}é"), false);
        assert!(shown.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{shown:?}");
        assert_eq!(shown.lines().count(), 2);
    }

    #[test]
    fn the_address_of_a_graph_is_told_once() {
        let mut terminal = Terminal { colour: false, bar: None, linked: Some(HashSet::new()) };
        assert!(terminal.link(&alert("a")).unwrap().contains("http://127.0.0.1:8686/g/"));
        assert_eq!(terminal.link(&alert("b")), None);
    }
}
