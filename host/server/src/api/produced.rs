//! A body that one future writes: neither a task nor a channel, and nothing happens unless it is read.
//!
//! The future runs until it has to wait; everything that it wrote until then goes out as one frame, so
//! deltas that are ready together cost one write. Dropping the body drops the future, and with it
//! whatever the future held.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

/// Written but not yet read, beyond which the writer waits.
const HIGH_WATER: usize = 16 << 10;

/// Where the future writes to.
#[derive(Clone, Default)]
pub(crate) struct Out(Arc<Mutex<BytesMut>>);

impl Out {
    pub(crate) fn write(&self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.buffer());
    }

    /// Waits until what was written is little enough to write more.
    pub(crate) async fn room(&self) {
        // The body takes the buffer whenever the future waits, and polls again when it was sent.
        std::future::poll_fn(
            |_| if self.buffer().len() < HIGH_WATER { Poll::Ready(()) } else { Poll::Pending },
        )
        .await;
    }

    fn buffer(&self) -> MutexGuard<'_, BytesMut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body.
pub(crate) struct Produced {
    /// None once it is done.
    writing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    out: Out,
}

impl Produced {
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(write: impl FnOnce(Out) -> F) -> Self {
        let out = Out::default();
        Self { writing: Some(Box::pin(write(out.clone()))), out }
    }
}

impl Body for Produced {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(writing) = &mut self.writing
            && writing.as_mut().poll(context).is_ready()
        {
            self.writing = None;
        }
        let written = self.out.buffer().split();
        if !written.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(written.freeze()))));
        }
        if self.writing.is_some() { Poll::Pending } else { Poll::Ready(None) }
    }

    fn is_end_stream(&self) -> bool {
        self.writing.is_none() && self.out.buffer().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BufMut;
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_ready_together_is_one_frame_and_waiting_flushes() {
        let gate = Arc::new(Notify::new());
        let opened = gate.clone();
        let mut body = Produced::new(|out| async move {
            out.write(|buffer| buffer.put_slice(b"a"));
            tokio::task::consume_budget().await;
            out.write(|buffer| buffer.put_slice(b"b"));
            opened.notified().await;
            out.write(|buffer| buffer.put_slice(b"c"));
        });
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(body.frame().now_or_never().is_none(), "nothing more before the gate opens");
        gate.notify_one();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "c");
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_writer_that_never_waits_is_held_back() {
        let mut body = Produced::new(|out| async move {
            for _ in 0..1_000 {
                out.write(|buffer| buffer.put_bytes(b'x', 1_000));
                out.room().await;
            }
        });
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let length = frame.unwrap().into_data().unwrap().len();
            assert!(length < HIGH_WATER + 1_000, "{length}");
            total += length;
        }
        assert_eq!(total, 1_000_000);
    }

    #[tokio::test]
    async fn dropping_the_body_drops_what_the_writer_holds() {
        let held = Arc::new(());
        let inside = held.clone();
        let mut body = Produced::new(|out| async move {
            out.write(|buffer| buffer.put_slice(b"a"));
            std::future::pending::<()>().await;
            drop(inside);
        });
        body.frame().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&held), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
