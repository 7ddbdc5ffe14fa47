//! The flags about coordination.

/// How a pod coordinates with its group.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CoordinationArgs {
    /// What to coordinate with the other members of the group: peers, leader, shards
    #[arg(long, env = "CAIRN_COORDINATE", value_name = "PART[,PART...]")]
    pub coordinate: Option<String>,
    /// Number of shards, 1 to 10000; choose ten times the replicas that you will ever have
    #[arg(long, env = "CAIRN_SHARDS", value_name = "N")]
    pub shards: Option<String>,
    /// How a key becomes a shard: xxh64, fnv1a64, crc64-iso or int [default: xxh64]
    #[arg(long, env = "CAIRN_SHARD_HASH", value_name = "HASH")]
    pub shard_hash: Option<String>,
    /// How long the app may go on without an answer of etcd, 3s to 60s [default: 10s]
    #[arg(long, env = "CAIRN_VALIDITY", value_name = "DURATION")]
    pub validity: Option<String>,
    /// The app calls POST /v1/heartbeat at least this often, or loses its shards [default: off]
    #[arg(long, env = "CAIRN_HEARTBEAT", value_name = "DURATION")]
    pub heartbeat: Option<String>,
    /// Whether a stopping shard is handed over at its deadline, or only once the app has confirmed: deadline or
    /// required [default: deadline]
    #[arg(long, env = "CAIRN_CONFIRM", value_name = "RULE")]
    pub confirm: Option<String>,
    /// Whether the app goes on without its shards when they are lost: Keep or Stop [default: Keep]
    #[arg(long, env = "CAIRN_ON_LOSS", value_name = "RULE")]
    pub on_loss: Option<String>,
    /// Where the app can be reached at --app-host, like http=8080,grpc=9000
    #[arg(long, env = "CAIRN_ENDPOINTS", value_name = "NAME=PORT[,...]")]
    pub endpoints: Option<String>,
    /// Free words about this member, like tier=hot
    #[arg(long, env = "CAIRN_TAGS", value_name = "KEY=VALUE[,...]")]
    pub tags: Option<String>,
    /// How many shards to take in proportion to others, 1 to 1000 [default: 100]
    #[arg(long, env = "CAIRN_WEIGHT", value_name = "N")]
    pub weight: Option<String>,
    /// Take shards once the app asks for them, or from the start on: ask or start [default: ask]
    #[arg(long, env = "CAIRN_PARTICIPATE", value_name = "WHEN")]
    pub participate: Option<String>,
    /// How many participants the first distribution of shards waits for [default: 1]
    #[arg(long, env = "CAIRN_MIN_PARTICIPANTS", value_name = "N")]
    pub min_participants: Option<String>,
    /// The generation of the workload: members of one rollout have the same
    #[arg(long, env = "CAIRN_GENERATION", value_name = "TEXT")]
    pub generation: Option<String>,
    /// When the pod was admitted [default: now]
    #[arg(long, env = "CAIRN_ADMITTED", value_name = "RFC3339")]
    pub admitted: Option<String>,
}
