//! The protobuf wire format, as far as transcoding needs it.

/// Bytes that are not the message that they should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What stands behind a tag.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'w> {
    /// A varint or a fixed number.
    Number(u64),
    /// A string, bytes, a message or a packed list.
    Bytes(&'w [u8]),
}

/// Reads tags and values one after the other.
pub struct Reader<'w>(pub &'w [u8]);

impl<'w> Reader<'w> {
    /// The next field's number and value; nothing at the end.
    pub fn field(&mut self) -> Result<Option<(u32, Wire<'w>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(self.fixed64()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(self.fixed32()?),
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    /// The next number of a packed list, by its wire type.
    pub fn packed(&mut self, wire_type: u8) -> Result<Option<u64>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match wire_type {
            1 => self.fixed64(),
            5 => self.fixed32(),
            _ => self.varint(),
        }
        .map(Some)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (place, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn fixed64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
    }

    fn fixed32(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(4)?;
        Ok(u64::from(u32::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?)))
    }

    fn take(&mut self, length: usize) -> Result<&'w [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Writes a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a tag.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Writes what stands behind a length: strings, bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes what a closure appends, with its length before it. One byte is kept free for the length, which suffices for most
/// messages; a longer one moves what was written.
pub fn put_sized<R>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let start = out.len();
    out.push(0);
    let result = write(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(10);
        put_varint(&mut prefix, length as u64);
        out.splice(start..=start, prefix);
    }
    result
}

/// A sint's bits from its zigzag.
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A sint's zigzag.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_and_lengths_read_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Reader(&out).varint(), Ok(value));
        }
        for length in [0, 127, 128, 70_000] {
            let mut out = Vec::new();
            put_tag(&mut out, 3, 2);
            put_sized(&mut out, |out| out.resize(out.len() + length, 7));
            let mut reader = Reader(&out);
            match reader.field() {
                Ok(Some((3, Wire::Bytes(bytes)))) => assert_eq!(bytes.len(), length),
                other => panic!("{other:?}"),
            }
            assert!(reader.0.is_empty());
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn cut_bytes_are_malformed() {
        for bytes in [&[0x08][..], &[0x12, 5, 1], &[0x80; 11], &[0x0b], &[0x0d, 0, 0]] {
            assert!(Reader(bytes).field().is_err(), "{bytes:?}");
        }
    }
}
