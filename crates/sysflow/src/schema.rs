//! The Avro schemas that this crate writes, both made from one description.
//!
//! The extended schema is v5 plus fields with defaults at the tail of five records; a reader that knows v5 only
//! skips them. There is never a new branch of the union: existing readers stop at one.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::error::Error;

/// Which schema records are written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Schema {
    /// SysFlow version 5, exactly.
    V5,
    /// Version 5 with the additional fields.
    #[default]
    Extended,
}

/// A type of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    Boolean,
    Int,
    Long,
    String,
    Array(&'static Type),
    /// A map with text as values.
    Map,
    /// `["null", T]`.
    Optional(&'static Type),
    Named(&'static Named),
}

/// A type with a name, defined where it is first used.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Record(&'static [Field]),
    Enum(&'static [&'static str]),
    Fixed(usize),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) of: Type,
    /// JSON of the schema's default.
    pub(crate) default: Option<&'static str>,
    /// Whether only the extended schema has it.
    pub(crate) extended: bool,
}

impl Schema {
    /// All schemas.
    pub const ALL: [Self; 2] = [Self::V5, Self::Extended];

    /// Name in configuration files and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V5 => "v5",
            Self::Extended => "extended",
        }
    }

    /// Compact JSON as it stands in the header of a file, keys in the order in which SysFlow's collector writes
    /// them.
    pub fn json(self) -> String {
        let mut json = Json { schema: self, text: String::new(), defined: Vec::new() };
        json.text.push_str(
            r#"{"type":"record","namespace":"sysflow","name":"SysFlow","fields":[{"name":"rec","type":["#,
        );
        for (i, branch) in BRANCHES.iter().enumerate() {
            json.comma(i);
            json.named(branch);
        }
        json.text.push_str("]}]}");
        json.text
    }
}

impl FromStr for Schema {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|schema| schema.as_str() == text).ok_or_else(|| Error::Schema {
            why: format!(
                "'{}' is not a schema that can be written; use v5 or extended",
                text.escape_default()
            ),
        })
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === writing JSON ===

struct Json {
    schema: Schema,
    text: String,
    defined: Vec<&'static str>,
}

