//! Messages as JSON schemas: proto3's JSON mapping, the field rules of the contract, the comments.
use std::collections::BTreeMap;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind,
    MessageDescriptor, Value as Reflected,
};
use serde_json::{Map, Value, json};

use super::comments::Comments;

/// The schemas that something refers to.
pub struct Schemas {
    rule: Option<ExtensionDescriptor>,
    pool: DescriptorPool,
    // Referred to, in the order of names; each is written once, when the document is closed.
    wanted: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

/// A field's rule, as far as a schema can say it.
#[derive(Default)]
pub struct Rule {
    /// Whether it must be given.
    pub required: bool,
    max_length: u64,
    max_items: u64,
    format: i32,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

impl Schemas {
    /// None wanted yet.
    pub fn new(pool: &DescriptorPool) -> Self {
        let rule = pool.get_extension_by_name("xinheng.type.v1.rule");
        Self { rule, pool: pool.clone(), wanted: BTreeMap::new(), enums: BTreeMap::new() }
    }

    /// A field's rule.
    pub fn rule(&self, field: &FieldDescriptor) -> Rule {
        let options = field.options();
        let Some(extension) = self.rule.as_ref().filter(|rule| options.has_extension(rule)) else {
            return Rule::default();
        };
        let value = options.get_extension(extension);
        let Some(rule) = value.as_message() else { return Rule::default() };
        let get = |name: &str| rule.get_field_by_name(name).map(|value| value.into_owned());
        let number = |name: &str| match get(name) {
            Some(Reflected::U32(number)) => u64::from(number),
            _ => 0,
        };
        let bound = |name: &str| match get(name) {
            Some(Reflected::F64(bound)) if rule.has_field_by_name(name) => Some(bound),
            _ => None,
        };
        Rule {
            required: matches!(get("required"), Some(Reflected::Bool(true))),
            max_length: number("max_length"),
            max_items: number("max_items"),
            format: get("format").and_then(|format| format.as_enum_number()).unwrap_or_default(),
            minimum: bound("minimum"),
            maximum: bound("maximum"),
        }
    }

    /// A field's schema.
    pub fn field(&mut self, field: &FieldDescriptor) -> Value {
        let rule = self.rule(field);
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return json!({ "type": "object" }) };
            let value = self.kind(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let mut schema = self.kind(&field.kind());
        constrain(&mut schema, &rule);
        if field.cardinality() == Cardinality::Repeated {
            schema = json!({ "type": "array", "items": schema });
            if rule.max_items > 0 {
                schema["maxItems"] = rule.max_items.into();
            }
        }
        schema
    }

    /// A reference to a message, or its schema where JSON knows a plainer form.
    pub fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        self.wanted.insert(message.full_name().to_owned(), message.clone());
        json!({ "$ref": format!("#/components/schemas/{}", message.full_name()) })
    }

    /// A message in place, without some of its fields, which the path already gives.
    pub fn object(&mut self, message: &MessageDescriptor, omitted: &[&str], comments: &Comments) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields().filter(|field| !omitted.contains(&field.name())) {
            let mut schema = self.field(&field);
            let description = comments.about(field.parent_file().name(), field.path());
            if !description.is_empty() {
                schema["description"] = description.into();
            }
            if self.rule(&field).required {
                required.push(Value::from(field.json_name()));
            }
            properties.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        let description = comments.about(message.parent_file().name(), message.path());
        if !description.is_empty() {
            schema["description"] = description.into();
        }
        schema
    }

    /// Writes all that were referred to, and what those refer to.
    pub fn into_components(mut self, comments: &Comments) -> Map<String, Value> {
        let mut written = Map::new();
        if let Some(status) = self.pool.get_message_by_name("google.rpc.Status") {
            // The error's body is AIP-193's, with the details of google.rpc within.
            let details = status.get_field_by_name("details").map(|field| self.field(&field));
            written.insert(String::from("Error"), error(details.unwrap_or_default()));
        }
        while let Some((name, message)) = self.wanted.pop_first() {
            if !written.contains_key(&name) {
                let schema = self.object(&message, &[], comments);
                written.insert(name, schema);
            }
        }
        for (name, found) in &self.enums {
            written.insert(name.clone(), enumeration(found, comments));
        }
        written
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0 }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "format": "int64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(found) if found.full_name() == "google.protobuf.NullValue" => {
                json!({ "type": "null" })
            }
            Kind::Enum(found) => {
                self.enums.insert(found.full_name().to_owned(), found.clone());
                json!({ "$ref": format!("#/components/schemas/{}", found.full_name()) })
            }
            Kind::Message(message) => self.message(message),
        }
    }
}

