//! The connection that a request to cancel is sent on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// The connection of a request to cancel. It stays open until the other side closes it, as libpq's does: pgbouncer 1.18
/// drops the request of a client that has gone, and may end over it.
pub(super) struct CancelStream {
    stream: Option<TcpStream>,
    back: Option<oneshot::Sender<TcpStream>>,
}

impl CancelStream {
    /// Connects; the receiver gets the connection back once the request is sent.
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<(Self, oneshot::Receiver<TcpStream>)> {
        let stream = TcpStream::connect((host, port)).await?;
        let (back, receiver) = oneshot::channel();
        Ok((Self { stream: Some(stream), back: Some(back) }, receiver))
    }

    /// Waits until the other side has closed it.
    pub(super) async fn closed(sent: oneshot::Receiver<TcpStream>) {
        if let Ok(mut stream) = sent.await {
            // Nothing is answered.
            let _ = stream.read(&mut [0; 1]).await;
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for CancelStream {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            let _ = back.send(stream);
        }
    }
}

impl AsyncRead for CancelStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for CancelStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