impl Json {
    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a String cannot fail");
    }

    fn any(&mut self, value: &Type) {
        match value {
            Type::Boolean => self.text.push_str(r#""boolean""#),
            Type::Int => self.text.push_str(r#""int""#),
            Type::Long => self.text.push_str(r#""long""#),
            Type::String => self.text.push_str(r#""string""#),
            Type::Map => self.text.push_str(r#"{"type":"map","values":"string"}"#),
            Type::Array(items) => {
                self.text.push_str(r#"{"type":"array","items":"#);
                self.any(items);
                self.text.push('}');
            }
            Type::Optional(some) => {
                self.text.push_str(r#"["null","#);
                self.any(some);
                self.text.push(']');
            }
            Type::Named(named) => self.named(named),
        }
    }

    fn named(&mut self, named: &'static Named) {
        let Named { namespace, name, body } = named;
        if self.defined.contains(name) {
            return self.put(format_args!(r#""{namespace}.{name}""#));
        }
        self.defined.push(name);
        let kind = match body {
            Body::Record(_) => "record",
            Body::Enum(_) => "enum",
            Body::Fixed(_) => "fixed",
        };
        self.put(format_args!(r#"{{"type":"{kind}","namespace":"{namespace}","name":"{name}","#));
        match body {
            Body::Fixed(size) => self.put(format_args!(r#""size":{size}}}"#)),
            Body::Enum(symbols) => self.put(format_args!(r#""symbols":["{}"]}}"#, symbols.join(r#"",""#))),
            Body::Record(fields) => self.fields(fields),
        }
    }

    fn fields(&mut self, fields: &'static [Field]) {
        let with_extended = self.schema == Schema::Extended;
        self.text.push_str(r#""fields":["#);
        for (i, field) in fields.iter().filter(|f| with_extended || !f.extended).enumerate() {
            self.comma(i);
            self.put(format_args!(r#"{{"name":"{}","type":"#, field.name));
            self.any(&field.of);
            if let Some(default) = field.default {
                self.put(format_args!(r#","default":{default}"#));
            }
            self.text.push('}');
        }
        self.text.push_str("]}");
    }
}

// === the description ===

const fn field(name: &'static str, of: Type) -> Field {
    Field { name, of, default: None, extended: false }
}

const fn defaulted(name: &'static str, of: Type, default: &'static str) -> Field {
    Field { name, of, default: Some(default), extended: false }
}

const fn extended(name: &'static str, of: Type, default: &'static str) -> Field {
    Field { name, of, default: Some(default), extended: true }
}

const STRINGS: Type = Type::Array(&Type::String);
const LONGS: Type = Type::Array(&Type::Long);
const OPTIONAL_STRING: Type = Type::Optional(&Type::String);

static OID: Named = Named {
    namespace: "sysflow.type",
    name: "OID",
    body: Body::Record(&[field("createTS", Type::Long), field("hpid", Type::Long)]),
};

static FOID: Named = Named { namespace: "sysflow.type", name: "FOID", body: Body::Fixed(20) };

static IPV6: Named = Named { namespace: "sysflow.type", name: "IPv6", body: Body::Fixed(16) };

static OBJECT_STATE: Named = Named {
    namespace: "sysflow.type",
    name: "SFObjectState",
    body: Body::Enum(&["CREATED", "MODIFIED", "REUP"]),
};

/// Symbols of the enumerations, shared with the code that prints them.
pub(crate) const CONTAINER_TYPES: &[&str] = &[
    "CT_DOCKER",
    "CT_LXC",
    "CT_LIBVIRT_LXC",
    "CT_MESOS",
    "CT_RKT",
    "CT_CUSTOM",
    "CT_CRI",
    "CT_CONTAINERD",
    "CT_CRIO",
    "CT_BPM",
];

pub(crate) const K8S_COMPONENTS: &[&str] = &[
    "K8S_NODES",
    "K8S_NAMESPACES",
    "K8S_PODS",
    "K8S_REPLICATIONCONTROLLERS",
    "K8S_SERVICES",
    "K8S_EVENTS",
    "K8S_REPLICASETS",
    "K8S_DAEMONSETS",
    "K8S_DEPLOYMENTS",
    "K8S_UNKNOWN",
];

pub(crate) const K8S_ACTIONS: &[&str] = &[
    "K8S_COMPONENT_ADDED",
    "K8S_COMPONENT_MODIFIED",
    "K8S_COMPONENT_DELETED",
    "K8S_COMPONENT_ERROR",
    "K8S_COMPONENT_NONEXISTENT",
    "K8S_COMPONENT_UNKNOWN",
];

static CONTAINER_TYPE: Named =
    Named { namespace: "sysflow.type", name: "ContainerType", body: Body::Enum(CONTAINER_TYPES) };

static K8S_COMPONENT: Named =
    Named { namespace: "sysflow.type", name: "K8sComponent", body: Body::Enum(K8S_COMPONENTS) };

static K8S_ACTION: Named =
    Named { namespace: "sysflow.type", name: "K8sAction", body: Body::Enum(K8S_ACTIONS) };

static PORT: Named = Named {
    namespace: "sysflow.entity",
    name: "Port",
    body: Body::Record(&[
        field("port", Type::Int),
        field("targetPort", Type::Int),
        field("nodePort", Type::Int),
        field("proto", Type::String),
    ]),
};

static SERVICE: Named = Named {
    namespace: "sysflow.entity",
    name: "Service",
    body: Body::Record(&[
        field("name", Type::String),
        field("id", Type::String),
        field("namespace", Type::String),
        field("portList", Type::Array(&Type::Named(&PORT))),
        field("clusterIP", LONGS),
    ]),
};

/// Branches of the union `rec`; their order is that of [`crate::record::Kind::ALL`].
pub(crate) static BRANCHES: [Named; 12] = [
    Named {
        namespace: "sysflow.entity",
        name: "SFHeader",
        body: Body::Record(&[
            defaulted("version", Type::Long, "5"),
            field("exporter", Type::String),
            defaulted("ip", Type::String, r#""NA""#),
            field("filename", Type::String),
            extended("lostEvents", Type::Long, "0"),
            extended("lostRecords", Type::Long, "0"),
            extended("lostFrom", Type::Long, "0"),
            extended("lostTo", Type::Long, "0"),
            extended("lostCause", Type::String, r#""""#),
        ]),
    },
    Named {
        namespace: "sysflow.entity",
        name: "Container",
        body: Body::Record(&[
            field("id", Type::String),
            field("name", Type::String),
            field("image", Type::String),
            field("imageid", Type::String),
            field("type", Type::Named(&CONTAINER_TYPE)),
            field("privileged", Type::Boolean),
            field("podId", OPTIONAL_STRING),
        ]),
    },
    Named {
        namespace: "sysflow.entity",
        name: "Process",
        body: Body::Record(&[
            field("state", Type::Named(&OBJECT_STATE)),
            field("oid", Type::Named(&OID)),
            field("poid", Type::Optional(&Type::Named(&OID))),
            field("ts", Type::Long),
            field("exe", Type::String),
            field("exeArgs", Type::String),
            field("uid", Type::Int),
            field("userName", Type::String),
            field("gid", Type::Int),
            field("groupName", Type::String),
            field("tty", Type::Boolean),
            field("containerId", OPTIONAL_STRING),
            defaulted("entry", Type::Boolean, "false"),
            field("cwd", Type::String),
            field("env", STRINGS),
            extended("graphId", Type::String, r#""""#),
            extended("parentGraphId", Type::String, r#""""#),
            extended("sid", Type::Long, "-1"),
            extended("vpid", Type::Long, "-1"),
            extended("loginuid", Type::Long, "-1"),
            extended("ttyNr", Type::Int, "0"),
            extended("capEffective", Type::Long, "0"),
            extended("exeFlags", Type::Int, "0"),
            extended("exeIno", Type::Long, "0"),
            extended("exeCtime", Type::Long, "0"),
        ]),
    },
    Named {
        namespace: "sysflow.entity",
        name: "File",
        body: Body::Record(&[
            field("state", Type::Named(&OBJECT_STATE)),
            field("oid", Type::Named(&FOID)),
            field("ts", Type::Long),
            field("restype", Type::Int),
            field("path", Type::String),
            field("containerId", OPTIONAL_STRING),
        ]),
    },
    Named {
        namespace: "sysflow.event",
        name: "ProcessEvent",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("tid", Type::Long),
            field("opFlags", Type::Int),
            field("args", STRINGS),
            field("ret", Type::Int),
        ]),
    },
    Named {
        namespace: "sysflow.flow",
        name: "NetworkFlow",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("tid", Type::Long),
            field("opFlags", Type::Int),
            field("endTs", Type::Long),
            field("sip", Type::Int),
            field("sport", Type::Int),
            field("dip", Type::Int),
            field("dport", Type::Int),
            field("proto", Type::Int),
            field("fd", Type::Int),
            field("numRRecvOps", Type::Long),
            field("numWSendOps", Type::Long),
            field("numRRecvBytes", Type::Long),
            field("numWSendBytes", Type::Long),
            extended("sip6", Type::Optional(&Type::Named(&IPV6)), "null"),
            extended("dip6", Type::Optional(&Type::Named(&IPV6)), "null"),
        ]),
    },
    Named {
        namespace: "sysflow.flow",
        name: "FileFlow",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("tid", Type::Long),
            field("opFlags", Type::Int),
            field("openFlags", Type::Int),
            field("endTs", Type::Long),
            field("fileOID", Type::Named(&FOID)),
            field("fd", Type::Int),
            field("numRRecvOps", Type::Long),
            field("numWSendOps", Type::Long),
            field("numRRecvBytes", Type::Long),
            field("numWSendBytes", Type::Long),
            extended("numOpens", Type::Long, "1"),
        ]),
    },
    Named {
        namespace: "sysflow.event",
        name: "FileEvent",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("tid", Type::Long),
            field("opFlags", Type::Int),
            field("fileOID", Type::Named(&FOID)),
            field("ret", Type::Int),
            field("newFileOID", Type::Optional(&Type::Named(&FOID))),
            extended("arg", Type::String, r#""""#),
        ]),
    },
    Named {
        namespace: "sysflow.event",
        name: "NetworkEvent",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("tid", Type::Long),
            field("opFlags", Type::Int),
            field("sip", Type::Int),
            field("sport", Type::Int),
            field("dip", Type::Int),
            field("dport", Type::Int),
            field("proto", Type::Int),
            field("ret", Type::Int),
        ]),
    },
    Named {
        namespace: "sysflow.flow",
        name: "ProcessFlow",
        body: Body::Record(&[
            field("procOID", Type::Named(&OID)),
            field("ts", Type::Long),
            field("numThreadsCloned", Type::Long),
            field("opFlags", Type::Int),
            field("endTs", Type::Long),
            field("numThreadsExited", Type::Long),
            field("numCloneErrors", Type::Long),
        ]),
    },
    Named {
        namespace: "sysflow.entity",
        name: "Pod",
        body: Body::Record(&[
            field("ts", Type::Long),
            field("id", Type::String),
            field("name", Type::String),
            field("nodeName", Type::String),
            field("hostIP", LONGS),
            field("internalIP", LONGS),
            field("namespace", Type::String),
            field("restartCount", Type::Long),
            field("labels", Type::Map),
            field("selectors", Type::Map),
            field("services", Type::Array(&Type::Named(&SERVICE))),
        ]),
    },
    Named {
        namespace: "sysflow.event",
        name: "K8sEvent",
        body: Body::Record(&[
            field("kind", Type::Named(&K8S_COMPONENT)),
            field("action", Type::Named(&K8S_ACTION)),
            field("ts", Type::Long),
            field("message", Type::String),
        ]),
    },
];
