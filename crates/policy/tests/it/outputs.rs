//! Outputs of alerts.

use sysflow_policy::{RuleSet, Source};

use crate::scene::Scene;

#[track_caller]
fn output(template: &str, scene: Scene) -> String {
    let quoted = template.replace('\'', "''");
    let text = format!(
        "- rule: r\n  desc: d\n  condition: sf.type exists\n  priority: info\n  output: '{quoted}'\n"
    );
    let (set, _) = RuleSet::load(&[Source::new("t.yaml", text)]).unwrap_or_else(|error| panic!("{error}"));
    scene.joined(|record| set.rules().next().expect("one rule").1.output.format(record))
}

#[test]
fn fields_are_filled_in() {
    let exec = || Scene::new("java -jar a.jar > sh -c id").container("shop").exec();
    assert_eq!(output("run %sf.proc.cmdline", exec()), "run /usr/bin/sh -c id");
    assert_eq!(output("%proc.name(%proc.pid)", exec()), "sh(101)");
    assert_eq!(output("parent %proc.aname[1].", exec()), "parent java.");
    assert_eq!(output("at %sf.proc.name.", exec()), "at sh.");
    assert_eq!(output("*%proc.pname %evt.type", exec()), "java execve");
    assert_eq!(output("a *%proc.pname", exec()), "a java");
    assert_eq!(
        output("%evt.time %evt.time.iso8601", exec()),
        "22:13:20.000000000 2023-11-14T22:13:20.000000000Z"
    );
    assert_eq!(output("%proc.name", Scene::new("python3.11 x").exec()), "python3.11");
    let load = Scene::new("bpftool").event(sysflow::record::op::KERNEL, 5, &["bpf", "5"]);
    assert_eq!(output("%evt.arg.cmd", load), "BPF_PROG_LOAD");
    let unshare = Scene::new("unshare").event(sysflow::record::op::SETNS, 0, &["unshare", "NEWUSER"]);
    assert_eq!(output("%evt.type %sf.event.args", unshare), "unshare unshare,NEWUSER");
    assert_eq!(output("100% of %proc.name %", exec()), "100% of sh %");
}

#[test]
fn outputs_name_functions_of_fields_too() {
    let exec = || Scene::new("java > sh -c id").exec();
    assert_eq!(output("%toupper(proc.name) (%proc.pid)", exec()), "SH (101)");
    assert_eq!(output("*%basename(proc.exepath).", exec()), "sh.");
    assert_eq!(output("%join(\"<\", (proc.name, proc.pname))!", exec()), "sh<java!");
    assert_eq!(output("%len(proc.args)%tolower(fd.name)", exec()), "5<NA>");
}

#[test]
fn absent_fields_show_as_na() {
    let exec = || Scene::new("id").exec();
    assert_eq!(output("%fd.name %k8s.pod.name", exec()), "<NA> <NA>");
    assert_eq!(output("%sf.file.path|", exec()), "<NA>|");
    assert_eq!(output("%container.id %container.name", exec()), "host host");
}

#[test]
fn what_a_host_says_cannot_leave_the_line() {
    let scene = Scene::new("sh").with(|p| p.exe_args = "a\nb\u{1b}[31m é\u{202e}".into()).exec();
    assert_eq!(output("run %proc.args", scene), "run a\\nb\\u{1b}[31m \\u{e9}\\u{202e}");
    let scene = Scene::new("sh").exec();
    assert_eq!(output("Zugriff über %proc.name", scene), "Zugriff \\u{fc}ber sh");
}

#[test]
fn fields_come_with_their_values() {
    let text = "- rule: r\n  desc: d\n  condition: sf.type exists\n  priority: info\n  output: x %proc.name %fd.name\n";
    let (set, _) = RuleSet::load(&[Source::new("t.yaml", text)]).unwrap();
    let fields: Vec<_> = Scene::new("id").exec().joined(|record| {
        let rule = set.rules().next().unwrap().1;
        rule.output.fields(record).map(|(name, value)| (name.to_owned(), value)).collect()
    });
    assert_eq!(fields, [("proc.name".to_owned(), Some("id".to_owned())), ("fd.name".to_owned(), None)]);
}
