// Processes the shards of this pod's work queue, and journals what it served when.
//
// The sidecar tells which shards this pod may serve, and until when. A task per shard looks before each piece of work.
// What has to stop is finished, and then confirmed, so that the next pod need not wait for the deadline.

import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

// How long one piece of work takes. Far below the margin of 2 s after a deadline, in which it may end.
const PIECE_MS = 20;
// How long to wait before the sidecar is asked again, for example while it restarts.
const RETRY_MS = 200;
// /proc/uptime has hundredths of a second: its reading may be so old.
const TICK_NS = 10_000_000n;

interface Stopping {
  shard: number;
  stop: string;
}

// 64-bit numbers come as text.
interface Shards {
  epoch: string;
  shards: number[];
  fences: Record<number, string>;
  valid_until_boottime_ns: string;
  stopping: Stopping[];
}

interface ShardsEvent {
  id: string;
  shards: Shards;
}

interface Coordination extends grpc.Client {
  watchShards(request: { after: string }): grpc.ClientReadableStream<ShardsEvent>;
  stopped(request: { stops: string[] }, done: (error: grpc.ServiceError | null) => void): void;
}

// CLOCK_BOOTTIME, the clock of all deadlines. It goes on while the machine sleeps.
function boottimeNs(): bigint {
  const [seconds, hundredths] = readFileSync("/proc/uptime", "utf8").split(" ")[0]!.split(".");
  return BigInt(seconds!) * 1_000_000_000n + BigInt(hundredths!) * TICK_NS;
}

// Grows from owner to owner of a shard.
class Fence {
  constructor(
    readonly epoch: bigint,
    readonly revision: bigint,
  ) {}

  isBelow(other: Fence): boolean {
    return this.epoch < other.epoch || (this.epoch === other.epoch && this.revision < other.revision);
  }

  toString(): string {
    return `${this.epoch}-${this.revision}`;
  }
}

// Lines `<CLOCK_BOOTTIME ns> serve|stop <shard> <fence>`.
class Journal {
  constructor(private readonly path: string) {}

  write(what: "serve" | "stop", shard: number, fence: string): void {
    appendFileSync(this.path, `${boottimeNs()} ${what} ${shard} ${fence}\n`);
  }
}

// A counter per shard, in files that any pod can write. A file refuses smaller fences than the one it has.
class Queue {
  constructor(private readonly directory: string) {}

  // One piece of work. False when a later owner has been here.
  async process(shard: number, fence: Fence): Promise<boolean> {
    const path = join(this.directory, String(shard));
    const [epoch, revision, count] = this.read(path);
    if (fence.isBelow(new Fence(epoch, revision))) return false;
    await sleep(PIECE_MS);
    writeFileSync(`${path}.new`, `${fence.epoch} ${fence.revision} ${count + 1n}\n`);
    renameSync(`${path}.new`, path);
    return true;
  }

  private read(path: string): [bigint, bigint, bigint] {
    try {
      const [epoch, revision, count] = readFileSync(path, "utf8").trim().split(" ").map(BigInt);
      return [epoch!, revision!, count!];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return [0n, 0n, 0n];
    }
  }
}

// Serves one shard under one fence.
interface Task {
  by: string;
  ended: boolean;
  end: Promise<void>;
}

// Serves what the last event named, until the deadline that it told.
class Worker {
  private grants = new Map<number, Fence>();
  private deadlineNs = 0n;
  private readonly tasks = new Map<number, Task>();

  constructor(
    private readonly queue: Queue,
    private readonly journal: Journal,
  ) {}

  // Takes an event up at once. Answers with the stop ids that can be confirmed, once their work has ended.
  async apply(shards: Shards): Promise<string[]> {
    const epoch = BigInt(shards.epoch);
    this.grants = new Map(shards.shards.map((shard) => [shard, new Fence(epoch, BigInt(shards.fences[shard]!))]));
    this.deadlineNs = BigInt(shards.valid_until_boottime_ns);
    for (const [shard, fence] of this.grants) {
      const before = this.tasks.get(shard);
      if (before?.by === fence.toString() && !before.ended) continue;
      const task: Task = { by: fence.toString(), ended: false, end: Promise.resolve() };
      // After the task of an earlier fence, which ends by itself.
      task.end = (before?.end ?? Promise.resolve()).then(() => this.serve(shard, fence, task));
      this.tasks.set(shard, task);
    }
    for (const { shard } of shards.stopping) await this.tasks.get(shard)?.end;
    return shards.stopping.map(({ stop }) => stop);
  }

  async stop(): Promise<void> {
    this.grants = new Map();
    await Promise.all([...this.tasks.values()].map((task) => task.end));
  }

  private mayServe(shard: number, fence: string): boolean {
    return this.grants.get(shard)?.toString() === fence && boottimeNs() + TICK_NS < this.deadlineNs;
  }

  private async serve(shard: number, fence: Fence, task: Task): Promise<void> {
    if (this.mayServe(shard, task.by)) {
      this.journal.write("serve", shard, task.by);
      try {
        while (this.mayServe(shard, task.by) && (await this.queue.process(shard, fence)));
      } catch (error) {
        console.error(`shard ${shard}:`, error);
      }
      this.journal.write("stop", shard, task.by);
    }
    task.ended = true;
  }
}

// Follows the sidecar until the stream ends. Answers with where the next stream goes on.
function follow(client: Coordination, worker: Worker, after: string): Promise<string> {
  return new Promise((resolve) => {
    const events = client.watchShards({ after });
    events.on("data", (event: ShardsEvent) => {
      after = event.id;
      void worker.apply(event.shards).then((stops) => {
        if (stops.length === 0) return;
        client.stopped({ stops }, (error) => {
          if (error !== null) console.error("not confirmed:", error.message);
        });
      });
    });
    events.on("error", (error) => console.error("the sidecar does not answer:", error.message));
    events.on("close", () => resolve(after));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "unix:/var/run/cairn/cairn.sock" },
      queue: { type: "string" },
      journal: { type: "string" },
    },
  });
  if (values.queue === undefined || values.journal === undefined) throw new Error("give --queue and --journal");

  const proto = process.env["CAIRN_PROTO"] ?? join(__dirname, "proto");
  const definition = loadSync("cairn/v1/coordination.proto", {
    includeDirs: [proto],
    keepCase: true,
    longs: String,
    defaults: true,
  });
  const loaded = grpc.loadPackageDefinition(definition) as unknown as {
    cairn: { v1: { Coordination: new (target: string, credentials: grpc.ChannelCredentials) => Coordination } };
  };
  const client = new loaded.cairn.v1.Coordination(values.target, grpc.credentials.createInsecure());
  const worker = new Worker(new Queue(values.queue), new Journal(values.journal));
  const end = async (): Promise<void> => {
    await worker.stop();
    process.exit(0);
  };
  process.on("SIGTERM", () => void end());
  process.on("SIGINT", () => void end());
  for (let after = ""; ; await sleep(RETRY_MS)) {
    // Until the deadline, the tasks go on by what was told last.
    after = await follow(client, worker, after);
  }
}

void main();
