use cairn_kit::log::LogFormat;
use clap::Parser as _;

use super::*;
use crate::args::Args;

/// A valid command line with more flags.
fn args(more: &[&str]) -> ClaimArgs {
    let mut argv = vec!["cairn-sidecar"];
    for (flag, value) in
        [("--etcd", "http://127.0.0.1:2379"), ("--pool", "mountains"), ("--dir", "/tmp/cairn")]
    {
        if !more.contains(&flag) {
            argv.extend([flag, value]);
        }
    }
    argv.extend(more);
    Args::try_parse_from(argv).unwrap().claim
}

fn config(more: &[&str]) -> Result<Config, ConfigError> {
    Config::try_from(args(more))
}

#[test]
fn outside_a_pod_only_the_socket_listens() {
    let config = config(&[]).unwrap();
    assert_eq!((config.api, config.api_v6, config.admin), (None, None, None));
    assert_eq!(config.namespace, "default");
    assert_eq!(config.group_text(), "-");
    assert!(!config.pod.is_empty());
}

#[test]
fn in_a_pod_the_documented_ports_are_served() {
    let config = config(&["--in-pod", "--instance", "0a1b"]).unwrap();
    assert_eq!(config.api.unwrap().to_string(), "127.0.0.1:24040");
    assert_eq!(config.api_v6.unwrap().to_string(), "[::1]:24040");
    assert_eq!(config.admin.unwrap().to_string(), "[::]:24041");
}

#[test]
fn every_flag_sets_its_field() {
    let config = config(&[
        "--etcd",
        "https://a:2379, https://b:2379/",
        "--etcd-cacert",
        "ca",
        "--etcd-cert",
        "crt",
        "--etcd-key",
        "key",
        "--pool",
        "snowflake,mountains",
        "--group",
        "checkout",
        "--namespace",
        "shop",
        "--instance",
        "u-1",
        "--pod",
        "p",
        "--node",
        "n",
        "--prefix",
        "{name}",
        "--api",
        "off",
        "--admin",
        "127.0.0.1:9",
        "--id-layout",
        "42/8/13",
        "--gate-file",
        "g",
        "--log-format",
        "json",
        "--log-level",
        "debug",
    ])
    .unwrap();
    let Access::Direct(etcd) = config.access else { panic!("no agent was given") };
    assert_eq!(etcd.endpoints.urls(), ["https://a:2379", "https://b:2379"]);
    let tls = etcd.tls.unwrap();
    assert_eq!((tls.authority, tls.client), ("ca".into(), Some(("crt".into(), "key".into()))));
    let pools: Vec<_> = config.pools.iter().map(PoolName::as_str).collect();
    assert_eq!(pools, ["snowflake", "mountains"]);
    assert_eq!(config.group.unwrap().as_str(), "checkout");
    assert_eq!(config.prefix.unwrap().as_str(), "{name}");
    assert_eq!((config.api, config.api_v6), (None, None));
    assert_eq!(config.admin.unwrap().port(), 9);
    assert_eq!(config.ids.to_string(), "42/8/13");
    assert_eq!(config.gate_file, Some("g".into()));
    assert_eq!(config.log.log_format, LogFormat::Json);
    assert_eq!(config.log.log_level.to_string(), "debug");
}

#[test]
fn a_wrong_value_gives_one_message_that_says_what_to_write() {
    let long = format!("/{}", "d".repeat(120));
    let table: &[(&[&str], &str)] = &[
        (&["--etcd", ""], "like --etcd http://127.0.0.1:2379"),
        (&["--etcd", "127.0.0.1:2379"], "is not a URL with a port"),
        (&["--etcd", "http://etcd"], "is not a URL with a port"),
        (&["--etcd", "ftp://etcd:1"], "is not a URL with a port"),
        (&["--etcd", "http://a:1,"], "'' is not a URL"),
        (&["--etcd", "http://a:1/x"], "is not a URL with a port"),
        (&["--etcd", "http://a:1,https://b:1"], "mixes"),
        (&["--etcd", "https://a:1"], "--etcd-cacert is missing"),
        (&["--etcd-cacert", "ca"], "write https:// or leave"),
        (&["--etcd-cert", "c", "--etcd-key", "k"], "--etcd-cert is given but"),
        (&["--etcd-cert", "c"], "without --etcd-key"),
        (&["--etcd-key", "k"], "without --etcd-cert"),
        (&["--pool", ""], "like --pool mountains"),
        (&["--pool", "mountains,"], "empty name between its commas"),
        (&["--pool", "a,a"], "names 'a' twice"),
        (&["--pool", "Mountains"], "lower-case letters"),
        (&["--pool", "a/b"], "lower-case letters"),
        (&["--pool", "it's"], "lower-case letters"),
        (&["--pool", "env"], "reserved"),
        (&["--group", "a/b"], "--group: group 'a/b' is not valid"),
        (&["--namespace", "a.b"], "--namespace 'a.b' is not valid"),
        (&["--namespace", "-a"], "--namespace '-a' is not valid"),
        (&["--instance", "a/b"], "metadata.uid"),
        (&["--in-pod"], "--in-pod needs --instance"),
        (&["--pod", "a/b"], "--pod 'a/b' is not valid"),
        (&["--node", ""], "--node '' is not valid"),
        (&["--prefix", "{nmae}"], "did you mean '{name}'"),
        (&["--dir", &long], "choose one of at most"),
        (&["--api", "24040"], "write it like 127.0.0.1:24040, or off"),
        (&["--api", "0.0.0.0:7"], "--api '0.0.0.0:7' is not an address of loopback"),
        (&["--api", "[::]:7"], "write it like 127.0.0.1:24040, or off"),
        (&["--admin", "x"], "write it like 127.0.0.1:24041, or off"),
        (&["--api", "[::1]:7", "--admin", "[::1]:7"], "different ports"),
        (&["--id-layout", "41/10"], "--id-layout '41/10' is not a layout; write the bits"),
        (&["--id-layout", "41/10/13"], "--id-layout '41/10/13' has 64 bits"),
        (&["--id-epoch", "2020"], "--id-epoch '2020' is not a time; write it like 2020-01-01"),
    ];
    for (flags, expected) in table {
        // A value that starts with a hyphen must be attached to its flag.
        let attached: Vec<String>;
        let flags: Vec<&str> = match flags {
            [flag, value] if value.starts_with('-') => {
                attached = vec![format!("{flag}={value}")];
                attached.iter().map(String::as_str).collect()
            }
            _ => flags.to_vec(),
        };
        let message = config(&flags).unwrap_err().to_string();
        assert!(message.contains(expected), "{flags:?}: {message}");
        assert!(!message.contains('\n'), "{flags:?}: {message}");
    }
}
