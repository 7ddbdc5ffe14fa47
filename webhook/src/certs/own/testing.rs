//! Pairs as somebody else makes them.

use cairn_core::time::UnixMillis;
use k8s_openapi::ByteString;

use super::super::authority::Authority;
use super::super::lives::Lives;
use super::super::mint;
use super::super::stored::Data;

pub(super) const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
pub(super) const NAME: &str = "cairn-webhook.cairn.svc";

/// The data of a Secret with a pair of a new authority, and when the leaf ends.
pub(super) fn pair_data() -> (Data, UnixMillis) {
    pair_of(&mint::authority(&Lives::default(), NOW).unwrap())
}

/// The same with a leaf of this authority.
pub(super) fn pair_of(authority: &Authority) -> (Data, UnixMillis) {
    let (chain, key, not_after) =
        mint::leaf_pem(authority, &[NAME.to_owned()], &Lives::default(), NOW).unwrap();
    let data = [("ca.crt", authority.certificate().pem()), ("tls.crt", chain), ("tls.key", key)];
    let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())));
    (Data::from(data), not_after)
}
