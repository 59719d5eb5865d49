//! Every message of the contract, compiled once from the descriptors into what both directions of transcoding walk.
use std::collections::HashMap;

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind as Described, MessageDescriptor};

/// A message's place in the plans.
pub type Index = usize;

/// The compiled messages and enums.
pub struct Plans {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: HashMap<String, Index>,
}

/// One message.
pub struct Message {
    /// Its full name.
    pub name: String,
    /// How JSON shows it.
    pub form: Form,
    /// Its fields, by ascending number, which is also the order in which encoders write them.
    pub fields: Vec<Field>,
    /// Whether two fields can exclude each other.
    pub has_oneofs: bool,
    // Both the JSON spelling and the proto's are accepted, as the JSON mapping asks.
    by_name: HashMap<String, usize>,
}

/// How JSON shows a message: as an object of its fields, or as proto3's mapping says of a well-known type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An object of its fields.
    Fields,
    /// A string.
    Timestamp,
    /// A string.
    Duration,
    /// A string.
    FieldMask,
    /// An object.
    Struct,
    /// Any JSON.
    Value,
    /// A list.
    ListValue,
    /// The object of what it holds, with `@type`.
    Any,
    /// The bare value of its one field.
    Wrapper,
}

/// One field.
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its proto name.
    pub name: String,
    /// Its JSON name.
    pub json: String,
    /// `"name":`, as it is written.
    pub key: String,
    /// Single, a list or a map.
    pub shape: Shape,
    /// The type of it or of its elements; of a map, its entry.
    pub kind: Kind,
    /// Whether being absent differs from being zero.
    pub presence: bool,
    /// Whether a list is packed.
    pub packed: bool,
    /// The oneof that it belongs to.
    pub oneof: Option<usize>,
}

impl Field {
    /// Whether it is one text.
    pub fn is_text(&self) -> bool {
        self.shape == Shape::Single && matches!(self.kind, Kind::String)
    }
}

/// How many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// At most one.
    Single,
    /// A list.
    List,
    /// A map.
    Map,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(Index),
    Message(Index),
}

impl Kind {
    /// The wire type: 0 varint, 1 eight bytes, 2 with a length, 5 four bytes.
    pub fn wire_type(self) -> u8 {
        match self {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            Kind::String | Kind::Bytes | Kind::Message(_) => 2,
            _ => 0,
        }
    }
}

/// One enum.
pub struct Enum {
    /// Whether it is google.protobuf.NullValue, which JSON shows as null.
    pub is_null: bool,
    values: Vec<(i32, String)>,
}

impl Enum {
    /// A value's name; the first where names share a number.
    pub fn name(&self, number: i32) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == number).map(|(_, name)| name.as_str())
    }

    /// A value's number.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(_, known)| known == name).map(|(number, _)| *number)
    }

    /// The names that a caller may choose from: all but the zero value that stands for "not given".
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(_, name)| name.as_str()).filter(|name| !name.ends_with("_UNSPECIFIED"))
    }
}

