//! A small blocking HTTP client (RFC 9110, HTTP/1.1): bytes out, an answer of bounded size back.
//!
//! Every call ends within a time limit, follows no redirect, keeps no cookie, and uses a proxy only where the settings
//! name one: what a run reaches follows from its settings, never from the environment. TLS checks certificates against
//! the public roots that are built in, or those of the settings. It does not judge a status, nor knows any protocol on
//! top of it. What an answer says is foreign: whoever shows it escapes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::CONTENT_TYPE;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use crate::workspace::NetworkSettings;

/// What the other side is told of who asks.
const USER_AGENT: &str = concat!("ascribe/", env!("CARGO_PKG_VERSION"));

/// How long a call may take, and how much may come back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection, name look-up and TLS included.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub whole: Duration,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
}

/// Calls others.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    limits: Limits,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 100 to 999.
    pub status: u16,
    /// The `Content-Type` header, if it is there and is text.
    pub content_type: Option<String>,
    /// The body, at most as long as the limit.
    pub body: Vec<u8>,
}

/// No answer was had.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The proxy of the settings is none.
    #[error("`{proxy}` is no proxy that can be used")]
    Proxy {
        /// As the settings have it.
        proxy: String,
        /// Why not.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The file of trusted roots cannot be read.
    #[error("cannot read the trusted roots in `{}`", path.display())]
    RootsFile {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The file of trusted roots holds something else.
    #[error("`{}` holds no certificates in PEM", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
    },
    /// It is not an address that can be called.
    #[error("`{url}` is no address: it starts with `http://` or `https://` and holds no password")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The call took too long.
    #[error("`{url}` did not answer within {} ms ({phase})", limit.as_millis())]
    TooSlow {
        /// Who was called.
        url: String,
        /// The limit of the whole call.
        limit: Duration,
        /// What was waited for.
        phase: String,
    },
    /// There was no connection, or it broke, or was not HTTP.
    #[error("cannot reach `{url}`")]
    Unreachable {
        /// Who was called.
        url: String,
        /// Why not.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer is longer than the limit.
    #[error("the answer of `{url}` has more than {limit} bytes")]
    TooLong {
        /// Who was called.
        url: String,
        /// The limit.
        limit: u64,
    },
}

impl Client {
    /// Makes a client; calls nobody. `root` is the folder from which the settings name files.
    ///
    /// # Errors
    /// [`HttpError`] when the proxy or the file of trusted roots cannot be used.
    pub fn new(root: &Path, network: &NetworkSettings, limits: Limits) -> Result<Self, HttpError> {
        let proxy = network.proxy.as_ref().map(|proxy| {
            Proxy::new(proxy)
                .map_err(|source| HttpError::Proxy { proxy: proxy.clone(), source: Box::new(source) })
        });
        let roots = match &network.roots {
            Some(path) => certificates(&root.join(path))?,
            None => RootCerts::WebPki,
        };
        let agent = Agent::config_builder()
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.whole))
            .user_agent(USER_AGENT)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy.transpose()?)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Self { agent: Agent::new_with_config(agent), limits })
    }

    /// Asks for what is at `url`.
    ///
    /// # Errors
    /// [`HttpError`] where there is no answer; a bad status is one.
    pub fn get(&self, url: &str) -> Result<Answer, HttpError> {
        let response = self.agent.get(callable(url)?).call();
        self.answer(url, response)
    }

    /// Sends `body` to `url`.
    ///
    /// # Errors
    /// [`HttpError`] where there is no answer; a bad status is one.
    pub fn post(&self, url: &str, content_type: &str, body: &[u8]) -> Result<Answer, HttpError> {
        let response = self.agent.post(callable(url)?).header(CONTENT_TYPE, content_type).send(body);
        self.answer(url, response)
    }

    fn answer(
        &self,
        url: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, HttpError> {
        let mut response = response.map_err(|error| self.failed(url, error))?;
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        // One byte more than the limit, so that an answer of exactly the limit is one.
        let limit = self.limits.body_bytes.saturating_add(1);
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = body.map_err(|error| self.failed(url, error))?;
        if body.len() as u64 > self.limits.body_bytes {
            return Err(HttpError::TooLong { url: url.to_owned(), limit: self.limits.body_bytes });
        }
        Ok(Answer { status, content_type, body })
    }

    fn failed(&self, url: &str, error: ureq::Error) -> HttpError {
        let url = url.to_owned();
        match error {
            ureq::Error::Timeout(phase) => {
                HttpError::TooSlow { url, limit: self.limits.whole, phase: phase.to_string() }
            }
            ureq::Error::BodyExceedsLimit(_) => HttpError::TooLong { url, limit: self.limits.body_bytes },
            source => HttpError::Unreachable { url, source: Box::new(source) },
        }
    }
}

impl HttpError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Proxy { .. } => {
                "a proxy in `[network]` of `ascribe.toml` looks like `http://proxy.example.com:3128`"
            }
            Self::RootsFile { .. } | Self::Roots { .. } => {
                "`roots` in `[network]` of `ascribe.toml` names a file of certificates in PEM, from the evidence folder"
            }
            Self::Url { .. } => "compare it with the address that whoever runs the service gave you",
            Self::TooSlow { .. } | Self::Unreachable { .. } => {
                "check that the service is up and can be reached from here; a proxy has to be named in `[network]` of `ascribe.toml`"
            }
            Self::TooLong { .. } => "whatever answers there is not the service that was expected",
        }
    }
}

