//! In which encoding a file is, told while it arrives, and its bytes as text.
use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// What a file's bytes tell of its encoding.
#[derive(Default)]
pub struct Census {
    head: Vec<u8>,
    bytes: u64,
    nuls: u64,
    multibyte: u64,
    invalid: u64,
    // The beginning of a character whose rest comes with the next bytes.
    carry: Vec<u8>,
}

impl Census {
    /// Looks at the next bytes.
    pub fn look(&mut self, bytes: &[u8]) {
        let missing = 4_usize.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        self.bytes += bytes.len() as u64;
        self.nuls += bytes.iter().filter(|&&byte| byte == 0).count() as u64;
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(bytes);
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.multibyte += chunk.valid().chars().filter(|c| !c.is_ascii()).count() as u64;
            let invalid = chunk.invalid();
            let cut_short = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if cut_short && chunks.peek().is_none() {
                self.carry = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.invalid += 1;
            }
        }
    }

    /// The encoding; none where the bytes are no text. Chinese text in GB18030 read as UTF-8 is mostly invalid, so that a
    /// few invalid places among many good ones are damage of a UTF-8 file, whose rows are refused one by one.
    pub fn encoding(&self) -> Option<&'static Encoding> {
        if let Some((encoding, _)) = Encoding::for_bom(&self.head) {
            return Some(encoding);
        }
        if self.nuls * 10 > self.bytes {
            return None;
        }
        let invalid = self.invalid + u64::from(!self.carry.is_empty());
        Some(if invalid * 20 <= self.multibyte { UTF_8 } else { GB18030 })
    }
}

/// The encoding of a name that [`Census`] gave.
pub fn named(name: &str) -> &'static Encoding {
    [GB18030, UTF_16LE, UTF_16BE].into_iter().find(|encoding| encoding.name() == name).unwrap_or(UTF_8)
}

/// The byte order mark with which a file of an encoding begins.
pub fn mark(encoding: &'static Encoding) -> &'static [u8] {
    match encoding.name() {
        "UTF-8" => &[0xEF, 0xBB, 0xBF],
        "UTF-16LE" => &[0xFF, 0xFE],
        "UTF-16BE" => &[0xFE, 0xFF],
        _ => &[],
    }
}

/// Text in an encoding.
pub fn encode(encoding: &'static Encoding, text: String) -> Vec<u8> {
    match encoding.name() {
        "UTF-8" => text.into_bytes(),
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => encoding.encode(&text).0.into_owned(),
    }
}

/// A first line is looked for within so many bytes; what is longer is no line.
const FIRST_LINE_MAX: usize = 1024 * 1024;

/// Chunks of bytes, read as text in UTF-8.
pub struct Text<S> {
    source: S,
    decoder: Decoder,
    decoded: String,
    at: usize,
    ended: bool,
}

impl<S: FnMut() -> io::Result<Option<Vec<u8>>>> Text<S> {
    /// Text of what the source gives; a byte order mark is dropped.
    pub fn new(source: S, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { source, decoder, decoded: String::new(), at: 0, ended: false }
    }

    /// The first line that holds anything, without moving on.
    pub fn first_line(&mut self) -> io::Result<&str> {
        let held = |text: &str| text.trim_start().contains(['\n', '\r']);
        while !self.ended && !held(&self.decoded) && self.decoded.len() < FIRST_LINE_MAX {
            self.fill()?;
        }
        Ok(self.decoded.trim_start_matches(['\n', '\r', ' ']).lines().next().unwrap_or_default())
    }

    fn fill(&mut self) -> io::Result<()> {
        let chunk = (self.source)()?;
        let bytes = chunk.as_deref().unwrap_or_default();
        self.ended = chunk.is_none();
        self.decoded.reserve(self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()));
        let _ = self.decoder.decode_to_string(bytes, &mut self.decoded, self.ended);
        Ok(())
    }
}

impl<S: FnMut() -> io::Result<Option<Vec<u8>>>> Read for Text<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.decoded.len() {
            if self.ended {
                return Ok(0);
            }
            self.decoded.clear();
            self.at = 0;
            self.fill()?;
        }
        let rest = &self.decoded.as_bytes()[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "统一社会信用代码,企业名称\n91640399MA0000000X,红寺堡示例有限公司𠮷\n";

    fn told(bytes: &[u8], step: usize) -> Option<&'static str> {
        let mut census = Census::default();
        bytes.chunks(step).for_each(|part| census.look(part));
        census.encoding().map(Encoding::name)
    }

    fn utf16(text: &str) -> Vec<u8> {
        [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    }

    #[test]
    fn encodings_are_told_however_the_bytes_are_cut() {
        let gb = GB18030.encode(TEXT).0;
        let mut damaged = TEXT.repeat(10).into_bytes();
        damaged[40] = 0xFF;
        for step in [1, 2, 3, 7, 1_000_000] {
            assert_eq!(told(TEXT.as_bytes(), step), Some("UTF-8"), "{step}");
            assert_eq!(told(format!("\u{FEFF}{TEXT}").as_bytes(), step), Some("UTF-8"), "{step}");
            assert_eq!(told(&gb, step), Some("gb18030"), "{step}");
            assert_eq!(told(&utf16(TEXT), step), Some("UTF-16LE"), "{step}");
            assert_eq!(told(&damaged, step), Some("UTF-8"), "{step}");
            assert_eq!(told(&[0, 1, 2, 0, 0, 3], step), None, "{step}");
        }
    }

    #[test]
    fn text_is_the_same_from_each_encoding() {
        let gb = GB18030.encode(TEXT).0.into_owned();
        let marked = format!("\u{FEFF}{TEXT}").into_bytes();
        for (name, bytes) in [("gb18030", gb), ("UTF-8", marked), ("UTF-16LE", utf16(TEXT))] {
            let mut chunks = bytes.chunks(5).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
            let mut text = Text::new(move || Ok(chunks.next()), named(name));
            assert_eq!(text.first_line().unwrap(), "统一社会信用代码,企业名称", "{name}");
            let mut all = String::new();
            text.read_to_string(&mut all).unwrap();
            assert_eq!(all, TEXT, "{name}");
        }
    }
}
