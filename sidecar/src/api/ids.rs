//! `POST /v1/ids?count=N&pool=P`: Snowflake-style IDs under the node ID that this pod holds.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use cairn_core::pool::{ClockRule, PoolName};

use super::Api;
use super::http::{refuse, value};
use crate::applied::Applied;
use crate::ids::{MAX_COUNT, Unavailable, waits};
use crate::snapshot::Claim;

/// Mints.
pub async fn mint(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let count = match count(value(query.as_deref(), "count")) {
        Ok(count) => count,
        Err(sentence) => return refuse(StatusCode::BAD_REQUEST, sentence),
    };
    let chosen = choose(&api.applied.borrow(), value(query.as_deref(), "pool"));
    let pool = match chosen {
        Ok(pool) => pool,
        Err((status, sentence)) => return refuse(status, sentence),
    };
    let Some(ids) = &api.ids else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "nothing is claimed here");
    };
    match ids.mint(&api.applied, &pool, count).await {
        Ok(minted) => Json(minted).into_response(),
        Err(Unavailable { sentence, retry }) => {
            let mut refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, sentence);
            if let Some(retry) = retry {
                let seconds = retry.as_millis().div_ceil(1000).max(1);
                if let Ok(seconds) = seconds.to_string().parse() {
                    refusal.headers_mut().insert(RETRY_AFTER, seconds);
                }
            }
            refusal
        }
    }
}

/// Any other method.
pub async fn only_post() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "IDs are minted by POST /v1/ids; use POST")
}

fn count(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else {
        return Ok(1);
    };
    match text.parse() {
        Ok(count @ 1..=MAX_COUNT) => Ok(count),
        _ => Err(format!(
            "count '{text}' is not a number from 1 to {MAX_COUNT}; write it like count=100"
        )),
    }
}

/// The pool asked for, or the first one with node IDs.
fn choose(applied: &Applied, pool: Option<&str>) -> Result<PoolName, (StatusCode, String)> {
    let snapshot = &applied.snapshot;
    if let Some(failure) = &snapshot.failure {
        return Err((StatusCode::SERVICE_UNAVAILABLE, failure.clone()));
    }
    let name = |claim: &Claim| claim.identity.pool.clone();
    let reserves = |claim: &&Claim| claim.clock == Some(ClockRule::Reserve);
    if let Some(pool) = pool {
        let claimed = snapshot.claims.iter().find(|claim| claim.identity.pool.as_str() == pool);
        return match claimed {
            None => Err((
                StatusCode::NOT_FOUND,
                format!(
                    "this pod claims nothing from pool '{pool}'; it claims from {}",
                    all(applied)
                ),
            )),
            Some(claim) if claim.clock == Some(ClockRule::None) => Err((
                StatusCode::BAD_REQUEST,
                format!(
                    "pool '{pool}' reserves no time for IDs; ask for a pool with clock: Reserve, such as snowflake"
                ),
            )),
            Some(claim) => Ok(name(claim)),
        };
    }
    if let Some(claim) = snapshot.claims.iter().find(reserves) {
        return Ok(name(claim));
    }
    // Whether it has node IDs shows when its spec was read.
    match snapshot.claims.iter().find(|claim| claim.clock.is_none()) {
        Some(unread) => Err((StatusCode::SERVICE_UNAVAILABLE, waits(unread))),
        None => Err((
            StatusCode::NOT_FOUND,
            format!(
                "this pod claims from {}, and none of these pools has clock: Reserve; claim from one that does, such as snowflake",
                all(applied)
            ),
        )),
    }
}

fn all(applied: &Applied) -> String {
    let pools = applied.snapshot.claims.iter().map(|claim| claim.identity.pool.as_str());
    pools.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_one_unless_given_and_bounded() {
        assert_eq!(count(None), Ok(1));
        assert_eq!(count(Some("4096")), Ok(4096));
        for wrong in ["", "0", "4097", "-1", "many"] {
            assert!(count(Some(wrong)).unwrap_err().contains("count=100"), "{wrong}");
        }
    }
}
