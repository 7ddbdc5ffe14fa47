//! What webhook, sidecar, chart and users agree on: annotations, labels, files, environment variables, ports and the
//! sidecar's flags. Each of them is defined here, once.

/// Keys of annotations and labels.
pub mod annotation {
    /// Every key of Cairn, input or result, starts with this.
    pub const PREFIX: &str = "cairn.dev/";
    /// Input: pools to claim from, comma separated.
    pub const POOL: &str = "cairn.dev/pool";
    /// Input: the group.
    pub const GROUP: &str = "cairn.dev/group";
    /// Input: the metrics prefix template.
    pub const PREFIX_TEMPLATE: &str = "cairn.dev/prefix";
    /// Input: which app containers get the mount and the environment.
    pub const CONTAINERS: &str = "cairn.dev/containers";
    /// Input: how environment variables reach the containers.
    pub const ENV: &str = "cairn.dev/env";
    /// Input: whether the app waits for the claim.
    pub const GATE: &str = "cairn.dev/gate";
    /// Input: the sidecar's requests and limits.
    pub const RESOURCES: &str = "cairn.dev/resources";
    /// Input: who stops the app once a claim of a `Stop` pool is lost.
    pub const STOP: &str = "cairn.dev/stop";
    /// Input: what the pod coordinates with the other pods of its group: `peers`, `leader`, `shards`.
    pub const COORDINATE: &str = "cairn.dev/coordinate";
    /// Input: the number of shards of the group.
    pub const SHARDS: &str = "cairn.dev/shards";
    /// Input: how a key becomes a shard.
    pub const SHARD_HASH: &str = "cairn.dev/shard-hash";
    /// Input: how long a renewal of the session is worth.
    pub const VALIDITY: &str = "cairn.dev/validity";
    /// Input: how often the app calls at least.
    pub const HEARTBEAT: &str = "cairn.dev/heartbeat";
    /// Input: whether only the app's confirmation lets a stopping shard be handed over.
    pub const CONFIRM: &str = "cairn.dev/confirm";
    /// Input: whether the app is stopped when its session is lost.
    pub const ON_LOSS: &str = "cairn.dev/on-loss";
    /// Input: ports at which the pod is reached, by name.
    pub const ENDPOINTS: &str = "cairn.dev/endpoints";
    /// Input: free words about the pod.
    pub const TAGS: &str = "cairn.dev/tags";
    /// Input: how much the pod takes in proportion to others.
    pub const WEIGHT: &str = "cairn.dev/weight";
    /// Input: whether the pod participates at once or when its app asks for it.
    pub const PARTICIPATE: &str = "cairn.dev/participate";
    /// Input: how many participants the first map waits for.
    pub const MIN_PARTICIPANTS: &str = "cairn.dev/min-participants";
    /// All inputs, for checks and suggestions.
    pub const INPUTS: [&str; 20] = [
        POOL,
        GROUP,
        PREFIX_TEMPLATE,
        CONTAINERS,
        ENV,
        GATE,
        RESOURCES,
        STOP,
        COORDINATE,
        SHARDS,
        SHARD_HASH,
        VALIDITY,
        HEARTBEAT,
        CONFIRM,
        ON_LOSS,
        ENDPOINTS,
        TAGS,
        WEIGHT,
        PARTICIPATE,
        MIN_PARTICIPANTS,
    ];
    /// The `generateName` of a workload that was created with one. Admission writes it on the workload's pod template,
    /// because the pods show only the generated name.
    pub const GENERATE_NAME: &str = "cairn.dev/generate-name";
    /// Result: compact JSON about every claim.
    pub const STATUS: &str = "cairn.dev/status";
    /// In [`STATUS`], what the pod is in its group. No pool has this name.
    pub const STATUS_MEMBER: &str = "-coordinate";
    /// Result: every annotation about one claim starts with this; `claim.cairn.dev/<pool>` is the name.
    pub const CLAIM_PREFIX: &str = "claim.cairn.dev/";
    /// Result: `claim.cairn.dev/<pool>.prefix` is the claim's metrics prefix.
    pub const CLAIM_PREFIX_SUFFIX: &str = ".prefix";
    /// Result: `claim.cairn.dev/<pool>.fence` is the claim's fence.
    pub const CLAIM_FENCE_SUFFIX: &str = ".fence";
    /// Label that admission sets, so that controllers can watch only injected pods.
    pub const INJECTED_LABEL: &str = "cairn.dev/injected";
}