// The names that JSON knows, and under a name that readers of OpenAPI share what each means.
fn enumeration(found: &EnumDescriptor, comments: &Comments) -> Value {
    let file = found.parent_file();
    let about = |path: &[i32]| Value::from(comments.about(file.name(), path));
    let names: Vec<String> = found.values().map(|value| value.name().to_owned()).collect();
    let told: Map<String, Value> =
        found.values().map(|value| (value.name().to_owned(), about(value.path()))).collect();
    json!({ "type": "string", "enum": names, "description": about(found.path()), "x-enumDescriptions": told })
}

fn constrain(schema: &mut Value, rule: &Rule) {
    if schema["type"] == "string" && rule.max_length > 0 {
        schema["maxLength"] = rule.max_length.into();
    }
    match rule.format {
        // A field that need not be given may be empty.
        1 if !rule.required => schema["pattern"] = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$".into(),
        1 => schema["format"] = "date".into(),
        2 => schema["pattern"] = r"^(-?[0-9]+(\.[0-9]{1,4})?)?$".into(),
        7 if !rule.required => schema["pattern"] = "^(https?://.*)?$".into(),
        7 => schema["format"] = "uri".into(),
        _ => {}
    }
    for (name, bound) in [("minimum", rule.minimum), ("maximum", rule.maximum)] {
        if let Some(bound) = bound {
            schema[name] = bound.into();
        }
    }
}

/// Whether JSON shows the message as one plain value, so that an address can hold it.
pub fn is_plain(message: &MessageDescriptor) -> bool {
    well_known(message.full_name()).is_some_and(|schema| {
        schema["type"].is_string() && schema["type"] != "object" && schema["type"] != "array"
    })
}

/// Whether JSON shows the message as something of any shape.
pub fn is_open(message: &MessageDescriptor) -> bool {
    well_known(message.full_name()).is_some()
}

fn well_known(full_name: &str) -> Option<Value> {
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" }),
        "FieldMask" => {
            json!({ "type": "string", "description": "Field names separated by commas 字段名，以逗号分隔" })
        }
        "Struct" => json!({ "type": "object" }),
        "Value" => json!({}),
        "ListValue" => json!({ "type": "array" }),
        "Empty" => json!({ "type": "object", "additionalProperties": false }),
        "Any" => {
            let name =
                json!({ "type": "string", "description": "The name of the message's type 消息类型名" });
            json!({ "type": "object", "properties": { "@type": name }, "additionalProperties": true })
        }
        "BoolValue" => json!({ "type": "boolean" }),
        "StringValue" => json!({ "type": "string" }),
        "BytesValue" => json!({ "type": "string", "contentEncoding": "base64" }),
        "Int64Value" | "UInt64Value" => json!({ "type": "string", "format": "int64" }),
        "Int32Value" | "UInt32Value" => json!({ "type": "integer" }),
        "DoubleValue" | "FloatValue" => json!({ "type": "number" }),
        _ => return None,
    })
}

fn error(mut details: Value) -> Value {
    details["description"] = "ErrorInfo, BadRequest, LocalizedMessage 错误详情".into();
    json!({
        "type": "object",
        "required": ["error"],
        "description": "Why a call was refused or failed 请求被拒绝或失败的原因",
        "properties": { "error": {
            "type": "object",
            "description": "The error 错误",
            "required": ["code", "status", "message"],
            "properties": {
                "code": { "type": "integer", "description": "The HTTP status HTTP 状态码" },
                "status": { "type": "string", "description": "The name of the google.rpc.Code 错误代码名称" },
                "message": { "type": "string", "description": "What is wrong, where, and what to do 错误内容、位置与处理办法" },
                "details": details,
            },
        } },
    })
}
