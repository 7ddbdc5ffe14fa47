use std::sync::Mutex;

use axum::http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The one Secret of an API server that compares resource versions.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<(Option<Value>, u64)>>);

impl Stored {
    fn client(&self) -> Client {
        let stored = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let stored = stored.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let (code, answer) =
                    stored.answer(&head.method, serde_json::from_slice(&body).ok());
                // Another keeper may come in between.
                tokio::task::yield_now().await;
                let response = Response::builder().status(code);
                Ok::<_, kube::Error>(
                    response.body(Body::from(answer.to_string().into_bytes())).unwrap(),
                )
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, sent: Option<Value>) -> (u16, Value) {
        let mut stored = self.0.lock().unwrap();
        let (secret, version) = &mut *stored;
        let refused = |code: u16| {
            let reason = if code == 404 { "NotFound" } else { "Conflict" };
            (code, json!({"status": "Failure", "code": code, "message": "", "reason": reason}))
        };
        let put = match (method.as_str(), &secret, sent) {
            ("GET", Some(secret), _) => return (200, secret.clone()),
            ("GET", None, _) => return refused(404),
            ("POST", None, Some(sent)) => sent,
            ("PUT", Some(present), Some(sent))
                if sent.pointer("/metadata/resourceVersion")
                    == present.pointer("/metadata/resourceVersion") =>
            {
                sent
            }
            _ => return refused(409),
        };
        *version += 1;
        let mut put = put;
        put["metadata"]["resourceVersion"] = json!(version.to_string());
        *secret = Some(put.clone());
        (200, put)
    }

    fn change(&self, change: impl FnOnce(&mut Option<Value>)) {
        change(&mut self.0.lock().unwrap().0);
    }

    fn keeper(&self) -> Keeper {
        Keeper::new(self.client(), "cairn", "ca", Lives::default())
    }

    fn writes(&self) -> u64 {
        self.0.lock().unwrap().1
    }
}

#[tokio::test]
async fn all_processes_end_up_with_the_authorities_of_the_first() {
    let stored = Stored::default();
    let (mut one, mut other, mut third) = (stored.keeper(), stored.keeper(), stored.keeper());
    let (a, b, c) = tokio::join!(one.tick(NOW), other.tick(NOW), third.tick(NOW));
    let first = a.unwrap();
    assert_eq!(first, b.unwrap());
    assert_eq!(first, c.unwrap());
    assert_eq!(stored.writes(), 1);

    let later = NOW.after(61 * DAY);
    let (a, b, c) = tokio::join!(one.tick(later), other.tick(later), third.tick(later));
    let second = a.unwrap();
    assert!(second.same_roots(&first));
    assert_ne!(second.clients.issuer, first.clients.issuer);
    assert_eq!(second, b.unwrap());
    assert_eq!(second, c.unwrap());
    assert_eq!(stored.writes(), 2);
}

#[tokio::test]
async fn a_secret_that_is_deleted_or_broken_is_restored_by_who_knows_it() {
    let stored = Stored::default();
    let mut keeper = stored.keeper();
    let ours = keeper.tick(NOW).await.unwrap();
    stored.change(|secret| *secret = None);
    assert_eq!(keeper.tick(NOW).await.unwrap(), ours);
    stored.change(|secret| {
        let secret = secret.as_mut().unwrap();
        secret["data"]["members-root.key"] = json!("bm8=");
        secret["metadata"]["labels"]["of"] = json!("somebody");
    });
    assert_eq!(keeper.tick(NOW).await.unwrap(), ours);
    assert_eq!(stored.keeper().tick(NOW).await.unwrap(), ours);
    let kept = stored.0.lock().unwrap().0.clone().unwrap();
    assert_eq!(kept["metadata"]["labels"]["of"], "somebody", "metadata is not ours to remove");

    // Somebody who knows nothing must not guess.
    stored.change(|secret| secret.as_mut().unwrap()["data"] = json!({}));
    let refused = report(&stored.keeper().tick(NOW).await.unwrap_err());
    assert!(
        refused.starts_with(
            "the Secret ca with etcd's authorities cannot be used; restore it, or replace it"
        ),
        "{refused}"
    );
    assert!(
        refused.contains("clients-root.crt and clients-root.key: the certificate is not readable")
    );
}

#[tokio::test]
async fn what_an_administrator_writes_is_taken_when_it_can_be_used() {
    let (stored, other) = (Stored::default(), Stored::default());
    let mut keeper = stored.keeper();
    keeper.tick(NOW).await.unwrap();
    let replaced = other.keeper().tick(NOW).await.unwrap();
    let from = other.0.lock().unwrap().0.clone();
    stored.change(|secret| *secret = from);
    assert_eq!(keeper.tick(NOW).await.unwrap(), replaced);
}

#[tokio::test(start_paused = true)]
async fn it_publishes_at_first_and_after_each_change_only() {
    let stored = Stored::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let keeper = stored.keeper();
    let running =
        tokio::spawn(keeper.run(move |present| told.lock().unwrap().push(Arc::clone(present))));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    let other = Stored::default();
    let replaced = other.keeper().tick(clock::now().wall).await.unwrap();
    let from = other.0.lock().unwrap().0.clone();
    stored.change(|secret| *secret = from);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(seen.lock().unwrap().last(), Some(&replaced));
    assert_eq!(seen.lock().unwrap().len(), 2);
    running.abort();
}
