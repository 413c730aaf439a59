//! Bodies on their way through.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// A body whose beginning has been read already, and which fails when its rest does not come.
pub(super) struct Paced {
    first: Option<Bytes>,
    rest: Body,
    patience: Duration,
    until: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(first: Option<Bytes>, rest: Body, patience: Duration) -> Self {
        Self { first, rest, patience, until: Box::pin(sleep(patience)) }
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(cx) {
            let next = Instant::now() + self.patience;
            self.until.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.until.as_mut().poll(cx));
        Poll::Ready(Some(Err(format!("nothing came for {:?}", self.patience).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(first + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// A body that never comes.
    struct Silent;

    impl hyper::body::Body for Silent {
        type Data = Bytes;
        type Error = axum::BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let body = Paced::new(Some(Bytes::from("one ")), Body::from("two"), Duration::from_secs(5));
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(7));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "one two");
    }

    #[tokio::test]
    async fn a_server_that_stalls_is_given_up() {
        let body = Paced::new(Some(Bytes::from("one")), Body::new(Silent), Duration::from_millis(20));
        let error = body.collect().await.unwrap_err().to_string();
        assert!(error.contains("nothing came for 20ms"), "{error}");
    }
}
