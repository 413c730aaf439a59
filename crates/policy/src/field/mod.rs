//! Fields that conditions and outputs name: SysFlow's attributes, and Falco's names with Falco's meaning.

mod call;
mod catalogue;
mod evt;
mod fd;
mod meta;
pub(crate) mod net;
pub(crate) mod ops;
mod proc;
mod seen;
mod subject;
mod value;

use sysflow::{
    Joined,
    attr::{self, Attr},
    record::{Kind, op},
};

pub use self::catalogue::{FieldClass, FieldEntry, fields, operators};
pub(crate) use self::{
    proc::aliases,
    subject::Subject,
    value::{Type, Value},
};
use crate::{
    context::{Context, NoContext, Stateful},
    kinds::KindSet,
    rule::Status,
    sf::SfField,
    suggest,
    syntax::{Combine, FieldName, Function},
};

/// A field, ready to be read off records.
#[derive(Debug)]
pub(crate) struct Field {
    /// As written, with its argument.
    pub(crate) name: String,
    pub(crate) value_type: Type,
    /// Record kinds on which it can have a value.
    pub(crate) kinds: KindSet,
    /// How its value differs from what Falco would say.
    pub(crate) note: Option<&'static str>,
    pub(crate) role: Role,
    /// What its value depends on.
    pub(crate) subject: Subject,
    /// Whether it has several values.
    list: bool,
    get: Getter,
    /// What is done with the value, in this order.
    functions: Vec<Function>,
}

/// Fields whose comparisons say something about the kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    /// `sf.type`.
    RecordKind,
    /// `sf.opflags`.
    Operation,
    /// `evt.type`.
    SystemCall,
    /// `proc.name` and the like: a program has several names.
    Program,
    /// `evt.num`: the same number for every record.
    Constant(i64),
}

#[derive(Debug)]
enum Getter {
    Attr(&'static Attr),
    AttrElement(&'static Attr, usize),
    Falco(Get, Argument),
    Context(Stateful),
    /// The letter of the option that `getopt(…)[x]` picks, and the arguments.
    Call(Combine, Option<char>, Vec<Field>),
    /// With the values of sf-processor.
    SfProcessor(SfField),
}

/// What is wrong with a field that a condition names, and which part of it is meant.
#[derive(Debug)]
pub(crate) struct Wrong<'n> {
    pub(crate) at: &'n FieldName,
    pub(crate) error: FieldError,
}

pub(crate) type Get = for<'a> fn(&Joined<'a>, &Argument) -> Value<'a>;

/// What stood in `[…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    None,
    Index(usize),
    Key(String),
}

/// One of Falco's fields.
#[derive(Debug)]
pub(crate) struct FalcoField {
    pub(crate) name: &'static str,
    pub(crate) answer: Answer,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Yes {
        value_type: Type,
        kinds: KindSet,
        takes: Takes,
        note: Option<&'static str>,
        get: Get,
    },
    /// SysFlow's records do not hold it, and why.
    No(&'static str),
}

/// What may stand in `[…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    MayIndex,
    MayKey,
    Key,
}

/// Why a field cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FieldError {
    Unknown {
        suggestion: Option<String>,
    },
    /// A field of Falco that SysFlow's records cannot answer.
    CannotAnswer(&'static str),
    Argument(String),
}

// === tables' helpers ===

const fn yes(name: &'static str, value_type: Type, kinds: KindSet, get: Get) -> FalcoField {
    FalcoField { name, answer: Answer::Yes { value_type, kinds, takes: Takes::Nothing, note: None, get } }
}

const fn no(name: &'static str, reason: &'static str) -> FalcoField {
    FalcoField { name, answer: Answer::No(reason) }
}

impl FalcoField {
    const fn note(mut self, text: &'static str) -> Self {
        if let Answer::Yes { note, .. } = &mut self.answer {
            *note = Some(text);
        }
        self
    }

    const fn takes(mut self, what: Takes) -> Self {
        if let Answer::Yes { takes, .. } = &mut self.answer {
            *takes = what;
        }
        self
    }
}

const PROC: KindSet = KindSet::of(&[
    Kind::ProcessEvent,
    Kind::NetworkFlow,
    Kind::FileFlow,
    Kind::FileEvent,
    Kind::NetworkEvent,
    Kind::ProcessFlow,
]);

