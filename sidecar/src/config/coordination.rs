//! The flags about coordination.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use cairn_core::contract::flag;
use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::Role;
use cairn_core::coordination::terms::Terms;
use cairn_core::coordination::text::{self, TextError, Words};
use cairn_core::time::UnixMillis;

use super::ConfigError;
use crate::args::CoordinationArgs;

/// A generation is a hash or a revision of a workload.
const LONGEST_GENERATION: usize = 63;

/// How a pod coordinates with its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordination {
    /// The terms on which it takes part; its roles are never empty.
    pub terms: Terms,
    /// An app whose shards are lost has to stop.
    pub stops_app: bool,
    /// Where the app can be reached.
    pub endpoints: BTreeMap<String, String>,
    /// The generation of the workload.
    pub generation: String,
    /// When the pod was admitted.
    pub admitted: Option<UnixMillis>,
    /// The pod's address: endpoints are there.
    pub own: IpAddr,
}

/// Checks the flags; `None` without `--coordinate`.
pub(super) fn coordination(
    args: CoordinationArgs,
    app_host: &str,
    has_group: bool,
) -> Result<Option<Coordination>, ConfigError> {
    let given = given(&args);
    let CoordinationArgs {
        coordinate,
        shards,
        shard_hash,
        validity,
        heartbeat,
        confirm,
        on_loss,
        endpoints,
        tags,
        weight,
        participate,
        min_participants,
        generation,
        admitted,
    } = args;
    let Some(coordinate) = coordinate else {
        return match given {
            Some(flag) => Err(ConfigError::NotCoordinated(flag)),
            None => Ok(None),
        };
    };
    let roles = of(flag::COORDINATE, text::roles(&coordinate))?;
    if !has_group {
        return Err(ConfigError::NoGroup);
    }
    let map = map(&roles, shards, shard_hash)?;
    let own = || app_host.parse().map_err(|_| ConfigError::AppHost(app_host.to_owned()));
    let endpoints = match endpoints {
        Some(list) => of(flag::ENDPOINTS, text::endpoints(&list, own()?))?,
        None => BTreeMap::new(),
    };
    let default = Terms::default();
    let word = |flag, text, words: Words| value(flag, text, |text| words.is_second(text), false);
    let terms = Terms {
        roles,
        map,
        validity: value(flag::VALIDITY, validity, text::validity, default.validity)?,
        heartbeat: value(flag::HEARTBEAT, heartbeat, text::heartbeat, None)?,
        confirm_required: word(flag::CONFIRM, confirm, text::CONFIRM)?,
        tags: value(flag::TAGS, tags, text::tags, default.tags)?,
        weight: value(flag::WEIGHT, weight, text::weight, default.weight)?,
        participate: word(flag::PARTICIPATE, participate, text::PARTICIPATE)?,
        min_participants: value(
            flag::MIN_PARTICIPANTS,
            min_participants,
            text::min_participants,
            default.min_participants,
        )?,
    };
    Ok(Some(Coordination {
        terms,
        stops_app: word(flag::ON_LOSS, on_loss, text::ON_LOSS)?,
        endpoints,
        generation: match generation {
            Some(text) if text.len() > LONGEST_GENERATION || text.chars().any(char::is_control) => {
                return Err(ConfigError::Generation(text));
            }
            Some(text) => text,
            None => String::new(),
        },
        admitted: match admitted {
            Some(text) => Some(UnixMillis::parse(&text).ok_or(ConfigError::Admitted(text))?),
            None => None,
        },
        own: own().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }))
}

fn map(
    roles: &BTreeSet<Role>,
    shards: Option<String>,
    hash: Option<String>,
) -> Result<Option<ShardMap>, ConfigError> {
    match (roles.contains(&Role::Shards), shards) {
        (true, None) => Err(ConfigError::NoShards),
        (false, Some(_)) => Err(ConfigError::ShardsNotCoordinated(flag::SHARDS)),
        (false, None) if hash.is_some() => Err(ConfigError::ShardsNotCoordinated(flag::SHARD_HASH)),
        (false, None) => Ok(None),
        (true, Some(shards)) => {
            let hash = hash.unwrap_or_else(|| KeyHash::default().as_str().to_owned());
            Ok(Some(ShardMap {
                shards: of(flag::SHARDS, text::shards(&shards))?,
                hash: hash.parse().map_err(ConfigError::ShardHash)?,
            }))
        }
    }
}

/// The first flag that does nothing without `--coordinate`.
fn given(args: &CoordinationArgs) -> Option<&'static str> {
    let flags = [
        (flag::SHARDS, &args.shards),
        (flag::SHARD_HASH, &args.shard_hash),
        (flag::VALIDITY, &args.validity),
        (flag::HEARTBEAT, &args.heartbeat),
        (flag::CONFIRM, &args.confirm),
        (flag::ON_LOSS, &args.on_loss),
        (flag::ENDPOINTS, &args.endpoints),
        (flag::TAGS, &args.tags),
        (flag::WEIGHT, &args.weight),
        (flag::PARTICIPATE, &args.participate),
        (flag::MIN_PARTICIPANTS, &args.min_participants),
        (flag::GENERATION, &args.generation),
        (flag::ADMITTED, &args.admitted),
    ];
    flags.into_iter().find_map(|(flag, value)| value.as_ref().map(|_| flag))
}

