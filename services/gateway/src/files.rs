//! Files out: streamed as they come, in ranges where a download that broke off goes on, compressed for who accepts it.
use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::{
    browsers,
    frames::Frames,
    gzip::Compressed,
    rest::{malformed, response},
    transcode::{Malformed, Reader, Wire},
};

// A file that ends within it is held whole for a moment, so that its tag and length are known before its first byte leaves.
const HELD_MOST: usize = 256 * 1024;
const HELD_FOR: Duration = Duration::from_secs(1);

/// What a service says of a file before its bytes.
#[derive(Default)]
pub struct Told {
    name: Option<HeaderValue>,
    // Where it says one, the same tag means the same bytes.
    tag: Option<String>,
    length: Option<u64>,
}

impl Told {
    /// Read off an answer's metadata.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            name: headers.get(header::CONTENT_DISPOSITION).cloned(),
            tag: text("etag").filter(|tag| is_strong(tag)).map(str::to_owned),
            length: text("file-length").and_then(|length| length.parse().ok()),
        }
    }
}

fn is_strong(tag: &str) -> bool {
    tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
}

/// The bytes of a file as they come from a service.
pub struct Pieces {
    frames: Frames,
    // Read already; the first is given out first.
    held: Vec<Bytes>,
    media_type: String,
    ended: bool,
}

impl Pieces {
    async fn begin(frames: Frames) -> Result<Self, Status> {
        let mut pieces = Self { frames, held: Vec::new(), media_type: String::new(), ended: false };
        // A failure before the first piece has a status of its own.
        if let Some(first) = pieces.read().await? {
            pieces.held.push(first);
        }
        Ok(pieces)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(message) = self.frames.next().await? else {
            self.ended = true;
            return Ok(None);
        };
        let (media_type, data) = http_body(&message)?;
        if self.media_type.is_empty() {
            media_type.clone_into(&mut self.media_type);
        }
        Ok(Some(data))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if !self.held.is_empty() {
            return Ok(Some(self.held.remove(0)));
        }
        if self.ended { Ok(None) } else { self.read().await }
    }

    // Reads on until the file ends or is large, or takes its time.
    async fn hold(&mut self) -> Result<(), Status> {
        let held = async {
            let mut size: usize = self.held.iter().map(Bytes::len).sum();
            while !self.ended && size <= HELD_MOST {
                if let Some(data) = self.read().await? {
                    size += data.len();
                    self.held.push(data);
                }
            }
            Ok(())
        };
        // What was read stays held where the time is over: `next` gives up nothing between two messages.
        tokio::time::timeout(HELD_FOR, held).await.unwrap_or(Ok(()))
    }

    async fn length(mut self) -> Result<u64, Status> {
        let mut length = 0;
        while let Some(data) = self.next().await? {
            length += data.len() as u64;
        }
        Ok(length)
    }

    // `from` bytes left out, then at most `most`. A failure in the middle breaks the connection, so that nobody takes a part for the whole.
    fn body(self, from: u64, most: u64) -> Body {
        Body::from_stream(stream::unfold(Some((self, from, most)), |state| async move {
            let (mut pieces, mut from, mut most) = state?;
            loop {
                let mut data = match pieces.next().await {
                    Ok(Some(data)) if most > 0 => data,
                    Ok(_) => return None,
                    Err(status) => {
                        tracing::error!(%status, "a file broke off");
                        return Some((Err(status), None));
                    }
                };
                let skipped = from.min(data.len() as u64);
                from -= skipped;
                let _ = data.split_to(skipped as usize);
                data.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                most -= data.len() as u64;
                if !data.is_empty() {
                    return Some((Ok(data), Some((pieces, from, most))));
                }
            }
        }))
    }
}

