//! The interface of a witness, as C2SP tlog-witness v1.0.0 has it: `POST /add-checkpoint`, and for monitors
//! `GET /<sha256 of the origin>/checkpoint`. What is decided is [`WitnessBook`]'s.

use std::sync::{Mutex, PoisonError};

use ascribe_ledger::{AddError, CosigningRefused, WitnessBook};
use hyper::Method;

use super::{Reply, Request};
use crate::causes::with_causes;
use crate::clock;

/// Bytes of a request: 63 hashes and a note with some ten post-quantum signatures.
pub const REQUEST_BYTES: usize = 128 << 10;

/// A witness that is served. One request at a time reads and changes what it knows.
pub struct WitnessService {
    book: Mutex<WitnessBook>,
    /// Told what its operator should know: refusals that look like misbehaviour, and failures.
    tell: fn(&str),
}

impl WitnessService {
    /// Serves a book.
    pub fn new(book: WitnessBook, tell: fn(&str)) -> Self {
        Self { book: Mutex::new(book), tell }
    }

    /// Answers one request.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.path == "/add-checkpoint" {
            return match request.method {
                Method::POST => self.add_checkpoint(&request.body),
                _ => Reply {
                    fields: vec![("content-type", "text/plain; charset=utf-8"), ("allow", "POST")],
                    ..Reply::text(405, "only POST\n")
                },
            };
        }
        let origin_hash = request.path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
        let Some(origin_hash) = origin_hash else { return Reply::text(404, "there is nothing here\n") };
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Reply::text(405, "only GET and HEAD\n");
        }
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        match book.latest(origin_hash) {
            Some(latest) => Reply::text(200, latest.note()),
            None => Reply::text(404, "no checkpoint of such an origin was cosigned\n"),
        }
    }

    fn add_checkpoint(&self, body: &[u8]) -> Reply {
        // Seconds before 1970 are no time of a cosignature.
        let now = u64::try_from(clock::now().nanoseconds() / 1_000_000_000).unwrap_or(0);
        let answer = {
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            book.add_checkpoint(body, now)
        };
        match answer {
            Ok(cosignature) => Reply::text(200, cosignature.line()),
            Err(AddError::Refused { refused, evidence }) => {
                if let Some(path) = evidence {
                    (self.tell)(&format!("warning: {refused}; both notes are in `{}`", path.display()));
                }
                refusal(&refused)
            }
            Err(error) => {
                (self.tell)(&format!("error: {}", with_causes(&error)));
                Reply::text(500, "the witness cannot keep what it saw\n")
            }
        }
    }
}

fn refusal(refused: &CosigningRefused) -> Reply {
    match refused {
        CosigningRefused::Conflict { latest } => Reply {
            status: refused.status(),
            fields: vec![("content-type", "text/x.tlog.size"), ("cache-control", "no-store")],
            body: format!("{latest}\n").into_bytes(),
        },
        _ => Reply::text(refused.status(), format!("{refused}\n")),
    }
}
