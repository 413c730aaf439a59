//! Datums of any writer schema, turned into datums of the extended schema.
//!
//! The writer's schema is compiled once into a plan; a datum is then rewritten byte by byte, without a tree of
//! values between. Fields are matched by name: those that we do not know are skipped, those that the writer does
//! not know take their defaults. Logical types are ignored, as SysFlow's first versions called nanoseconds
//! `timestamp-millis`.

use apache_avro::Schema as Writer;
use apache_avro::schema::{InnerDecimalSchema, RecordSchema, UuidSchema};
use std::collections::HashMap;

use super::{Cursor, encode_long};
use crate::error::{Error, Result};
use crate::schema::{BRANCHES, Body, Field, Named, Type};

/// How deep a datum may nest: SysFlow's own stops at 6.
const MAX_DEPTH: usize = 32;

/// Rewrites datums of one writer schema.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// A plan for each branch of the writer's union, or why it has none.
    branches: Vec<(usize, Plan)>,
    shapes: Vec<Shape>,
}

/// How one value is rewritten.
#[derive(Debug)]
enum Plan {
    /// The bytes are the same in both schemas.
    Copy(Shape),
    /// The index of a symbol changes; `None` for a symbol that we do not know.
    Enum(Vec<Option<usize>>),
    Array(Box<Plan>),
    /// From a union to an optional value: for each branch nothing, or how to write the value.
    Optional(Vec<Option<Plan>>),
    /// From a plain value to an optional one.
    Wrap(Box<Plan>),
    Record(RecordPlan),
}

#[derive(Debug)]
struct RecordPlan {
    /// The writer's fields in its order: which of ours each becomes, or what to skip.
    steps: Vec<Step>,
    /// What to write for our fields, in our order.
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum Step {
    Keep(Plan),
    Skip(Shape),
}

#[derive(Debug)]
enum Slot {
    /// The nth of the kept fields.
    Kept(usize),
    Default(Vec<u8>),
}

/// What must be known of a type to step over its values.
#[derive(Clone, Debug)]
enum Shape {
    Null,
    Boolean,
    /// `int` and `long`.
    Number,
    /// `string` and `bytes`.
    Bytes,
    Fixed(usize),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<Shape>),
    /// A record with a name: index into `Resolver::shapes`, since it may contain itself.
    Named(usize),
}

// === compiling ===

struct Compiler<'a> {
    /// Named types of the writer by full name.
    named: HashMap<String, &'a Writer>,
    /// Shapes of the named records that were needed.
    shapes: Vec<Option<Shape>>,
    index: HashMap<String, usize>,
}

impl Resolver {
    /// Compiles the JSON of a writer schema.
    pub(crate) fn new(json: &str) -> Result<Self> {
        let schema = Writer::parse_str(json).map_err(|e| unusable(format!("it is no Avro schema: {e}")))?;
        let Writer::Record(top) = &schema else { return Err(unusable("its top is no record".into())) };
        let rec = top.fields.iter().find(|field| field.name == "rec");
        let Some(Writer::Union(union)) = rec.map(|field| &field.schema) else {
            return Err(unusable("it is no schema of SysFlow: there is no union `rec`".into()));
        };
        if top.fields.len() != 1 {
            return Err(unusable("it is no schema of SysFlow: `rec` is not its only field".into()));
        }
        let mut compiler = Compiler { named: HashMap::new(), shapes: Vec::new(), index: HashMap::new() };
        compiler.collect(&schema);
        let mut branches = Vec::new();
        for branch in union.variants() {
            branches.push(compiler.branch(branch)?);
        }
        let shapes = compiler.shapes.into_iter().map(|shape| shape.unwrap_or(Shape::Null)).collect();
        Ok(Self { branches, shapes })
    }

    /// Reads one datum of the writer's schema from the start of `bytes` and appends it to `out` as a datum of the
    /// extended schema; says how long it was.
    pub(crate) fn convert(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let mut input = Cursor::new(bytes);
        let (branch, plan) = &self.branches[input.index(self.branches.len())?];
        encode_long(*branch as i64, out);
        self.run(plan, &mut input, bytes, out)?;
        Ok(input.at())
    }
}

impl<'a> Compiler<'a> {
    /// Finds all named types.
    fn collect(&mut self, schema: &'a Writer) {
        if let Some(name) = schema.name()
            && !matches!(schema, Writer::Ref { .. })
        {
            self.named.entry(name.to_string()).or_insert(schema);
        }
        match schema {
            Writer::Array(array) => self.collect(&array.items),
            Writer::Map(map) => self.collect(&map.types),
            Writer::Union(union) => union.variants().iter().for_each(|branch| self.collect(branch)),
            Writer::Record(record) => record.fields.iter().for_each(|field| self.collect(&field.schema)),
            _ => {}
        }
    }

