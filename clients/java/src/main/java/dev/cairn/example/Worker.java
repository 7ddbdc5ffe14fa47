package dev.cairn.example;

import dev.cairn.v1.CoordinationGrpc;
import dev.cairn.v1.Shards;
import dev.cairn.v1.StoppedRequest;
import dev.cairn.v1.Stopping;
import dev.cairn.v1.WatchRequest;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Processes the shards of this pod's work queue, and journals what it served when.
 *
 * <p>The sidecar tells which shards this pod may serve, and until when. A thread per shard looks before each piece of
 * work. What has to stop is finished, and then confirmed, so that the next pod need not wait for the deadline.
 */
public final class Worker {
  /** How long one piece of work takes. Far below the margin of 2 s after a deadline, in which it may end. */
  private static final long PIECE_MS = 20;

  /** How long to wait before the sidecar is asked again, for example while it restarts. */
  private static final long RETRY_MS = 200;

  /** /proc/uptime has hundredths of a second: its reading may be so old. */
  private static final long TICK_NS = 10_000_000;

  private final Queue queue;
  private final Journal journal;
  /** Only for the thread that applies events. */
  private final Map<Integer, Thread> threads = new HashMap<>();

  private Map<Integer, Fence> grants = Map.of();
  private long deadlineNs;

  private Worker(Queue queue, Journal journal) {
    this.queue = queue;
    this.journal = journal;
  }

  /** Grows from owner to owner of a shard. */
  private record Fence(long epoch, long revision) implements Comparable<Fence> {
    @Override
    public int compareTo(Fence other) {
      int byEpoch = Long.compare(epoch, other.epoch);
      return byEpoch != 0 ? byEpoch : Long.compare(revision, other.revision);
    }

    @Override
    public String toString() {
      return epoch + "-" + revision;
    }
  }