fn tables() -> impl Iterator<Item = &'static FalcoField> {
    proc::FIELDS.iter().chain(fd::FIELDS).chain(evt::FIELDS).chain(meta::FIELDS)
}

/// One of Falco's fields, and how SysFlow's records answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldReport {
    /// As Falco names it, without an argument.
    pub name: &'static str,
    /// Whether records answer it as Falco does, in another way, or not at all.
    pub status: Status,
    /// How the answer differs, or why there is none.
    pub reason: Option<&'static str>,
}

/// Falco's fields, each once.
pub fn falco_fields() -> impl Iterator<Item = FieldReport> {
    tables().map(|field| {
        let (status, reason) = match field.answer {
            Answer::Yes { note: None, .. } => (Status::Runs, None),
            Answer::Yes { note, .. } => (Status::Differs, note),
            Answer::No(reason) => (Status::Cannot, Some(reason)),
        };
        FieldReport { name: field.name, status, reason }
    })
}

// === impl Field ===

impl Field {
    /// The field `name`, or `name[argument]`.
    pub(crate) fn find(name: &str, argument: Option<&str>) -> Result<Self, FieldError> {
        let full = match argument {
            Some(argument) => format!("{name}[{argument}]"),
            None => name.to_owned(),
        };
        if let Some(field) = net::attribute(name).or_else(|| seen::attribute(name)) {
            return match argument {
                None => Ok(Self { name: full, ..field }),
                Some(_) => Err(FieldError::Argument(format!("`{name}` takes no `[…]`"))),
            };
        }
        match attr::find(name) {
            Some(attr) => Self::attribute(attr, full, argument),
            None => Self::falco(name, full, argument),
        }
    }

