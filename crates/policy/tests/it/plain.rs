//! The compiled engine against a plain walk over the tree, on random rules and random streams of records.
//!
//! Both languages; entities change between events as they do in a trace, and working memory is kept.

use std::fmt::Write;

use proptest::{collection::vec, prelude::*, sample::select};
use sysflow::{
    Entities, Foid, Joined, Oid, attr,
    record::{
        Container, ContainerType, File, FileFlow, Header, Loss, NetworkFlow, ObjectState, Process,
        ProcessEvent, Record, op, open_flags,
    },
};
use sysflow_policy::{Language, RuleSet, Scratch, Source};

#[derive(Clone, Debug)]
enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    Text(&'static str, &'static str, Vec<&'static str>),
    Number(&'static str, &'static str, i64),
    Exists(&'static str),
}

const TEXTS: [&str; 13] = [
    "sf.proc.exe",
    "sf.proc.aname",
    "sf.proc.acmdline",
    "sf.pproc.name",
    "sf.container.image",
    "sf.file.newpath",
    "sf.proc.args",
    "sf.proc.aexe",
    "sf.pproc.exe",
    "sf.pproc.args",
    "sf.file.path",
    "sf.container.name",
    "sf.file.openflags",
];
const NUMBERS: [&str; 6] =
    ["sf.proc.uid", "sf.pproc.uid", "sf.flow.rbytes", "sf.net.dport", "sf.ret", "sf.flow.wops"];
const WORDS: [&str; 10] = ["/bin/a", "/bin/ab", "/bin", "a", "b", "-x", "/etc/a", "shop", "RDONLY", "A"];
const OPERATIONS: [&str; 6] = ["EXEC", "CLONE", "OPEN", "READ", "SEND", "CONNECT"];

fn tree() -> impl Strategy<Value = Tree> {
    let text = (
        select(&TEXTS[..]),
        select(&["=", "!=", "in", "contains", "icontains", "startswith", "endswith"][..]),
        vec(select(&WORDS[..]), 1..4),
    );
    let text = text.prop_map(|(field, operator, mut words)| {
        if operator != "in" {
            words.truncate(1);
        }
        Tree::Text(field, operator, words)
    });
    let number = (select(&NUMBERS[..]), select(&["<", "<=", ">", ">=", "=", "!="][..]), -1_i64..4)
        .prop_map(|(field, operator, number)| Tree::Number(field, operator, number));
    let operation = (select(&["=", "in", "!="][..]), vec(select(&OPERATIONS[..]), 1..3));
    let operation = operation.prop_map(|(operator, mut words)| {
        if operator != "in" {
            words.truncate(1);
        }
        Tree::Text("sf.opflags", operator, words)
    });
    let kind =
        vec(select(&["PE", "FF", "NF"][..]), 1..3).prop_map(|kinds| Tree::Text("sf.type", "in", kinds));
    let exists = select(&TEXTS[..12]).prop_map(Tree::Exists);
    let leaf = prop_oneof![4 => text, 2 => number, 3 => operation, 1 => kind, 1 => exists];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(Tree::All),
            2 => vec(inner.clone(), 1..4).prop_map(Tree::Any),
            1 => inner.prop_map(|tree| Tree::Not(Box::new(tree))),
        ]
    })
}

