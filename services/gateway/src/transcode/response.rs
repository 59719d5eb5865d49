//! From wire bytes straight to JSON text, by the plan: proto3's JSON mapping, fields without presence always written.
use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    plan::{Field, Form, Index, Kind, Message, Plans, Shape},
    wire::{Malformed, Reader, Wire, unzigzag},
};

// As deep as prost decodes.
const DEPTH_MAX: usize = 100;

/// Appends a message as JSON.
pub fn write(plans: &Plans, message: Index, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    Writer { plans, out, found: Vec::new() }.message(message, wire, 0)
}

/// Appends one field of a message as JSON, for routes whose `response_body` names it.
pub fn write_field(
    plans: &Plans,
    message: Index,
    place: usize,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let plan = plans.message(message);
    let mut writer = Writer { plans, out, found: Vec::new() };
    writer.collect(plan, wire)?;
    let start = writer.found.partition_point(|found| found.place < place);
    let end = writer.found.partition_point(|found| found.place <= place);
    match &plan.fields[place] {
        field if start == end && field.presence => writer.raw(b"null"),
        field => writer.field(field, start, end, 0)?,
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Found<'w> {
    place: usize,
    value: Wire<'w>,
}

struct Writer<'p, 'w, 'o> {
    plans: &'p Plans,
    out: &'o mut Vec<u8>,
    // A stack shared by all depths: what a message's bytes hold, in the order of its fields.
    found: Vec<Found<'w>>,
}

