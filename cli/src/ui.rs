//! `cairn ui`: a page on localhost that shows pools, pods, groups and etcd, and follows them. It changes nothing.
//!
//! `feed → model → view → routes → browser`: [`feed`] reads etcd, [`model`] is the state, [`view`] what of it a browser
//! gets, [`routes`] the server, [`page`] the files. The page itself is in `ui/page`: HTML, CSS and ES modules that no
//! tool has to build.

use std::net::{Ipv4Addr, SocketAddr};

use cairn_kit::serve::{self, Limits, Metrics, Server};
use cairn_kit::shutdown;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::args::UiArgs;
use crate::etcd::EtcdError;
use crate::report::Report;

pub mod claims_view;
pub mod feed;
pub mod groups_view;
pub mod health_view;
pub mod model;
pub mod page;
pub mod routes;
pub mod timeline;
pub mod view;

/// A browser opens six connections at most; some windows of several browsers.
const CONNECTIONS: usize = 64;

/// Serves the page until SIGINT or SIGTERM. `announce` gets the line with its URL.
pub async fn run(args: &UiArgs, announce: impl Fn(&str)) -> Result<Report, EtcdError> {
    // Wrong flags end the program. An etcd that is away does not: the page says so, and shows it when it is back.
    let first = match feed::connect(&args.access).await {
        Err(error) if error.is_usage() => return Err(error),
        first => first.map_err(|error| error.to_string()),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = match serve::bind("--port", address) {
        Ok(listener) => listener,
        Err(error) => return Ok(Report::refused(error.to_string())),
    };
    let stop = shutdown::on_signals().map_err(EtcdError::Runtime)?;
    let port = listener.local_addr().map_err(EtcdError::Runtime)?.port();
    let secret = Uuid::new_v4().simple().to_string();
    let mut tasks = JoinSet::new();
    let (views, connected) = feed::start(args.access.clone(), first, &mut tasks);
    let routes = routes::router(&secret, views, connected);
    let limits = Limits { per_peer: CONNECTIONS, ..Limits::small(CONNECTIONS) };
    let server = Server::new("ui", routes, limits, &Metrics::default());
    announce(&format!(
        "http://127.0.0.1:{port}/{secret}/\nOpen this URL in a browser; Ctrl-C ends the page.\n"
    ));
    tokio::select! {
        never = server.run(listener) => match never {},
        () = stop.draining() => Ok(Report::default()),
    }
}