impl Tree {
    fn write(&self, to: &mut String) {
        let list = |parts: &[Self], word: &str, to: &mut String| {
            to.push('(');
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    write!(to, " {word} ").unwrap();
                }
                part.write(to);
            }
            to.push(')');
        };
        match self {
            Self::All(parts) => list(parts, "and", to),
            Self::Any(parts) => list(parts, "or", to),
            Self::Not(inner) => {
                to.push_str("not ");
                inner.write(to);
            }
            Self::Text(field, "in", words) => {
                let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
                write!(to, "{field} in ({})", words.join(", ")).unwrap();
            }
            Self::Text(field, operator, words) => write!(to, "{field} {operator} '{}'", words[0]).unwrap(),
            Self::Number(field, operator, number) => {
                // A minus begins no word of sf-processor's.
                write!(to, "{field} {operator} {}", number.max(&0)).unwrap();
            }
            Self::Exists(field) => write!(to, "{field} exists").unwrap(),
        }
    }

    /// What the condition says of a record, read off the attribute each time.
    fn holds(&self, language: Language, record: &Joined<'_>) -> bool {
        let read = |field: &str| attr::find(field).expect("an attribute").value(record);
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(language, record)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(language, record)),
            Self::Not(inner) => !inner.holds(language, record),
            Self::Exists(field) => match read(field) {
                attr::Value::Absent => false,
                value => !value.to_string().is_empty(),
            },
            Self::Number(field, operator, number) => {
                let number = (*number).max(0);
                let value = match (read(field), language) {
                    (attr::Value::Int(value), _) => value,
                    (attr::Value::Absent, Language::SfProcessor) => 0,
                    (attr::Value::Absent, Language::Falco) => return false,
                    (other, _) => panic!("{field} is {other:?}"),
                };
                match *operator {
                    "<" => value < number,
                    "<=" => value <= number,
                    ">" => value > number,
                    ">=" => value >= number,
                    "=" => value == number,
                    _ => value != number,
                }
            }
            Self::Text(field, operator, words) => {
                let values = match read(field) {
                    attr::Value::Absent if language == Language::Falco => return false,
                    attr::Value::Absent => vec![String::new()],
                    attr::Value::StrList(list) if list.is_empty() && language == Language::SfProcessor => {
                        vec![String::new()]
                    }
                    attr::Value::StrList(list) => list.iter().map(ToString::to_string).collect(),
                    other => vec![other.to_string()],
                };
                let any = |test: &dyn Fn(&str) -> bool| values.iter().any(|value| test(value));
                match *operator {
                    "=" | "in" => any(&|value| words.contains(&value)),
                    "!=" => !any(&|value| value == words[0]),
                    "contains" => any(&|value| value.contains(words[0])),
                    "icontains" => any(&|value| value.to_lowercase().contains(&words[0].to_lowercase())),
                    "startswith" => any(&|value| value.starts_with(words[0])),
                    _ => any(&|value| value.ends_with(words[0])),
                }
            }
        }
    }
}

