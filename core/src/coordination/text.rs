//! What users write about coordination, in annotations and in flags: `http=8080`, `tier=hot`, `10s`.
//!
//! Each error is the second half of a sentence that begins with the annotation or flag: it says what was written and
//! what to write instead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use super::map::MOST_SHARDS;
use super::member::Role;
use super::validity::Validity;
use crate::duration;

/// A weight of 1 beside one of 1000 is as far apart as quotas of 10,000 shards can show.
const MOST_WEIGHT: u32 = 1000;
/// Far more than a group has.
const MOST_PARTICIPANTS: u32 = 4096;
/// A Kubernetes label's name has as many.
const LONGEST_NAME: usize = 63;
/// Records are small: a tag is a word and not a document.
const LONGEST_TAG: usize = 128;

/// Two words of which a user writes one. The first is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    first: &'static str,
    second: &'static str,
}

/// Whether only a confirmation lets a stopping shard be handed over.
pub const CONFIRM: Words = Words { first: "deadline", second: "required" };
/// Whether an app is stopped when its session is lost.
pub const ON_LOSS: Words = Words { first: "Keep", second: "Stop" };
/// Whether a member participates at once.
pub const PARTICIPATE: Words = Words { first: "ask", second: "start" };

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// An unknown part of coordination, or none.
    #[error("'{0}' is not a list of peers, leader and shards; write it like peers,leader,shards")]
    Roles(String),
    /// The number is not valid.
    #[error("'{text}' is not a number from {least} to {most}; write it like {example}")]
    Number {
        /// As written.
        text: String,
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
        /// A usual one.
        example: u32,
    },
    /// The validity is out of bounds.
    #[error("'{0}' is not a duration from 3s to 60s; write it like 10s")]
    Validity(String),
    /// The heartbeat is not a duration, or too short.
    #[error("'{0}' is not a duration of at least 1s; write it like 15s")]
    Heartbeat(String),
    /// Not one of two words.
    #[error("'{text}' is not known; write {first} or {second}")]
    Word {
        /// As written.
        text: String,
        /// One of them.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// An endpoint is not valid.
    #[error("'{0}' is not an endpoint; write it like http=8080, with a name and a port of the pod")]
    Endpoint(String),
    /// An endpoint of somebody else.
    #[error(
        "'{address}' is not an address of this pod, which has {own}; write the port alone, like 8080"
    )]
    ForeignEndpoint {
        /// As written.
        address: String,
        /// The pod's own address.
        own: IpAddr,
    },
    /// A tag is not valid.
    #[error("'{0}' is not a tag; write it like tier=hot")]
    Tag(String),
    /// A name is given twice.
    #[error("names '{0}' twice; name it once")]
    Twice(String),
}

/// `peers,leader,shards`
pub fn roles(text: &str) -> Result<BTreeSet<Role>, TextError> {
    let mut roles = BTreeSet::new();
    for word in text.split(',').map(str::trim) {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
        let role = role.ok_or_else(|| TextError::Roles(text.to_owned()))?;
        if !roles.insert(role) {
            return Err(TextError::Twice(word.to_owned()));
        }
    }
    Ok(roles)
}

/// The number of shards.
pub fn shards(text: &str) -> Result<u32, TextError> {
    number(text, MOST_SHARDS, 16)
}

/// The weight.
pub fn weight(text: &str) -> Result<u32, TextError> {
    number(text, MOST_WEIGHT, 100)
}

/// How many participants the first map waits for.
pub fn min_participants(text: &str) -> Result<u32, TextError> {
    number(text, MOST_PARTICIPANTS, 3)
}

/// V.
pub fn validity(text: &str) -> Result<Validity, TextError> {
    let span = duration::parse(text).ok().and_then(|span| u64::try_from(span.as_millis()).ok());
    span.map(Validity::from_millis)
        .filter(|validity| (Validity::SHORTEST..=Validity::LONGEST).contains(validity))
        .ok_or_else(|| TextError::Validity(text.to_owned()))
}

/// How often the app calls; `None` for `off`.
pub fn heartbeat(text: &str) -> Result<Option<Duration>, TextError> {
    if text == "off" {
        return Ok(None);
    }
    let span = duration::parse(text).ok().filter(|span| *span >= Duration::from_secs(1));
    span.map(Some).ok_or_else(|| TextError::Heartbeat(text.to_owned()))
}

/// `http=8080,grpc=9000`, at this address.
pub fn endpoints(text: &str, own: IpAddr) -> Result<BTreeMap<String, String>, TextError> {
    let mut endpoints = BTreeMap::new();
    for pair in text.split(',').map(str::trim) {
        let bad = || TextError::Endpoint(pair.to_owned());
        let (name, port) = pair.split_once('=').ok_or_else(bad)?;
        if endpoints.insert(endpoint_name(name)?, endpoint(port, own)?).is_some() {
            return Err(TextError::Twice(name.to_owned()));
        }
    }
    Ok(endpoints)
}