/// A flag's value, or the default without it.
fn value<T>(
    flag: &'static str,
    text: Option<String>,
    read: impl FnOnce(&str) -> Result<T, TextError>,
    default: T,
) -> Result<T, ConfigError> {
    text.map_or(Ok(default), |text| of(flag, read(&text)))
}

fn of<T>(flag: &'static str, read: Result<T, TextError>) -> Result<T, ConfigError> {
    read.map_err(|error| ConfigError::Coordination { flag, error })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_core::coordination::validity::Validity;
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, ClaimArgs};

    fn parsed(flags: &[&str]) -> ClaimArgs {
        let command_line = ["cairn-sidecar"].into_iter().chain(flags.iter().copied());
        Args::try_parse_from(command_line).unwrap().claim
    }

    fn checked(flags: &[&str]) -> Result<Option<Coordination>, ConfigError> {
        let args = parsed(flags);
        coordination(args.coordination, &args.app_host, args.group.is_some())
    }

    #[test]
    fn shards_have_documented_defaults() {
        let flags = ["--coordinate", "shards", "--shards", "16", "--group", "g"];
        let found = checked(&flags).unwrap().unwrap();
        assert_eq!(found.terms.map, Some(ShardMap { shards: 16, hash: KeyHash::Xxh64 }));
        assert_eq!((found.terms.validity, found.terms.heartbeat), (Validity::DEFAULT, None));
        assert_eq!((found.terms.weight, found.terms.min_participants), (100, 1));
        assert!(!found.terms.confirm_required && !found.stops_app && !found.terms.participate);
        assert_eq!(checked(&[]), Ok(None));
    }

    #[test]
    fn every_flag_is_read() {
        let flags = "--coordinate peers,leader,shards --group g --shards 32 --shard-hash int --validity 3s \
             --heartbeat 15s --confirm required --on-loss Stop --endpoints http=8080 --tags tier=hot \
             --weight 7 --participate start --min-participants 2 --generation abc \
             --admitted 2026-11-26T10:00:00Z --app-host 10.0.0.7";
        let flags: Vec<_> = flags.split_whitespace().collect();
        let found = checked(&flags).unwrap().unwrap();
        assert_eq!(found.terms.roles.len(), 3);
        assert_eq!(found.terms.map, Some(ShardMap { shards: 32, hash: KeyHash::Int }));
        assert_eq!(found.terms.validity, Validity::SHORTEST);
        assert_eq!(found.terms.heartbeat, Some(Duration::from_secs(15)));
        assert!(found.terms.confirm_required && found.stops_app && found.terms.participate);
        assert_eq!(found.endpoints["http"], "10.0.0.7:8080");
        assert_eq!(found.terms.tags["tier"], "hot");
        assert_eq!((found.terms.weight, found.terms.min_participants), (7, 2));
        assert_eq!(found.generation, "abc");
        assert_eq!(found.admitted.unwrap().to_string(), "2026-11-26T10:00:00Z");
    }

    #[test]
    fn wrong_flags_give_one_sentence_that_says_what_to_write() {
        let base = ["--coordinate", "shards", "--shards", "16", "--group", "g"];
        for (more, expected) in [
            (["--shard-hash", "md5"], "--shard-hash: hash 'md5' is not known; write xxh64"),
            (["--validity", "1s"], "--validity '1s' is not a duration from 3s to 60s"),
            (["--heartbeat", "soon"], "--heartbeat 'soon' is not a duration of at least 1s"),
            (["--confirm", "no"], "--confirm 'no' is not known; write deadline or required"),
            (["--on-loss", "stop"], "--on-loss 'stop' is not known; write Keep or Stop"),
            (["--endpoints", "http"], "--endpoints 'http' is not an endpoint; write it like"),
            (["--tags", "hot"], "--tags 'hot' is not a tag; write it like tier=hot"),
            (["--weight", "0"], "--weight '0' is not a number from 1 to 1000"),
            (["--participate", "now"], "--participate 'now' is not known; write ask or start"),
            (["--min-participants", "0"], "--min-participants '0' is not a number from 1 to 4096"),
            (["--admitted", "today"], "--admitted 'today' is not a time; write it like 2026-"),
            (["--generation", "\u{7}"], "--generation '\u{7}' is not valid; use at most 63"),
        ] {
            let flags: Vec<_> = base.into_iter().chain(more).collect();
            let message = checked(&flags).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        for (flags, expected) in [
            (&["--coordinate", "shards", "--group", "g"][..], "--shards is missing; "),
            (&["--coordinate", "all", "--group", "g"], "--coordinate 'all' is not a list of peers"),
            (&["--coordinate", "peers"], "--coordinate needs --group; "),
            (&["--tags", "a=b"], "--tags does nothing without --coordinate; "),
            (
                &["--coordinate", "peers", "--group", "g", "--shards", "3"],
                "--shards is given without --coordinate shards; ",
            ),
            (
                &["--coordinate", "peers", "--group", "g", "--endpoints", "a=1", "--app-host", "x"],
                "--app-host 'x' is not an IP address; ",
            ),
        ] {
            let message = checked(flags).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