  /** Lines {@code <CLOCK_BOOTTIME ns> serve|stop <shard> <fence>}. */
  private record Journal(Path path) {
    synchronized void write(String what, int shard, Fence fence) throws IOException {
      String line = boottimeNs() + " " + what + " " + shard + " " + fence + "\n";
      Files.writeString(path, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
  }

  /** A counter per shard, in files that any pod can write. A file refuses smaller fences than the one it has. */
  private record Queue(Path directory) {
    /** One piece of work. False when a later owner has been here. */
    boolean process(int shard, Fence fence) throws IOException, InterruptedException {
      Path path = directory.resolve(Integer.toString(shard));
      Fence last = new Fence(0, 0);
      long count = 0;
      try {
        String[] words = Files.readString(path).trim().split(" ");
        last = new Fence(Long.parseLong(words[0]), Long.parseLong(words[1]));
        count = Long.parseLong(words[2]);
      } catch (NoSuchFileException first) {
        // Nobody has worked on this shard before.
      }
      if (last.compareTo(fence) > 0) {
        return false;
      }
      Thread.sleep(PIECE_MS);
      Path temporary = directory.resolve(shard + ".new");
      Files.writeString(temporary, fence.epoch + " " + fence.revision + " " + (count + 1) + "\n");
      Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      return true;
    }
  }

  /** CLOCK_BOOTTIME, the clock of all deadlines. It goes on while the machine sleeps. */
  private static long boottimeNs() {
    try {
      String[] uptime = Files.readString(Path.of("/proc/uptime")).split(" ")[0].split("\\.");
      return Long.parseLong(uptime[0]) * 1_000_000_000L + Long.parseLong(uptime[1]) * TICK_NS;
    } catch (IOException error) {
      throw new IllegalStateException("cannot read /proc/uptime", error);
    }
  }

  /** Takes an event up. Answers with the stop ids that can be confirmed, after their work has ended. */
  private List<String> apply(Shards shards) throws InterruptedException {
    Map<Integer, Fence> granted = new HashMap<>();
    for (int shard : shards.getShardsList()) {
      granted.put(shard, new Fence(shards.getEpoch(), shards.getFencesOrThrow(shard)));
    }
    Map<Integer, Fence> before;
    synchronized (this) {
      before = grants;
      grants = Map.copyOf(granted);
      deadlineNs = shards.getValidUntilBoottimeNs();
    }
    for (Map.Entry<Integer, Fence> grant : before.entrySet()) {
      if (!grant.getValue().equals(granted.get(grant.getKey()))) {
        join(grant.getKey());
      }
    }
    for (Map.Entry<Integer, Fence> grant : granted.entrySet()) {
      Thread running = threads.get(grant.getKey());
      if (running == null || !running.isAlive()) {
        Thread thread = new Thread(() -> serve(grant.getKey(), grant.getValue()));
        threads.put(grant.getKey(), thread);
        thread.start();
      }
    }
    List<String> stops = new ArrayList<>();
    for (Stopping stopping : shards.getStoppingList()) {
      join(stopping.getShard());
      stops.add(stopping.getStop());
    }
    return stops;
  }

  private synchronized boolean mayServe(int shard, Fence fence) {
    return fence.equals(grants.get(shard)) && boottimeNs() + TICK_NS < deadlineNs;
  }

  private void serve(int shard, Fence fence) {
    if (!mayServe(shard, fence)) {
      return;
    }
    try {
      journal.write("serve", shard, fence);
      try {
        while (mayServe(shard, fence) && queue.process(shard, fence)) {
          // The next piece.
        }
      } finally {
        journal.write("stop", shard, fence);
      }
    } catch (IOException | InterruptedException error) {
      System.err.println("shard " + shard + ": " + error);
    }
  }

  private void join(int shard) throws InterruptedException {
    Thread thread = threads.remove(shard);
    if (thread != null) {
      thread.join();
    }
  }

  /** Follows the sidecar until the process is to end. It asks again when the sidecar restarts. */
  private void follow(ManagedChannel channel, CountDownLatch ending) throws InterruptedException {
    CoordinationGrpc.CoordinationBlockingStub sidecar = CoordinationGrpc.newBlockingStub(channel);
    String after = "";
    do {
      Context.CancellableContext stream = Context.current().withCancellation();
      Context outside = stream.attach();
      try {
        var events = sidecar.watchShards(WatchRequest.newBuilder().setAfter(after).build());
        while (events.hasNext()) {
          var event = events.next();
          after = event.getId();
          List<String> stops = apply(event.getShards());
          if (!stops.isEmpty()) {
            sidecar.stopped(StoppedRequest.newBuilder().addAllStops(stops).build());
          }
        }
      } catch (StatusRuntimeException error) {
        if (ending.getCount() > 0) {
          System.err.println("the sidecar does not answer: " + error.getMessage());
        }
      } finally {
        stream.detach(outside);
        stream.cancel(null);
      }
      // Until the deadline, the threads go on by what was told last.
    } while (!ending.await(RETRY_MS, TimeUnit.MILLISECONDS));
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new HashMap<>(Map.of("--target", "unix:///var/run/cairn/cairn.sock"));
    for (int i = 0; i + 1 < args.length; i += 2) {
      flags.put(args[i], args[i + 1]);
    }
    Queue queue = new Queue(Path.of(flags.get("--queue")));
    Worker worker = new Worker(queue, new Journal(Path.of(flags.get("--journal"))));
    // Otherwise the name of the server is the path of the socket, which servers in Rust refuse.
    ManagedChannel channel = Grpc.newChannelBuilder(flags.get("--target"), InsecureChannelCredentials.create())
        .overrideAuthority("localhost")
        .build();
    CountDownLatch ending = new CountDownLatch(1);
    Thread main = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      ending.countDown();
      channel.shutdownNow();
      try {
        main.join();
      } catch (InterruptedException error) {
        // The machine does not wait for us.
      }
      // Otherwise the exit code is the signal's.
      Runtime.getRuntime().halt(0);
    }));
    worker.follow(channel, ending);
    worker.apply(Shards.getDefaultInstance());
  }
}
