//! Files on their way out, and what is said of one before its bytes: a name, a tag that stands for just these bytes, and their number.
//! By the tag the gateway goes on with a download that broke off, and spares one that is there already.
use contract::google::api::HttpBody;
use futures::{
    Stream, StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use sha2::{Digest, Sha256};
use tonic::{
    Response, Status,
    metadata::{Ascii, MetadataValue},
};

use crate::{
    call::Context,
    fault::{Answer, Fault},
};

/// The messages of a file.
pub type Parts = BoxStream<'static, Result<HttpBody, Status>>;

// A message that every client takes.
const PART: usize = 512 * 1024;

/// A file to download.
pub struct File {
    name: Option<String>,
    tag: Option<String>,
    length: Option<u64>,
    parts: Parts,
}

impl File {
    /// One whose bytes come as they are made.
    pub fn streamed(
        content_type: impl Into<String>,
        bytes: impl Stream<Item = Result<Vec<u8>, Status>> + Send + 'static,
    ) -> Self {
        let content_type = content_type.into();
        let cut = move |part: Result<Vec<u8>, Status>| match part {
            Ok(data) => data.chunks(PART).map(|data| Ok(message(&content_type, data))).collect::<Vec<_>>(),
            Err(status) => vec![Err(status)],
        };
        let parts = bytes.flat_map(move |part| stream::iter(cut(part))).boxed();
        Self { name: None, tag: None, length: None, parts }
    }

    /// One that is here whole; its bytes' hash is its tag.
    pub fn whole(content_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        let (tag, length) = (hex::encode(Sha256::digest(&bytes)), bytes.len() as u64);
        Self::streamed(content_type, stream::iter([Ok(bytes)])).tagged(&tag).sized(length)
    }

    /// One that is kept in parts: a message each, read when the one before is taken. `read` gives a part by its number, none after the last.
    pub fn in_parts<F>(
        context: &Context,
        content_type: String,
        mut read: impl FnMut(i32) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Answer<Option<Vec<u8>>>> + Send + 'static,
    {
        let language = context.language;
        let parts = stream::try_unfold(0, move |part| {
            let next = read(part);
            async move { Ok(next.await?.map(|data| (data, part + 1))) }
        });
        Self::streamed(content_type, parts.map_err(move |fault: Fault| fault.into_status(language)))
    }

    /// Under a name for who saves it.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name: Some(name), ..self }
    }

    /// With a tag; who gives the same one twice gives the same bytes.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        Self { tag: Some(format!("\"{tag}\"")), ..self }
    }

    /// With the number of its bytes.
    #[must_use]
    pub fn sized(self, length: u64) -> Self {
        Self { length: Some(length), ..self }
    }

    /// The answer of a call that gives a file: what is said of it stands in the metadata, from where the gateway takes it.
    pub fn answer(given: Response<Self>) -> Response<Parts> {
        let (metadata, Self { name, tag, length, parts }, extensions) = given.into_parts();
        let mut response = Response::from_parts(metadata, parts, extensions);
        let told = [
            ("content-disposition", name.map(|name| format!("attachment; filename=\"{name}\""))),
            ("etag", tag),
            ("file-length", length.map(|length| length.to_string())),
        ];
        for (key, value) in told {
            if let Some(value) = value.and_then(|value| MetadataValue::<Ascii>::try_from(value).ok()) {
                response.metadata_mut().insert(key, value);
            }
        }
        response
    }
}

/// A tag of bytes that follow from these words alone, by this release of the program: another may write the same facts otherwise.
pub fn tag_of(words: &[&str]) -> String {
    let mut hash = Sha256::new();
    for word in [env!("CARGO_PKG_VERSION")].iter().chain(words) {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word);
    }
    hex::encode(hash.finalize())
}

fn message(content_type: &str, data: &[u8]) -> HttpBody {
    HttpBody { content_type: content_type.to_owned(), data: data.to_vec(), extensions: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_says_what_it_is_before_its_bytes() {
        let bytes = vec![7; PART + 1];
        let file = File::whole("application/pdf", bytes.clone()).named(String::from("a.pdf"));
        let answer = File::answer(Response::new(file));
        let said = |key: &str| answer.metadata().get(key).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said("content-disposition").as_deref(), Some("attachment; filename=\"a.pdf\""));
        assert_eq!(said("etag"), Some(format!("\"{}\"", hex::encode(Sha256::digest(&bytes)))));
        assert_eq!(said("file-length"), Some((PART + 1).to_string()));
        let parts: Vec<HttpBody> = answer.into_inner().map(Result::unwrap).collect().await;
        assert_eq!(parts.iter().map(|part| part.data.len()).collect::<Vec<_>>(), [PART, 1]);
        assert!(parts.iter().all(|part| part.content_type == "application/pdf"));
        let plain = File::answer(Response::new(File::streamed("text/csv", stream::iter([Ok(bytes)]))));
        assert!(plain.metadata().is_empty(), "what may change between two looks has no tag");
    }

    #[test]
    fn a_tag_tells_its_words_apart() {
        assert_ne!(tag_of(&["ab", "c"]), tag_of(&["a", "bc"]));
        assert_eq!(tag_of(&["ab", "c"]), tag_of(&["ab", "c"]));
        assert_eq!(tag_of(&[]).len(), 64);
    }
}
