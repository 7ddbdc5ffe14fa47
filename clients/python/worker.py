"""Processes the shards of this pod's work queue, and journals what it served when.

The sidecar tells which shards this pod may serve, and until when. A thread per shard looks before each piece of work.
What has to stop is finished, and then confirmed, so that the next pod need not wait for the deadline.
"""

import argparse
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

from cairn.v1 import coordination_pb2 as pb
from cairn.v1 import coordination_pb2_grpc as rpc

# How long one piece of work takes. Far below the margin of 2 s after a deadline, in which it may end.
PIECE_SECONDS = 0.02
# How long to wait before the sidecar is asked again, for example while it restarts.
RETRY_SECONDS = 0.2
# gRPC in C would send the path of the socket as the name of the server, which servers in Rust refuse.
OPTIONS = [("grpc.default_authority", "localhost")]


def boottime_ns() -> int:
    """The clock of all deadlines. It goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, order=True)
class Fence:
    """Grows from owner to owner of a shard."""

    epoch: int
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.revision}"


class Journal:
    """What was served when: lines `<CLOCK_BOOTTIME ns> serve|stop <shard> <fence>`."""

    def __init__(self, path: Path) -> None:
        # Unbuffered: each line is one write, also when several threads write.
        self._file = path.open("ab", buffering=0)

    def write(self, what: str, shard: int, fence: Fence) -> None:
        self._file.write(f"{boottime_ns()} {what} {shard} {fence}\n".encode())


class Queue:
    """A counter per shard, in files that any pod can write. A file refuses smaller fences than the one it has."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def process(self, shard: int, fence: Fence) -> bool:
        """One piece of work. False when a later owner has been here."""
        path = self._directory / str(shard)
        last, count = Fence(0, 0), 0
        if path.exists():
            epoch, revision, count = map(int, path.read_text().split())
            last = Fence(epoch, revision)
        if last > fence:
            return False
        time.sleep(PIECE_SECONDS)
        temporary = path.with_suffix(".new")
        temporary.write_text(f"{fence.epoch} {fence.revision} {count + 1}\n")
        temporary.replace(path)
        return True


class Worker:
    """Serves what the last event named, until the deadline that it told."""

    def __init__(self, queue: Queue, journal: Journal) -> None:
        self._queue = queue
        self._journal = journal
        self._lock = threading.Lock()
        self._grants: dict[int, Fence] = {}
        self._deadline_ns = 0
        self._threads: dict[int, threading.Thread] = {}

    def apply(self, shards: pb.Shards) -> list[str]:
        """Takes an event up. Returns the stop ids that can be confirmed, after their work has ended."""
        grants = {shard: Fence(shards.epoch, shards.fences[shard]) for shard in shards.shards}
        with self._lock:
            ended = {shard for shard, fence in self._grants.items() if grants.get(shard) != fence}
            self._grants = grants
            self._deadline_ns = shards.valid_until_boottime_ns
        for shard in ended:
            self._join(shard)
        for shard, fence in grants.items():
            thread = self._threads.get(shard)
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._serve, args=(shard, fence))
                self._threads[shard] = thread
                thread.start()
        for stopping in shards.stopping:
            self._join(stopping.shard)
        return [stopping.stop for stopping in shards.stopping]

    def stop(self) -> None:
        """Stops everything, and waits until it has stopped."""
        self.apply(pb.Shards())

    def _may_serve(self, shard: int, fence: Fence) -> bool:
        with self._lock:
            return self._grants.get(shard) == fence and boottime_ns() < self._deadline_ns

    def _serve(self, shard: int, fence: Fence) -> None:
        if not self._may_serve(shard, fence):
            return
        self._journal.write("serve", shard, fence)
        while self._may_serve(shard, fence) and self._queue.process(shard, fence):
            pass
        self._journal.write("stop", shard, fence)

    def _join(self, shard: int) -> None:
        thread = self._threads.pop(shard, None)
        if thread is not None:
            thread.join()


def follow(channel: grpc.Channel, worker: Worker, ending: threading.Event) -> None:
    """Follows the sidecar until the channel is closed. It asks again when the sidecar restarts."""
    sidecar = rpc.CoordinationStub(channel)
    after = ""
    while not ending.is_set():
        try:
            for event in sidecar.WatchShards(pb.WatchRequest(after=after)):
                after = event.id
                stops = worker.apply(event.shards)
                if stops:
                    sidecar.Stopped(pb.StoppedRequest(stops=stops))
        except (grpc.RpcError, ValueError) as error:
            if not ending.is_set():
                print(f"the sidecar does not answer: {error}", file=sys.stderr)
        # Until the deadline, the threads go on by what was told last.
        ending.wait(RETRY_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="unix:/var/run/cairn/cairn.sock", help="the sidecar, as gRPC names it")
    parser.add_argument("--queue", type=Path, required=True, help="directory of the work queue")
    parser.add_argument("--journal", type=Path, required=True, help="file that says what was served when")
    args = parser.parse_args()

    ending = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ending.set())
    worker = Worker(Queue(args.queue), Journal(args.journal))
    with grpc.insecure_channel(args.target, options=OPTIONS) as channel:
        following = threading.Thread(target=follow, args=(channel, worker, ending))
        following.start()
        ending.wait()
        channel.close()
        following.join()
    worker.stop()


if __name__ == "__main__":
    main()
