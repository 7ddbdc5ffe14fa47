"""Follows all keys of an etcd and judges each revision: whether sidecars have kept the claim protocol.

Not for: what sidecars believe, which `beside.py` reads off their files.
"""

import base64
import copy
import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

ROOT = "/cairn/v1/"
POOL = "beside"
PATH = f"{ROOT}ns/default/c/{POOL}/herd/"
OWNERS = f"{ROOT}ns/default/o/"


@dataclass
class Change:
    """A put or a deletion of one key."""

    revision: int
    key: str
    # Empty for a deletion.
    value: str
    is_put: bool
    is_new: bool


@dataclass
class State:
    """What etcd has at one revision."""

    # By name: the holder's UID and the revision of the last put.
    slots: dict[str, tuple[str, int]] = field(default_factory=dict)
    # By UID: the name in its owner record.
    owners: dict[str, str] = field(default_factory=dict)
    # By UID: the create revision of its ticket.
    tickets: dict[str, int] = field(default_factory=dict)
    # The names with a quarantine, and those with a note.
    resting: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)

    def used(self) -> set[str]:
        return self.slots.keys() | self.resting | self.notes


class Judge(threading.Thread):
    """Reads `etcdctl watch` from the first revision on."""

    def __init__(self, etcdctl: list[str], names: set[str]) -> None:
        super().__init__(daemon=True)
        self.names = names
        self.state = State()
        self.lock = threading.Lock()
        self.violations: list[str] = []
        # By name: the last holder.
        self.last: dict[str, str] = {}
        self.grants = 0
        self.from_ticket = 0
        # By UID: how many younger tickets got a name while it waited.
        self.overtaken: Counter[str] = Counter()
        # The longest time in which pods waited, a name was free, and none was granted.
        self.longest_idle = 0.0
        self.idle_since: float | None = None
        command = [*etcdctl, "watch", "--prefix", ROOT, "--rev", "1", "-w", "json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self.lock:
                for _, group in groupby(changes(json.loads(line)), lambda change: change.revision):
                    self.judge(list(group))

    def judge(self, group: list[Change]) -> None:
        """The changes of one revision. Each grant is judged by the state before it."""
        granted = 0
        for change in group:
            if change.key.startswith(PATH + "s/") and change.is_put:
                granted += self.judge_slot(change)
        for change in group:
            self.apply(change)
        self.compare_records(group)
        self.observe_idle(granted > 0)

    def judge_slot(self, change: Change) -> int:
        name, state = change.key.removeprefix(PATH + "s/"), self.state
        uid = json.loads(change.value)["uid"]
        held = state.slots.get(name)
        if not change.is_new:
            if held is None or held[0] != uid:
                self.report(change, f"{uid} wrote the slot {name} of {held}")
            return 0
        if held is not None:
            self.report(change, f"{name} was granted to {uid} while {held[0]} held it")
        if name in state.resting | state.notes and self.last.get(name) != uid:
            self.report(change, f"{name} was granted to {uid} while it rested")
        if uid in state.owners:
            self.report(change, f"{uid} got {name} and holds {state.owners[uid]}")
        if name not in self.names:
            self.report(change, f"{name}, which is not in the pool, was granted to {uid}")
        self.grants += 1
        if uid in state.tickets:
            self.from_ticket += 1
            self.overtaken.update(u for u, ticket in state.tickets.items() if ticket < state.tickets[uid])
        elif state.tickets and self.last.get(name) != uid:
            self.report(change, f"{uid} got {name} without a ticket while {len(state.tickets)} pods waited")
        self.last[name] = uid
        return 1

    def apply(self, change: Change) -> None:
        state, key = self.state, change.key
        kind, _, rest = key.removeprefix(PATH).partition("/") if key.startswith(PATH) else ("", "", "")
        if key.startswith(OWNERS):
            uid = key.removeprefix(OWNERS).partition("/")[0]
            set_or_pop(state.owners, uid, change.is_put and json.loads(change.value)["slot"].removeprefix(PATH + "s/"))
        elif kind == "s":
            set_or_pop(state.slots, rest, change.is_put and (json.loads(change.value)["uid"], change.revision))
        elif kind == "q":
            set_or_pop(state.tickets, rest, change.is_put and state.tickets.get(rest, change.revision))
        elif kind in ("x", "d"):
            names = state.resting if kind == "x" else state.notes
            (names.add if change.is_put else names.discard)(rest)

    def compare_records(self, group: list[Change]) -> None:
        """After each revision, owner records and slots say the same."""
        for change in group:
            if change.key.startswith(OWNERS):
                uid = change.key.removeprefix(OWNERS).partition("/")[0]
                name = self.state.owners.get(uid)
                if name is not None and self.state.slots.get(name, ("nobody", 0))[0] != uid:
                    self.report(change, f"the owner record of {uid} says {name}, whose slot does not")
            elif change.key.startswith(PATH + "s/") and change.is_put:
                name = change.key.removeprefix(PATH + "s/")
                uid, _ = self.state.slots[name]
                if self.state.owners.get(uid) != name:
                    self.report(change, f"the slot {name} says {uid}, whose owner record does not")

    def observe_idle(self, granted: bool) -> None:
        now = time.monotonic()
        if self.idle_since is not None:
            self.longest_idle = max(self.longest_idle, now - self.idle_since)
        free = len(self.names) > len(self.state.used() & self.names)
        waits = bool(self.state.tickets) and free
        if not waits:
            self.idle_since = None
        elif granted or self.idle_since is None:
            self.idle_since = now

    def report(self, change: Change, what: str) -> None:
        self.violations.append(f"revision {change.revision}: {what}")

    def counts(self) -> tuple[int, int, int]:
        """Slots, tickets, and names that are in use or at rest."""
        with self.lock:
            return len(self.state.slots), len(self.state.tickets), len(self.state.used())

    def now(self) -> State:
        with self.lock:
            return copy.deepcopy(self.state)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def set_or_pop(entries: dict, key: str, value: object) -> None:
    if value is False:
        entries.pop(key, None)
    else:
        entries[key] = value


def changes(response: dict) -> Iterator[Change]:
    for event in response.get("Events") or []:
        kv = event["kv"]
        text = {name: base64.b64decode(kv.get(name, "")).decode() for name in ("key", "value")}
        is_put = event.get("type", 0) in (0, "PUT")
        revision = kv["mod_revision"]
        yield Change(revision, text["key"], text["value"], is_put, kv.get("create_revision") == revision)
