//! Calls that were surely not begun when their connection ended are made once more, on the next one. A connection ends in good order when it
//! is old, or its replica stops; what was handed to it in that moment fails although nobody has seen it.
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::line::{Failed, Line};

// Each meets another connection's end, which is unlikely twice.
const MOST: usize = 3;
// Of a request's body so much is kept until its answer begins: nearly every message of ours, and of a long stream its beginning.
const KEPT_BYTES: usize = 1024 * 1024;

/// Makes a call, again where it was surely not begun.
pub(super) async fn call(line: &Line, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
    let (mut head, mut body) = request.into_parts();
    // They don't leave the process.
    head.extensions = http::Extensions::new();
    for _ in 1..MOST {
        let kept = Kept::of(body);
        match line.call(head.clone(), Lent(kept.clone())).await {
            Ok(answer) => {
                kept.forget();
                return Ok(answer);
            }
            Err(failed) => match kept.whole().filter(|_| matches!(failed, Failed::NotBegun(_))) {
                Some(whole) => body = whole,
                None => return Err(failed.into()),
            },
        }
        tracing::debug!("a call met the end of its connection and is made anew");
    }
    Ok(line.call(head, body).await?)
}

// A request's body, and what the driver has taken of it.
#[derive(Clone)]
struct Kept(Arc<Mutex<Parts>>);

struct Parts {
    // None once it is on its way another time.
    rest: Option<Body>,
    // None where it is too much, or is not needed any more.
    taken: Option<VecDeque<Bytes>>,
    taken_bytes: usize,
}

impl Kept {
    fn of(body: Body) -> Self {
        let parts = Parts { rest: Some(body), taken: Some(VecDeque::new()), taken_bytes: 0 };
        Self(Arc::new(Mutex::new(parts)))
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        self.parts().taken = None;
    }

    // The body from its beginning, where that is kept; the driver gets no more of it.
    fn whole(&self) -> Option<Body> {
        let mut parts = self.parts();
        let taken = parts.taken.take()?;
        let rest = parts.rest.take()?;
        Some(if taken.is_empty() { rest } else { Body::new(Again { taken, rest }) })
    }
}

impl Parts {
    fn note(&mut self, frame: &Frame<Bytes>) {
        self.taken_bytes += frame.data_ref().map_or(0, Bytes::len);
        match (frame.data_ref(), &mut self.taken) {
            (Some(data), Some(taken)) if self.taken_bytes <= KEPT_BYTES => taken.push_back(data.clone()),
            _ => self.taken = None,
        }
    }
}

// The body as the driver has it.
struct Lent(Kept);

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut parts = self.0.parts();
        let Some(rest) = &mut parts.rest else { return Poll::Ready(None) };
        let polled = Pin::new(rest).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            parts.note(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.parts().rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.parts().rest.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

// What was taken once, and the rest.
struct Again {
    taken: VecDeque<Bytes>,
    rest: Body,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.taken.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_empty() && self.rest.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(number, &size)| {
                let letter = b'a' + u8::try_from(number).expect("few");
                Ok::<_, Status>(Frame::data(Bytes::from(vec![letter; size])))
            })
            .collect();
        Body::new(StreamBody::new(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn a_body_is_whole_again_wherever_it_was_left() {
        for taken in 0..=3 {
            let kept = Kept::of(pieces(&[1, 2, 3]));
            let mut lent = Lent(kept.clone());
            for _ in 0..taken {
                lent.frame().await.expect("a piece").expect("no error");
            }
            let whole = kept.whole().expect("all of it is kept");
            assert_eq!(whole.collect().await.expect("a body").to_bytes(), "abbccc", "{taken} taken");
            assert!(lent.frame().await.is_none(), "the driver gets no more");
        }
    }

    #[tokio::test]
    async fn what_is_too_much_or_answered_is_not_kept() {
        for (sizes, is_whole) in [(&[KEPT_BYTES][..], true), (&[KEPT_BYTES, 1][..], false)] {
            let kept = Kept::of(pieces(sizes));
            let mut lent = Lent(kept.clone());
            while lent.frame().await.is_some() {}
            assert_eq!(kept.whole().is_some(), is_whole);
        }
        let kept = Kept::of(pieces(&[1]));
        kept.forget();
        assert!(kept.whole().is_none());
    }

    #[test]
    fn a_body_is_described_as_it_is() {
        let kept = Kept::of(Body::new(Full::new(Bytes::from_static(b"abc"))));
        let lent = Lent(kept);
        assert_eq!((lent.is_end_stream(), lent.size_hint().exact()), (false, Some(3)));
        assert!(Lent(Kept::of(Body::empty())).is_end_stream());
    }
}