/// The container and volumes that the webhook adds.
pub mod pod {
    /// The sidecar's name.
    pub const CONTAINER: &str = "cairn";
    /// The sidecar's binary in its image, for probes and hooks.
    pub const BINARY: &str = "/usr/bin/cairn-sidecar";
    /// The memory volume with the published files.
    pub const VOLUME: &str = "cairn";
    /// The sidecar's own projected token.
    pub const TOKEN_VOLUME: &str = "cairn-token";
    /// The downward API volume through which the sidecar sees the pod's annotations.
    pub const ANNOTATIONS_VOLUME: &str = "cairn-annotations";
    /// Where [`ANNOTATIONS_VOLUME`] is mounted in the sidecar.
    pub const ANNOTATIONS_DIR: &str = "/etc/cairn/pod";
    /// The memory volume with the sidecar's credentials for etcd. No other container gets it.
    pub const CREDENTIALS_VOLUME: &str = "cairn-credentials";
    /// Where [`CREDENTIALS_VOLUME`] is mounted in the sidecar.
    pub const CREDENTIALS_DIR: &str = "/var/run/cairn-credentials";
    /// The audience of the projected token.
    pub const TOKEN_AUDIENCE: &str = "cairn.dev";
    /// Where a pod's API token is mounted. The sidecar's own token is mounted here instead.
    pub const TOKEN_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    /// The token's file in [`TOKEN_DIR`].
    pub const TOKEN_FILE: &str = "token";
}

/// The published files, below [`path::DIR`].
pub mod path {
    /// Where the shared volume is mounted, in the sidecar and in app containers.
    pub const DIR: &str = "/var/run/cairn";
    /// The API socket within the directory.
    pub const SOCKET: &str = "cairn.sock";
    /// The env file within the directory.
    pub const ENV: &str = "env";
    /// The name, as text without newline.
    pub const NAME: &str = "name";
    /// The metrics prefix.
    pub const PREFIX: &str = "prefix";
    /// The fence.
    pub const FENCE: &str = "fence";
    /// All fields of the claim, as JSON.
    pub const CLAIM_JSON: &str = "claim.json";
    /// What may be served, as JSON.
    pub const SHARDS_JSON: &str = "shards.json";
    /// What may be served: a line `<shard> <deadline>` each, in seconds of `CLOCK_BOOTTIME` as in `/proc/uptime`.
    pub const SHARDS_TXT: &str = "shards.txt";
    /// Who leads.
    pub const LEADER_JSON: &str = "leader.json";
    /// The members of the group.
    pub const PEERS_JSON: &str = "peers.json";
    /// The owners of all shards.
    pub const MAP_JSON: &str = "map.json";
    /// In a pool's directory: how far IDs were minted. For a restarted sidecar, not for apps.
    pub const IDS_JSON: &str = "ids.json";
}

/// Environment variables in app containers.
pub mod env {
    /// The first pool's name.
    pub const NAME: &str = "CAIRN_NAME";
    /// The first pool's metrics prefix.
    pub const PREFIX: &str = "CAIRN_PREFIX";
    /// The first pool's fence.
    pub const FENCE: &str = "CAIRN_FENCE";
    /// Per pool: `CAIRN_<POOL>_NAME`, by [`crate::pool::PoolName::env_segment`].
    pub fn of_pool(pool: &crate::pool::PoolName, what: &str) -> String {
        format!("CAIRN_{}_{what}", pool.env_segment())
    }
    /// Whether an app may get this variable: from its first pool, or from a pool of any name. No flag of ours may
    /// read it.
    pub fn is_of_app(variable: &str) -> bool {
        let Some(rest) = variable.strip_prefix("CAIRN_") else {
            return false;
        };
        ["NAME", "PREFIX", "FENCE"]
            .iter()
            .filter_map(|what| rest.strip_suffix(what))
            .any(|pool| pool.is_empty() || pool.ends_with('_'))
    }
}

/// Ports of the sidecar.
pub mod port {
    /// The claims API, on 127.0.0.1 and `::1` only.
    pub const API: u16 = 24040;
    /// Health, metrics and `/app/livez`, on the pod's address.
    pub const ADMIN: u16 = 24041;
    /// Whether the sidecar's process answers, on the admin port.
    pub const LIVEZ: &str = "/livez";
    /// On the admin port: whether the apps may go on. With `/<container>` after it, the container's own liveness and
    /// startup probes count too; the kubelet's liveness probe uses that path.
    pub const APP_LIVEZ: &str = "/app/livez";
    /// With `/<container>` after it: whether a container that has just started may run. The kubelet's startup probe
    /// uses it at every start of the container.
    pub const APP_STARTUPZ: &str = "/app/startupz";
    /// With `/<container>` after it: whether the container's own startup probe has passed.
    pub const APP_READYZ: &str = "/app/readyz";
    /// Answers once a drain of the member has ended, or after [`UNDRAINED`] when none has begun. It begins none itself:
    /// whoever reaches the port may ask. The preStop of app containers uses it, so that an app gets SIGTERM after its
    /// shards are handed over.
    pub const APP_DRAINED: &str = "/app/drained";
    /// How long [`APP_DRAINED`] waits for a drain to begin. The kubelet starts the preStop hooks of a pod's containers
    /// within 0.2 s of each other.
    pub const UNDRAINED: std::time::Duration = std::time::Duration::from_secs(2);
    /// The header of the kubelet's probes that carries the value of [`super::flag::PROBE_TOKEN`].
    pub const PROBE_TOKEN_HEADER: &str = "Cairn-Probe-Token";
}

