//! A connection to a peer over HTTP/2: made when it is first needed, asked whether its peer is there, and made again once it has ended. A
//! call speaks with it directly: with a channel between, each would wait for two more tasks.
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, poll_fn},
};
use h2::{
    PingPong, Reason, RecvStream, SendStream,
    client::{Builder, SendRequest},
};
use http::{HeaderName, Uri, Version, header, uri::PathAndQuery};
use http_body::Frame;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, body::Body};

use crate::tls::Dialer;

const CONNECTED_WITHIN: Duration = Duration::from_secs(3);
// A peer that vanished without a word is found out.
const ASKED_EVERY: Duration = Duration::from_secs(10);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
// What may be on its way to us of one answer, and of all together.
const ANSWER_WINDOW: u32 = 2 * 1024 * 1024;
const WINDOW: u32 = 5 * 1024 * 1024;
const HEADERS_MAX: u32 = 32 * 1024;

/// The way to a peer.
pub(super) struct Line {
    peer: Arc<Peer>,
    held: Mutex<Option<Connected>>,
}

// All who need it while it is made wait for the same attempt.
type Connected = Shared<BoxFuture<'static, Result<SendRequest<Bytes>, Arc<io::Error>>>>;

struct Peer {
    origin: Uri,
    dialer: Option<Dialer>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nobody was reached.
    Unreached(String),
    /// The connection ended before the peer began with it.
    NotBegun(h2::Error),
    /// It may have been begun.
    Broken(h2::Error),
}

impl From<Failed> for Status {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unreached(why) => Self::unavailable(why),
            Failed::NotBegun(error) => Self::unavailable(format!("the connection ended: {error}")),
            Failed::Broken(error) if error.is_io() || error.is_go_away() => {
                Self::unavailable(format!("the connection broke: {error}"))
            }
            Failed::Broken(error) => Self::from_error(Box::new(error)),
        }
    }
}

impl Line {
    /// To the peer at an address; over TLS by a dialer.
    pub fn to(origin: Uri, dialer: Option<Dialer>) -> Self {
        Self { peer: Arc::new(Peer { origin, dialer }), held: Mutex::new(None) }
    }

    /// Makes a call: its answer's head is awaited, its body comes as it is read.
    pub async fn call<B>(&self, head: http::request::Parts, body: B) -> Result<http::Response<Body>, Failed>
    where
        B: http_body::Body<Data = Bytes, Error = Status> + Unpin + Send + 'static,
    {
        let mut connection = self.connection().await?;
        let request = http::Request::from_parts(self.peer.addressed(head), ());
        let ends = body.is_end_stream();
        let (answer, stream) = connection.send_request(request, ends).map_err(Failed::NotBegun)?;
        // What is there is sent with the head.
        let mut sending = Box::pin(send(body, stream));
        let sending = match futures::poll!(sending.as_mut()) {
            Poll::Ready(()) => None,
            Poll::Pending => Some(AbortOnDropHandle::new(tokio::spawn(sending))),
        };
        let (head, stream) = answer.await.map_err(Failed::of)?.into_parts();
        Ok(http::Response::from_parts(head, Body::new(Answer { stream, read: false, _sending: sending })))
    }

    // The connection there is, or another.
    async fn connection(&self) -> Result<SendRequest<Bytes>, Failed> {
        let held = self.holds().get_or_insert_with(|| self.peer.clone().connect().boxed().shared()).clone();
        let ready = match held.clone().await {
            Ok(made) => made.ready().await.map_err(Failed::NotBegun),
            Err(error) => Err(Failed::Unreached(format!("{} can't be reached: {error}", self.peer.origin))),
        };
        ready.inspect_err(|_| {
            // Who comes next makes another; unless somebody has done so meanwhile.
            self.holds().take_if(|now| now.ptr_eq(&held));
        })
    }

    fn holds(&self) -> MutexGuard<'_, Option<Connected>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failed {
    // RFC 9113: streams beyond the last one that GOAWAY names (6.8), and those that REFUSED_STREAM resets (8.7), were not processed.
    fn of(error: h2::Error) -> Self {
        let reason = error.reason();
        let is_told = error.is_go_away() && reason == Some(Reason::NO_ERROR)
            || error.is_reset() && reason == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && is_told { Self::NotBegun(error) } else { Self::Broken(error) }
    }
}