/// A password in an address would end up in messages.
fn callable(url: &str) -> Result<&str, HttpError> {
    let refused = || HttpError::Url { url: url.to_owned() };
    let uri: ureq::http::Uri = url.parse().map_err(|_| refused())?;
    let called = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    if called && host.is_some_and(|authority| !authority.host().is_empty()) {
        Ok(url)
    } else {
        Err(refused())
    }
}

fn certificates(path: &Path) -> Result<RootCerts, HttpError> {
    let text = fs::read(path).map_err(|source| HttpError::RootsFile { path: path.to_owned(), source })?;
    let none = || HttpError::Roots { path: path.to_owned() };
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(root)) => roots.push(root),
            _ => return Err(none()),
        }
    }
    if roots.is_empty() { Err(none()) } else { Ok(RootCerts::Specific(Arc::new(roots))) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMITS: Limits =
        Limits { connect: Duration::from_millis(500), whole: Duration::from_millis(700), body_bytes: 16 };

    fn client() -> Client {
        Client::new(Path::new("."), &NetworkSettings::default(), LIMITS).unwrap()
    }

    /// Answers one call with `reply`, holds the line for a while, and gives back what it was sent.
    fn once(reply: &'static [u8], hold: Duration) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/path", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut part = [0; 4096];
            // A head ends with a blank line, the one body that is sent here with its own word.
            let whole = |asked: &[u8]| {
                let end: &[u8] = if asked.starts_with(b"POST") { b"the end" } else { b"\r\n\r\n" };
                asked.ends_with(end)
            };
            while !whole(&asked) {
                match stream.read(&mut part).unwrap() {
                    0 => break,
                    read => asked.extend_from_slice(&part[..read]),
                }
            }
            stream.write_all(reply).unwrap();
            thread::sleep(hold);
            String::from_utf8(asked).unwrap()
        });
        (url, server)
    }

    #[test]
    fn an_answer_comes_back_whatever_its_status() {
        let (url, server) = once(
            b"HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 3\r\n\r\n17\n",
            Duration::ZERO,
        );
        let answer = client().post(&url, "text/plain", b"the end").unwrap();
        assert_eq!(answer.status, 409);
        assert_eq!(answer.content_type.as_deref(), Some("text/x.tlog.size"));
        assert_eq!(answer.body, b"17\n");
        let asked = server.join().unwrap();
        assert!(asked.starts_with("POST /path HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("content-type: text/plain\r\n") && asked.ends_with("the end"), "{asked}");
        assert!(asked.contains(&format!("user-agent: {USER_AGENT}\r\n")), "{asked}");
    }

    #[test]
    fn a_redirect_is_an_answer_and_is_not_followed() {
        let (url, server) = once(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            Duration::ZERO,
        );
        assert_eq!(client().get(&url).unwrap().status, 302);
        server.join().unwrap();
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let sixteen: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";
        let (url, server) = once(sixteen, Duration::ZERO);
        assert_eq!(client().get(&url).unwrap().body.len(), 16);
        server.join().unwrap();
        let endless: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789abcdefg";
        let (url, server) = once(endless, Duration::from_millis(50));
        assert!(matches!(client().get(&url), Err(HttpError::TooLong { limit: 16, .. })));
        server.join().unwrap();
    }

    #[test]
    fn nobody_and_the_slow_and_garbage_are_told_apart() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = client().get(&format!("http://{gone}/")).unwrap_err();
        assert!(matches!(nobody, HttpError::Unreachable { .. }), "{nobody}");
        let (url, server) =
            once(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nslow", Duration::from_millis(900));
        let slow = client().get(&url).unwrap_err();
        assert!(matches!(slow, HttpError::TooSlow { .. }), "{slow}");
        server.join().unwrap();
        let (url, server) = once(b"\x00\x01 nothing like it\r\n\r\n", Duration::ZERO);
        let garbage = client().get(&url).unwrap_err();
        assert!(matches!(garbage, HttpError::Unreachable { .. }), "{garbage}");
        server.join().unwrap();
    }

    #[test]
    fn addresses_that_are_not_called() {
        for url in ["", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://", "http://a:b@c/"]
        {
            assert!(matches!(client().get(url), Err(HttpError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn settings_that_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let made = |network: &NetworkSettings| Client::new(folder.path(), network, LIMITS).unwrap_err();
        let proxy = NetworkSettings { proxy: Some("no proxy".to_owned()), roots: None };
        assert!(matches!(made(&proxy), HttpError::Proxy { .. }));
        let roots = NetworkSettings { proxy: None, roots: Some("roots.pem".into()) };
        assert!(matches!(made(&roots), HttpError::RootsFile { .. }));
        fs::File::create(folder.path().join("roots.pem")).unwrap();
        assert!(matches!(made(&roots), HttpError::Roots { .. }));
    }
}