    /// What a condition names: a field or a function of fields.
    pub(crate) fn compile(name: &FieldName) -> Result<Self, Wrong<'_>> {
        let field = match &name.call {
            None => Self::find(&name.name, name.argument.as_deref()),
            Some(call) => {
                let arguments: Result<Vec<_>, _> = call.arguments.iter().map(Self::compile).collect();
                Self::call(call.combine.clone(), name, arguments?)
            }
        };
        field.and_then(|field| field.through(&name.functions)).map_err(|error| Wrong { at: name, error })
    }

    /// Whether `text` is the name of a field, also of one that records cannot answer.
    pub(crate) fn is_name(text: &str) -> bool {
        let family =
            ["sf.", "proc.", "fd.", "evt.", "user.", "group.", "container.", "k8s.", "thread.", "fs."];
        family.iter().any(|family| text.starts_with(family))
            && (attr::find(text).is_some() || tables().any(|field| field.name == text))
    }

    fn call(combine: Combine, name: &FieldName, arguments: Vec<Self>) -> Result<Self, FieldError> {
        let is_text = |field: &Self| field.value_type == Type::Text && !field.list;
        let wanted = match (&combine, arguments.as_slice()) {
            (Combine::Concat, parts) if !parts.iter().all(is_text) => Some("texts"),
            (Combine::List, parts) if parts.iter().any(|part| part.list) => Some("single values, not lists"),
            (Combine::Join, [separator, list]) if !is_text(separator) || !list.list => {
                Some("a separator and a list")
            }
            (Combine::GetOpt, [words, letters]) if words.value_type != Type::Text || !is_text(letters) => {
                Some("a list of arguments and the letters of the options")
            }
            _ => None,
        };
        if let Some(wanted) = wanted {
            let what = if combine == Combine::List { "a list" } else { &name.name };
            return Err(FieldError::Argument(format!("`{what}` takes {wanted}")));
        }
        let option = name.argument.as_deref().and_then(|letter| letter.chars().next());
        Ok(Self {
            name: FieldName { functions: Vec::new(), ..name.clone() }.full(),
            value_type: Type::Text,
            kinds: arguments.iter().fold(KindSet::JUDGED, |kinds, part| kinds.intersection(part.kinds)),
            note: arguments.iter().find_map(|part| part.note),
            role: Role::None,
            subject: arguments.iter().map(|part| part.subject).reduce(Subject::and).unwrap_or(Subject::Shape),
            list: matches!(combine, Combine::List) || combine == Combine::GetOpt && option.is_none(),
            get: Getter::Call(combine, option, arguments),
            functions: Vec::new(),
        })
    }

    /// A field of sf-processor's language, written `name`.
    pub(crate) fn sf_processor(name: &str, field: SfField) -> Self {
        Self {
            name: name.to_owned(),
            value_type: Type::Text,
            kinds: KindSet::JUDGED,
            note: None,
            role: Role::None,
            subject: field.origin.subject(),
            list: false,
            get: Getter::SfProcessor(field),
            functions: Vec::new(),
        }
    }

    /// Name of the attribute of records that it reads as it is.
    pub(crate) fn attribute_name(&self) -> Option<&str> {
        match (&self.get, self.functions.as_slice()) {
            (Getter::Attr(attr), []) => Some(attr.name),
            (Getter::Context(_), []) => Some(&self.name),
            _ => None,
        }
    }

    /// Whether it asks what was seen before a record.
    pub(crate) fn is_stateful(&self) -> bool {
        match &self.get {
            Getter::Context(_) => true,
            Getter::Call(_, _, arguments) => arguments.iter().any(Self::is_stateful),
            _ => false,
        }
    }

    /// What the record says on its own.
    pub(crate) fn value<'a>(&self, record: &Joined<'a>) -> Value<'a> {
        self.value_in(record, &NoContext)
    }

    /// What the record says, and what was seen before it.
    pub(crate) fn value_in<'a>(&self, record: &Joined<'a>, context: &dyn Context) -> Value<'a> {
        let value = match &self.get {
            Getter::Attr(attr) => attr.value(record).into(),
            Getter::AttrElement(attr, at) => Value::from(attr.value(record)).element(*at),
            Getter::Falco(get, argument) => get(record, argument),
            Getter::Call(combine, option, arguments) => {
                let arguments = arguments.iter().map(|field| field.value_in(record, context));
                call::value(combine, *option, arguments.collect())
            }
            Getter::SfProcessor(field) => field.value(record),
            Getter::Context(attribute) => seen::value(context.value(*attribute, record)),
        };
        self.functions.iter().fold(value, |value, function| value.through(*function))
    }

    /// The field with `functions` applied to its value, the first one first.
    pub(crate) fn through(mut self, functions: &[Function]) -> Result<Self, FieldError> {
        for function in functions {
            let counts = *function == Function::Len && self.list;
            if self.value_type != Type::Text && !counts {
                let (name, what) = (&self.name, self.value_type.as_str());
                return Err(FieldError::Argument(format!(
                    "`{}` takes text, and `{name}` is {what}",
                    function.as_str()
                )));
            }
            self.name = format!("{}({})", function.as_str(), self.name);
            self.role = Role::None;
            if *function == Function::Len {
                self.value_type = Type::Number;
                self.list = false;
            }
            self.functions.push(*function);
        }
        Ok(self)
    }

    fn attribute(attr: &'static Attr, name: String, argument: Option<&str>) -> Result<Self, FieldError> {
        let get = match argument {
            None => Getter::Attr(attr),
            Some(argument) if matches!(attr.value_type, attr::Type::StrList | attr::Type::IntList) => {
                Getter::AttrElement(attr, index(argument)?)
            }
            Some(_) => {
                return Err(FieldError::Argument(format!(
                    "`{}` is not a list: it takes no `[…]`",
                    attr.name
                )));
            }
        };
        Ok(Self {
            name,
            value_type: match attr.value_type {
                attr::Type::Str | attr::Type::StrList | attr::Type::Json => Type::Text,
                attr::Type::Int | attr::Type::IntList => Type::Number,
                attr::Type::Bool => Type::Truth,
            },
            kinds: KindSet::of(attr.kinds),
            note: None,
            role: match attr.name {
                "sf.type" => Role::RecordKind,
                "sf.opflags" => Role::Operation,
                _ => Role::None,
            },
            subject: Subject::of_attribute(attr.name),
            list: argument.is_none() && matches!(attr.value_type, attr::Type::StrList | attr::Type::IntList),
            get,
            functions: Vec::new(),
        })
    }

    fn falco(name: &str, full: String, argument: Option<&str>) -> Result<Self, FieldError> {
        let Some(field) = tables().find(|field| field.name == name) else {
            return Err(match unanswered_family(name) {
                Some(reason) => FieldError::CannotAnswer(reason),
                None => FieldError::Unknown { suggestion: closest(name).map(str::to_owned) },
            });
        };
        let Answer::Yes { value_type, kinds, takes, note, get } = field.answer else {
            let Answer::No(reason) = field.answer else { unreachable!("an answer is yes or no") };
            return Err(FieldError::CannotAnswer(reason));
        };
        let argument = match (takes, argument) {
            (Takes::Nothing, Some(_)) => {
                return Err(FieldError::Argument(format!("`{name}` takes no `[…]`")));
            }
            (Takes::Key, None) => {
                return Err(FieldError::Argument(format!("`{name}` needs a name: `{name}[…]`")));
            }
            (_, None) => Argument::None,
            (Takes::MayIndex, Some(argument)) => Argument::Index(index(argument)?),
            (Takes::MayKey | Takes::Key, Some(argument)) => Argument::Key(argument.to_owned()),
        };
        let list = takes == Takes::MayIndex && argument == Argument::None;
        let role = match name {
            "evt.type" | "syscall.type" => Role::SystemCall,
            "evt.num" => Role::Constant(1),
            "proc.name" | "proc.pname" | "proc.aname" => Role::Program,
            _ => Role::None,
        };
        let get = Getter::Falco(get, argument);
        let subject = Subject::of_falco(name);
        Ok(Self { name: full, value_type, kinds, note, role, subject, list, get, functions: Vec::new() })
    }

    /// Whether it says something of the ends of a network flow, of those that are of an object.
    pub(crate) fn reads_ends(&self) -> bool {
        // sf-processor's have a value everywhere, and one that stays where there is no file.
        self.subject == Subject::Object
            && self.kinds.contains(Kind::NetworkFlow)
            && !matches!(self.get, Getter::SfProcessor(_))
    }

    /// The value as outputs show it: of the many names that an operation stands for, the usual one.
    pub(crate) fn shown<'a>(&self, record: &Joined<'a>, context: &dyn Context) -> Value<'a> {
        if self.role == Role::SystemCall && ops::flags(record.record) & op::KERNEL == 0 {
            let names = ops::of(record.record).filter_map(|op| op.calls_of(record.record).first());
            let names: Vec<_> = names.map(|name| (*name).into()).collect();
            return if names.is_empty() { Value::Absent } else { Value::Strs(names) };
        }
        if self.name == "evt.arg.cmd" {
            return self.value(record).element(0);
        }
        self.value_in(record, context)
    }
}

