//! The command line, as text. [`crate::config`] checks it.
//!
//! Every flag has an environment variable, and the flag wins. `--prefix` reads `CAIRN_PREFIX_TEMPLATE`: `CAIRN_PREFIX`
//! is the variable that apps get, and a sidecar in such an environment must not use it as a template.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use cairn_core::contract::{command, flag, path, pod};
use cairn_core::ids::{DEFAULT_EPOCH, DEFAULT_LAYOUT};
use cairn_kit::etcd::EtcdArgs;
use cairn_kit::log::LogArgs;
use clap::{Parser, Subcommand};

mod coordination;

pub use coordination::CoordinationArgs;

/// Claims a short, unique name from a pool and publishes it as files and over HTTP.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn-sidecar",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Try it next to any etcd:\n  \
        cairn-sidecar --etcd http://127.0.0.1:2379 --pool mountains --dir /tmp/cairn --new-store\n  \
        cat /tmp/cairn/name\n\n\
        Exit codes: 0 released, 1 failed, 2 wrong flags, 3 fenced by a younger sidecar; of run, the program's."
)]
pub struct Args {
    /// What to do instead of claiming.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of a claiming sidecar.
    #[command(flatten)]
    pub claim: ClaimArgs,
}

/// The flags of a claiming sidecar.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClaimArgs {
    /// Where etcd is.
    #[command(flatten)]
    pub etcd: EtcdArgs,
    /// Agent of Cairn's webhook, which gives access to etcd in place of --etcd
    #[arg(long, env = "CAIRN_AGENT", value_name = "URL")]
    pub agent: Option<String>,
    /// Authorities that verify the agent: base64 of each certificate
    #[arg(long, env = "CAIRN_AGENT_CA", value_name = "BASE64[,BASE64...]")]
    pub agent_ca: Option<String>,
    /// Where the credentials that the agent gives are kept
    #[arg(
        long,
        env = "CAIRN_CREDENTIALS_DIR",
        value_name = "PATH",
        default_value = pod::CREDENTIALS_DIR
    )]
    pub credentials_dir: PathBuf,
    /// The pod's token, which the agent asks for [default: the token that the webhook mounts]
    #[arg(long, env = "CAIRN_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Pools to claim from, comma separated; the first one is published without its pool's name
    #[arg(long, env = "CAIRN_POOL", value_name = "NAME[,NAME...]")]
    pub pool: Option<String>,
    /// Where files and the socket are published
    #[arg(long, env = "CAIRN_DIR", value_name = "PATH", default_value = path::DIR)]
    pub dir: PathBuf,
    /// A numbering of its own within the namespace, usually the workload's name
    #[arg(long, env = "CAIRN_GROUP", value_name = "GROUP")]
    pub group: Option<String>,
    /// The namespace in which names are unique
    #[arg(long, env = "CAIRN_NAMESPACE", value_name = "NS", default_value = "default")]
    pub namespace: String,
    /// The UID of the holder [default: one is made and kept in --dir]
    #[arg(long, env = "CAIRN_INSTANCE", value_name = "UID")]
    pub instance: Option<String>,
    /// The pod's name [default: the host's name]
    #[arg(long, env = "CAIRN_POD", value_name = "NAME")]
    pub pod: Option<String>,
    /// The node's name
    #[arg(long, env = "CAIRN_NODE", value_name = "NAME")]
    pub node: Option<String>,
    /// Metrics prefix template instead of the pool's, such as {namespace}.{group}.{name}
    #[arg(long, env = "CAIRN_PREFIX_TEMPLATE", value_name = "TEMPLATE")]
    pub prefix: Option<String>,
    /// Where to serve the claims API besides the socket in --dir
    /// [default: off; 127.0.0.1:24040 with --in-pod]
    #[arg(long, env = "CAIRN_API", value_name = "ADDR|off")]
    pub api: Option<String>,
    /// Where to serve health and metrics [default: off; port 24041 on every address with --in-pod]
    #[arg(long, env = "CAIRN_ADMIN", value_name = "ADDR|off")]
    pub admin: Option<String>,
    /// Bits of timestamp, node and sequence in the IDs of POST /v1/ids
    #[arg(long, env = "CAIRN_ID_LAYOUT", value_name = "T/N/S", default_value = DEFAULT_LAYOUT)]
    pub id_layout: String,
    /// Where the time in those IDs starts
    #[arg(long, env = "CAIRN_ID_EPOCH", value_name = "RFC3339", default_value = DEFAULT_EPOCH)]
    pub id_epoch: String,
    /// Say that Cairn has never used this etcd: its pools are claimed from at once, without waiting for
    /// holders that a wiped etcd would have forgotten
    #[arg(long, env = "CAIRN_NEW_STORE")]
    pub new_store: bool,
    /// Run as a pod's sidecar: never exit before the first success, let the probe say what is wrong
    #[arg(long, env = "CAIRN_IN_POD")]
    pub in_pod: bool,
    /// Downward API file of the pod's annotations; the probe waits until it shows the claims
    #[arg(long, env = "CAIRN_GATE_FILE", value_name = "FILE")]
    pub gate_file: Option<PathBuf>,
    /// Probes of one app container as JSON, asked in the kubelet's place; repeat it per container
    #[arg(long, env = "CAIRN_APP_PROBES", value_name = "JSON")]
    pub app_probes: Vec<String>,
    /// Where those probes connect to when they name no host
    #[arg(long, env = "CAIRN_APP_HOST", value_name = "ADDR", default_value = "127.0.0.1")]
    pub app_host: String,
    /// What the kubelet's probes carry in their Cairn-Probe-Token header
    #[arg(long, env = "CAIRN_PROBE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub probe_token: Option<String>,
    /// How this pod coordinates with its group.
    #[command(flatten)]
    pub coordination: CoordinationArgs,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to do instead of claiming.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Exit 0 once every claim of the sidecar in --dir is held, else 1 and say why not
    Probe(ProbeArgs),
    /// Give all shards and the leadership of the sidecar in --dir to other members, and exit 0 once it is done
    Drain(DrainArgs),
    /// Claim, start a program with the variables of the claims, and stop it before the deadline of a Stop claim
    Run(Box<RunArgs>),
    /// Become a program that ends with its parent
    #[command(hide = true)]
    Tether(TetherArgs),
}

