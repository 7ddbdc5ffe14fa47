//! The answer of a member that does not own the key: 421 Misdirected Request, or its form in gRPC.
//!
//! gRPC has no such code, and its answers have the status 200. There it is UNAVAILABLE with the header
//! `cairn-misdirected`: a caller without our layer sees that it may try again, and a caller with it knows that nothing
//! was done.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tonic::Code;

use crate::own_shards::NotServed;

/// In answers of gRPC.
const MARK: &str = "cairn-misdirected";

/// In which way a caller is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// By a status of HTTP.
    Http,
    /// By a status of gRPC.
    Grpc,
}

// === impl Style ===

impl Style {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if grpc { Self::Grpc } else { Self::Http }
    }

    /// The answer to a request that was not let through.
    pub(crate) fn refusal(self, why: &NotServed) -> Response<String> {
        let (status, code) = match why {
            NotServed::NotTold | NotServed::NotOwned(_) => {
                (StatusCode::MISDIRECTED_REQUEST, Code::Unavailable)
            }
            NotServed::Key(_) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        };
        let mut answer = self.answer(status, code, &why.to_string());
        if self == Self::Grpc && status == StatusCode::MISDIRECTED_REQUEST {
            answer.headers_mut().insert(MARK, HeaderValue::from_static("1"));
        }
        answer
    }

    /// The answer to a request during which the shard was lost. Not to be sent again blindly: it was begun.
    pub(crate) fn cut_off(self, why: &str) -> Response<String> {
        self.answer(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, why)
    }

    fn answer(self, status: StatusCode, code: Code, why: &str) -> Response<String> {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let grpc = HeaderValue::from_static("application/grpc");
        let (status, kind, body) = match self {
            Self::Http => (status, text, why.to_owned()),
            Self::Grpc => (StatusCode::OK, grpc, String::new()),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self == Self::Grpc {
            answer.headers_mut().extend(trailers(code, why));
        }
        answer
    }
}

/// The end of an answer of gRPC.
pub(crate) fn trailers(code: Code, why: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(i32::from(code)));
    // Our sentences are visible ASCII without '%', so nothing needs to be escaped.
    if let Ok(why) = HeaderValue::from_str(why) {
        trailers.insert("grpc-message", why);
    }
    trailers
}

/// Whether a member says that it does not own the key, and has done nothing.
pub(crate) fn is_misdirected<B>(answer: &Response<B>) -> bool {
    answer.status() == StatusCode::MISDIRECTED_REQUEST || answer.headers().contains_key(MARK)
}