/// Answers with a file that comes as a stream. `again` asks the service for it once more, to pass over what the client has.
pub async fn streamed<F>(
    head: &Parts,
    (frames, told): (Frames, Told),
    compress: bool,
    again: impl FnOnce() -> F,
) -> Result<Response, Status>
where
    F: Future<Output = Result<(Frames, Told), Status>>,
{
    let mut pieces = Pieces::begin(frames).await?;
    pieces.hold().await?;
    if pieces.ended {
        let mut data = BytesMut::with_capacity(pieces.held.iter().map(Bytes::len).sum());
        pieces.held.iter().for_each(|piece| data.extend_from_slice(piece));
        return Ok(whole(head, &pieces.media_type, data.freeze(), told, compress));
    }
    let media_type = pieces.media_type.clone();
    let answer = |body| named(response(&media_type, body), &told);
    let Some(tag) = &told.tag else {
        let mut answer = answer(pieces.body(0, u64::MAX));
        answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        return Ok(compressed(head, answer, compress));
    };
    if names(head, tag) {
        return Ok(same(tag));
    }
    if may_be_part(head, tag) {
        let length = match told.length {
            Some(length) => Some((length, pieces)),
            // Counted once, then passed over: only a download that goes on pays for it.
            None => {
                let length = pieces.length().await?;
                let (frames, anew) = again().await?;
                let pieces = Pieces::begin(frames).await?;
                if anew.tag.as_deref() != Some(tag) {
                    let mut answer = answer(pieces.body(0, u64::MAX));
                    tagged(&mut answer, anew.tag.as_deref());
                    return Ok(answer);
                }
                Some((length, pieces))
            }
        };
        let Some((length, pieces)) = length else { return Err(malformed()) };
        return Ok(match range(head, length) {
            Range::Whole => lengthened(tagging(answer(pieces.body(0, u64::MAX)), tag), length),
            Range::None => beyond(tag, length),
            Range::Part(from, to) => part(answer(pieces.body(from, to - from + 1)), tag, (from, to), length),
        });
    }
    let answer = tagging(answer(pieces.body(0, u64::MAX)), tag);
    let answer = match told.length {
        Some(length) => lengthened(answer, length),
        None => answer,
    };
    Ok(compressed(head, answer, compress))
}

/// Answers with a file that is here whole.
pub fn whole(head: &Parts, media_type: &str, data: Bytes, told: Told, compress: bool) -> Response {
    let tag =
        told.tag.clone().unwrap_or_else(|| format!("\"{}\"", &hex::encode(Sha256::digest(&data))[..32]));
    if names(head, &tag) {
        return same(&tag);
    }
    let length = data.len() as u64;
    let asked = if may_be_part(head, &tag) { range(head, length) } else { Range::Whole };
    match asked {
        Range::None => beyond(&tag, length),
        Range::Part(from, to) => {
            let piece = data.slice(from as usize..=to as usize);
            part(named(response(media_type, Body::from(piece)), &told), &tag, (from, to), length)
        }
        Range::Whole => {
            let answer = named(response(media_type, Body::from(data)), &told);
            compressed(head, lengthened(tagging(answer, &tag), length), compress)
        }
    }
}

// Whether the client has it already.
fn names(head: &Parts, tag: &str) -> bool {
    browsers::names_tag(head.headers.get(header::IF_NONE_MATCH), tag)
}

// RFC 9110, 13.1.5: a range only of the very bytes that the client has a part of. A date proves nothing here.
fn may_be_part(head: &Parts, tag: &str) -> bool {
    let unchanged = head.headers.get(header::IF_RANGE).is_none_or(|given| given.as_bytes() == tag.as_bytes());
    head.method == Method::GET && unchanged && head.headers.contains_key(header::RANGE)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    // From and to, both inclusive.
    Part(u64, u64),
    // Nothing of the file is in it.
    None,
}

// One range of bytes. Several at once, other units and what can't be read are overlooked, as RFC 9110 allows: the whole is the answer.
fn range(head: &Parts, length: u64) -> Range {
    let mut given = head.headers.get_all(header::RANGE).iter();
    let (Some(given), None) = (given.next().and_then(|one| one.to_str().ok()), given.next()) else {
        return Range::Whole;
    };
    let ends = given
        .strip_prefix("bytes=")
        .filter(|list| !list.contains(','))
        .and_then(|one| one.trim().split_once('-'));
    let Some((from, to)) = ends else { return Range::Whole };
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    let last = length.saturating_sub(1);
    match (from, number(from), to, number(to)) {
        ("", _, _, Some(count)) if count == 0 || length == 0 => Range::None,
        ("", _, _, Some(count)) => Range::Part(length.saturating_sub(count), last),
        (_, Some(from), "", _) if from < length => Range::Part(from, last),
        (_, Some(from), _, Some(to)) if from <= to && from < length => Range::Part(from, to.min(last)),
        (_, Some(_), "", _) => Range::None,
        (_, Some(from), _, Some(to)) if from <= to => Range::None,
        _ => Range::Whole,
    }
}

