"""The journals of an app's pods, and what must be true of them together.

A journal has lines `<CLOCK_BOOTTIME ns> serve|stop <shard> <fence>`, the fence as `<epoch>-<revision>`.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Span:
    """A pod served a shard from one instant to another. Without an end it still does."""

    shard: int
    start: int
    end: int | None
    pod: str
    fence: tuple[int, int]

    def __str__(self) -> str:
        end = "now" if self.end is None else self.end
        return f"shard {self.shard} by {self.pod} from {self.start} to {end} under {self.fence}"


def read(pod: str, path: Path) -> list[Span]:
    """The spans of one pod's journal."""
    return parse(pod, path.read_text() if path.exists() else "")


def parse(pod: str, text: str) -> list[Span]:
    """The spans of one journal. A journal that makes no sense is an error."""
    begun: dict[int, tuple[int, tuple[int, int]]] = {}
    spans = []
    # The last line may be half written.
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        instant, what, shard, words = line.split()
        epoch, revision = words.split("-")
        at, fence = int(instant), (int(epoch), int(revision))
        if what == "serve":
            if int(shard) in begun:
                raise ValueError(f"{pod} serves shard {shard} twice: {line.strip()}")
            begun[int(shard)] = (at, fence)
        else:
            start, under = begun.pop(int(shard))
            if what != "stop" or under != fence:
                raise ValueError(f"{pod} stops something else: {line.strip()}")
            spans.append(Span(int(shard), start, at, pod, fence))
    spans += [Span(shard, start, None, pod, fence) for shard, (start, fence) in begun.items()]
    return spans


def faults(spans: list[Span]) -> list[str]:
    """Two pods that served one shard at one instant, and fences that do not grow from pod to pod."""
    found = []
    for shard in {span.shard for span in spans}:
        of_shard = sorted((span for span in spans if span.shard == shard), key=lambda span: span.start)
        for earlier, later in pairwise(of_shard):
            if earlier.end is None or earlier.end > later.start:
                found.append(f"two at once: {earlier}; {later}")
            elif earlier.pod != later.pod and earlier.fence >= later.fence:
                found.append(f"the fence does not grow: {earlier}; {later}")
            elif earlier.fence > later.fence:
                found.append(f"the fence goes back: {earlier}; {later}")
    return found


def serving(spans: list[Span]) -> dict[int, str]:
    """Who serves each shard now."""
    return {span.shard: span.pod for span in spans if span.end is None}


def longest_gap_ms(spans: list[Span]) -> int:
    """The longest time during which a shard was served by nobody, between two who served it."""
    longest = 0
    for shard in {span.shard for span in spans}:
        of_shard = sorted((span for span in spans if span.shard == shard), key=lambda span: span.start)
        for earlier, later in pairwise(of_shard):
            if earlier.end is not None:
                longest = max(longest, later.start - earlier.end)
    return longest // 1_000_000
