//! The OpenAPI document: every route, with the types that its handler takes and gives.
//!
//! Types describe themselves where they are defined; [`super::operations`] says which belong to which route. A test
//! fails when a route has no description or a description no route.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::access::COOKIE;
use super::problem;

/// How a type is described.
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What describes types: what is read may leave out what has a default, what is written leaves out nothing.
struct Generators {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: Option<Describe>,
    body: Option<Describe>,
    answers: Vec<Answer>,
    is_tagged: bool,
    open: bool,
}

/// An answer that is no problem.
#[derive(Debug)]
struct Answer {
    status: u16,
    what: &'static str,
    content: Option<(&'static str, Describe)>,
}

impl Operation {
    /// A GET. `id` is what clients call it, `summary` one line.
    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, id, summary)
    }

    /// A POST.
    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, id, summary)
    }

    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            query: None,
            body: None,
            answers: Vec::new(),
            is_tagged: false,
            open: !path.starts_with("/api/"),
        }
    }

    /// What may stand behind the `?`: the fields of a struct.
    pub(super) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    /// JSON that it takes.
    pub(super) fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    /// JSON that it gives.
    pub(super) fn json<T: JsonSchema>(self) -> Self {
        self.content("application/json", SchemaGenerator::subschema_for::<T>)
    }

    /// Text of another type that it gives.
    pub(super) fn text(self, kind: &'static str) -> Self {
        self.content(kind, SchemaGenerator::subschema_for::<String>)
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push(Answer { status, what, content: None });
        self
    }

    /// Says by its status that it is not so, in words.
    pub(super) fn probe(mut self) -> Self {
        let content = Some(("text/plain", SchemaGenerator::subschema_for::<String> as Describe));
        self.answers.push(Answer { status: 503, what: "no, and why", content });
        self
    }

    /// Its answers have an ETag.
    pub(super) fn tagged(self) -> Self {
        Self { is_tagged: true, ..self }
    }

    /// Answers those who have shown nothing, too.
    pub(super) fn open(self) -> Self {
        Self { open: true, ..self }
    }

    fn content(mut self, kind: &'static str, describe: Describe) -> Self {
        self.answers.push(Answer {
            status: 200,
            what: "what was asked for",
            content: Some((kind, describe)),
        });
        self
    }

    /// Its path, as the document has it.
    pub(super) fn path(&self) -> String {
        self.path.replace("{*", "{")
    }

    fn describe(&self, generators: &mut Generators) -> Value {
        let Generators { read, written } = generators;
        let mut parameters = path_parameters(self.path);
        if let Some(query) = self.query {
            parameters.extend(query_parameters(query));
        }
        let mut responses = Map::new();
        for status in self.answers.iter().map(|answer| answer.status) {
            let of_status: Vec<_> = self.answers.iter().filter(|answer| answer.status == status).collect();
            let content: Map<String, Value> = of_status
                .iter()
                .filter_map(|answer| answer.content)
                .map(|(kind, describe)| (kind.to_owned(), json!({ "schema": describe(written) })))
                .collect();
            let mut response = json!({ "description": of_status[0].what });
            if !content.is_empty() {
                response["content"] = content.into();
            }
            responses.insert(status.to_string(), response);
        }
        if self.is_tagged {
            responses
                .insert("304".into(), json!({ "description": "what If-None-Match names is still current" }));
        }
        responses.insert("default".into(), json!({ "$ref": "#/components/responses/Problem" }));
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": responses,
        });
        if self.open {
            operation["security"] = json!([]);
        }
        if self.method == "post" {
            // What takes no body passes over any.
            let body = self.body.map_or_else(|| json!({}), |body| body(read).to_value());
            operation["requestBody"] = json!({
                "required": self.body.is_some(),
                "content": { "application/json": { "schema": body } },
            });
        }
        operation
    }
}

/// The document.
pub(super) fn document(operations: &[Operation]) -> Value {
    let mut generators = Generators {
        read: settings().into_generator(),
        written: settings().for_serialize().into_generator(),
    };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let described = operation.describe(&mut generators);
        paths.entry(operation.path()).or_default().insert(operation.method.into(), described);
    }
    let problem = generators.written.subschema_for::<problem::Form>();
    // No type is both read and written under one name.
    let mut schemas = generators.written.take_definitions(true);
    schemas.extend(generators.read.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SysFlow for Falco",
            "description": "Behaviour graphs and alerts. Times are ns since the epoch; in answers they are texts, since they \
                            are larger than what JavaScript's numbers hold.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "why there is no other answer",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": COOKIE },
            },
        },
    })
}

fn settings() -> SchemaSettings {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let schema = match name {
            "id" => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": schema })
    };
    names.map(parameter).collect()
}

/// The fields of a struct, each as a parameter. What may be absent is left out, never null.
fn query_parameters(query: Describe) -> Vec<Value> {
    // Written out, so that a parameter refers to nothing.
    let mut settings = settings();
    settings.inline_subschemas = true;
    let schema = query(&mut settings.into_generator());
    let fields = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|field| field == name));
    let parameter = |(name, field): (&String, &Value)| {
        let mut schema = field.clone();
        if let Some(schema) = schema.as_object_mut() {
            let description = schema.remove("description");
            schema.retain(|key, value| key != "default" || !value.is_null());
            without_null(schema);
            bound(schema);
            let required = is_required(name);
            return json!({ "name": name, "in": "query", "required": required, "schema": schema, "description": description });
        }
        json!({ "name": name, "in": "query", "schema": schema })
    };
    fields.into_iter().flatten().map(parameter).collect()
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// What a format means for a number that is written out.
fn bound(schema: &mut Map<String, Value>) {
    if schema.get("format").is_some_and(|format| format == "int64") {
        schema.entry("minimum").or_insert_with(|| i64::MIN.into());
        schema.entry("maximum").or_insert_with(|| i64::MAX.into());
    }
}