    fn follow(&self, schema: &'a Writer) -> Result<&'a Writer> {
        let Writer::Ref { name } = schema else { return Ok(schema) };
        self.named
            .get(&name.to_string())
            .copied()
            .ok_or_else(|| unusable(format!("type {name} is not defined")))
    }

    fn branch(&mut self, schema: &'a Writer) -> Result<(usize, Plan)> {
        let Writer::Record(record) = self.follow(schema)? else {
            return Err(unusable("a branch of `rec` is no record".into()));
        };
        let name = record.name.name();
        let known = BRANCHES.iter().position(|branch| branch.name == name);
        let branch = known.ok_or_else(|| unusable(format!("{name} is no record of SysFlow")))?;
        let Body::Record(fields) = &BRANCHES[branch].body else { return Err(unusable(name.into())) };
        Ok((branch, self.record(record, fields)?))
    }

    fn record(&mut self, writer: &'a RecordSchema, ours: &'static [Field]) -> Result<Plan> {
        let mut slots: Vec<Slot> = ours.iter().map(|field| Slot::Default(field.default_bytes())).collect();
        let mut steps = Vec::new();
        let mut kept = 0;
        for field in &writer.fields {
            let Some(at) = ours.iter().position(|ours| ours.name == field.name) else {
                steps.push(Step::Skip(self.shape(&field.schema)?));
                continue;
            };
            let plan = self.value(&field.schema, &ours[at].of).map_err(|e| match e {
                Error::Schema { why } => {
                    unusable(format!("field {}.{}: {why}", writer.name.name(), field.name))
                }
                other => other,
            })?;
            steps.push(Step::Keep(plan));
            slots[at] = Slot::Kept(kept);
            kept += 1;
        }
        Ok(Plan::Record(RecordPlan { steps, slots }))
    }

    fn value(&mut self, writer: &'a Writer, ours: &Type) -> Result<Plan> {
        let writer = self.follow(writer)?;
        if let Type::Optional(some) = ours {
            return self.optional(writer, some);
        }
        let shape = match (ours, Self::primitive(writer)) {
            (Type::Array(ours), None) => {
                let Writer::Array(array) = writer else { return Err(unusable("it is no array".into())) };
                return Ok(Plan::Array(Box::new(self.value(&array.items, ours)?)));
            }
            (Type::Named(named), _) => return self.named(writer, named),
            (Type::Map, None) => match writer {
                Writer::Map(map) if matches!(Self::primitive(&map.types), Some(Shape::Bytes)) => {
                    Shape::Map(Box::new(Shape::Bytes))
                }
                _ => return Err(unusable("it is no map of strings".into())),
            },
            (Type::Boolean, Some(shape @ Shape::Boolean))
            | (Type::Int | Type::Long, Some(shape @ Shape::Number))
            | (Type::String, Some(shape @ Shape::Bytes)) => shape,
            _ => return Err(unusable("it has another type than in SysFlow".into())),
        };
        Ok(Plan::Copy(shape))
    }

    fn optional(&mut self, writer: &'a Writer, some: &Type) -> Result<Plan> {
        let Writer::Union(union) = writer else { return Ok(Plan::Wrap(Box::new(self.value(writer, some)?))) };
        let mut branches = Vec::new();
        for branch in union.variants() {
            branches.push(match branch {
                Writer::Null => None,
                other => Some(self.value(other, some)?),
            });
        }
        Ok(Plan::Optional(branches))
    }

    fn named(&mut self, writer: &'a Writer, ours: &'static Named) -> Result<Plan> {
        match (writer, &ours.body) {
            (Writer::Record(record), Body::Record(fields)) => self.record(record, fields),
            (Writer::Fixed(fixed), Body::Fixed(size)) if fixed.size == *size => {
                Ok(Plan::Copy(Shape::Fixed(*size)))
            }
            (Writer::Enum(symbols), Body::Enum(ours)) => {
                let place = |symbol: &String| ours.iter().position(|ours| ours == symbol);
                Ok(Plan::Enum(symbols.symbols.iter().map(place).collect()))
            }
            _ => Err(unusable(format!("it is no {}", ours.name))),
        }
    }

    /// Shape of a type that contains no other, logical types as what they stand for.
    fn primitive(schema: &Writer) -> Option<Shape> {
        Some(match schema {
            Writer::Null => Shape::Null,
            Writer::Boolean => Shape::Boolean,
            Writer::Int
            | Writer::Long
            | Writer::Enum(_)
            | Writer::Date
            | Writer::TimeMillis
            | Writer::TimeMicros
            | Writer::TimestampMillis
            | Writer::TimestampMicros
            | Writer::TimestampNanos
            | Writer::LocalTimestampMillis
            | Writer::LocalTimestampMicros
            | Writer::LocalTimestampNanos => Shape::Number,
            Writer::Float => Shape::Fixed(4),
            Writer::Double => Shape::Fixed(8),
            Writer::Bytes
            | Writer::String
            | Writer::BigDecimal
            | Writer::Uuid(UuidSchema::String | UuidSchema::Bytes) => Shape::Bytes,
            Writer::Fixed(fixed) | Writer::Duration(fixed) | Writer::Uuid(UuidSchema::Fixed(fixed)) => {
                Shape::Fixed(fixed.size)
            }
            Writer::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Shape::Bytes,
                InnerDecimalSchema::Fixed(fixed) => Shape::Fixed(fixed.size),
            },
            _ => return None,
        })
    }

