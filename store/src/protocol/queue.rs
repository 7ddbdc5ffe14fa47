//! The queue: join it, read a ticket and those ahead of it, watch for a change, and leave.

use cairn_core::claim::TicketRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::lease::{
    ClaimAnswer, ClaimRequest, FRONT, LeaveQueueRequest, Origin, Queued, Ticket, TicketsAhead,
    Watch,
};

use crate::error::Error;
use crate::kv::{
    Answer, Batch, Branch, Compare, CountHandle, Guarded, KeyHandle, KeyValue, KeysHandle, Kv,
    Span, TxnHandle,
};
use crate::records::encode;
use crate::store::Store;

/// Gives what [`join`] has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct JoinHandle {
    owner: KeyHandle,
    ticket_before: KeyHandle,
    joining: TxnHandle,
    new_ticket: KeyHandle,
    origin: OriginHandle,
}

/// Gives what was true when a ticket was created.
#[derive(Clone, Copy, Debug)]
struct OriginHandle {
    queued: CountHandle,
    in_use: [CountHandle; 2],
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T1 without a free name: joins the queue.
    pub(super) async fn join_queue(
        &self,
        request: &ClaimRequest,
        me: &str,
    ) -> Result<ClaimAnswer, Error> {
        let mut batch = Batch::default();
        let join = join(&mut batch, request, me)?;
        joined(&self.kv().read(batch).await?, join)
    }

    /// What was true at the revision that created a ticket. `None` when the member that was asked does not have that
    /// revision.
    pub async fn read_origin(
        &self,
        path: &ClaimPath,
        revision: i64,
    ) -> Result<Option<Origin>, Error> {
        let mut batch = Batch::default();
        let origin = OriginHandle::new(path, |prefix| batch.count_at(prefix, revision));
        let answer = Answer::of_past(self.kv().read(batch).await)?;
        answer.map(|answer| origin.read(&answer)).transpose()
    }

    /// Leaves the queue. A ticket with another create revision than the request's stays.
    pub async fn leave_queue(&self, request: &LeaveQueueRequest) -> Result<(), Error> {
        let key = request.path.ticket(&request.uid);
        let guard = request.ticket.map(|revision| Compare::created(&key, revision));
        let mut txn = Guarded { compares: guard.into_iter().collect(), ..Guarded::default() };
        txn.then.delete(key);
        self.kv().commit(txn).await.map(drop)
    }

    /// Answers once something has changed that a waiting pod should read.
    pub async fn changed(&self, watch: &Watch) -> Result<(), Error> {
        let path = &watch.path;
        let queue = match &watch.watched_ticket {
            Some(ticket) => Span { deletions_only: true, ..Span::key(ticket) },
            // Tickets, slots and quarantines: from q to x. Only the re-claims key r lies between; it is deleted only
            // once nothing waits. '0' follows '/'.
            None => Span::deletions(path.tickets(), format!("{path}x0")),
        };
        let spec = Span::key(keys::pool(&path.pool));
        let freeze = Span::key(keys::freeze(&path.pool));
        self.kv().changed(vec![queue, spec, freeze], watch.from).await
    }
}

// === impl OriginHandle ===

impl OriginHandle {
    /// `count` asks for the number of keys with a prefix.
    fn new(path: &ClaimPath, mut count: impl FnMut(String) -> CountHandle) -> Self {
        // Every slot has a note, so the notes count the slots, too.
        Self {
            queued: count(path.tickets()),
            in_use: [path.notes(), path.quarantines()].map(count),
        }
    }

    fn read(self, answer: &Answer) -> Result<Origin, Error> {
        let [notes, quarantines] = self.in_use;
        Ok(Origin {
            rank: answer.count(self.queued)?.saturating_sub(1),
            in_use: answer.count(notes)? + answer.count(quarantines)?,
        })
    }
}

/// Joins the queue, unless this pod holds a slot or has a ticket. The inner transaction has its own compares: a copy
/// that lands late would otherwise leave a ticket on a holder and block the queue for ever.
pub(super) fn join(
    batch: &mut Batch,
    request: &ClaimRequest,
    me: &str,
) -> Result<JoinHandle, Error> {
    let ticket = request.path.ticket(&request.record.holder.uid);
    let record =
        TicketRecord { holder: request.record.holder.clone(), since: request.record.since };
    let mut inner = Guarded {
        compares: vec![Compare::absent(me), Compare::absent(&ticket)],
        ..Guarded::default()
    };
    inner.then.put(request.path.sentinel(), "", 0);
    inner.then.put(&ticket, encode(&ticket, &record)?, request.lease);
    let new_ticket = inner.then.get(&ticket);
    let origin = OriginHandle::new(&request.path, |prefix| inner.then.count(prefix));
    Ok(JoinHandle {
        owner: batch.get(me),
        ticket_before: batch.get(ticket),
        joining: batch.txn(inner),
        new_ticket,
        origin,
    })
}

/// What [`join`] has done. The next read finds a slot that this pod holds already.
pub(super) fn joined(answer: &Answer, handle: JoinHandle) -> Result<ClaimAnswer, Error> {
    if let Branch::Then(inner) = answer.txn(handle.joining)?
        && let Some(ticket) = inner.key(handle.new_ticket)?
    {
        let origin = Some(handle.origin.read(&inner)?);
        return Ok(ClaimAnswer::Queued(Queued { revision: ticket.create_revision, origin }));
    }
    Ok(match (answer.key(handle.owner)?, answer.key(handle.ticket_before)?) {
        (None, Some(ticket)) => {
            ClaimAnswer::Queued(Queued { revision: ticket.create_revision, origin: None })
        }
        _ => ClaimAnswer::Conflict,
    })
}

/// Reads the tickets that were created before ours, the nearest first.
pub(super) fn list_older(batch: &mut Batch, path: &ClaimPath, ticket: i64) -> KeysHandle {
    batch.list_keys_before(path.tickets(), ticket)
}

/// The rank of our ticket, from the answer to [`list_older`].
pub(super) fn ahead(older: &[KeyValue]) -> TicketsAhead {
    let watched_ticket = older.get(FRONT - 1).map(|ticket| ticket.key.clone());
    TicketsAhead { rank: older.len(), watched_ticket }
}

/// A ticket as found.
pub(super) fn ticket(found: &KeyValue) -> Ticket {
    Ticket { revision: found.create_revision, lease: found.lease }
}
