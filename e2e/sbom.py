"""Completes a CycloneDX file: sbom.py FOLDER FILE, with the packages of the binary, as `cargo tree` names them, on
standard input.

- Leaves out crates that are not in the binary, and fails if one of the binary's is missing.
- Replaces the folder of the sources by a name, so that equal sources give equal files.
- Adds the C library, which the static binary contains.
"""

import json
import subprocess
import sys

# Where the sources are in the file.
SOURCES = "cairn"


def packages(lines):
    """`name vVERSION (…)` becomes (name, version)."""
    for line in lines:
        words = line.split()
        if len(words) >= 2:
            yield words[0], words[1].removeprefix("v")


def c_library():
    query = ["dpkg-query", "--show", "--showformat=${source:Version}", "libc6-dev"]
    version = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return {
        "type": "library",
        "bom-ref": "glibc",
        "name": "glibc",
        "version": version,
        "description": "The C library, linked statically",
        "scope": "required",
        "licenses": [{"expression": "LGPL-2.1-or-later"}],
        "purl": f"pkg:deb/debian/glibc@{version}",
    }


def main():
    folder, file = sys.argv[1:]
    with open(file, encoding="utf-8") as text:
        sbom = json.loads(text.read().replace(folder, SOURCES))
    sbom.pop("serialNumber", None)
    root = sbom["metadata"]["component"]
    built = set(packages(sys.stdin))
    listed = {(one["name"], one["version"]): one for one in sbom["components"]}
    missing = built - set(listed) - {(root["name"], root["version"])}
    if missing:
        sys.exit(f"sbom.py: {file} lacks {sorted(missing)}")
    sbom["components"] = [one for package, one in sorted(listed.items()) if package in built] + [c_library()]
    kept = {one["bom-ref"] for one in sbom["components"]} | {root["bom-ref"]}
    sbom["dependencies"] = [
        one | {"dependsOn": [ref for ref in one.get("dependsOn", []) if ref in kept]}
        for one in sbom["dependencies"]
        if one["ref"] in kept
    ]
    json.dump(sbom, sys.stdout, indent=2)
    print()


main()