/// Flags of `cairn-sidecar` that the webhook writes. Each has a `CAIRN_…` variable.
pub mod flag {
    /// URL of the webhook's agent, which gives access to etcd.
    pub const AGENT: &str = "--agent";
    /// The authorities that verify the agent: base64 of each certificate, comma separated.
    pub const AGENT_CA: &str = "--agent-ca";
    /// etcd endpoints, comma separated; without an agent.
    pub const ETCD: &str = "--etcd";
    /// The id of the etcd cluster, in hex; the sidecar talks to no other cluster.
    pub const ETCD_CLUSTER_ID: &str = "--etcd-cluster-id";
    /// The prefix of all keys in etcd.
    pub const ETCD_PREFIX: &str = "--etcd-prefix";
    /// Pools to claim from, comma separated.
    pub const POOL: &str = "--pool";
    /// Where files are published.
    pub const DIR: &str = "--dir";
    /// The group.
    pub const GROUP: &str = "--group";
    /// The namespace.
    pub const NAMESPACE: &str = "--namespace";
    /// The pod's UID.
    pub const INSTANCE: &str = "--instance";
    /// The pod's name.
    pub const POD: &str = "--pod";
    /// The node's name.
    pub const NODE: &str = "--node";
    /// The prefix template, when the pod overrides the pool's.
    pub const PREFIX: &str = "--prefix";
    /// The claims API's address, or `off`.
    pub const API: &str = "--api";
    /// The admin server's address, or `off`.
    pub const ADMIN: &str = "--admin";
    /// Runs in a pod: the sidecar does not exit before its first success, and waits for pools that do not exist yet.
    pub const IN_POD: &str = "--in-pod";
    /// How much is logged.
    pub const LOG_LEVEL: &str = "--log-level";
    /// How it is logged.
    pub const LOG_FORMAT: &str = "--log-format";
    /// The bits of timestamp, node and sequence number in IDs.
    pub const ID_LAYOUT: &str = "--id-layout";
    /// The epoch of the timestamps in IDs.
    pub const ID_EPOCH: &str = "--id-epoch";
    /// The probes of one app container, which the sidecar runs in the kubelet's place; repeated.
    pub const APP_PROBES: &str = "--app-probes";
    /// The address for probes without a host: the pod's.
    pub const APP_HOST: &str = "--app-host";
    /// A secret of the pod that distinguishes the kubelet's probes from other requests.
    pub const PROBE_TOKEN: &str = "--probe-token";
    /// A file of the pod's annotations (downward API); the gate opens once it shows the claims.
    pub const GATE_FILE: &str = "--gate-file";
    /// What the pod coordinates: `peers`, `leader`, `shards`, comma separated.
    pub const COORDINATE: &str = "--coordinate";
    /// The number of shards.
    pub const SHARDS: &str = "--shards";
    /// How a key becomes a shard.
    pub const SHARD_HASH: &str = "--shard-hash";
    /// How long a renewal of the session is worth.
    pub const VALIDITY: &str = "--validity";
    /// How often the app calls.
    pub const HEARTBEAT: &str = "--heartbeat";
    /// Whether time alone lets a stopping shard be handed over: `deadline` or `required`.
    pub const CONFIRM: &str = "--confirm";
    /// What happens to the app when its shards are lost: `Keep` or `Stop`.
    pub const ON_LOSS: &str = "--on-loss";
    /// Where the app can be reached, at [`APP_HOST`]: `http=8080,grpc=9000`.
    pub const ENDPOINTS: &str = "--endpoints";
    /// Free words about the member: `tier=hot`.
    pub const TAGS: &str = "--tags";
    /// How many shards it takes in proportion to others.
    pub const WEIGHT: &str = "--weight";
    /// When it participates: `ask` or `start`.
    pub const PARTICIPATE: &str = "--participate";
    /// How many participants the first map waits for.
    pub const MIN_PARTICIPANTS: &str = "--min-participants";
    /// The generation of the workload: pods of one rollout have the same.
    pub const GENERATION: &str = "--generation";
    /// When the pod was admitted, RFC 3339.
    pub const ADMITTED: &str = "--admitted";
}

/// Commands of `cairn-sidecar` that Kubernetes runs in our container.
pub mod command {
    /// The startup probe.
    pub const PROBE: &str = "probe";
    /// Our container's preStop: asks the member to drain and blocks until it owns nothing.
    pub const DRAIN: &str = "drain";
    /// Claims and runs a program, without Kubernetes.
    pub const RUN: &str = "run";
    /// Becomes a program that ends with its parent.
    pub const TETHER: &str = "tether";
}