fn tagged(answer: &mut Response, tag: Option<&str>) {
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
}

fn tagging(mut answer: Response, tag: &str) -> Response {
    tagged(&mut answer, Some(tag));
    answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer
}

fn lengthened(mut answer: Response, length: u64) -> Response {
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

fn named(mut answer: Response, told: &Told) -> Response {
    if let Some(name) = &told.name {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name.clone());
    }
    answer
}

fn same(tag: &str) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    tagging(answer, tag)
}

fn part(answer: Response, tag: &str, (from, to): (u64, u64), length: u64) -> Response {
    let mut answer = lengthened(tagging(answer, tag), to - from + 1);
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    content_range(&mut answer, &format!("bytes {from}-{to}/{length}"));
    answer
}

fn beyond(tag: &str, length: u64) -> Response {
    let mut answer = tagging(Response::new(Body::empty()), tag);
    *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    content_range(&mut answer, &format!("bytes */{length}"));
    answer
}

fn content_range(answer: &mut Response, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        answer.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

// Pictures, workbooks and PDFs are compressed by themselves.
fn shrinks(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.starts_with("text/")
        || ["application/json", "application/x-ndjson", "application/xml"].contains(&media_type)
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

/// Compressed for who accepts it. The tag is weak then, since the bytes that it stands for are others, and nothing goes on in their middle.
pub fn compressed(head: &Parts, mut answer: Response, compress: bool) -> Response {
    let media_type = answer.headers().get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok());
    if !compress || !media_type.is_some_and(shrinks) {
        return answer;
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !browsers::accepts_gzip(&head.headers) || head.method == Method::HEAD {
        return answer;
    }
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    let weak = headers
        .get(header::ETAG)
        .and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
    answer.map(|body| Body::new(Compressed::new(body)))
}

/// The media type and the bytes of a google.api.HttpBody.
pub fn http_body(message: &Bytes) -> Result<(&str, Bytes), Status> {
    let (mut media_type, mut data, mut reader) = ("", Bytes::new(), Reader(message));
    let wrong = |Malformed| malformed();
    while let Some((number, value)) = reader.field().map_err(wrong)? {
        match (number, value) {
            (1, Wire::Bytes(bytes)) => media_type = std::str::from_utf8(bytes).map_err(|_| malformed())?,
            // Of the message's own memory: a file is not copied on its way through.
            (2, Wire::Bytes(bytes)) => data = message.slice_ref(bytes),
            _ => {}
        }
    }
    Ok((media_type, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let of = |given: &str, length: u64| {
            let request = http::Request::get("/").header("range", given).body(()).expect("a request");
            range(&request.into_parts().0, length)
        };
        for (given, expected) in [
            ("bytes=0-0", Range::Part(0, 0)),
            ("bytes=0-", Range::Part(0, 99)),
            ("bytes=99-", Range::Part(99, 99)),
            ("bytes=10-19", Range::Part(10, 19)),
            ("bytes=10-1000", Range::Part(10, 99)),
            ("bytes=-1", Range::Part(99, 99)),
            ("bytes=-1000", Range::Part(0, 99)),
            ("bytes=100-", Range::None),
            ("bytes=100-200", Range::None),
            ("bytes=-0", Range::None),
            ("bytes=20-10", Range::Whole),
            ("bytes=0-1,5-6", Range::Whole),
            ("bytes=-", Range::Whole),
            ("bytes=a-b", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("lines=0-1", Range::Whole),
            ("bytes 0-1", Range::Whole),
            ("bytes=0-18446744073709551616", Range::Whole),
        ] {
            assert_eq!(of(given, 100), expected, "{given}");
        }
        for given in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(of(given, 0), Range::None, "{given} of nothing");
        }
    }
}
