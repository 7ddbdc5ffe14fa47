#!/usr/bin/env python3
"""Runs sidecars of two releases in one pool of a real etcd, and judges what etcd and the sidecars say.

Half of the pods are of each release, and all start at once. Some are then restarted with the other release, as an image
that changes in place. If there are fewer names than pods, holders are stopped and killed until each pod has had a name.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from judge import PATH, POOL, ROOT, Judge

# Short, so that killed pods do not take long. A killed pod's name is free after validity, quarantine and clock drift.
VALIDITY, QUARANTINE = "10s", "5s"
# A little more than that.
LEASE_SECONDS = 20
# How many of each release are restarted with the other one, and how many are killed.
SWAPPED, KILLED = 10, 5
# The longest wait for one step on a busy machine.
PATIENCE_SECONDS = 240.0
LEVELS = re.compile(r"\b(WARN|ERROR)\b")


class Failure(Exception):
    """The check failed; says how."""


@dataclass
class Pod:
    """A sidecar with a directory of its own, which the next one goes on with."""

    uid: str
    release: str
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    was_stopped: bool = False

    def log(self, release: str) -> Path:
        return self.directory / f"{release}.log"


class Run:
    """One etcd, one pool and its pods."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.binaries = {"old": args.old, "new": args.new}
        self.pods: list[Pod] = []
        self.names = [f"n{number:04}" for number in range(args.names)]
        self.beliefs: list[str] = []
        self.samples = 0
        self.ended = threading.Event()
        client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        self.url = client
        self.etcdctl = [str(args.etcd.parent / "etcdctl"), "--endpoints", client]
        self.etcd = subprocess.Popen(
            [args.etcd, "--data-dir", scratch / "etcd", "--log-level", "error"]
            + ["--listen-client-urls", client, "--advertise-client-urls", client]
            + ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            + ["--initial-cluster", f"default={peer}"],
            stderr=(scratch / "etcd.log").open("wb"),
        )
        self.scratch = scratch
        until("etcd answers", lambda: self.ctl("endpoint", "health").returncode == 0)
        spec = {"names": {"list": self.names}, "validity": VALIDITY, "quarantine": QUARANTINE}
        for key, value in ((f"{ROOT}epoch", str(int(time.time()))), (f"{ROOT}pools/{POOL}", json.dumps(spec))):
            if self.ctl("put", key, value).returncode != 0:
                raise Failure("the pool could not be defined")
        self.judge = Judge(self.etcdctl, set(self.names))
        self.judge.start()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def ctl(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.etcdctl, *words], capture_output=True, check=False)

    def start(self, pod: Pod) -> None:
        log = pod.log(pod.release).open("ab")
        pod.process = subprocess.Popen(
            [self.binaries[pod.release], "--etcd", self.url, "--pool", POOL, "--group", "herd"]
            + ["--instance", pod.uid, "--pod", pod.uid, "--dir", pod.directory],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"]},
        )

    def kill(self, pod: Pod) -> None:
        assert pod.process
        pod.process.kill()
        pod.process.wait()
        pod.process = None

    def live(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.process is not None]

    def holders(self) -> list[Pod]:
        holding = self.judge.now().owners
        return [pod for pod in self.live() if pod.uid in holding]

    def sample(self) -> None:
        """Two pods must not believe in one name at once. A killed sidecar's app believes until the deadline."""
        while not self.ended.wait(1.0):
            believers: dict[str, str] = {}
            for pod in list(self.pods):
                name = believed(pod)
                if name is not None and believers.setdefault(name, pod.uid) != pod.uid:
                    self.beliefs.append(f"{pod.uid} and {believers[name]} believe in {name}")
            self.samples += 1

    # --- the steps ---

    def herd(self, each: int) -> None:
        for number in range(each):
            for release in ("old", "new"):
                uid = f"{release}-{number:03}"
                directory = self.scratch / uid
                directory.mkdir()
                self.pods.append(Pod(uid, release, directory))
        began = time.monotonic()
        for pod in self.pods:
            self.start(pod)
        started = time.monotonic() - began
        holders = min(len(self.pods), len(self.names))
        self.settled("the herd holds names or waits", holders, len(self.pods) - holders)
        took = time.monotonic() - began
        state = self.judge.now()
        lowest = sorted(state.slots) == self.names[:holders]
        by_release = Counter(uid.partition("-")[0] for uid, _ in state.slots.values())
        say(
            f"{len(self.pods)} pods, started within {started:.1f} s; {holders} hold after {took:.1f} s: "
            f"{by_release['old']} old, {by_release['new']} new; {len(state.tickets)} wait; lowest names: {lowest}"
        )

    def swap(self) -> None:
        """Restarts some holders and some waiting pods with the other release: names and tickets stay."""
        before = self.judge.now()
        swapped = []
        for known in (before.owners, before.tickets):
            for release in ("old", "new"):
                swapped += [pod for pod in self.live() if pod.release == release and pod.uid in known][:SWAPPED]
        for pod in swapped:
            self.kill(pod)
            pod.release = "new" if pod.release == "old" else "old"
            self.start(pod)
        adopted = {name for name, (uid, _) in before.slots.items() if uid in {pod.uid for pod in swapped}}
        until(
            "restarted sidecars adopt their slots",
            lambda: all(self.judge.now().slots.get(name, ("", 0)) > before.slots[name] for name in adopted),
        )
        # Nothing changes either in the time in which a lease without a renewal ends.
        time.sleep(LEASE_SECONDS)
        after = self.judge.now()
        for pod in swapped:
            held = before.owners.get(pod.uid), after.owners.get(pod.uid)
            if held[0] != held[1]:
                raise Failure(f"{pod.uid} had {held[0]} and has {held[1]}")
            tickets = before.tickets.get(pod.uid), after.tickets.get(pod.uid)
            if tickets[0] != tickets[1]:
                raise Failure(f"the ticket of {pod.uid} was {tickets[0]} and is {tickets[1]}")
        say(f"{len(adopted)} holders and {len(swapped) - len(adopted)} waiting pods went on under the other release")

    def advance(self) -> None:
        """Stops holders until nobody waits."""
        waiting = self.judge.counts()[1]
        began, stopped, killed = time.monotonic(), 0, 0
        while waiting > 0:
            holders = self.holders()
            batch = []
            for release in ("old", "new"):
                batch += [pod for pod in holders if pod.release == release][: max(1, min(20, waiting // 2))]
            for number, pod in enumerate(batch[:waiting]):
                if killed < 2 * KILLED and number % 2 == 0:
                    self.kill(pod)
                    killed += 1
                else:
                    self.terminate(pod)
                    stopped += 1
            left = max(0, waiting - len(batch))
            until(f"{left} wait", lambda left=left: self.judge.counts()[1] <= left)
            waiting = self.judge.counts()[1]
        self.settled("every pod has a name", len(self.live()), 0)
        say(f"{stopped} stopped and {killed} killed: nobody waits after {time.monotonic() - began:.1f} s")

    def terminate(self, pod: Pod) -> None:
        assert pod.process
        pod.was_stopped = True
        pod.process.send_signal(signal.SIGTERM)
        code = pod.process.wait(timeout=30)
        pod.process = None
        if code != 0:
            raise Failure(f"{pod.uid} ended with {code}")

    def settled(self, what: str, slots: int, tickets: int) -> None:
        until(f"{what}: {slots} slots, {tickets} tickets", lambda: self.judge.counts()[:2] == (slots, tickets))
        if slots:
            until("files say so", lambda: sum(believed(pod) is not None for pod in self.live()) == slots)

    def end(self) -> None:
        for pod in self.live():
            pod.was_stopped = True
            assert pod.process
            pod.process.terminate()
        for pod in self.live():
            assert pod.process
            pod.process.wait(timeout=60)
            pod.process = None
        self.settled("nothing is left", 0, 0)

    def close(self) -> None:
        self.ended.set()
        for pod in self.live():
            self.kill(pod)
        self.judge.stop()
        self.etcd.kill()
        self.etcd.wait()

    def report(self) -> bool:
        judge = self.judge
        most = max(judge.overtaken.values(), default=0)
        say(
            f"{judge.grants} grants, {judge.from_ticket} from tickets; "
            f"a waiting pod was overtaken at most {most} times; "
            f"without a grant while a name was free and pods waited: {judge.longest_idle:.1f} s at most"
        )
        for release in ("old", "new"):
            lines = Counter(
                re.sub(r"[0-9a-f]{16,}|\d+", "#", line.partition(" ")[2])
                for pod in self.pods
                if pod.log(release).exists()
                for line in pod.log(release).read_text(errors="replace").splitlines()
                if LEVELS.search(line)
            )
            say(f"warnings and errors of {release} sidecars: {sum(lines.values())}")
            for line, count in lines.most_common(8):
                say(f"  {count:5} × {line[:200]}")
        bad = judge.violations + self.beliefs
        say(f"{len(bad)} violations in etcd and in {self.samples} looks at all files")
        for line in bad[:20]:
            say(f"  {line}")
        return not bad


def believed(pod: Pod) -> str | None:
    """The name in which the app of a pod believes now."""
    if pod.was_stopped:
        return None
    try:
        claim = json.loads((pod.directory / "claim.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    deadline = claim.get("valid_until_boottime_ns") or 0
    return claim.get("name") if deadline > time.clock_gettime_ns(time.CLOCK_BOOTTIME) else None


def until(what: str, condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, required=True, help="cairn-sidecar of the previous release")
    parser.add_argument("--new", type=Path, required=True, help="cairn-sidecar of this release")
    parser.add_argument("--etcd", type=Path, required=True, help="etcd, with etcdctl beside it")
    parser.add_argument("--each", type=int, default=150, help="pods of each release")
    parser.add_argument("--names", type=int, default=200, help="names in the pool")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="beside-") as scratch:
        run = Run(args, Path(scratch))
        failure = None
        try:
            run.herd(args.each)
            run.swap()
            run.advance()
            run.end()
        except Failure as found:
            failure = found
        run.close()
        good = run.report()
        if failure is not None:
            say(f"FAILED: {failure}; slots, tickets, names in use: {run.judge.counts()}")
        return 0 if good and failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
