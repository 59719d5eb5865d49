//! gRPC's frames: five bytes, then a message; and the status at the end.
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use tonic::{Status, body::Body};

const HEAD: usize = 5;

/// One message in its frame.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEAD + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// The body of a unary request.
pub fn unary(message: &[u8]) -> Body {
    Body::new(Full::new(frame(message)))
}

/// Reads the messages of an answer.
pub struct Frames {
    body: Body,
    buffer: BytesMut,
    // What the trailers said; nothing while they have not come.
    ended: Option<Status>,
}

impl Frames {
    /// Begins to read. A refusal before the first message stands in the headers.
    pub fn of(response: http::Response<Body>) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        let ended = Status::from_header_map(&head.headers);
        match ended {
            Some(status) if status.code() != tonic::Code::Ok => Err(status),
            ended => Ok(Self { body, buffer: BytesMut::new(), ended }),
        }
    }

    /// The next message; nothing at a good end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => self.trailers(frame.trailers_ref())?,
                },
                // The connection, not the service: what a service says of itself comes in the headers or trailers.
                Some(Err(status)) => {
                    return Err(Status::unavailable(format!("the answer broke off: {status}")));
                }
                None if !self.buffer.is_empty() => {
                    return Err(Status::unavailable("the answer broke off in a message"));
                }
                None if self.ended.is_none() => {
                    return Err(Status::unavailable("the answer broke off before its end"));
                }
                None => return Ok(None),
            }
        }
    }

    /// The one message of a unary answer.
    pub async fn only(mut self) -> Result<Bytes, Status> {
        let message = self.next().await?.ok_or_else(|| Status::internal("an answer without a message"))?;
        match self.next().await? {
            None => Ok(message),
            Some(_) => Err(Status::internal("a second message in a unary answer")),
        }
    }

    fn trailers(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Status> {
        match trailers.and_then(Status::from_header_map) {
            Some(status) if status.code() != tonic::Code::Ok => Err(status),
            found => {
                self.ended = found;
                Ok(())
            }
        }
    }

    fn buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let [compressed, a, b, c, d, ..] = self.buffer[..] else { return Ok(None) };
        if compressed != 0 {
            return Err(Status::internal("a compressed message that was not asked for"));
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        let mut framed = self.buffer.split_to(HEAD + length);
        Ok(Some(framed.split_off(HEAD).freeze()))
    }
}
