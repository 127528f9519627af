//! Forms with files, read as they come: of what is sent no more than a few pieces are in memory, whatever it is.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use crate::error::ApiError;
use crate::extract::{self, BodyLimit, is_stalled};

/// The largest piece that the form's parser is given at once, in bytes.
const PIECE: usize = 64 << 10;
/// The most that it may be given without finding anything, in bytes: the head of a part, say.
const MOST_UNREAD: usize = 4 * PIECE;
/// The most parts of a form, files or not.
const MOST_PARTS: usize = 1_000;

/// A form.
pub(super) struct Form {
    parts: Multipart,
    progress: Progress,
    count: usize,
}

/// What the parser was given since it last found something, in bytes.
#[derive(Clone, Default)]
struct Progress(Arc<AtomicUsize>);

/// A field of a form, or a file.
pub(super) struct Part<'f> {
    field: Field<'f>,
    progress: Progress,
}

impl Form {
    /// The form that is sent.
    ///
    /// # Errors
    /// 415 where it is none; 400 where nothing says what parts it.
    pub(super) async fn of(request: Request) -> Result<Self, ApiError> {
        if extract::media_type(request.headers()).as_deref() != Some("multipart/form-data") {
            return Err(ApiError::unsupported_media_type("multipart/form-data"));
        }
        let limit = request.extensions().get::<BodyLimit>().map_or(usize::MAX, |limit| limit.0);
        let progress = Progress::default();
        let pieces = |body: Body| Pieces::new(body, progress.clone(), limit);
        let mut request = request.map(|body| Body::from_stream(pieces(body)));
        DefaultBodyLimit::disable().apply(&mut request);
        let parts = Multipart::from_request(request, &())
            .await
            .map_err(|_| ApiError::bad_request("The form has no boundary."))?;
        Ok(Self { parts, progress, count: 0 })
    }

    /// The next part; whatever is left of the one before must have been read.
    ///
    /// # Errors
    /// 400 where it breaks off, is none, or has too many parts; 408 where it stops coming; 413 where it is too large.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, ApiError> {
        self.count += 1;
        if self.count > MOST_PARTS {
            return Err(ApiError::bad_request(format!("A form may have {MOST_PARTS} parts.")));
        }
        let field = self.parts.next_field().await.map_err(broken)?;
        self.progress.was_made();
        Ok(field.map(|field| Part { field, progress: self.progress.clone() }))
    }
}

impl Part<'_> {
    /// What the form calls it.
    pub(super) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The name of the file that it is.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// As the client declares it.
    pub(super) fn media_type(&self) -> Option<&str> {
        self.field.content_type()
    }

    /// A text of at most so many bytes.
    ///
    /// # Errors
    /// 400 where it is longer, or no text; else as [`Form::next`].
    pub(super) async fn text(mut self, most: usize) -> Result<String, ApiError> {
        let (name, mut text) = (self.name().to_owned(), BytesMut::new());
        while let Some(piece) = self.next().await {
            text.extend_from_slice(&piece?);
            if text.len() > most {
                let message = format!("The '{name}' field takes at most {most} bytes.");
                return Err(ApiError::bad_field(name, "max_length", message));
            }
        }
        String::from_utf8(text.into()).map_err(|_| {
            let message = format!("The '{name}' field is not UTF-8.");
            ApiError::bad_field(name, "utf8", message)
        })
    }

    /// All of it, which fits into memory: the form's own limit says so.
    ///
    /// # Errors
    /// As [`Form::next`].
    pub(super) async fn bytes(mut self) -> Result<Bytes, ApiError> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.freeze())
    }

    /// Reads over it.
    ///
    /// # Errors
    /// As [`Form::next`].
    pub(super) async fn skip(mut self) -> Result<(), ApiError> {
        while let Some(piece) = self.next().await {
            piece?;
        }
        Ok(())
    }
}

impl Stream for Part<'_> {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.field.poll_next_unpin(context));
        self.progress.was_made();
        Poll::Ready(piece.map(|piece| piece.map_err(broken)))
    }
}

