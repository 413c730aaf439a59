//! What a condition says, before names are looked up.

use crate::source::Span;

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Name of a macro.
    Macro(Word),
    /// `field exists`.
    Exists(FieldName),
    Compare(Box<Comparison>),
}

/// `field operator values`.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) field: FieldName,
    pub(crate) operator: Operator,
    pub(crate) operator_span: Span,
    pub(crate) operand: Operand,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    One(Word),
    /// Values and names of lists.
    Many(Vec<Word>),
    /// `contains oneof (a, b)`: how many of the values must pass on their own.
    Each(Modifier, Vec<Word>),
    /// `val(field)`: another field of the same record.
    Field(FieldName),
}

/// How many values of a list must pass a comparison that takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    One,
    Any,
    All,
}

/// `name` or `name[argument]`, and what is done with its value.
#[derive(Clone, Debug)]
pub(crate) struct FieldName {
    pub(crate) name: String,
    pub(crate) argument: Option<String>,
    /// Set when it is no field of a record, but made of several values; `name` says how.
    pub(crate) call: Option<Box<Call>>,
    /// Innermost first.
    pub(crate) functions: Vec<Function>,
    pub(crate) span: Span,
}

/// Values put together: `join("-", (a, b))`, `(a, b)`, `"text"`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) combine: Combine,
    pub(crate) arguments: Vec<FieldName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// A text that stands in the condition.
    Text(String),
    List,
    /// Separator and list.
    Join,
    Concat,
    /// List of arguments and letters of options, as getopt(3) takes them.
    GetOpt,
}

/// A value or a name.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Intersects,
    PathMatch,
    Contains,
    IContains,
    StartsWith,
    EndsWith,
    Glob,
    IGlob,
    Regex,
    BContains,
    BStartsWith,
}

impl Operator {
    pub(crate) const WORDS: [(&'static str, Self); 12] = [
        ("in", Self::In),
        ("intersects", Self::Intersects),
        ("pmatch", Self::PathMatch),
        ("contains", Self::Contains),
        ("icontains", Self::IContains),
        ("startswith", Self::StartsWith),
        ("endswith", Self::EndsWith),
        ("glob", Self::Glob),
        ("iglob", Self::IGlob),
        ("regex", Self::Regex),
        ("bcontains", Self::BContains),
        ("bstartswith", Self::BStartsWith),
    ];

    /// Longest first, so that `<=` is not read as `<`.
    pub(crate) const SIGNS: [(&'static str, Self); 7] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::LessEqual),
        (">=", Self::GreaterEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            _ => Self::WORDS
                .iter()
                .chain(&Self::SIGNS)
                .find(|(_, operator)| *operator == self)
                .map_or("", |(text, _)| text),
        }
    }

    /// Operators that take `oneof`, `anyof` and `allof` before a list.
    pub(crate) fn takes_modifier(self) -> bool {
        !self.takes_list()
            && !matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }

    /// Operators that take `(a, b)`.
    pub(crate) fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::Intersects | Self::PathMatch)
    }
}

/// What can be done with a value before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    ToLower,
    ToUpper,
    BaseName,
    /// Bytes of a text, elements of a list.
    Len,
    /// Text that base64 stands for.
    Base64,
}

impl Function {
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("tolower", Self::ToLower),
        ("toupper", Self::ToUpper),
        ("basename", Self::BaseName),
        ("len", Self::Len),
        ("b64", Self::Base64),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }
}

impl Modifier {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("oneof", Self::One), ("anyof", Self::Any), ("allof", Self::All)];
}

impl Combine {
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("join", Self::Join), ("concat", Self::Concat), ("getopt", Self::GetOpt)];
}

impl FieldName {
    /// A field of records.
    pub(crate) fn plain(name: impl Into<String>, argument: Option<String>, span: Span) -> Self {
        Self { name: name.into(), argument, call: None, functions: Vec::new(), span }
    }

    /// As it would be written.
    pub(crate) fn full(&self) -> String {
        let mut field = match &self.call {
            None => self.name.clone(),
            Some(call) => {
                let arguments: Vec<_> = call.arguments.iter().map(Self::full).collect();
                match &call.combine {
                    Combine::Text(text) => format!("{text:?}"),
                    Combine::List | Combine::Join | Combine::Concat | Combine::GetOpt => {
                        format!("{}({})", self.name, arguments.join(", "))
                    }
                }
            }
        };
        if let Some(argument) = &self.argument {
            field = format!("{field}[{argument}]");
        }
        self.functions.iter().fold(field, |inner, function| format!("{}({inner})", function.as_str()))
    }
}
