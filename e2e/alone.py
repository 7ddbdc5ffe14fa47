#!/usr/bin/env python3
"""Shows that every crate builds alone: that its manifest asks for every feature that it needs of a dependency.

Cargo gives a dependency the features that all packages of a command ask for. So a missing feature shows only when no
other crate of the command asks for it, as in `cargo check -p CRATE`. That compiles most dependencies anew for almost
every crate. Therefore this asks cargo first which features the dependencies that a crate names have when it is built
alone, and lets one build stand for several crates when all of them find these same features in it:

1. the lints of the whole workspace, which `make alone` has run before;
2. what later steps of `make test` build of one crate alone, in the same way, so that they find it;
3. `cargo check` of as few groups as possible.

What the dependencies of a dependency are built with is left to it: its manifest asks for that.
"""

import json
import os
import subprocess
import sys
import time

CARGO = os.environ.get("CARGO", "cargo")
PLAIN = ["-e", "normal,build"]
LINTED = ["--workspace", "--all-features", "-e", "normal,build,dev"]
# Each is also what a step of the Makefile begins with.
BUILDS = [
    (["build"], ["cairn-sidecar"]),
    (["build"], ["cairn"]),
    (["build"], ["cairn-model", "cairn-coordination-model"]),
    # It has no dev-dependencies, so its tests have the features of the crate alone.
    (["test", "--no-run", "--features", "histories"], ["cairn-faults"]),
]


def output(*args):
    found = subprocess.run([CARGO, *args], check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout


def select(crates):
    """The arguments that name these crates."""
    return [word for crate in crates for word in ("-p", crate)]


def workspace():
    """The names of the crates, and their features that only say which tests run."""
    packages = json.loads(output("metadata", "--no-deps", "--format-version", "1"))["packages"]
    gates = set()
    for package in packages:
        required = {name for target in package["targets"] for name in target.get("required-features", [])}
        gates |= {(package["name"], name) for name in required if not package["features"][name]}
    return [package["name"] for package in packages], gates


def named(selection, gates):
    """What each crate of a selection names, with features: {crate: {(dependency, version, features)}}."""
    text = output("tree", "--quiet", "--no-dedupe", "--depth", "1", "--prefix", "depth", "-f", "\t{p}\t{f}", *selection)
    crates = {}
    for line in text.splitlines():
        if "\t" not in line:
            continue
        depth, package, features = line.split("\t")
        name, version = package.split()[:2]
        if depth == "0":
            crate = crates.setdefault(name, set())
        else:
            features = {feature for feature in features.split(",") if feature and (name, feature) not in gates}
            crate.add((name, version, frozenset(features)))
    return crates


def differs(one, other):
    """Whether two crates want different features of a dependency, which one build cannot show."""
    features = {(name, version): wanted for name, version, wanted in other}
    return any(features.get((name, version), wanted) != wanted for name, version, wanted in one)


def group(alone, gates):
    """Groups of crates that change nothing for each other."""
    groups = []
    for crate, wanted in alone.items():
        for members in groups:
            if any(differs(wanted, alone[name]) for name in members):
                continue
            together = named([*select([*members, crate]), *PLAIN], gates)
            if all(alone[name] == together[name] for name in [*members, crate]):
                members.append(crate)
                break
        else:
            groups.append([crate])
    return groups


def take(alone, selection, gates):
    """Takes out the crates for which this selection stands."""
    built = named(selection, gates)
    # A build of tests names more, and not less.
    shown = [crate for crate in alone if alone[crate] <= built.get(crate, set())]
    for crate in shown:
        del alone[crate]
    return shown


def run(args):
    began = time.monotonic()
    subprocess.run([CARGO, args[0], "--quiet", *args[1:]], check=True)
    print(f"cargo {' '.join(args)}: {time.monotonic() - began:.0f} s", flush=True)


def main():
    crates, gates = workspace()
    alone = {crate: named([*select([crate]), *PLAIN], gates)[crate] for crate in crates}
    print(f"the lints stand for {', '.join(take(alone, LINTED, gates))}", flush=True)
    for command, built in BUILDS:
        shown = take(alone, [*select(built), *PLAIN], gates)
        if set(built) - set(shown):
            sys.exit(f"alone.py: {', '.join(built)} have other features together than alone: build them one by one")
        run([*command, *select(built)])
    for members in group(alone, gates):
        run(["check", *select(members)])


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        print()
        sys.exit(f"alone.py: {' '.join(error.cmd)} failed; the reason is above")