/// A port, or an address with a port, which must be this address.
pub fn endpoint(text: &str, own: IpAddr) -> Result<String, TextError> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.ip().to_canonical() != own.to_canonical() {
            return Err(TextError::ForeignEndpoint { address: text.to_owned(), own });
        }
        return Ok(address.to_string());
    }
    match text.parse() {
        Ok(port @ 1..) => Ok(SocketAddr::new(own, port).to_string()),
        _ => Err(TextError::Endpoint(text.to_owned())),
    }
}

/// The name of an endpoint.
pub fn endpoint_name(text: &str) -> Result<String, TextError> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(TextError::Endpoint(text.to_owned())) }
}

/// `tier=hot,zone=a`
pub fn tags(text: &str) -> Result<BTreeMap<String, String>, TextError> {
    let mut tags = BTreeMap::new();
    for pair in text.split(',').map(str::trim) {
        let (key, value) = pair.split_once('=').ok_or_else(|| TextError::Tag(pair.to_owned()))?;
        if tags.insert(tag_key(key)?, tag_value(value)?).is_some() {
            return Err(TextError::Twice(key.to_owned()));
        }
    }
    Ok(tags)
}

/// The key of a tag.
pub fn tag_key(text: &str) -> Result<String, TextError> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(TextError::Tag(text.to_owned())) }
}

/// The value of a tag; it may be empty.
pub fn tag_value(text: &str) -> Result<String, TextError> {
    let fits = text.len() <= LONGEST_TAG && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(TextError::Tag(text.to_owned())) }
}

// === impl Words ===

impl Words {
    /// The second word.
    pub const fn second(self) -> &'static str {
        self.second
    }

    /// Whether a user has written the second word.
    pub fn is_second(self, text: &str) -> Result<bool, TextError> {
        let Self { first, second } = self;
        match text {
            text if text == first => Ok(false),
            text if text == second => Ok(true),
            text => Err(TextError::Word { text: text.to_owned(), first, second }),
        }
    }
}

fn number(text: &str, most: u32, example: u32) -> Result<u32, TextError> {
    let read = text.parse().ok().filter(|number| (1..=most).contains(number));
    read.ok_or_else(|| TextError::Number { text: text.to_owned(), least: 1, most, example })
}

fn is_name(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn what_users_write_is_read() {
        assert_eq!(roles("leader, shards").unwrap(), [Role::Leader, Role::Shards].into());
        assert_eq!(shards("10000"), Ok(10_000));
        assert_eq!(validity("3s"), Ok(Validity::SHORTEST));
        assert_eq!(validity("60s"), Ok(Validity::LONGEST));
        assert_eq!(heartbeat("1m"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(PARTICIPATE.is_second("start"), Ok(true));
        let read = endpoints("http=8080,grpc=10.0.0.7:9000", OWN).unwrap();
        assert_eq!(read["http"], "10.0.0.7:8080");
        assert_eq!(read["grpc"], "10.0.0.7:9000");
        assert_eq!(endpoint("1", Ipv6Addr::LOCALHOST.into()).unwrap(), "[::1]:1");
        assert_eq!(tags("tier=hot,empty=").unwrap()["empty"], "");
    }

    #[test]
    fn a_wrong_value_says_what_to_write() {
        let long = "a".repeat(64);
        for (message, expected) in [
            (roles("").unwrap_err(), "write it like peers,leader,shards"),
            (roles("shard").unwrap_err(), "'shard' is not a list of peers, leader and shards"),
            (roles("peers,peers").unwrap_err(), "names 'peers' twice"),
            (shards("0").unwrap_err(), "'0' is not a number from 1 to 10000; write it like 16"),
            (weight("1001").unwrap_err(), "from 1 to 1000; write it like 100"),
            (min_participants("many").unwrap_err(), "from 1 to 4096; write it like 3"),
            (validity("2s").unwrap_err(), "'2s' is not a duration from 3s to 60s"),
            (validity("61s").unwrap_err(), "write it like 10s"),
            (heartbeat("500ms").unwrap_err(), "of at least 1s; write it like 15s"),
            (PARTICIPATE.is_second("yes").unwrap_err(), "write ask or start"),
            (endpoints("8080", OWN).unwrap_err(), "write it like http=8080"),
            (endpoints("http=0", OWN).unwrap_err(), "'0' is not an endpoint"),
            (endpoints("a=1,a=2", OWN).unwrap_err(), "names 'a' twice"),
            (
                endpoints("a=8.8.8.8:1", OWN).unwrap_err(),
                "which has 10.0.0.7; write the port alone",
            ),
            (tags("hot").unwrap_err(), "'hot' is not a tag; write it like tier=hot"),
            (tags(&format!("{long}=a")).unwrap_err(), "is not a tag"),
            (tags("a=b\u{7}c").unwrap_err(), "is not a tag"),
        ] {
            assert!(message.to_string().contains(expected), "{message}");
        }
    }
}
