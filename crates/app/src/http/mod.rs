//! Inward: how others speak to this program by HTTP/1.1. A request of bounded size goes to a handler, its reply goes back.
//!
//! One thread waits for all connections and hands requests to others; connections, sizes and times are limited, so that
//! a slow or greedy caller takes nothing from the rest. It knows no path and no meaning; [`tlog`] and [`witness`] do.

pub mod tlog;
pub mod witness;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_bodies::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_tokio::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections at a time. Further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;

/// Until the head of a request is there, and until its body is.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long one connection may be used, however it is: nobody holds one for good.
const CONNECTION_TIME: Duration = Duration::from_mins(1);

/// Bytes of the head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// A pause after a connection could not be taken, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What somebody asks.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path of the address, as it came: not decoded, so that one resource has one spelling.
    pub path: String,
    /// Whether the reply may be compressed by gzip.
    pub takes_gzip: bool,
    /// The body, at most as long as the service allows.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub fields: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Answers requests, on any of several threads.
pub type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// The service ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not one of this machine alone, and that was not asked for.
    #[error("`{address}` can be reached from other machines")]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The system gives no events.
    #[error("cannot wait for connections")]
    Run(#[source] io::Error),
}

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Programs on this machine.
    ThisMachine,
    /// Whoever reaches the address.
    Others,
}

impl Reply {
    /// A short text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let fields = vec![("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")];
        Self { status, fields, body: text.into().into_bytes() }
    }
}

/// Takes an address. The port may be 0; the listener knows which one it became.
///
/// # Errors
/// [`ServeError`] where it is not to be had, or can be reached from elsewhere though that was not asked for.
pub fn listen(address: SocketAddr, reach: Reach) -> Result<TcpListener, ServeError> {
    if reach == Reach::ThisMachine && !address.ip().is_loopback() {
        return Err(ServeError::Remote { address });
    }
    TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })
}

/// Answers requests with bodies of at most `body_bytes`, until the process ends.
///
/// # Errors
/// [`ServeError::Run`] where the system gives no events.
pub fn serve(
    listener: TcpListener,
    body_bytes: usize,
    handler: &Arc<Handler>,
) -> Result<Infallible, ServeError> {
    listener.set_nonblocking(true).map_err(ServeError::Run)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ServeError::Run)?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Run)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { continue };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let handler = handler.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, body_bytes, &handler));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(REQUEST_TIME)
                    .max_buf_size(HEAD_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                // A connection that breaks or takes too long concerns its caller alone.
                drop(timeout(CONNECTION_TIME, pin!(connection)).await);
                drop(place);
            });
        }
    })
}

async fn answer(
    request: hyper::Request<Incoming>,
    body_bytes: usize,
    handler: &Arc<Handler>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match timeout(REQUEST_TIME, Limited::new(body, body_bytes).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(_)) => return Ok(response(Reply::text(413, "the body is too long, or broke off\n"))),
        Err(_) => return Ok(response(Reply::text(408, "the body did not come in time\n"))),
    };
    let takes_gzip = head.headers.get_all(ACCEPT_ENCODING).iter().any(accepts_gzip);
    let path = head.uri.path().to_owned();
    let request = Request { method: head.method, path, takes_gzip, body };
    // Handlers read and write files; the thread that waits for connections does not.
    let handler = handler.clone();
    let reply = tokio::task::spawn_blocking(move || handler(&request)).await;
    Ok(response(reply.unwrap_or_else(|_| Reply::text(500, "the request could not be answered\n"))))
}

fn accepts_gzip(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| {
        value.split(',').any(|coding| {
            let (coding, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .is_some_and(|weight| weight.bytes().all(|byte| matches!(byte, b'0' | b'.')));
            coding.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    })
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().entry(ALLOW).or_insert(HeaderValue::from_static("GET, HEAD"));
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

impl ServeError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Remote { .. } => {
                "listen on 127.0.0.1 behind a proxy that speaks TLS; `--allow-remote` listens on any address"
            }
            Self::Listen { .. } => {
                "choose another port, or end whatever listens there; port 0 takes a free one"
            }
            Self::Run(_) => "check the limit of open files: `ulimit -n`",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_codings_are_taken() {
        for (value, taken) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("identity", false),
            ("", false),
            ("x-gzip-not", false),
        ] {
            assert_eq!(accepts_gzip(&HeaderValue::from_static(value)), taken, "{value}");
        }
    }

    #[test]
    fn other_machines_are_asked_for() {
        let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
        assert!(matches!(listen(any, Reach::ThisMachine), Err(ServeError::Remote { .. })));
        let here = listen("127.0.0.1:0".parse().unwrap(), Reach::ThisMachine).unwrap();
        let taken = here.local_addr().unwrap();
        assert!(matches!(listen(taken, Reach::ThisMachine), Err(ServeError::Listen { .. })));
    }
}