fn index(argument: &str) -> Result<usize, FieldError> {
    argument
        .parse()
        .map_err(|_| FieldError::Argument(format!("`{argument}` is not a number of a list element")))
}

/// Fields whose last part is free, such as system call arguments.
fn unanswered_family(name: &str) -> Option<&'static str> {
    const FAMILIES: &[(&str, &str)] = &[
        ("evt.arg.", "this argument of the system call is not recorded"),
        ("evt.rawarg.", "raw arguments of system calls are not recorded"),
        ("evt.type.is.", "event numbers are not recorded; use evt.type"),
        ("evt.around.", "records around an event are not compared"),
        ("fd.types.", "the types of a process's other descriptors are not recorded"),
        ("container.mount.", "mounts of containers are not recorded"),
        ("container.label.", "labels of containers are not recorded"),
        ("proc.vpgid.", "process groups are not recorded"),
        ("proc.pgid.", "process groups are not recorded"),
    ];
    FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, reason)| *reason)
}

fn closest(name: &str) -> Option<&'static str> {
    let attributes = attr::ATTRS.iter().map(|attr| attr.name);
    let falco = tables().map(|field| field.name);
    let found = suggest::closest(name, attributes.chain(falco).chain(seen::names()));
    // `proc.exe` for `sf.proc.exe` and the like: the prefix forgotten.
    found.or_else(|| attr::find(&format!("sf.{name}")).map(|attr| attr.name))
}