impl Message {
    /// A field by its JSON or proto name.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.by_name.get(name).map(|&place| (place, &self.fields[place]))
    }

    /// A field's place by its number.
    pub fn place(&self, number: u32) -> Option<usize> {
        // Most messages number their fields 1, 2, 3, …
        let guess = (number as usize).wrapping_sub(1);
        match self.fields.get(guess) {
            Some(field) if field.number == number => Some(guess),
            _ => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}

impl Plans {
    /// Compiles all messages of a pool.
    pub fn new(pool: &DescriptorPool) -> Self {
        let descriptors: Vec<MessageDescriptor> = pool.all_messages().collect();
        let by_name: HashMap<String, Index> = descriptors
            .iter()
            .enumerate()
            .map(|(index, message)| (message.full_name().to_owned(), index))
            .collect();
        let enums: HashMap<String, Index> = pool
            .all_enums()
            .enumerate()
            .map(|(index, found)| (found.full_name().to_owned(), index))
            .collect();
        let messages = descriptors.iter().map(|message| compile(message, &by_name, &enums)).collect();
        let enums = pool
            .all_enums()
            .map(|found| Enum {
                is_null: found.full_name() == "google.protobuf.NullValue",
                values: found.values().map(|value| (value.number(), value.name().to_owned())).collect(),
            })
            .collect();
        Self { messages, enums, by_name }
    }

    /// The place of a message.
    pub fn index(&self, full_name: &str) -> Option<Index> {
        self.by_name.get(full_name).copied()
    }

    /// A message.
    pub fn message(&self, index: Index) -> &Message {
        &self.messages[index]
    }

    /// An enum.
    pub fn enumeration(&self, index: Index) -> &Enum {
        &self.enums[index]
    }
}

fn compile(
    message: &MessageDescriptor,
    messages: &HashMap<String, Index>,
    enums: &HashMap<String, Index>,
) -> Message {
    let oneofs: Vec<String> =
        message.oneofs().filter(|oneof| !oneof.is_synthetic()).map(|oneof| oneof.name().to_owned()).collect();
    let mut fields: Vec<Field> =
        message.fields().map(|field| compile_field(&field, &oneofs, messages, enums)).collect();
    fields.sort_by_key(|field| field.number);
    let mut by_name = HashMap::new();
    for (place, field) in fields.iter().enumerate() {
        by_name.insert(field.name.clone(), place);
        by_name.insert(field.json.clone(), place);
    }
    Message {
        name: message.full_name().to_owned(),
        form: form(message.full_name()),
        fields,
        has_oneofs: !oneofs.is_empty(),
        by_name,
    }
}

fn compile_field(
    field: &FieldDescriptor,
    oneofs: &[String],
    messages: &HashMap<String, Index>,
    enums: &HashMap<String, Index>,
) -> Field {
    let shape = match field.cardinality() {
        _ if field.is_map() => Shape::Map,
        Cardinality::Repeated => Shape::List,
        _ => Shape::Single,
    };
    let oneof =
        field.containing_oneof().and_then(|oneof| oneofs.iter().position(|name| name == oneof.name()));
    Field {
        number: field.number(),
        name: field.name().to_owned(),
        json: field.json_name().to_owned(),
        key: format!("{}:", serde_json::Value::from(field.json_name())),
        shape,
        kind: kind(&field.kind(), messages, enums),
        presence: shape == Shape::Single && field.supports_presence(),
        packed: field.is_packed(),
        oneof,
    }
}

fn kind(described: &Described, messages: &HashMap<String, Index>, enums: &HashMap<String, Index>) -> Kind {
    match described {
        Described::Double => Kind::Double,
        Described::Float => Kind::Float,
        Described::Int32 => Kind::Int32,
        Described::Int64 => Kind::Int64,
        Described::Uint32 => Kind::Uint32,
        Described::Uint64 => Kind::Uint64,
        Described::Sint32 => Kind::Sint32,
        Described::Sint64 => Kind::Sint64,
        Described::Fixed32 => Kind::Fixed32,
        Described::Fixed64 => Kind::Fixed64,
        Described::Sfixed32 => Kind::Sfixed32,
        Described::Sfixed64 => Kind::Sfixed64,
        Described::Bool => Kind::Bool,
        Described::String => Kind::String,
        Described::Bytes => Kind::Bytes,
        Described::Enum(found) => Kind::Enum(enums[found.full_name()]),
        Described::Message(found) => Kind::Message(messages[found.full_name()]),
    }
}

fn form(full_name: &str) -> Form {
    match full_name.strip_prefix("google.protobuf.") {
        Some("Timestamp") => Form::Timestamp,
        Some("Duration") => Form::Duration,
        Some("FieldMask") => Form::FieldMask,
        Some("Struct") => Form::Struct,
        Some("Value") => Form::Value,
        Some("ListValue") => Form::ListValue,
        Some("Any") => Form::Any,
        Some(
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue",
        ) => Form::Wrapper,
        _ => Form::Fields,
    }
}