impl Progress {
    fn was_made(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Why a form's bytes are not read on.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("there is nothing of a form in it")]
    NoForm,
    #[error(transparent)]
    Body(axum::Error),
}

/// A body in pieces. The parser reads for as long as something is there, so after each piece it is told that there is
/// nothing for the moment.
struct Pieces {
    body: BodyDataStream,
    rest: Bytes,
    is_given: bool,
    progress: Progress,
    left: usize,
    limit: usize,
}

impl Pieces {
    fn new(body: Body, progress: Progress, limit: usize) -> Self {
        let body = body.into_data_stream();
        Self { body, rest: Bytes::new(), is_given: false, progress, left: limit, limit }
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, Unread>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.is_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(Unread::Body(error)))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        let Some(left) = self.left.checked_sub(length) else {
            return Poll::Ready(Some(Err(Unread::TooLarge(self.limit))));
        };
        self.left = left;
        if self.progress.0.fetch_add(length, Ordering::Relaxed) + length > MOST_UNREAD {
            return Poll::Ready(Some(Err(Unread::NoForm)));
        }
        self.is_given = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

fn broken(error: MultipartError) -> ApiError {
    match unread(&error) {
        Some(Unread::TooLarge(limit)) => ApiError::too_large(*limit),
        _ if is_stalled(&error) => ApiError::request_timeout(),
        _ => ApiError::bad_request("The form could not be read to its end."),
    }
}

/// Why the form was not read on, where that is behind an error.
fn unread<'e>(mut error: &'e (dyn Error + 'static)) -> Option<&'e Unread> {
    loop {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        error = error.source()?;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    const TAIL: &str = "\r\n--b--\r\n";

    async fn form(pieces: Vec<Vec<u8>>, limit: usize) -> Form {
        let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
        let request = Request::builder().header("content-type", "multipart/form-data; boundary=b");
        let request = request.extension(BodyLimit(limit)).body(body).unwrap();
        Form::of(request).await.unwrap()
    }

    fn whole(length: usize) -> Vec<u8> {
        [HEAD.as_bytes(), &vec![b'x'; length], TAIL.as_bytes()].concat()
    }

    #[tokio::test]
    async fn a_file_comes_in_small_pieces_however_it_was_sent() {
        for size in [1_000, 70_000, 10_000_000] {
            let sent = whole(3_000_000);
            let mut form = form(sent.chunks(size).map(<[u8]>::to_vec).collect(), usize::MAX).await;
            let mut part = form.next().await.unwrap().unwrap();
            assert_eq!((part.name(), part.file_name()), ("file", Some("a.txt")));
            let mut length = 0;
            while let Some(piece) = part.next().await {
                let piece = piece.unwrap();
                // With what is left of the piece before.
                assert!(piece.len() <= 2 * PIECE, "{}", piece.len());
                length += piece.len();
            }
            assert_eq!(length, 3_000_000);
            drop(part);
            assert!(form.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_not_collected() {
        let endless = format!("--b\r\nX: {}", "y".repeat(1_000_000));
        for sent in ["x".repeat(1_000_000), endless, HEAD.to_owned(), format!("{HEAD}x"), String::new()] {
            let mut form = form(vec![sent.clone().into_bytes()], usize::MAX).await;
            let read = async {
                while let Some(part) = form.next().await? {
                    part.skip().await?;
                }
                Ok::<_, ApiError>(())
            };
            assert_eq!(read.await.unwrap_err().status(), 400, "{:.60}", sent);
        }
    }

    #[tokio::test]
    async fn a_form_has_a_limit_and_so_has_a_text() {
        let mut large = form(vec![whole(100_000)], 90_000).await;
        assert_eq!(large.next().await.unwrap().unwrap().skip().await.unwrap_err().status(), 413);
        let mut text = form(vec![whole(9)], usize::MAX).await;
        assert_eq!(text.next().await.unwrap().unwrap().text(8).await.unwrap_err().status(), 400);
        let mut text = form(vec![whole(9)], usize::MAX).await;
        assert_eq!(text.next().await.unwrap().unwrap().text(9).await.unwrap(), "xxxxxxxxx");
    }
}
