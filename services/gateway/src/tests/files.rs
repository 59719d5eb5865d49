//! Downloads: ranges, tags, and gzip that lets nothing lie.
use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

const PARTS: u8 = 10;
const PART: usize = 64 * 1024;

/// The pieces of a file that is too large to be held: of numbers, so that each place is known by what stands there.
pub fn pieces(name: &str) -> Option<Vec<Vec<u8>>> {
    name.starts_with("large").then(|| (0..PARTS).map(|part| vec![b'a' + part; PART]).collect())
}

/// What the service says of it besides.
pub fn told(name: &str, headers: &mut HeaderMap) {
    if name.starts_with("large-tagged") {
        headers.insert("etag", HeaderValue::from_static("\"v1\""));
    }
    if name.starts_with("large-tagged-sized") {
        headers.insert("file-length", HeaderValue::from(u64::from(PARTS) * PART as u64));
    }
}

fn whole() -> Vec<u8> {
    pieces("large").expect("pieces").concat()
}

async fn download(router: &Router, name: &str, headers: &[(&str, &str)]) -> Reply {
    ask(router, "GET", &format!("/v1/things/{name}:download"), headers, "").await
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn a_small_file_is_whole_or_in_part() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let all = "信用报告".as_bytes();
    let first = download(&router, "x", &[]).await;
    let tag = header(&first, "etag").to_owned();
    assert_eq!(
        (first.status, &first.body[..], header(&first, "accept-ranges")),
        (StatusCode::OK, all, "bytes")
    );
    assert_eq!(header(&first, "content-length"), all.len().to_string());
    assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
    for (range, status, body, content_range) in [
        ("bytes=0-2", 206, &all[..3], "bytes 0-2/12"),
        ("bytes=6-", 206, &all[6..], "bytes 6-11/12"),
        ("bytes=-3", 206, &all[9..], "bytes 9-11/12"),
        ("bytes=12-", 416, &[][..], "bytes */12"),
        ("bytes=5-1", 200, all, ""),
        ("bytes=0-1,3-4", 200, all, ""),
    ] {
        let reply = download(&router, "x", &[("range", range)]).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body[..], header(&reply, "content-range")),
            (status, body, content_range),
            "{range}"
        );
        assert_eq!(header(&reply, "etag"), tag, "{range}");
    }
    let same = download(&router, "x", &[("range", "bytes=0-2"), ("if-range", &tag)]).await;
    assert_eq!(same.status, StatusCode::PARTIAL_CONTENT);
    for other in ["\"another\"", "W/\"v1\"", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let reply = download(&router, "x", &[("range", "bytes=0-2"), ("if-range", other)]).await;
        assert_eq!(
            (reply.status, &reply.body[..]),
            (StatusCode::OK, all),
            "{other}: the file may be another by now"
        );
    }
    let known = download(&router, "x", &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let head = ask(&router, "HEAD", "/v1/things/x:download", &[("range", "bytes=0-2")], "").await;
    assert_eq!((head.status, header(&head, "content-length")), (StatusCode::OK, "12"), "a range is for GET");
    let token = trial.token("transport", "credit.read");
    let one = [("authorization", token.text()), ("range", "bytes=1-")];
    let picture = ask(&router, "GET", "/v1/things/x/picture", &one, "").await;
    assert_eq!(
        (picture.status, &picture.body[..]),
        (StatusCode::PARTIAL_CONTENT, &b"ng"[..]),
        "a file that is one message"
    );
}

