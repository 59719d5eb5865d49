//! Messages as they come over the wire.
use std::marker::PhantomData;

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{
        DecodeContext, WireType, bytes, decode_varint, encode_key, encode_varint, fixed32, fixed64,
        skip_field,
    },
};

/// A message that is not read yet, or is written already: so that a task of its own does that, and not whoever serves the connection.
#[derive(Clone, Debug)]
pub struct Encoded<M> {
    bytes: Vec<u8>,
    of: PhantomData<fn() -> M>,
}

impl<M> Default for Encoded<M> {
    fn default() -> Self {
        Self { bytes: Vec::new(), of: PhantomData }
    }
}

impl<M: Message + Default> Encoded<M> {
    /// A message, written.
    pub fn of(message: &M) -> Self {
        let mut encoded = Self::default();
        encoded.append(message);
        encoded
    }

    /// Adds what another message says: where both say one thing, its word counts; lists get longer.
    pub fn append(&mut self, message: &M) {
        self.bytes.reserve(message.encoded_len());
        message.encode_raw(&mut self.bytes);
    }

    /// Reads it; an error says that these bytes are no such message.
    pub fn read(&self) -> Result<M, DecodeError> {
        M::decode(self.bytes.as_slice())
    }

    /// As it is on the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<M> Message for Encoded<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.bytes);
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    fn decode(buf: impl Buf) -> Result<Self, DecodeError> {
        let mut encoded = Self::default();
        encoded.merge(buf)?;
        Ok(encoded)
    }

    fn merge(&mut self, buf: impl Buf) -> Result<(), DecodeError> {
        self.bytes.reserve_exact(buf.remaining());
        self.bytes.put(buf);
        Ok(())
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let field = &mut self.bytes;
        encode_key(tag, wire_type, field);
        match wire_type {
            WireType::Varint => encode_varint(decode_varint(buf)?, field),
            WireType::SixtyFourBit => {
                let mut number = 0;
                fixed64::merge(wire_type, &mut number, buf, context)?;
                field.put_u64_le(number);
            }
            WireType::ThirtyTwoBit => {
                let mut number = 0;
                fixed32::merge(wire_type, &mut number, buf, context)?;
                field.put_u32_le(number);
            }
            WireType::LengthDelimited => {
                let mut inner = Vec::new();
                bytes::merge(wire_type, &mut inner, buf, context)?;
                encode_varint(inner.len() as u64, field);
                field.put_slice(&inner);
            }
            // Groups are not of this protocol's version, and are passed over as prost passes over them.
            WireType::StartGroup | WireType::EndGroup => return skip_field(wire_type, tag, buf, context),
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, FileDescriptorProto};

    use super::*;

    fn message() -> FileDescriptorProto {
        FileDescriptorProto {
            name: Some(String::from("a")),
            public_dependency: vec![7, 300],
            ..Default::default()
        }
    }

    #[test]
    fn it_is_the_message_whichever_way_it_comes() {
        let bytes = message().encode_to_vec();
        let whole = Encoded::<FileDescriptorProto>::decode(&*bytes).expect("bytes");
        assert_eq!((whole.encode_to_vec(), whole.read()), (bytes.clone(), Ok(message())));
        assert_eq!(Encoded::of(&message()).bytes(), bytes);
        // As in a message that holds it, field by field, behind what came before.
        let mut held =
            Encoded::of(&FileDescriptorProto { package: Some(String::from("b")), ..Default::default() });
        held.merge_length_delimited(&*message().encode_length_delimited_to_vec()).expect("fields");
        let both = FileDescriptorProto { package: Some(String::from("b")), ..message() };
        assert_eq!(held.read(), Ok(both.clone()));
        let mut merged =
            Encoded::of(&FileDescriptorProto { package: Some(String::from("b")), ..Default::default() });
        merged.merge(&*bytes).expect("bytes");
        assert_eq!(merged.read(), Ok(both));
        merged.clear();
        assert_eq!(merged.encoded_len(), 0);
    }

    #[test]
    fn what_is_no_such_message_is_told_when_it_is_read() {
        let strange = Encoded::<Duration>::decode(&b"\x08"[..]).expect("any bytes");
        assert!(strange.read().is_err());
        let mut held = Encoded::<Duration>::default();
        assert!(held.merge_length_delimited(&b"\x01\x08"[..]).is_err());
    }
}
