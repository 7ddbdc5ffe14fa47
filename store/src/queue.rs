//! The queue: joining it (the other branch of T1), T2, and leaving it.

use cairn_core::claim::TicketRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::lease::{
    Ahead, Claimed, FRONT, Marks, Order, Past, Queued, Redemption, Ticket, Watch, Withdrawal, Won,
};

use crate::error::{Class, Error};
use crate::kv::{Compare, KeyValue, Kv, Op, OpReply, Span, Txn, TxnReply};
use crate::protocol::{Store, json, modified, names, puts, won};
use crate::rest::{due, rest_due, resting};

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T2: turns a ticket into a slot. `None` when a compare failed; what has changed is for the
    /// next read, because a rank is good only together with slots of the same revision.
    pub async fn redeem(&self, redemption: &Redemption) -> Result<Option<Won>, Error> {
        let Redemption { path, key, record, lease, ticket, spec, seen } = redemption;
        let me = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let mine = path.ticket(&record.holder.uid);
        let mut compares = free(&me, path, key, *spec);
        compares.push(Compare::created(path.quarantine(key), 0));
        compares.push(Compare::created(keys::hold(&path.pool), 0));
        compares.push(Compare::created(&mine, *ticket));
        compares.push(Compare::created(path.due(key), 0));
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
    pub async fn read_at(&self, path: &ClaimPath, revision: i64) -> Result<Option<Past>, Error> {
        let list = |prefix: String| Op::ListAt { prefix, revision };
        let ops = vec![
            list(path.slots()),
            list(path.quarantines()),
            list(path.reclaims()),
            list(keys::EPOCH.to_owned()),
            list(path.dues()),
        ];
        match self.kv().txn(Txn::read(ops)).await {
            Ok(reply) => {
                let held = names(reply.keys(0));
                let resting = resting(reply.keys(1), &due(&held, reply.keys(4)));
                let (reclaims, epoch) = (modified(reply.key(2)), modified(reply.key(3)));
                Ok(Some(Past { held, resting, seen: Marks { reclaims, epoch } }))
            }
            Err(error) if error.class() == Class::NotApplied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Leaves the queue. A ticket that is not the one meant stays.
    pub async fn withdraw(&self, withdrawal: &Withdrawal) -> Result<(), Error> {
        let key = withdrawal.path.ticket(&withdrawal.uid);
        let guard = withdrawal.ticket.map(|revision| Compare::created(&key, revision));
        let compares = guard.into_iter().collect();
        let txn = Txn { compares, then: vec![Op::Delete(key)], otherwise: Vec::new() };
        self.kv().txn(txn).await.map(|_| ())
    }

    /// Answers once something has changed that a waiting pod should look at.
    pub async fn changed(&self, watch: &Watch) -> Result<(), Error> {
        let path = &watch.path;
        // Tickets, slots and quarantines are neighbours in the order of keys: q, s, x.
        let queue = match &watch.landmark {
            Some(ticket) => Span { deletions_only: true, ..Span::key(ticket) },
            None => Span::deletions(path.tickets(), format!("{path}x0")),
        };
        let spec = Span::key(keys::pool(&path.pool));
        let hold = Span::key(keys::hold(&path.pool));
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
pub(crate) fn join(order: &Order, me: &str) -> Result<Vec<Op>, Error> {
    let mine = order.path.ticket(&order.record.holder.uid);
    let record = TicketRecord { holder: order.record.holder.clone(), since: order.record.since };
    let guarded = Txn {
        compares: vec![Compare::created(me, 0), Compare::created(&mine, 0)],
        then: vec![
            Op::put(order.path.sentinel(), "", 0),
            Op::put(&mine, json(&mine, &record)?, order.lease),
            Op::get(&mine),
            Op::Count(order.path.tickets()),
        ],
        otherwise: Vec::new(),
    };
    Ok(vec![Op::get(me), Op::get(&mine), Op::Txn(guarded)])
}

/// What [`join`] has done. A slot that we hold after all is for the next read to find.
pub(crate) fn joined(reply: &TxnReply) -> Claimed {
    if let Some(OpReply::Txn(inner)) = reply.replies.get(2)
        && let (true, Some(mine)) = (inner.succeeded, inner.key(2))
    {
        let rank = Some(inner.count(3).saturating_sub(1));
        return Claimed::Queued(Queued { revision: mine.create_revision, rank });
    }
    match (reply.key(0), reply.key(1)) {
        (None, Some(mine)) => {
            Claimed::Queued(Queued { revision: mine.create_revision, rank: None })
        }
        _ => Claimed::Outrun,
    }
}

/// The tickets created before ours, the nearest first.
pub(crate) fn list_ahead(path: &ClaimPath, ticket: i64) -> Op {
    Op::ListBefore { prefix: path.tickets(), revision: ticket }
}

pub(crate) fn ahead(tickets: &[KeyValue]) -> Ahead {
    let landmark = tickets.get(FRONT - 1).map(|ticket| ticket.key.clone());
    Ahead { rank: tickets.len(), landmark }
}

pub(crate) fn ticket(key: &KeyValue) -> Ticket {
    Ticket { revision: key.create_revision, lease: key.lease }
}