    fn shape(&mut self, schema: &'a Writer) -> Result<Shape> {
        let schema = self.follow(schema)?;
        if let Some(shape) = Self::primitive(schema) {
            return Ok(shape);
        }
        Ok(match schema {
            Writer::Array(array) => Shape::Array(Box::new(self.shape(&array.items)?)),
            Writer::Map(map) => Shape::Map(Box::new(self.shape(&map.types)?)),
            Writer::Union(union) => {
                Shape::Union(union.variants().iter().map(|branch| self.shape(branch)).collect::<Result<_>>()?)
            }
            Writer::Record(record) => {
                let name = record.name.to_string();
                if let Some(&index) = self.index.get(&name) {
                    return Ok(Shape::Named(index));
                }
                let index = self.shapes.len();
                self.index.insert(name, index);
                self.shapes.push(None);
                let fields =
                    record.fields.iter().map(|field| self.shape(&field.schema)).collect::<Result<_>>()?;
                self.shapes[index] = Some(Shape::Record(fields));
                Shape::Named(index)
            }
            _ => return Err(unusable("it has a type that is not supported".into())),
        })
    }
}

impl Field {
    /// What a reader finds in this field when the writer did not know it. The schema's own defaults where the
    /// extended schema sets them, else nothing: empty, 0, false, null.
    fn default_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match (self.extended, self.default.and_then(|text| text.parse().ok())) {
            (true, Some(number)) => encode_long(number, &mut out),
            _ => self.of.nothing(&mut out),
        }
        out
    }
}

impl Type {
    fn nothing(&self, out: &mut Vec<u8>) {
        match self {
            Self::Named(Named { body: Body::Record(fields), .. }) => {
                fields.iter().for_each(|field| field.of.nothing(out));
            }
            Self::Named(Named { body: Body::Fixed(size), .. }) => out.resize(out.len() + size, 0),
            // One zero byte is false, 0, "", [], {}, null and the first symbol.
            _ => out.push(0),
        }
    }
}

fn unusable(why: String) -> Error {
    Error::Schema { why }
}

// === running ===

impl Resolver {
    fn run(&self, plan: &Plan, input: &mut Cursor<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match plan {
            Plan::Copy(shape) => {
                let start = input.at();
                self.skip(shape, input, 0)?;
                out.extend_from_slice(&bytes[start..input.at()]);
                Ok(())
            }
            Plan::Enum(symbols) => {
                let symbol = symbols[input.index(symbols.len())?];
                let symbol = symbol.ok_or_else(|| input.error("a symbol that SysFlow does not have"))?;
                encode_long(symbol as i64, out);
                Ok(())
            }
            Plan::Array(item) => loop {
                let count = input.block()?;
                encode_long(count as i64, out);
                if count == 0 {
                    return Ok(());
                }
                for _ in 0..count {
                    self.run(item, input, bytes, out)?;
                }
            },
            Plan::Optional(branches) => match &branches[input.index(branches.len())?] {
                None => {
                    encode_long(0, out);
                    Ok(())
                }
                Some(plan) => {
                    encode_long(1, out);
                    self.run(plan, input, bytes, out)
                }
            },
            Plan::Wrap(plan) => {
                encode_long(1, out);
                self.run(plan, input, bytes, out)
            }
            Plan::Record(record) => self.run_record(record, input, bytes, out),
        }
    }

    fn run_record(
        &self,
        plan: &RecordPlan,
        input: &mut Cursor<'_>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut kept = Vec::new();
        let mut ends = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            match step {
                Step::Skip(shape) => self.skip(shape, input, 0)?,
                Step::Keep(plan) => {
                    self.run(plan, input, bytes, &mut kept)?;
                    ends.push(kept.len());
                }
            }
        }
        for slot in &plan.slots {
            match slot {
                Slot::Default(bytes) => out.extend_from_slice(bytes),
                Slot::Kept(nth) => {
                    let start = if *nth == 0 { 0 } else { ends[nth - 1] };
                    out.extend_from_slice(&kept[start..ends[*nth]]);
                }
            }
        }
        Ok(())
    }

    fn skip(&self, shape: &Shape, input: &mut Cursor<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(input.error("values nested too deep"));
        }
        input.spend(1)?;
        match shape {
            Shape::Null => Ok(()),
            Shape::Boolean => input.boolean().map(drop),
            Shape::Number => input.long().map(drop),
            Shape::Bytes => input.bytes().map(drop),
            Shape::Fixed(size) => input.take(*size).map(drop),
            Shape::Array(item) => input.items(|input| self.skip(item, input, depth + 1)),
            Shape::Map(value) => input.items(|input| {
                input.bytes()?;
                self.skip(value, input, depth + 1)
            }),
            Shape::Union(branches) => {
                let branch = &branches[input.index(branches.len())?];
                self.skip(branch, input, depth + 1)
            }
            Shape::Record(fields) => fields.iter().try_for_each(|field| self.skip(field, input, depth + 1)),
            Shape::Named(index) => self.skip(&self.shapes[*index], input, depth + 1),
        }
    }
}
