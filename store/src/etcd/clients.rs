//! One client for each member, and which of them is asked.
//!
//! All clients are made together and replaced together. Invariant: a request and its answer belong to one
//! [`ChosenMember`], which keeps its client alive. So a replacement never ends a request that is in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use etcd_client::Client;

use super::tls::TlsPem;
use crate::error::Error;

/// A member and its client.
pub(super) struct Member {
    pub(super) endpoint: String,
    pub(super) client: Client,
}

/// The clients of all members.
#[derive(Debug)]
pub(super) struct Clients {
    members: Vec<Arc<Member>>,
    /// What they were made with.
    tls: Option<TlsPem>,
    home: usize,
    current: AtomicUsize,
}

/// A member that was chosen for a request.
#[derive(Clone)]
pub(super) struct ChosenMember {
    clients: Arc<Clients>,
    index: usize,
    member: Arc<Member>,
}

// === impl Clients ===

impl Clients {
    pub(super) fn new(members: Vec<Member>, tls: Option<TlsPem>, home: usize) -> Self {
        let members = members.into_iter().map(Arc::new).collect();
        Self { members, tls, home, current: AtomicUsize::new(home) }
    }

    /// No members: they are not known yet.
    pub(super) fn none() -> Self {
        Self::new(Vec::new(), None, 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn tls(&self) -> Option<&TlsPem> {
        self.tls.as_ref()
    }

    pub(super) fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| member.endpoint.clone()).collect()
    }

    /// Takes over home and current member of the clients that these replace, as far as these have them.
    pub(super) fn succeed(mut self, former: &Self) -> Self {
        let same = |index: usize| {
            let endpoint = &former.members.get(index)?.endpoint;
            self.members.iter().position(|member| member.endpoint == *endpoint)
        };
        let (home, current) = (same(former.home), same(former.current.load(Ordering::Relaxed)));
        self.home = home.unwrap_or(self.home);
        self.current = AtomicUsize::new(current.unwrap_or(self.home));
        self
    }

    /// The member that serves the next request.
    pub(super) fn choose(self: &Arc<Self>) -> Result<ChosenMember, Error> {
        self.chosen(self.current.load(Ordering::Relaxed))
    }

    /// The home member.
    pub(super) fn choose_home(self: &Arc<Self>) -> Result<ChosenMember, Error> {
        self.chosen(self.home)
    }

    /// Every member.
    pub(super) fn all(self: &Arc<Self>) -> impl Iterator<Item = ChosenMember> {
        (0..self.members.len()).filter_map(move |index| self.chosen(index).ok())
    }

    pub(super) fn is_at_home(&self) -> bool {
        self.current.load(Ordering::Relaxed) == self.home
    }

    pub(super) fn go_home(&self) {
        self.current.store(self.home, Ordering::Relaxed);
    }

    fn chosen(self: &Arc<Self>, index: usize) -> Result<ChosenMember, Error> {
        let member = self.members.get(index).ok_or(Error::NoEndpoint)?;
        Ok(ChosenMember { clients: Arc::clone(self), index, member: Arc::clone(member) })
    }
}

// === impl ChosenMember ===

impl ChosenMember {
    pub(super) fn endpoint(&self) -> &str {
        &self.member.endpoint
    }

    pub(super) fn client(&self) -> &Client {
        &self.member.client
    }

    /// Whether both are the same client.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.member, &other.member)
    }

    /// Moves on from this member, unless another task has done so.
    pub(super) fn leave(&self) {
        let next = (self.index + 1) % self.clients.members.len().max(1);
        let (current, order) = (&self.clients.current, Ordering::Relaxed);
        let _ = current.compare_exchange(self.index, next, order, order);
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.endpoint)
    }
}

impl std::fmt::Debug for ChosenMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.member.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn clients(endpoints: &[&str]) -> Arc<Clients> {
        let mut members = Vec::new();
        for endpoint in endpoints {
            let client = Client::connect([endpoint], None).await.unwrap();
            members.push(Member { endpoint: (*endpoint).to_owned(), client });
        }
        Arc::new(Clients::new(members, None, 0))
    }

    const A: &str = "http://127.0.0.1:1";
    const B: &str = "http://127.0.0.2:1";
    const C: &str = "http://127.0.0.3:1";

    #[tokio::test]
    async fn clients_that_replace_others_keep_home_and_current_member_where_they_have_them() {
        let former = clients(&[A, B]).await;
        former.choose().unwrap().leave();
        assert_eq!(former.choose().unwrap().endpoint(), B);
        let fresh = |endpoints: &'static [&'static str]| async {
            let clients = Arc::into_inner(clients(endpoints).await).unwrap();
            Arc::new(clients.succeed(&former))
        };
        let moved = fresh(&[C, B, A]).await;
        assert_eq!(moved.choose().unwrap().endpoint(), B);
        assert_eq!(moved.choose_home().unwrap().endpoint(), A);
        let others = fresh(&[C]).await;
        assert_eq!(others.choose().unwrap().endpoint(), C);
        assert!(others.is_at_home());
    }

    #[tokio::test]
    async fn a_member_is_left_once_by_all_tasks_that_failed_there() {
        let clients = clients(&[A, B, C]).await;
        let (one, other) = (clients.choose().unwrap(), clients.choose().unwrap());
        one.leave();
        other.leave();
        assert_eq!(clients.choose().unwrap().endpoint(), B);
        assert!(!clients.is_at_home());
        clients.go_home();
        assert!(clients.choose().unwrap().is_same(&one));
    }
}