impl<'p, 'w> Writer<'p, 'w, '_> {
    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Malformed> {
        serde_json::to_writer(&mut *self.out, value).map_err(|_| Malformed)
    }

    fn message(&mut self, index: Index, wire: &'w [u8], depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        let plan = self.plans.message(index);
        match plan.form {
            Form::Fields => {
                self.raw(b"{");
                self.fields(plan, wire, true, depth)?;
                self.raw(b"}");
                Ok(())
            }
            Form::Timestamp => {
                let (seconds, nanos) = moment(wire)?;
                self.json(&prost_types::Timestamp { seconds, nanos }.to_string())
            }
            Form::Duration => {
                let (seconds, nanos) = moment(wire)?;
                self.json(&prost_types::Duration { seconds, nanos }.to_string())
            }
            Form::FieldMask => self.field_mask(wire),
            Form::Struct | Form::ListValue => self.only_field(plan, wire, depth),
            Form::Wrapper => self.only_field(plan, wire, depth),
            Form::Value => self.value(plan, wire, depth),
            Form::Any => self.any(wire, depth),
        }
    }

    fn fields(
        &mut self,
        plan: &'p Message,
        wire: &'w [u8],
        mut first: bool,
        depth: usize,
    ) -> Result<(), Malformed> {
        let base = self.found.len();
        self.collect(plan, wire)?;
        let mut start = base;
        for (place, field) in plan.fields.iter().enumerate() {
            let mut end = start;
            while self.found.get(end).is_some_and(|found| found.place == place) {
                end += 1;
            }
            if end == start && (field.presence || field.oneof.is_some()) {
                continue;
            }
            if !first {
                self.raw(b",");
            }
            first = false;
            self.raw(field.key.as_bytes());
            self.field(field, start, end, depth)?;
            start = end;
        }
        self.found.truncate(base);
        Ok(())
    }

    // Pushes what the bytes hold, ordered by field; of a oneof only the last stays, as the format has it.
    fn collect(&mut self, plan: &Message, wire: &'w [u8]) -> Result<(), Malformed> {
        let base = self.found.len();
        let (mut reader, mut sorted, mut last) = (Reader(wire), true, 0);
        while let Some((number, value)) = reader.field()? {
            let Some(place) = plan.place(number).filter(|&place| fits(&plan.fields[place], value)) else {
                continue;
            };
            if plan.has_oneofs
                && let Some(oneof) = plan.fields[place].oneof
            {
                let rest = self.found.split_off(base);
                self.found.extend(
                    rest.into_iter().filter(|found| {
                        found.place == place || plan.fields[found.place].oneof != Some(oneof)
                    }),
                );
            }
            sorted &= place >= last;
            last = place;
            self.found.push(Found { place, value });
        }
        if !sorted {
            self.found[base..].sort_by_key(|found| found.place);
        }
        Ok(())
    }

    fn field(&mut self, field: &'p Field, start: usize, end: usize, depth: usize) -> Result<(), Malformed> {
        match field.shape {
            Shape::Single => match self.found[start..end].last().map(|found| found.value) {
                None => self.default_value(field.kind),
                // Pieces of one message merge by being strung together; encoders of ours never split one, but the format allows it.
                Some(_) if end - start > 1 && matches!(field.kind, Kind::Message(_)) => {
                    let whole = self.join(start, end);
                    let mut writer = Writer { plans: self.plans, out: self.out, found: Vec::new() };
                    writer.single(field.kind, Wire::Bytes(&whole), depth)
                }
                Some(value) => self.single(field.kind, value, depth),
            },
            Shape::List => self.list(field, start, end, depth),
            Shape::Map => self.map(field, start, end, depth),
        }
    }

    fn join(&self, start: usize, end: usize) -> Vec<u8> {
        let mut whole = Vec::new();
        for found in &self.found[start..end] {
            if let Wire::Bytes(bytes) = found.value {
                whole.extend_from_slice(bytes);
            }
        }
        whole
    }

    fn list(&mut self, field: &'p Field, start: usize, end: usize, depth: usize) -> Result<(), Malformed> {
        self.raw(b"[");
        let mut first = true;
        for at in start..end {
            let value = self.found[at].value;
            match value {
                Wire::Bytes(bytes) if field.kind.wire_type() != 2 => {
                    let mut packed = Reader(bytes);
                    while let Some(number) = packed.packed(field.kind.wire_type())? {
                        self.comma(&mut first);
                        self.single(field.kind, Wire::Number(number), depth)?;
                    }
                }
                value => {
                    self.comma(&mut first);
                    self.single(field.kind, value, depth)?;
                }
            }
        }
        self.raw(b"]");
        Ok(())
    }

    fn map(&mut self, field: &'p Field, start: usize, end: usize, depth: usize) -> Result<(), Malformed> {
        let Kind::Message(entry) = field.kind else { return Err(Malformed) };
        let [key_field, value_field] = &self.plans.message(entry).fields[..] else { return Err(Malformed) };
        // The last entry of a key is the one that holds.
        let mut entries: BTreeMap<String, Option<Wire<'w>>> = BTreeMap::new();
        for found in &self.found[start..end] {
            let Wire::Bytes(bytes) = found.value else { return Err(Malformed) };
            let (mut key, mut value, mut reader) = (None, None, Reader(bytes));
            while let Some((number, found)) = reader.field()? {
                match number {
                    1 => key = Some(found),
                    2 => value = Some(found),
                    _ => {}
                }
            }
            entries.insert(map_key(key_field.kind, key)?, value);
        }
        self.raw(b"{");
        let mut first = true;
        for (key, value) in entries {
            self.comma(&mut first);
            self.json(&key)?;
            self.raw(b":");
            match (value, value_field.kind) {
                (Some(value), kind) => self.single(kind, value, depth)?,
                (None, Kind::Message(_)) => self.single(value_field.kind, Wire::Bytes(&[]), depth)?,
                (None, kind) => self.default_value(kind)?,
            }
        }
        self.raw(b"}");
        Ok(())
    }

    fn comma(&mut self, first: &mut bool) {
        if !*first {
            self.raw(b",");
        }
        *first = false;
    }

    fn default_value(&mut self, kind: Kind) -> Result<(), Malformed> {
        let empty = if kind.wire_type() == 2 { Wire::Bytes(&[]) } else { Wire::Number(0) };
        self.single(kind, empty, 0)
    }

    fn single(&mut self, kind: Kind, value: Wire<'w>, depth: usize) -> Result<(), Malformed> {
        match (kind, value) {
            (Kind::Message(index), Wire::Bytes(bytes)) => self.message(index, bytes, depth + 1),
            (Kind::String, Wire::Bytes(bytes)) => {
                self.json(std::str::from_utf8(bytes).map_err(|_| Malformed)?)
            }
            (Kind::Bytes, Wire::Bytes(bytes)) => self.json(&STANDARD.encode(bytes)),
            (_, Wire::Number(bits)) => self.number(kind, bits),
            _ => Err(Malformed),
        }
    }

    fn number(&mut self, kind: Kind, bits: u64) -> Result<(), Malformed> {
        match kind {
            Kind::Double => self.double(f64::from_bits(bits)),
            Kind::Float => self.float(f32::from_bits(bits as u32)),
            Kind::Int32 | Kind::Sfixed32 => self.json(&(bits as i32)),
            Kind::Uint32 | Kind::Fixed32 => self.json(&(bits as u32)),
            Kind::Sint32 => self.json(&(unzigzag(bits) as i32)),
            Kind::Bool => self.json(&(bits != 0)),
            Kind::Enum(index) => self.enumeration(index, bits as i32),
            // 64 bits are strings in JSON: JavaScript would round them.
            Kind::Int64 | Kind::Sfixed64 => self.quoted(&(bits as i64)),
            Kind::Uint64 | Kind::Fixed64 => self.quoted(&bits),
            Kind::Sint64 => self.quoted(&unzigzag(bits)),
            Kind::String | Kind::Bytes | Kind::Message(_) => Err(Malformed),
        }
    }

    fn quoted(&mut self, value: &impl Serialize) -> Result<(), Malformed> {
        self.raw(b"\"");
        self.json(value)?;
        self.raw(b"\"");
        Ok(())
    }

    fn enumeration(&mut self, index: Index, number: i32) -> Result<(), Malformed> {
        let plan = self.plans.enumeration(index);
        match plan.name(number) {
            _ if plan.is_null => self.raw(b"null"),
            Some(name) => return self.json(name),
            // A value of a newer contract than ours.
            None => return self.json(&number),
        }
        Ok(())
    }

    fn double(&mut self, value: f64) -> Result<(), Malformed> {
        // The canonical mapping writes whole numbers without a fraction; 2^53 is where doubles stop telling them apart.
        const WHOLE_BELOW: f64 = 9_007_199_254_740_992.0;
        match value {
            _ if value.is_nan() => self.json("NaN"),
            f64::INFINITY => self.json("Infinity"),
            f64::NEG_INFINITY => self.json("-Infinity"),
            _ if value == 0.0 && value.is_sign_negative() => self.json(&value),
            _ if value.fract() == 0.0 && value.abs() < WHOLE_BELOW => self.json(&(value as i64)),
            _ => self.json(&value),
        }
    }

    // A float's shortest digits are not those of the same number as a double, unless it is whole and small.
    fn float(&mut self, value: f32) -> Result<(), Malformed> {
        const WHOLE_BELOW: f32 = 16_777_216.0;
        let whole = value.fract() == 0.0 && value.abs() < WHOLE_BELOW;
        if whole || !value.is_finite() { self.double(f64::from(value)) } else { self.json(&value) }
    }

    fn field_mask(&mut self, wire: &'w [u8]) -> Result<(), Malformed> {
        let mut mask = String::new();
        let mut reader = Reader(wire);
        while let Some((number, value)) = reader.field()? {
            if let (1, Wire::Bytes(path)) = (number, value) {
                if !mask.is_empty() {
                    mask.push(',');
                }
                camel(std::str::from_utf8(path).map_err(|_| Malformed)?, &mut mask);
            }
        }
        self.json(&mask)
    }

    fn only_field(&mut self, plan: &'p Message, wire: &'w [u8], depth: usize) -> Result<(), Malformed> {
        let Some(field) = plan.fields.first() else { return Err(Malformed) };
        let base = self.found.len();
        self.collect(plan, wire)?;
        let end = self.found.len();
        self.field(field, base, end, depth)?;
        self.found.truncate(base);
        Ok(())
    }

    fn value(&mut self, plan: &'p Message, wire: &'w [u8], depth: usize) -> Result<(), Malformed> {
        let base = self.found.len();
        self.collect(plan, wire)?;
        match self.found[base..].last().copied() {
            // A Value that holds nothing is as good as null.
            None => self.raw(b"null"),
            Some(found) => self.single(plan.fields[found.place].kind, found.value, depth)?,
        }
        self.found.truncate(base);
        Ok(())
    }

    fn any(&mut self, wire: &'w [u8], depth: usize) -> Result<(), Malformed> {
        let (mut url, mut value, mut reader) = ("", &[][..], Reader(wire));
        while let Some((number, found)) = reader.field()? {
            match (number, found) {
                (1, Wire::Bytes(bytes)) => url = std::str::from_utf8(bytes).map_err(|_| Malformed)?,
                (2, Wire::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        if url.is_empty() {
            self.raw(b"{}");
            return Ok(());
        }
        self.raw(b"{\"@type\":");
        self.json(url)?;
        match url.rsplit('/').next().and_then(|name| self.plans.index(name)) {
            Some(index) if self.plans.message(index).form == Form::Fields => {
                self.fields(self.plans.message(index), value, false, depth + 1)?;
            }
            Some(index) => {
                self.raw(b",\"value\":");
                self.message(index, value, depth + 1)?;
            }
            // A type that the contract does not know is shown as it came.
            None => {
                self.raw(b",\"value\":");
                self.json(&STANDARD.encode(value))?;
            }
        }
        self.raw(b"}");
        Ok(())
    }
}

// A field whose wire type is not its own is skipped like an unknown one.
fn fits(field: &Field, value: Wire<'_>) -> bool {
    match value {
        Wire::Number(_) => field.kind.wire_type() != 2,
        Wire::Bytes(_) => field.kind.wire_type() == 2 || field.shape == Shape::List,
    }
}

fn moment(wire: &[u8]) -> Result<(i64, i32), Malformed> {
    let (mut seconds, mut nanos, mut reader) = (0, 0, Reader(wire));
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Wire::Number(bits)) => seconds = bits as i64,
            (2, Wire::Number(bits)) => nanos = bits as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

fn map_key(kind: Kind, key: Option<Wire<'_>>) -> Result<String, Malformed> {
    let bits = match key {
        Some(Wire::Bytes(bytes)) if kind == Kind::String => {
            return String::from_utf8(bytes.to_vec()).map_err(|_| Malformed);
        }
        None if kind == Kind::String => return Ok(String::new()),
        Some(Wire::Number(bits)) => bits,
        None => 0,
        Some(Wire::Bytes(_)) => return Err(Malformed),
    };
    Ok(match kind {
        Kind::Bool => (bits != 0).to_string(),
        Kind::Int32 | Kind::Sfixed32 => (bits as i32).to_string(),
        Kind::Sint32 | Kind::Sint64 => unzigzag(bits).to_string(),
        Kind::Int64 | Kind::Sfixed64 => (bits as i64).to_string(),
        _ => bits.to_string(),
    })
}

fn camel(path: &str, out: &mut String) {
    let mut raise = false;
    for letter in path.chars() {
        match letter {
            '_' => raise = true,
            _ if raise => {
                out.extend(letter.to_uppercase());
                raise = false;
            }
            _ => out.push(letter),
        }
    }
}