impl Peer {
    async fn connect(self: Arc<Self>) -> Result<SendRequest<Bytes>, Arc<io::Error>> {
        let made = timeout(CONNECTED_WITHIN, async {
            let host = self.origin.host().unwrap_or_default().trim_matches(['[', ']']);
            match &self.dialer {
                Some(dialer) => {
                    handshake(dialer.dial(host, self.origin.port_u16().unwrap_or(443)).await?).await
                }
                None => {
                    let stream = TcpStream::connect((host, self.origin.port_u16().unwrap_or(80))).await?;
                    stream.set_nodelay(true)?;
                    handshake(stream).await
                }
            }
        });
        made.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Arc::new)
    }

    // As the peer is called; what HTTP/1 says of its own connection does not concern it.
    fn addressed(&self, mut head: http::request::Parts) -> http::request::Parts {
        if head.version != Version::HTTP_2 {
            for name in OF_A_CONNECTION {
                head.headers.remove(name);
            }
            head.version = Version::HTTP_2;
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = self.origin.scheme().cloned();
        uri.authority = self.origin.authority().cloned();
        uri.path_and_query =
            Some(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        head.uri = Uri::from_parts(uri).unwrap_or_default();
        head
    }
}

const OF_A_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

async fn handshake<S>(stream: S) -> io::Result<SendRequest<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(ANSWER_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(HEADERS_MAX);
    let (sender, mut connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    let pings = connection.ping_pong();
    tokio::spawn(async move {
        tokio::select! {
            biased;
            ended = connection => tracing::debug!(?ended, "a connection to a peer has ended"),
            () = is_silent(pings) => tracing::debug!("a peer says nothing, and its connection ends"),
        }
    });
    Ok(sender)
}

// Ends when the peer does not answer in time.
async fn is_silent(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(ASKED_EVERY).await;
        if !matches!(timeout(ANSWERS_WITHIN, pings.ping(h2::Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

// Sends a body as the peer takes it.
async fn send<B>(mut body: B, mut stream: SendStream<Bytes>)
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    // The first piece waits for no room, of which h2 tells only once the head is written: the two leave together.
    let mut waits = false;
    loop {
        let next = poll_fn(|context| {
            if stream.poll_reset(context).is_ready() || waits && !ready!(has_room(&mut stream, context)) {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_frame(context).map(Some)
        });
        // The peer wants no more of it.
        let Some(next) = next.await else { return };
        waits = true;
        match next.map(|frame| frame.map(Frame::into_data)) {
            None => return drop(stream.send_data(Bytes::new(), true)),
            Some(Ok(Ok(data))) => {
                let ends = body.is_end_stream();
                match stream.send_data(data, ends) {
                    Ok(()) if !ends => {}
                    _ => return,
                }
            }
            Some(Ok(Err(frame))) => {
                return drop(frame.into_trailers().map(|last| stream.send_trailers(last)));
            }
            Some(Err(status)) => {
                tracing::debug!(%status, "a call's body broke off");
                return stream.send_reset(Reason::CANCEL);
            }
        }
    }
}

// Whether the peer takes more; it may say first that it does not.
fn has_room(stream: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<bool> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(context)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(false),
        }
    }
    Poll::Ready(true)
}

// An answer's body. With it ends what still sends the question.
struct Answer {
    stream: RecvStream,
    // All but the trailers.
    read: bool,
    _sending: Option<AbortOnDropHandle<()>>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let broken = |error| Some(Err(Failed::Broken(error).into()));
        if !self.read {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(data)) => {
                    let released = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(match released {
                        Ok(()) => Some(Ok(Frame::data(data))),
                        Err(error) => broken(error),
                    });
                }
                Some(Err(error)) => return Poll::Ready(broken(error)),
                None => self.read = true,
            }
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(context)) {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => broken(error),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::{StreamExt, stream};
    use h2::server::SendResponse;
    use http_body_util::{BodyExt, Full, StreamBody};
    use tokio::{net::TcpListener, sync::Semaphore};
    use tonic::Code;

    use super::{super::again, *};

    const MOMENT: Duration = Duration::from_secs(20);

    // Serves each call with its number, from 1.
    async fn peer<F>(
        listener: TcpListener,
        serve: impl Fn(usize, http::Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + 'static,
    ) -> Uri
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let origin = origin(&listener);
        let calls = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, calls) = (serve.clone(), calls.clone());
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(serve(calls.fetch_add(1, Ordering::SeqCst) + 1, request, respond));
                    }
                });
            }
        });
        origin
    }

    fn origin(listener: &TcpListener) -> Uri {
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
    }

    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    fn asks(body: Body) -> http::Request<Body> {
        http::Request::post("/service/Method").version(Version::HTTP_2).body(body).unwrap()
    }

    fn word(word: &'static str) -> Body {
        Body::new(Full::from(word))
    }

    async fn said(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
        let mut whole = Vec::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }

    // Says what it was asked, and with what head.
    async fn echo(_: usize, mut request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let asked = said(request.body_mut()).await.unwrap();
        let response = http::Response::builder().header("asked", request.uri().to_string());
        let names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        let response = response.header("names", names.join(" ")).body(()).unwrap();
        let mut answer = respond.send_response(response, false).unwrap();
        answer.send_data(asked.into(), false).unwrap();
        answer
            .send_trailers(
                [(HeaderName::from_static("grpc-status"), "0".parse().unwrap())].into_iter().collect(),
            )
            .unwrap();
    }

    #[tokio::test]
    async fn a_call_goes_to_its_peer_and_its_answer_comes_whole() {
        let origin = peer(listener().await, echo).await;
        let line = Line::to(origin.clone(), None);
        let mut request = asks(word("is it there"));
        // As a browser's call came in.
        *request.version_mut() = Version::HTTP_11;
        for name in ["host", "connection", "keep-alive", "x-kept"] {
            request.headers_mut().insert(name, "a".parse().unwrap());
        }
        let answer = again::call(&line, request).await.unwrap();
        assert_eq!(answer.headers()["asked"], format!("{origin}service/Method"));
        assert_eq!(answer.headers()["names"], "x-kept");
        let collected = answer.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), "is it there");
    }

    #[tokio::test]
    async fn a_peer_that_is_away_is_named_and_found_when_it_is_back() {
        let listener = listener().await;
        let (address, origin) = (listener.local_addr().unwrap(), origin(&listener));
        drop(listener);
        let line = Line::to(origin.clone(), None);
        let away = again::call(&line, asks(word(""))).await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable);
        assert!(away.message().contains(&origin.to_string()), "{away}");
        peer(TcpListener::bind(address).await.unwrap(), echo).await;
        assert!(again::call(&line, asks(word("back"))).await.is_ok());
    }

    #[tokio::test]
    async fn those_who_need_a_connection_wait_for_one() {
        let listener = listener().await;
        let line = Line::to(origin(&listener), None);
        let (accepted, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let counts = accepted.clone();
        // Somebody who takes connections and says nothing.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.fetch_add(1, Ordering::SeqCst);
                connections.lock().unwrap().push(stream);
            }
        });
        let calls = (0..8)
            .map(|_| timeout(Duration::from_millis(200), line.call(asks(word("")).into_parts().0, word(""))));
        for called in futures::future::join_all(calls).await {
            assert!(called.is_err(), "an answer of somebody who says nothing");
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_was_surely_not_begun_is_made_again_and_nothing_else() {
        for (reason, is_again) in
            [(Reason::REFUSED_STREAM, true), (Reason::INTERNAL_ERROR, false), (Reason::CANCEL, false)]
        {
            let origin =
                peer(listener().await, move |call, request, mut respond: SendResponse<Bytes>| async move {
                    match call {
                        1 => respond.send_reset(reason),
                        _ => echo(call, request, respond).await,
                    }
                });
            let line = Line::to(origin.await, None);
            let answered = again::call(&line, asks(word("once more"))).await;
            match answered {
                Ok(answer) if is_again => {
                    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "once more");
                }
                Err(_) if !is_again => {}
                answered => panic!("{reason:?}: {answered:?}"),
            }
        }
        let ours = Failed::of(h2::Error::from(Reason::REFUSED_STREAM));
        assert!(matches!(ours, Failed::Broken(_)), "a refusal of our own");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_in_a_call_is_told_and_the_next_call_has_another() {
        let listener = listener().await;
        let origin = origin(&listener);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut broken = h2::server::handshake(stream).await.unwrap();
            let asked = broken.accept().await;
            drop((asked, broken));
            peer(listener, echo).await;
        });
        let line = Line::to(origin, None);
        let broken = again::call(&line, asks(word("one"))).await.unwrap_err();
        assert_eq!(broken.code(), Code::Unavailable, "{broken}");
        assert!(again::call(&line, asks(word("another"))).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_says_that_its_peer_is_away() {
        let listener = listener().await;
        let origin = origin(&listener);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut broken = h2::server::handshake(stream).await.unwrap();
            let (_asked, mut respond) = broken.accept().await.unwrap().unwrap();
            let answer = respond.send_response(http::Response::new(()), false).unwrap();
            let _ = timeout(Duration::from_millis(100), broken.accept()).await;
            drop((answer, broken));
        });
        let answer = again::call(&Line::to(origin, None), asks(word("one"))).await.unwrap();
        let broken = timeout(MOMENT, answer.into_body().collect()).await.unwrap().unwrap_err();
        assert_eq!(broken.code(), Code::Unavailable, "{broken}");
    }

    // So many pieces of 64 KiB; how many were taken.
    fn pieces(many: usize) -> (Body, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counts = taken.clone();
        let pieces = stream::iter(0..many).map(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Status>(Frame::data(Bytes::from_static(&[7; 64 * 1024])))
        });
        (Body::new(StreamBody::new(pieces)), taken)
    }

    #[tokio::test]
    async fn a_long_question_is_read_as_its_peer_takes_it() {
        let open = Arc::new(Semaphore::new(0));
        let gate = open.clone();
        let serve = move |_, mut request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                let size = said(request.body_mut()).await.unwrap().len();
                let response = http::Response::builder().header("size", size).body(()).unwrap();
                respond.send_response(response, true).unwrap();
            }
        };
        let line = Line::to(peer(listener().await, serve).await, None);
        let (body, taken) = pieces(100);
        let call = tokio::spawn(async move { again::call(&line, asks(body)).await });
        sleep(Duration::from_millis(200)).await;
        let before = taken.load(Ordering::SeqCst);
        assert!((1..10).contains(&before), "{before} pieces for a window of one");
        open.add_permits(1);
        let answer = timeout(MOMENT, call).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.headers()["size"], (100 * 64 * 1024).to_string());
    }

    // A question whose end never comes.
    fn endless() -> Body {
        let begins = stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(b"and")))]);
        Body::new(StreamBody::new(begins.chain(stream::pending())))
    }

    #[tokio::test]
    async fn an_answer_is_whole_though_its_question_was_not_heard_to_its_end() {
        let serve = |_, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>| async move {
            let mut answer = respond.send_response(http::Response::new(()), false).unwrap();
            drop(request);
            answer.send_data(Bytes::from_static(b"enough"), false).unwrap();
            answer.send_trailers(http::HeaderMap::new()).unwrap();
        };
        let line = Line::to(peer(listener().await, serve).await, None);
        let mut body = again::call(&line, asks(endless())).await.unwrap().into_body();
        // All of it is here, and the peer's word that it is enough.
        sleep(Duration::from_millis(100)).await;
        let collected = timeout(MOMENT, (&mut body).collect()).await.unwrap().unwrap();
        assert_eq!(collected.to_bytes(), "enough");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn who_lets_an_answer_go_ends_its_question() {
        let (tells, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let serve = move |_, mut request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>| {
            let tells = tells.clone();
            async move {
                let _answer = respond.send_response(http::Response::new(()), false).unwrap();
                tells.send(said(request.body_mut()).await.map_err(|error| error.reason())).unwrap();
            }
        };
        let line = Line::to(peer(listener().await, serve).await, None);
        let answer = again::call(&line, asks(endless())).await.unwrap();
        assert!(
            timeout(Duration::from_millis(100), hears.recv()).await.is_err(),
            "it goes on while it is answered"
        );
        drop(answer);
        let ended = timeout(MOMENT, hears.recv()).await.unwrap().unwrap();
        assert_eq!(ended, Err(Some(Reason::CANCEL)));
    }
}
