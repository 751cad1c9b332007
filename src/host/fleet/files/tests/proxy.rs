//! A line to a server that breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// As the two ends wish.
    None,
    /// Closed after so many bytes in both directions together.
    Cut(u64),
    /// Reset after so many.
    Reset(u64),
    /// Says nothing more after so many, and stays open.
    Stall(u64),
}

/// What went over the line.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) connections: AtomicUsize,
    /// Bytes that were handed to the client.
    pub(super) to_client: AtomicU64,
}

/// Numbers that look random and are the same each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A line to `server`; each new connection gets the next fault.
pub(super) async fn line(
    server: SocketAddr,
    mut faults: impl FnMut(usize) -> Fault + Send + 'static,
) -> (SocketAddr, Arc<Carried>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let carried = Arc::new(Carried::default());
    let told = Arc::clone(&carried);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let fault = faults(told.connections.fetch_add(1, Ordering::SeqCst));
            tokio::spawn(carry(client, server, fault, Arc::clone(&told)));
        }
    });
    (at, carried)
}

async fn carry(mut client: TcpStream, server: SocketAddr, fault: Fault, carried: Arc<Carried>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let limit = match fault {
        Fault::None => u64::MAX,
        Fault::Cut(limit) | Fault::Reset(limit) | Fault::Stall(limit) => limit,
    };
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut gone = 0;
    while gone < limit {
        let left = usize::try_from(limit - gone).unwrap_or(usize::MAX);
        let most = left.min(up.len());
        let bytes = tokio::select! {
            read = client.read(&mut up[..most]) => {
                let read = read?;
                server.write_all(&up[..read]).await?;
                read
            }
            read = server.read(&mut down[..most]) => {
                let read = read?;
                client.write_all(&down[..read]).await?;
                carried.to_client.fetch_add(read as u64, Ordering::SeqCst);
                read
            }
        };
        if bytes == 0 {
            return Ok(());
        }
        gone += bytes as u64;
    }
    match fault {
        Fault::Stall(_) => std::future::pending().await,
        Fault::Reset(_) => client.set_zero_linger(),
        Fault::None | Fault::Cut(_) => client.shutdown().await,
    }
}