/// A record of a stream in which few entities change often.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let oid = || (0_i64..4).prop_map(|n| Oid { create_ts: n % 3, hpid: n });
    let process = (
        oid(),
        proptest::option::of(oid()),
        select(&[ObjectState::Created, ObjectState::Modified, ObjectState::Reup][..]),
        select(&["/bin/a", "/bin/ab", "/opt/b"][..]),
        select(&["", "-x a", "/etc/a"][..]),
        0_i32..3,
        proptest::option::of(select(&["c1", "c2"][..])),
    );
    let process = process.prop_map(|(oid, poid, state, exe, args, uid, container)| {
        Record::Process(Process {
            state,
            oid,
            // A parent is older: chains have no loops.
            poid: poid.filter(|parent| parent.hpid < oid.hpid),
            exe: exe.into(),
            exe_args: args.into(),
            uid,
            container_id: container.map(Into::into),
            ..Process::default()
        })
    });
    let container = (select(&["c1", "c2"][..]), select(&["shop", "b", ""][..])).prop_map(|(id, name)| {
        Record::Container(Container {
            id: id.into(),
            name: name.into(),
            image: "i".into(),
            imageid: "1".into(),
            container_type: ContainerType::Docker,
            privileged: false,
            pod_id: None,
        })
    });
    let file = select(&["/etc/a", "/bin/ab", "/bin"][..]).prop_map(|path| {
        Record::File(File {
            state: ObjectState::Created,
            oid: Foid::new("", path),
            ts: 0,
            restype: i32::from(b'f'),
            path: path.into(),
            container_id: None,
        })
    });
    let event =
        (oid(), select(&[op::EXEC, op::CLONE][..]), -1_i32..2).prop_map(|(proc_oid, op_flags, ret)| {
            Record::ProcessEvent(ProcessEvent { proc_oid, ts: 5, tid: 1, op_flags, args: Vec::new(), ret })
        });
    let read = (oid(), select(&["/etc/a", "/bin/ab", "/bin"][..]), any::<bool>(), 0_i64..3).prop_map(
        |(proc_oid, path, opened, bytes)| {
            Record::FileFlow(FileFlow {
                proc_oid,
                ts: 5,
                tid: 1,
                op_flags: op::READ_RECV | if opened { op::OPEN } else { 0 },
                open_flags: if opened { open_flags::RDONLY } else { 0 },
                end_ts: 6,
                file_oid: Foid::new("", path),
                fd: 3,
                num_rrecv_ops: 1,
                num_wsend_ops: 0,
                num_rrecv_bytes: bytes,
                num_wsend_bytes: 0,
                num_opens: 1,
            })
        },
    );
    let net = (oid(), 0_i32..4, any::<bool>()).prop_map(|(proc_oid, dport, sends)| {
        Record::NetworkFlow(NetworkFlow {
            proc_oid,
            ts: 5,
            tid: 1,
            op_flags: op::CONNECT | if sends { op::WRITE_SEND } else { op::READ_RECV },
            end_ts: 6,
            sip: 0x0100_007f,
            sport: 1,
            dip: i32::from_le_bytes([192, 0, 2, 1]),
            dport,
            proto: 6,
            fd: 3,
            num_rrecv_ops: 1,
            num_wsend_ops: 1,
            num_rrecv_bytes: 1,
            num_wsend_bytes: 1,
            sip6: None,
            dip6: None,
        })
    });
    let header = Just(Record::Header(Header {
        version: 5,
        exporter: "n".into(),
        ip: String::new(),
        filename: String::new(),
        lost: Loss::default(),
    }));
    prop_oneof![6 => process, 2 => container, 2 => file, 4 => event, 4 => read, 4 => net, 1 => header]
}

fn file(trees: &[Tree], language: Language) -> Source {
    let mut text = String::new();
    for (number, tree) in trees.iter().enumerate() {
        write!(text, "- rule: {number}\n  desc: d\n  condition: ").unwrap();
        tree.write(&mut text);
        text.push('\n');
        if language == Language::Falco {
            text.push_str("  output: o\n  priority: INFO\n  source: sysflow\n");
        }
    }
    Source { language: Some(language), ..Source::new("random", text) }
}

fn compare(trees: &[Tree], records: &[Record], language: Language) -> Result<(), TestCaseError> {
    let source = file(trees, language);
    let (set, _) = RuleSet::load(std::slice::from_ref(&source))
        .unwrap_or_else(|problems| panic!("{problems}\n{}", source.text));
    let (mut entities, mut scratch, mut found) = (Entities::default(), Scratch::default(), Vec::new());
    for (at, record) in records.iter().enumerate() {
        entities.apply(record);
        if matches!(record, Record::Header(_) | Record::Process(_) | Record::Container(_) | Record::File(_)) {
            continue;
        }
        let joined = entities.join(record);
        set.matches_with(&joined, &mut scratch, &mut found);
        let got: Vec<_> = found.drain(..).map(|id| set.rule(id).name.clone()).collect();
        let wanted = trees.iter().enumerate().filter(|(_, tree)| tree.holds(language, &joined));
        let wanted: Vec<_> = wanted.map(|(number, _)| number.to_string()).collect();
        prop_assert_eq!(got, wanted, "record {} of {:?}\n{}", at, record, &source.text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_say_what_the_tree_says(
        trees in vec(tree(), 1..12),
        records in vec(record(), 1..80),
    ) {
        compare(&trees, &records, Language::Falco)?;
        compare(&trees, &records, Language::SfProcessor)?;
    }
}