#[tokio::test]
async fn a_large_file_goes_on_where_it_broke_off() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let all = whole();
    // Without the service's word that it is the same file, nothing goes on in its middle.
    let reply = download(&router, "large", &[("range", "bytes=5-9")]).await;
    assert_eq!(
        (reply.status, reply.body.len(), header(&reply, "accept-ranges")),
        (StatusCode::OK, all.len(), "none")
    );
    for name in ["large-tagged", "large-tagged-sized"] {
        let first = download(&router, name, &[]).await;
        assert_eq!(
            (first.body[..] == all[..], header(&first, "etag"), header(&first, "accept-ranges")),
            (true, "\"v1\"", "bytes")
        );
        for (range, from, to) in [
            ("bytes=65530-65545", 65_530, 65_545),
            ("bytes=600000-", 600_000, all.len() - 1),
            ("bytes=-7", all.len() - 7, all.len() - 1),
            ("bytes=0-0", 0, 0),
        ] {
            let reply = download(&router, name, &[("range", range), ("if-range", "\"v1\"")]).await;
            assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{name} {range}");
            assert!(reply.body == all[from..=to], "{name} {range}");
            assert_eq!(header(&reply, "content-range"), format!("bytes {from}-{to}/{}", all.len()));
            assert_eq!(header(&reply, "content-length"), (to - from + 1).to_string());
        }
        let beyond = download(&router, name, &[("range", "bytes=655360-")]).await;
        assert_eq!((beyond.status.as_u16(), header(&beyond, "content-range")), (416, "bytes */655360"));
        let changed = download(&router, name, &[("range", "bytes=5-"), ("if-range", "\"v0\"")]).await;
        assert_eq!((changed.status, changed.body.len()), (StatusCode::OK, all.len()));
        let known = download(&router, name, &[("if-none-match", "\"v1\"")]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_passed_off_as_whole() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let small = download(&router, "breaks", &[]).await;
    assert_eq!(
        small.status,
        StatusCode::CONFLICT,
        "nothing has left yet, so that the failure has its own status"
    );
    for encoding in ["identity", "gzip"] {
        let request =
            http::Request::get("/v1/things/large-breaks:download").header("accept-encoding", encoding);
        let response = router
            .clone()
            .oneshot(request.body(Body::empty()).expect("a request"))
            .await
            .expect("never fails");
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err(), "{encoding}");
    }
}

#[tokio::test]
async fn streams_shrink_and_no_line_waits_for_the_next() {
    let trial = Trial::at("");
    let router = scripted_gateway(&trial);
    let gzip = [("accept-encoding", "gzip")];
    let unpacked = |bytes: &[u8]| {
        let mut text = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut text).map(|_| text)
    };
    let reply = download(&router, "large-tagged", &gzip).await;
    assert_eq!(
        (header(&reply, "content-encoding"), header(&reply, "etag"), header(&reply, "accept-ranges")),
        ("gzip", "W/\"v1\"", "none")
    );
    assert!(reply.body.len() < PART && unpacked(&reply.body).expect("gzip") == whole());
    assert!(header(&reply, "vary").contains("accept-encoding"));
    let part =
        download(&router, "large-tagged", &[gzip[0], ("range", "bytes=0-9"), ("if-range", "\"v1\"")]).await;
    assert_eq!(
        (part.status.as_u16(), header(&part, "content-encoding")),
        (206, ""),
        "bytes of the file itself"
    );
    let lines = ask(&router, "GET", "/v1/things:watch", &gzip, "").await;
    assert_eq!(header(&lines, "content-encoding"), "gzip");
    assert_eq!(
        unpacked(&lines.body)
            .expect("gzip")
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .count(),
        3
    );
    let events =
        ask(&router, "GET", "/v1/things:watch", &[gzip[0], ("accept", "text/event-stream")], "").await;
    assert_eq!(header(&events, "content-encoding"), "");

    // A body that gives a line and then waits: the line is there, compressed, before the next one comes.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    }));
    let mut body = crate::gzip::Compressed::new(body);
    let mut seen = Vec::new();
    for line in ["{\"a\":1}\n", "{\"b\":2}\n"] {
        sender.send(Ok(Bytes::from(line))).await.expect("open");
        let frame = tokio::time::timeout(std::time::Duration::from_secs(5), body.frame())
            .await
            .expect("the line leaves");
        seen.extend_from_slice(&frame.expect("a frame").expect("good").into_data().expect("data"));
        let mut text = [0; 64];
        let mut reader = GzDecoder::new(&seen[..]);
        let mut length = 0;
        while let Ok(count) = reader.read(&mut text[length..]) {
            length += count;
            if count == 0 || text[..length].ends_with(line.as_bytes()) {
                break;
            }
        }
        assert!(text[..length].ends_with(line.as_bytes()), "{line}");
    }
}
