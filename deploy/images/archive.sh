#!/usr/bin/env bash
# Builds an image into an archive, without a daemon, a registry or a container runtime:
#
#   archive.sh TAG DOCKERFILE CONTEXT ARCHIVE [amd64|arm64]
#
# Equal inputs give equal archives. Files in CONTEXT become readable for everybody.
set -euo pipefail

if [ $# -lt 4 ] || [ $# -gt 5 ]; then
  echo "archive.sh: write TAG DOCKERFILE CONTEXT ARCHIVE, and an architecture if it is not this machine's" >&2
  exit 2
fi
tag=$1 dockerfile=$2 context=$3 archive=$4
storage=$archive.storage
buildah=(buildah --root "$storage" --runroot "$storage-run" --storage-driver vfs)
# Every file and the image itself have the time 0, and no label names the version of buildah.
build=(bud --isolation chroot --pull-never --layers=false --timestamp 0 --identity-label=false)
[ -z "${5:-}" ] || build+=(--arch "$5")

clean() { rm -rf "$storage" "$storage-run"; }
trap clean EXIT
clean
rm -f "$archive"
# An image keeps the modes of its files, and its user is another one.
chmod -R u=rwX,go=rX "$context"
# Copying one file needs neither overlay mounts nor a container runtime, hence vfs and chroot.
{
  "${buildah[@]}" "${build[@]}" -t "$tag" -f "$dockerfile" "$context" &&
    "${buildah[@]}" push "$tag" "docker-archive:$archive:$tag"
} >"$archive.log" 2>&1 || {
  tail -n 20 "$archive.log" >&2
  echo "archive.sh: the image $tag could not be built; buildah's output is above" >&2
  exit 1
}
rm -f "$archive.log"
