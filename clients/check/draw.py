#!/usr/bin/env python3
"""Draws journals as SVG: a row per shard, a colour per pod, from left to right the time."""

import argparse
import html
from pathlib import Path

import journal

# Told apart also without colours of their own: light and dark alternate.
COLOURS = ["#4477aa", "#eecc66", "#117733", "#ee8866", "#332288", "#99ddff", "#882255", "#bbcc33"]
ROW, GAP, LEFT, TOP, WIDTH = 14, 3, 60, 46, 860


def draw(spans: list[journal.Span], pods: list[str], title: str) -> str:
    """The picture."""
    shards = sorted({span.shard for span in spans})
    begin = min(span.start for span in spans)
    end = max(max(span.end or span.start, span.start) for span in spans)
    scale = WIDTH / max(end - begin, 1)
    bottom = TOP + len(shards) * (ROW + GAP)
    colour = {pod: COLOURS[index % len(COLOURS)] for index, pod in enumerate(pods)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {bottom + 40}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="16" font-size="13">{html.escape(title)}</text>',
    ]
    for index, pod in enumerate(pods):
        x = LEFT + index * 110
        lines.append(f'<rect x="{x}" y="24" width="12" height="12" fill="{colour[pod]}"/>')
        lines.append(f'<text x="{x + 16}" y="34">{html.escape(pod)}</text>')
    for row, shard in enumerate(shards):
        y = TOP + row * (ROW + GAP)
        lines.append(f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{shard}</text>')
        for span in spans:
            if span.shard == shard:
                x = LEFT + (span.start - begin) * scale
                width = max(((span.end or end) - span.start) * scale, 0.5)
                lines.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="{colour[span.pod]}"/>'
                )
    seconds = (end - begin) / 1e9
    step = next(step for step in (1, 2, 5, 10, 20, 60, 600) if seconds / step <= 12 or step == 600)
    for tick in range(0, int(seconds) + 1, step):
        x = LEFT + tick * 1e9 * scale
        lines.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}" stroke="black"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick} s</text>')
    lines.append(f'<text x="{LEFT - 6}" y="{TOP - 6}" text-anchor="end">shard</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", default="")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("journals", nargs="+", metavar="POD=FILE")
    args = parser.parse_args()
    named = [entry.split("=", 1) for entry in args.journals]
    spans = [span for pod, path in named for span in journal.read(pod, Path(path))]
    args.out.write_text(draw(spans, [pod for pod, _ in named], args.title))


if __name__ == "__main__":
    main()
