//! The queue: joining it (the other branch of T1), T2, and leaving it.

use cairn_core::claim::TicketRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::lease::{
    ClaimAnswer, ClaimRequest, FRONT, LeaveQueueRequest, PastView, Queued, RankGuard,
    RedeemRequest, Ticket, TicketsAhead, Watch, Won,
};

use crate::error::{Class, Error};
use crate::kv::{Compare, KeyValue, Kv, Op, OpReply, Span, Txn, TxnReply};
use crate::protocol::{Store, json, modified, names, puts, won};
use crate::rest::{due, quarantined, rest_due};

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T2: turns a ticket into a slot. `None` when a compare failed; what has changed is for the
    /// next read, because a rank is good only together with slots of the same revision.
    pub async fn redeem(&self, request: &RedeemRequest) -> Result<Option<Won>, Error> {
        let RedeemRequest { path, key, record, lease, ticket, spec, seen } = request;
        let me = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let mine = path.ticket(&record.holder.uid);
        let mut compares = free(&me, path, key, *spec);
        compares.push(Compare::created(path.quarantine(key), 0));
        compares.push(Compare::created(keys::freeze(&path.pool), 0));
        compares.push(Compare::created(&mine, *ticket));
        compares.push(Compare::created(path.note(key), 0));
        compares.push(Compare::modified(path.reclaims(), seen.reclaims));
        compares.push(Compare::modified(keys::EPOCH, seen.epoch));
        let mut then = puts(&me, &path.slot(key), record, *lease)?;
        then.push(Op::Delete(mine));
        then.push(rest_due(path, key, record));
        then.push(Op::get(path.clock(key)));
        then.push(Op::get(keys::EPOCH));
        let reply = self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?;
        Ok(reply.succeeded.then(|| won(&reply, 4)))
    }

    /// Which slots were taken at a revision. `None` when no member that was asked has that revision:
    /// compacted away, or not arrived yet.
    pub async fn read_at(
        &self,
        path: &ClaimPath,
        revision: i64,
    ) -> Result<Option<PastView>, Error> {
        let list = |prefix: String| Op::ListAt { prefix, revision };
        let ops = vec![
            list(path.slots()),
            list(path.quarantines()),
            list(path.reclaims()),
            list(keys::EPOCH.to_owned()),
            list(path.notes()),
        ];
        match self.kv().txn(Txn::read(ops)).await {
            Ok(reply) => {
                let held = names(reply.keys(0));
                let quarantined = quarantined(reply.keys(1), &due(&held, reply.keys(4)));
                let (reclaims, epoch) = (modified(reply.key(2)), modified(reply.key(3)));
                Ok(Some(PastView { held, quarantined, seen: RankGuard { reclaims, epoch } }))
            }
            Err(error) if error.class() == Class::NotApplied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves the queue. A ticket that is not the one meant stays.
    pub async fn leave_queue(&self, request: &LeaveQueueRequest) -> Result<(), Error> {
        let key = request.path.ticket(&request.uid);
        let guard = request.ticket.map(|revision| Compare::created(&key, revision));
        let compares = guard.into_iter().collect();
        let txn = Txn { compares, then: vec![Op::Delete(key)], otherwise: Vec::new() };
        self.kv().txn(txn).await.map(|_| ())
    }

    /// Answers once something has changed that a waiting pod should look at.
    pub async fn changed(&self, watch: &Watch) -> Result<(), Error> {
        let path = &watch.path;
        // Tickets, slots and quarantines are neighbours in the order of keys: q, s, x.
        let queue = match &watch.watched_ticket {
            Some(ticket) => Span { deletions_only: true, ..Span::key(ticket) },
            None => Span::deletions(path.tickets(), format!("{path}x0")),
        };
        let spec = Span::key(keys::pool(&path.pool));
        let hold = Span::key(keys::freeze(&path.pool));
        self.kv().changed(vec![queue, spec, hold], watch.from).await
    }
}

/// What must hold for a slot to be granted, in turn or out of it. That it does not rest is for the caller to
/// add: a pod may end a rest of its own.
pub(crate) fn free(me: &str, path: &ClaimPath, key: &str, spec: i64) -> Vec<Compare> {
    vec![
        Compare::created(me, 0),
        Compare::created(path.slot(key), 0),
        Compare::modified(keys::pool(&path.pool), spec),
    ]
}

/// Joins the queue, unless we hold a slot or have a ticket already. The guard is of the transaction
/// itself: a late duplicate would otherwise leave a ticket on a holder and stop the queue for ever.
pub(crate) fn join(request: &ClaimRequest, me: &str) -> Result<Vec<Op>, Error> {
    let mine = request.path.ticket(&request.record.holder.uid);
    let record =
        TicketRecord { holder: request.record.holder.clone(), since: request.record.since };
    let guarded = Txn {
        compares: vec![Compare::created(me, 0), Compare::created(&mine, 0)],
        then: vec![
            Op::put(request.path.sentinel(), "", 0),
            Op::put(&mine, json(&mine, &record)?, request.lease),
            Op::get(&mine),
            Op::Count(request.path.tickets()),
        ],
        otherwise: Vec::new(),
    };
    Ok(vec![Op::get(me), Op::get(&mine), Op::Txn(guarded)])
}

/// What [`join`] has done. A slot that we hold after all is for the next read to find.
pub(crate) fn joined(reply: &TxnReply) -> ClaimAnswer {
    if let Some(OpReply::Txn(inner)) = reply.replies.get(2)
        && let (true, Some(mine)) = (inner.succeeded, inner.key(2))
    {
        let rank = Some(inner.count(3).saturating_sub(1));
        return ClaimAnswer::Queued(Queued { revision: mine.create_revision, rank });
    }
    match (reply.key(0), reply.key(1)) {
        (None, Some(mine)) => {
            ClaimAnswer::Queued(Queued { revision: mine.create_revision, rank: None })
        }
        _ => ClaimAnswer::Conflict,
    }
}

/// The tickets created before ours, the nearest first.
pub(crate) fn list_ahead(path: &ClaimPath, ticket: i64) -> Op {
    Op::ListBefore { prefix: path.tickets(), revision: ticket }
}

pub(crate) fn ahead(tickets: &[KeyValue]) -> TicketsAhead {
    let watched_ticket = tickets.get(FRONT - 1).map(|ticket| ticket.key.clone());
    TicketsAhead { rank: tickets.len(), watched_ticket }
}

pub(crate) fn ticket(key: &KeyValue) -> Ticket {
    Ticket { revision: key.create_revision, lease: key.lease }
}
