//! `cairn-webhook etcd-authorities`: prints a Secret with new authorities for the bundled etcd.
//!
//! For the day when a key of the present ones is known to somebody who must not have it. Deleting the Secret would not
//! do: whoever knows the former authorities writes them back. What an administrator writes is taken over.

use std::ffi::OsString;
use std::io::{self, Write as _};

use cairn_kit::errors::report;
use cairn_kit::exit::{Exit, complain};
use cairn_kit::{clock, usage};
use clap::Parser;
use serde_json::json;

use crate::etcd_ca::{Authorities, IssueError, LifeArgs};

/// The first argument of this command.
pub const COMMAND: &str = "etcd-authorities";

/// The name in messages.
const PROGRAM: &str = "cairn-webhook etcd-authorities";

/// Prints a Secret with new authorities for the bundled etcd
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-webhook etcd-authorities",
    bin_name = "cairn-webhook etcd-authorities",
    after_help = "Replace the present ones, then all members of etcd at once:\n\n  \
        kubectl -n cairn-system exec deploy/cairn-webhook -- cairn-webhook etcd-authorities |\n    \
        kubectl replace -f -\n  \
        kubectl -n cairn-system delete pods -l app.kubernetes.io/component=etcd\n\n\
        Every certificate of a client or a member is worthless afterwards."
)]
struct Args {
    /// The namespace of the Secret
    #[arg(long, env = "POD_NAMESPACE", value_name = "NS", default_value = "cairn-system")]
    namespace: String,
    /// The name of the Secret
    #[arg(
        long,
        env = "CAIRN_ETCD_CA_SECRET",
        value_name = "NAME",
        default_value = "cairn-etcd-ca"
    )]
    etcd_ca_secret: String,
    #[command(flatten)]
    lives: LifeArgs,
}

/// Runs the command line that follows [`COMMAND`].
pub fn run(command_line: &[OsString]) -> Exit {
    let args: Args = match usage::parse(command_line, PROGRAM) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let failed = |message: String| {
        complain(PROGRAM, &message);
        Exit::Failed
    };
    match manifest(&args) {
        Ok(text) => match writeln!(io::stdout(), "{text}") {
            Ok(()) => Exit::Clean,
            Err(error) => failed(error.to_string()),
        },
        Err(error) => failed(report(&error)),
    }
}

fn manifest(args: &Args) -> Result<String, IssueError> {
    let authorities = Authorities::new(&args.lives.lives(), clock::now().wall)?;
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "namespace": args.namespace,
            "name": args.etcd_ca_secret,
            "labels": {"app.kubernetes.io/part-of": "cairn", "app.kubernetes.io/component": "etcd"},
        },
        "type": "Opaque",
        "data": authorities.data(),
    });
    Ok(format!("{secret:#}"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::*;

    #[test]
    fn the_secret_has_new_authorities_each_time() {
        let args = Args::try_parse_from([COMMAND, "--namespace=ns", "--etcd-ca-secret=n"]).unwrap();
        let read = || {
            let secret: Secret = serde_json::from_str(&manifest(&args).unwrap()).unwrap();
            assert_eq!(secret.metadata.name.as_deref(), Some("n"));
            Authorities::read(&secret.data.unwrap()).unwrap()
        };
        assert!(!read().same_roots(&read()));
    }
}
