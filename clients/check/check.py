#!/usr/bin/env python3
"""Runs the example apps of this folder beside real sidecars on a real etcd, and judges their journals.

For each language, two pods share sixteen shards. Then one of them drains, and the other one must serve all of them. At
no instant do two pods serve one shard.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import journal

HERE = Path(__file__).resolve().parent
CLIENTS = HERE.parent

# What must be there, and the tools without which another language is left out.
REQUIRED = ["python", "go", "rust"]
OTHERS = {"typescript": ["node", "npm"], "java": ["java", "mvn", "grpc_java_plugin"], "shell": ["bash", "curl"]}

# CI does not fetch what these need.
LARGE = ["typescript", "java"]

SHARDS = 16
# The shortest validity, so that nothing takes long.
VALIDITY = "3s"
# A young session hands nothing over: D of its validity, 5.1 s, and a moment for a busy machine.
YOUNG_SECONDS = 6.0
# The first sidecar of an etcd waits for D, a session that ended takes 11.1 s, and this machine may be busy.
PATIENCE_SECONDS = 60.0
# Without the app's confirmation, a shard waits for the deadline and 2 s more.
LONGEST_GAP_MS = 2000


class Failure(Exception):
    """The check failed; says how."""


@dataclass
class Pod:
    """A sidecar and an app, in a directory of their own."""

    name: str
    directory: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    def start(self, log: str, command: list[str]) -> None:
        with (self.directory / log).open("wb") as out:
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))

    def end(self) -> list[int]:
        """Ends app and sidecar, in this order; their exit codes."""
        codes = []
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                codes.append(process.wait(timeout=20))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        self.processes.clear()
        return codes


@dataclass
class Check:
    """One language."""

    language: str
    worker: Path
    sidecar: Path
    etcd: str
    directory: Path
    pods: list[Pod] = field(default_factory=list)

    def run(self) -> str:
        """What was seen."""
        queue = self.directory / "queue"
        queue.mkdir()
        try:
            for name in ("a", "b"):
                self._start(name, queue)
            self._until("both serve half of the shards", lambda: self._shares() == {"a": 8, "b": 8})
            time.sleep(YOUNG_SECONDS)
            drain = subprocess.run(
                [self.sidecar, "drain", "--dir", self.pods[0].directory / "run"],
                capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
            )
            if drain.returncode != 0:
                raise Failure(f"the drain failed: {drain.stderr.strip()}")
            self._until("the other one serves all shards", lambda: self._shares() == {"b": SHARDS})
        finally:
            codes = [pod.end() for pod in self.pods]
        if codes != [[0, 0], [0, 0]]:
            raise Failure(f"app and sidecar exited with {codes}")
        return self._judge(queue)

    def _start(self, name: str, queue: Path) -> None:
        pod = Pod(name, self.directory / name)
        pod.directory.mkdir()
        self.pods.append(pod)
        run = pod.directory / "run"
        pod.start("sidecar.log", [
            str(self.sidecar), "--etcd", self.etcd, "--dir", str(run), "--namespace", "check",
            "--group", self.language, "--instance", f"{self.language}-{name}", "--pod", f"{self.language}-{name}",
            "--coordinate", "shards", "--shards", str(SHARDS), "--validity", VALIDITY, "--min-participants", "2",
        ])
        self._until("the sidecar's socket is there", (run / "cairn.sock").exists)
        pod.start("worker.log", [
            str(self.worker), "--target", f"unix:{run}/cairn.sock", "--queue", str(queue),
            "--journal", str(pod.journal),
        ])

    def _spans(self) -> list[journal.Span]:
        return [span for pod in self.pods for span in journal.read(pod.name, pod.journal)]

    def _shares(self) -> dict[str, int]:
        return Counter(journal.serving(self._spans()).values())

    def _until(self, what: str, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            for pod in self.pods:
                for process in pod.processes:
                    if process.poll() is not None:
                        raise Failure(f"{Path(str(process.args[0])).name} of {pod.name} exited by itself")
            if time.monotonic() > end:
                raise Failure(f"not within {PATIENCE_SECONDS:.0f} s: {what}; {dict(self._shares())}")
            time.sleep(0.05)

    def _judge(self, queue: Path) -> str:
        spans = self._spans()
        faults = journal.faults(spans) + [f"it never stopped: {span}" for span in spans if span.end is None]
        if faults:
            raise Failure("; ".join(faults))
        gap = journal.longest_gap_ms(spans)
        if gap >= LONGEST_GAP_MS:
            raise Failure(f"a shard was served by nobody for {gap} ms: its stop was not confirmed")
        pieces = [int(path.read_text().split()[2]) for path in queue.iterdir()]
        if len(pieces) != SHARDS:
            raise Failure(f"{len(pieces)} of {SHARDS} shards were worked on")
        return f"{len(spans)} spans, {sum(pieces)} pieces of work, longest gap {gap} ms"


def start_etcd(program: Path, directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A fresh etcd of one member."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    with (directory / "etcd.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--data-dir", directory / "etcd", "--unsafe-no-fsync", "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"default={peer}"],
            stdout=log, stderr=subprocess.STDOUT,
        )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", ports[0])) == 0:
                return process, client
        time.sleep(0.05)
    process.kill()
    raise Failure("etcd does not start")


def build(language: str, home: Path) -> Path:
    """The app of a language."""
    built = subprocess.run([CLIENTS / language / "build.sh"], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise Failure(f"it does not build:\n{built.stdout}{built.stderr}")
    return home / "clients" / language / "worker"


def chosen(wanted: list[str]) -> list[str]:
    """The languages to check. Says what is left out."""
    languages = wanted or REQUIRED.copy()
    if not wanted:
        for language, tools in OTHERS.items():
            missing = [tool for tool in tools if shutil.which(tool) is None]
            if language in LARGE and os.environ.get("CI") == "true":
                print(f"{language}: left out in CI, because its packages come from another large registry")
            elif missing:
                print(f"{language}: left out, because there is no {' and no '.join(missing)}")
            else:
                languages.append(language)
    return languages


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="where etcd is, and where apps are built")
    parser.add_argument("--sidecar", type=Path, required=True)
    parser.add_argument("--keep", action="store_true", help="keep journals and logs")
    parser.add_argument("languages", nargs="*", help="default: all that can be built here")
    args = parser.parse_args()

    directory = Path(tempfile.mkdtemp(prefix="cairn-clients-"))
    languages = chosen(args.languages)
    failed = 0
    etcd, url = start_etcd(args.home / "bin" / "etcd", directory)
    try:
        def check(language: str) -> str:
            worker = build(language, args.home)
            own = directory / language
            own.mkdir()
            return Check(language, worker, args.sidecar.resolve(), url, own).run()

        with ThreadPoolExecutor(len(languages)) as pool:
            running = {language: pool.submit(check, language) for language in languages}
            for language, result in running.items():
                try:
                    print(f"{language}: {result.result()}")
                except (Failure, ValueError, KeyError, OSError, subprocess.SubprocessError) as failure:
                    failed += 1
                    print(f"{language}: FAILED: {failure}")
    finally:
        etcd.terminate()
        etcd.wait()
    if failed or args.keep:
        print(f"journals and logs: {directory}")
    else:
        shutil.rmtree(directory)
    print(f"{len(languages) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
