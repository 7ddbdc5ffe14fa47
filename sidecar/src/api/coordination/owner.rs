//! `GET /v1/owner?key=&n=1&op=read|write&algo=map|ring|rendezvous|multiprobe`: whom a key belongs to.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairn_core::coordination::lookup::{Algorithm, Operation};
use cairn_core::coordination::map::Shard;
use cairn_core::coordination::member::Role;
use serde::{Deserialize, Serialize};

use super::{Denied, require, status};
use crate::api::Api;
use crate::api::query;
use crate::coordination::Coordination;
use crate::coordination::json::{PeerJson, epoch};
use crate::coordination::lookup::{LookupError, Question};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// By the map: the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// By the map: the revision of the shard's fence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<i64>,
    /// Best first.
    pub owners: Vec<PeerJson>,
    /// Whether all members agree: by the map. Else two members may differ for a moment.
    pub agreed: bool,
}

/// `GET /v1/owner`
pub async fn owner(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Denied> {
    let query = query.as_deref();
    let bad = |why: String| Denied(StatusCode::BAD_REQUEST, why);
    let Some(key) = query::bytes(query, "key").into_iter().next() else {
        return Err(bad("there is no key; ask like /v1/owner?key=order-17".to_owned()));
    };
    let one = |name| query::values(query, name).into_iter().next();
    let n = one("n").map_or(Ok(1), |text| match text.parse() {
        Ok(n @ 1..) => Ok(n),
        _ => Err(bad(format!("n '{text}' is not a number from 1 on; write it like n=2"))),
    })?;
    let operation = one("op").map(|text| text.parse::<Operation>()).transpose();
    let algorithm = one("algo").map(|text| text.parse::<Algorithm>()).transpose();
    let question = Question {
        key: &key,
        n,
        operation: operation.map_err(|error| bad(error.to_string()))?.unwrap_or_default(),
        algorithm: algorithm.map_err(|error| bad(error.to_string()))?.unwrap_or_default(),
    };
    Ok(Json(find(api.coordination()?, question)?).into_response())
}

/// Answers a question.
pub fn find(coordination: &Coordination, question: Question<'_>) -> Result<OwnerJson, Denied> {
    let by_map = question.algorithm == Algorithm::Map;
    if by_map {
        require(coordination, Role::Shards)?;
    }
    let status = status(coordination)?;
    let found = coordination.lookup().find(&status.picture, question)?;
    let own = coordination.own();
    let member = |uid: &String| {
        let member = status.picture.members.get(uid)?;
        Some(PeerJson::new(uid, member, own))
    };
    let owners: Vec<_> = found.owners.iter().filter_map(member).collect();
    // The owner's session has ended, and nobody has taken the shard over yet.
    if let (true, Some((shard, _))) = (owners.is_empty(), found.shard) {
        return Err(LookupError::Free(shard).into());
    }
    Ok(OwnerJson {
        epoch: epoch(&status),
        revision: status.picture.revision,
        shard: found.shard.map(|(shard, _)| shard),
        fence: found.shard.map(|(_, fence)| fence),
        owners,
        agreed: by_map,
    })
}

// === impl Denied ===

impl From<LookupError> for Denied {
    fn from(error: LookupError) -> Self {
        let status = match &error {
            LookupError::NoMap | LookupError::Free(_) | LookupError::TooFew { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            LookupError::OneOwner | LookupError::Key(_) => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}