/// The flags of a program that is run with its claims.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The flags of a claiming sidecar.
    #[command(flatten)]
    pub claim: ClaimArgs,
    /// How long the program may take to end after SIGTERM; a short validity leaves it less
    #[arg(long, env = "CAIRN_GRACE", value_name = "DURATION", default_value = "5s")]
    pub grace: String,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub program: Vec<OsString>,
}

/// The flags of a program that ends with its parent.
#[derive(Clone, Debug, clap::Args)]
pub struct TetherArgs {
    /// The parent's process ID
    pub parent: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub program: Vec<OsString>,
}

/// The flags of a drain.
#[derive(Clone, Debug, clap::Args)]
pub struct DrainArgs {
    /// The directory of the sidecar to drain
    #[arg(long, env = "CAIRN_DIR", value_name = "PATH", default_value = path::DIR)]
    pub dir: PathBuf,
    /// How long to wait at most [default: until the last deadline and two seconds more]
    #[arg(long, value_name = "DURATION")]
    pub wait: Option<String>,
}

/// The flags of the probe.
#[derive(Clone, Debug, clap::Args)]
pub struct ProbeArgs {
    /// The directory of the sidecar to ask
    #[arg(long, env = "CAIRN_DIR", value_name = "PATH", default_value = path::DIR)]
    pub dir: PathBuf,
    /// How long to wait for the claims; keep it below the timeout of the probe
    #[arg(long, value_name = "DURATION", default_value = "900ms")]
    pub wait: String,
}

/// What can be read from a wrong command line in a pod, so that the startup probe can report the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// The directory in which the probe connects to the socket.
    pub dir: PathBuf,
}

impl Salvage {
    /// Searches a command line for `--in-pod` and `--dir`; `None` outside a pod.
    pub fn of(argv: &[OsString]) -> Option<Self> {
        let flags = argv.get(1..).unwrap_or_default();
        let asks = flags.first().is_some_and(|first| {
            [command::PROBE, command::DRAIN, command::RUN].iter().any(|it| first == it)
        });
        if asks || !flags.iter().any(|flag| flag == flag::IN_POD) {
            return None;
        }
        let mut rest = flags.iter();
        let mut dir = None;
        while let Some(argument) = rest.next() {
            if argument == flag::DIR {
                dir = rest.next().map(PathBuf::from);
            } else if let Some(value) = value_of(argument, flag::DIR) {
                dir = Some(PathBuf::from(value));
            }
        }
        let dir = dir
            .or_else(|| std::env::var_os("CAIRN_DIR").map(PathBuf::from))
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or_else(|| PathBuf::from(path::DIR));
        Some(Self { dir })
    }
}

/// The value in `--flag=value`.
fn value_of<'a>(argument: &'a OsStr, flag: &str) -> Option<&'a str> {
    argument.to_str()?.strip_prefix(flag)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use cairn_kit::usage;
    use clap::CommandFactory as _;

    use super::*;

    fn salvage(argv: &[&str]) -> Option<PathBuf> {
        let argv: Vec<_> = argv.iter().map(OsString::from).collect();
        Salvage::of(&argv).map(|salvage| salvage.dir)
    }

    #[test]
    fn no_flag_reads_a_variable_that_an_app_gets() {
        assert_eq!(usage::flags_of_app_variables(Args::command()), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_command_line_gives_one_sentence_that_says_what_to_write() {
        for (argument, expected) in [
            ("--pol", "--pol is not a flag of cairn-sidecar; did you mean --pool?"),
            ("--colour", "--colour is not a flag of cairn-sidecar; see cairn-sidecar --help"),
            ("claim", "'claim' is not a command of cairn-sidecar; see cairn-sidecar --help"),
            ("--pool", "--pool needs a value; write it like --pool <NAME[,NAME...]>"),
            ("--dir=", "--dir needs a value; write it like --dir <PATH>"),
            ("--log-format=xml", "--log-format 'xml' is not known; use text or json"),
            (
                "--log-level=debg",
                "--log-level: 'debg' is not a log level; write error, warn, info, debug, trace or off, \
                 or levels of parts, like warn,cairn=debug",
            ),
            ("--in-pod=yes", "--in-pod takes no value; write --in-pod alone"),
        ] {
            let error = Args::try_parse_from(["cairn-sidecar", argument]).unwrap_err();
            assert_eq!(usage::message(&error, "cairn-sidecar"), expected, "{argument}");
        }
    }

    #[test]
    fn the_directory_is_found_on_a_wrong_command_line_in_a_pod() {
        let bin = "cairn-sidecar";
        assert_eq!(salvage(&[bin, "--nonsense"]), None);
        assert_eq!(salvage(&[bin, "--in-pod", "--nonsense"]), Some(path::DIR.into()));
        assert_eq!(salvage(&[bin, "--dir", "/x", "--in-pod"]), Some("/x".into()));
        assert_eq!(salvage(&[bin, "--in-pod", "--dir=/y"]), Some("/y".into()));
        assert_eq!(salvage(&[bin, "probe", "--in-pod"]), None);
    }
}
