//! Bad input at the command line: one message and the right exit code.

use std::process::Command;

use cairn_e2e::ns::tested_cluster;
use cairn_e2e::run::{Output, run};
use cairn_e2e::{Done, Failure, install, paths};
use tempfile::TempDir;

/// A URL at which nothing listens.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn bad_flags_of_the_sidecar_give_one_message_and_exit_code_2() -> Done {
    let table = [
        ("", "--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379"),
        ("--etc x", "--etc is not a flag of cairn-sidecar; did you mean --etcd?"),
        (
            "--etcd here",
            "--etcd 'here' is not a URL with a port; write it like http://127.0.0.1:2379",
        ),
        (
            "--etcd http://127.0.0.1:1",
            "--pool is missing; name the pools to claim from, like --pool mountains, or give --coordinate",
        ),
        (
            "--etcd http://127.0.0.1:1 --pool a,,b",
            "--pool 'a,,b' has an empty name between its commas; write it like mountains,snowflake",
        ),
        (
            "--etcd http://127.0.0.1:1 --pool mountains,mountains",
            "--pool names 'mountains' twice; name every pool once",
        ),
        (
            "--etcd http://127.0.0.1:1 --pool Mountains",
            "--pool: pool name 'Mountains' is not valid; use 1 to 40 lower-case letters, digits and '-', \
             starting with a letter and not ending with '-'",
        ),
        (
            "--etcd http://127.0.0.1:1 --pool mountains --group a/b",
            "--group: group 'a/b' is not valid; use 1 to 253 letters, digits, '-', '_' and '.', \
             starting with a letter or digit",
        ),
    ];
    for (flags, message) in table {
        let output = sidecar(&flags.split_whitespace().collect::<Vec<_>>())?;
        assert_eq!(output.stderr, format!("cairn-sidecar: {message}\n"), "{flags}");
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{flags}");
    }
    Ok(())
}

#[test]
fn bad_flags_of_the_webhook_give_one_message_and_exit_code_2() -> Done {
    let table = [
        ("--nonsense", "--nonsense is not a flag of cairn-webhook; see cairn-webhook --help"),
        ("--etc x", "--etc is not a flag of cairn-webhook; did you mean --etcd?"),
        ("--namespace a --pod-name b", "also give --sidecar-image <IMAGE>"),
        ("--env-mode fil", "--env-mode 'fil' is not known; use auto, file, annotation or none"),
    ];
    for (flags, message) in table {
        let output = program("cairn-webhook", &flags.split_whitespace().collect::<Vec<_>>())?;
        assert_eq!(output.stderr, format!("cairn-webhook: {message}\n"), "{flags}");
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{flags}");
    }
    Ok(())
}

#[test]
fn an_unreachable_etcd_gives_a_message_and_exit_code_1() -> Done {
    let dir = temporary()?;
    let path = dir.path().to_string_lossy();
    let output = sidecar(&["--etcd", NOBODY, "--pool", "mountains", "--dir", &*path])?;
    let last = output.stderr.lines().last().unwrap_or_default();
    println!("{last}");
    assert!(last.contains("Connection refused"), "{}", output.stderr);
    assert!(last.ends_with("is etcd running at the --etcd address?"), "{}", output.stderr);
    assert_eq!(output.code, Some(1));
    assert!(!dir.path().join("name").exists(), "a name was published that was not granted");
    Ok(())
}

#[test]
fn a_probe_without_a_sidecar_gives_a_message_and_exit_code_1() -> Done {
    let dir = temporary()?;
    let output = sidecar(&["probe", "--dir", &dir.path().to_string_lossy()])?;
    assert!(output.stdout.starts_with("cannot reach the sidecar at "), "{output:?}");
    assert_eq!(output.code, Some(1));
    Ok(())
}

fn sidecar(args: &[&str]) -> Result<Output, Failure> {
    program("cairn-sidecar", args)
}

/// Runs the binary of the image, built from this tree.
fn program(name: &str, args: &[&str]) -> Result<Output, Failure> {
    install::ready(&tested_cluster())?;
    run(Command::new(paths::image_binary(name)?).args(args), None)
}

fn temporary() -> Result<TempDir, Failure> {
    TempDir::new().map_err(|source| Failure::File { path: std::env::temp_dir(), source })
}
