//! `POST /v1/ids?count=N&pool=P`: Snowflake-style IDs under the node ID that this pod holds.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use cairn_core::pool::{ClockRule, PoolName};

use super::Api;
use super::http::{not_claimed, pool_list, refuse, value};
use crate::applied::Applied;
use crate::ids::{MAX_COUNT, Unavailable, waits};
use crate::snapshot::Claim;

/// Handles a request for IDs.
pub async fn mint(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let count = match count(value(query.as_deref(), "count")) {
        Ok(count) => count,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, message),
    };
    let chosen = choose(&api.applied.borrow(), value(query.as_deref(), "pool"));
    let pool = match chosen {
        Ok(pool) => pool,
        Err((status, message)) => return refuse(status, message),
    };
    let Some(ids) = &api.ids else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "nothing is claimed here");
    };
    match ids.mint(&api.applied, &pool, count).await {
        Ok(minted) => Json(minted).into_response(),
        Err(Unavailable { message, retry }) => {
            let mut refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, message);
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

/// Refuses other methods.
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

/// The requested pool, or the first one with `clock: Reserve`.
fn choose(applied: &Applied, pool: Option<&str>) -> Result<PoolName, (StatusCode, String)> {
    let snapshot = &applied.snapshot;
    if let Some(failure) = &snapshot.failure {
        return Err((StatusCode::SERVICE_UNAVAILABLE, failure.clone()));
    }
    let name = |claim: &Claim| claim.status.identity.pool.clone();
    let reserves = |claim: &&Claim| claim.status.clock == Some(ClockRule::Reserve);
    if let Some(pool) = pool {
        let claimed =
            snapshot.claims.iter().find(|claim| claim.status.identity.pool.as_str() == pool);
        return match claimed {
            None => Err((StatusCode::NOT_FOUND, not_claimed(snapshot, pool))),
            Some(claim) if claim.status.clock == Some(ClockRule::None) => Err((
                StatusCode::BAD_REQUEST,
                format!(
                    "pool '{pool}' reserves no time for IDs; ask for a pool with clock: Reserve, \
                     such as snowflake"
                ),
            )),
            Some(claim) => Ok(name(claim)),
        };
    }
    if let Some(claim) = snapshot.claims.iter().find(reserves) {
        return Ok(name(claim));
    }
    // A pool's clock rule is unknown until its spec is read.
    match snapshot.claims.iter().find(|claim| claim.status.clock.is_none()) {
        Some(unread) => Err((StatusCode::SERVICE_UNAVAILABLE, waits(unread))),
        None => Err((
            StatusCode::NOT_FOUND,
            format!(
                "this pod claims from {}, and none of these pools has clock: Reserve; \
                 claim from one that does, such as snowflake",
                pool_list(snapshot)
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_1_by_default_and_at_most_4096() {
        assert_eq!(count(None), Ok(1));
        assert_eq!(count(Some("4096")), Ok(4096));
        for wrong in ["", "0", "4097", "-1", "many"] {
            assert!(count(Some(wrong)).unwrap_err().contains("count=100"), "{wrong}");
        }
    }
}
