//! A priority in a configuration.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sysflow_policy::Priority;

/// Least priority of what is let pass, by its name in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub Priority);

impl Default for Level {
    fn default() -> Self {
        Self(Priority::Debug)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map(Self).map_err(|_| {
            let all: Vec<_> = Priority::ALL.iter().rev().map(|priority| priority.as_str()).collect();
            D::Error::custom(format!("{name:?} is none of {}", all.join(", ")))
        })
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.as_str().serialize(to)
    }
}

impl JsonSchema for Level {
    fn schema_name() -> Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Names are taken in any case, which a list could not say.
        json_schema!({ "type": "string" })
    }
}
