//! A stream in gzip. What is there leaves as soon as nothing more is: a line of a feed does not wait for the next one to fill a block.
use std::{
    io::Write as _,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::Frame;

// What leaves at once.
const ENOUGH: usize = 16 * 1024;

/// A body, compressed as it is read.
pub struct Compressed {
    body: Body,
    encoder: Option<GzEncoder<Vec<u8>>>,
    // Written into the encoder since it was last emptied.
    inside: bool,
}

impl Compressed {
    /// Wraps a body.
    pub fn new(body: Body) -> Self {
        Self { body, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())), inside: false }
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            let polled = Pin::new(&mut this.body).poll_frame(context);
            let out = match polled {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    this.inside |= !data.is_empty();
                    match encoder.write_all(&data) {
                        Ok(()) if encoder.get_ref().len() < ENOUGH => continue,
                        Ok(()) => Ok(std::mem::take(encoder.get_mut())),
                        Err(error) => Err(error),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    let ended = this.encoder.take().map_or(Ok(Vec::new()), GzEncoder::finish);
                    this.inside = false;
                    ended
                }
                Poll::Pending if this.inside => {
                    this.inside = false;
                    encoder.flush().map(|()| std::mem::take(encoder.get_mut()))
                }
                Poll::Pending => return Poll::Pending,
            };
            return Poll::Ready(Some(
                out.map(|bytes| Frame::data(Bytes::from(bytes))).map_err(axum::Error::new),
            ));
        }
    }
}
