//! A connection that does not wait for ever for a client that does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client has to take in [`PATIENCE`], unless there is less for it.
const LEAST: usize = 16 << 10;

/// How long it may take for that.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection whose writes fail when the other side takes less than [`LEAST`] bytes in a while.
#[derive(Debug)]
pub(super) struct Patient<T> {
    io: T,
    patience: Duration,
    /// Set while there is something that the client has not taken.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl<T: AsyncWrite + Unpin> Patient<T> {
    pub(super) fn new(io: T, patience: Duration) -> Self {
        Self { io, patience, waiting: None }
    }

    /// Looks at the time after a write.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let patience = self.patience;
        let waiting = match (&mut self.waiting, &written) {
            (Some(waiting), _) => waiting,
            (none, Poll::Pending) => none.insert(Waiting { until: Box::pin(sleep(patience)), taken: 0 }),
            (None, Poll::Ready(_)) => return written,
        };
        if let Poll::Ready(Ok(bytes)) = written {
            waiting.taken += bytes;
        }
        if waiting.until.as_mut().poll(cx).is_ready() {
            if waiting.taken < LEAST {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
            }
            waiting.taken = 0;
            waiting.until.as_mut().reset(Instant::now() + patience);
            // Registers for the new time.
            _ = waiting.until.as_mut().poll(cx);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() {
            self.waiting = None;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn who_reads_nothing_or_a_trickle_is_cut_off() {
        for trickle in [false, true] {
            let (near, mut far) = duplex(1024);
            let mut near = Patient::new(near, SOON);
            let reader = tokio::spawn(async move {
                let mut byte = [0];
                while trickle && far.read_exact(&mut byte).await.is_ok() {
                    sleep(SOON / 20).await;
                }
                sleep(SOON * 20).await;
            });
            let error = near.write_all(&vec![0; 1 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "trickle: {trickle}");
            reader.abort();
        }
    }

    #[tokio::test]
    async fn who_reads_slowly_gets_everything() {
        let (near, mut far) = duplex(1024);
        let mut near = Patient::new(near, SOON);
        let reader = tokio::spawn(async move {
            let (mut all, mut piece) = (0, [0; 4096]);
            while let Ok(bytes @ 1..) = far.read(&mut piece).await {
                all += bytes;
                if all % (64 << 10) < bytes {
                    sleep(SOON / 5).await;
                }
            }
            all
        });
        // Longer than one patience, in pieces that are each taken in time.
        for _ in 0..8 {
            near.write_all(&vec![0; 128 << 10]).await.unwrap();
            near.flush().await.unwrap();
            sleep(SOON / 4).await;
        }
        drop(near);
        assert_eq!(reader.await.unwrap(), 1 << 20);
    }
}
