# Container images: buildah builds them from the same Dockerfiles that users build, without a daemon or a registry. They
# are imported into clusters as archives.
# shellcheck shell=bash

IMAGE_CONTEXT=$IMAGES_DIR/context

# The images that 'images' imports; 'up' imports pause.
IMAGE_SET=(busybox etcd sidecar webhook)
# Those that only tests need: 'image' imports them.
TEST_IMAGE_SET=(app)

image_tag() {
  case $1 in
  pause) echo "$PAUSE_TAG" ;;
  busybox) echo docker.io/library/busybox:1.35 ;;
  # The tag that the chart uses; the image is built here from the same sources.
  etcd) echo "quay.io/coreos/etcd:$(sed -n 's|^\tgo.etcd.io/etcd/server/v3 ||p' "$SOURCE_DIR/go.mod")" ;;
  sidecar | webhook) echo "localhost/cairn-$1:dev" ;;
  app) echo localhost/cairn-test-app:dev ;;
  esac
}

image_dockerfile() {
  case $1 in
  sidecar | webhook) echo "$REPO_DIR/deploy/images/$1.Dockerfile" ;;
  *) echo "$SOURCE_DIR/images/$1.Dockerfile" ;;
  esac
}

# The binary in the image. The image is rebuilt when it, the tag or the Dockerfile has changed.
image_binary() {
  case $1 in
  busybox) command -v busybox ;;
  etcd | pause) echo "$BIN_DIR/$1" ;;
  sidecar | webhook) echo "$CAIRN_HOME/target/$(rust_target)/image/cairn-$1" ;;
  app) echo "$CAIRN_HOME/target/$(rust_target)/release/cairn-test-app" ;;
  esac
}

image_archive() { printf '%s/%s.tar' "$IMAGES_DIR" "$1"; }

images_command() {
  require_name images "${1:-}"
  no_more_args images "${@:2}"
  require_up images "$1"
  local image
  for image in "${IMAGE_SET[@]}"; do
    image_prepare "$image"
    image_build "$image"
  done
  lock_cluster "$1"
  for image in "${IMAGE_SET[@]}"; do
    image_import "$1" "$image"
  done
}

image_command() {
  require_name image "${1:-}"
  [ $# -ge 2 ] || bad_input "image needs tags or archives, for example: cluster image $1 $(image_tag busybox)"
  require_up image "$1"
  lock_cluster "$1"
  local wanted image
  for wanted in "${@:2}"; do
    if image=$(image_by_tag "$wanted"); then
      image_prepare "$image"
      image_build "$image"
      image_import "$1" "$image"
    elif [ -f "$wanted" ]; then
      image_load "$1" "$wanted"
    else
      bad_input "'$wanted' is neither a file nor a tag that is built here: write an archive, or one of $(image_tags)"
    fi
  done
}

image_tags() {
  local image
  for image in "${IMAGE_SET[@]}" "${TEST_IMAGE_SET[@]}"; do
    printf '%s ' "$(image_tag "$image")"
  done
}

image_by_tag() {
  local image
  for image in "${IMAGE_SET[@]}" "${TEST_IMAGE_SET[@]}"; do
    [ "$(image_tag "$image")" != "$1" ] || {
      echo "$image"
      return
    }
  done
  return 1
}

# Builds the binary that goes into the image.
image_prepare() {
  case $1 in
  etcd) [ -x "$BIN_DIR/etcd" ] || build_command etcd ;;
  sidecar | webhook) rust_build "cairn-$1" "$REPO_DIR/deploy/images/binary.sh" "$1" ;;
  app) rust_build cairn-test-app app_binary ;;
  esac
}

# Static, because its image has no C library.
app_binary() {
  (cd "$REPO_DIR" && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --release --target "$(rust_target)" -p cairn-test-app)
}

rust_target() { printf '%s-unknown-linux-gnu' "$(uname -m)"; }

# rust_build NAME CMD…: runs a build. That of an image of Cairn is the same as a user's. Cargo decides what has changed.
rust_build() {
  local began name=$1 log=$IMAGES_DIR/$1.log
  shift
  began=$(now_ms)
  mkdir -p "$IMAGES_DIR"
  if ! CARGO_TARGET_DIR=$CAIRN_HOME/target "$@" 2>&1 |
    tee "$log" | sed -un 's/^ *Compiling //p' | build_progress "$name: compiled" crates ""; then
    tail -n 40 "$log" >&2
    die "$name could not be built; the compiler's output is above and in $log"
  fi
  rm -f "$log"
  say "$name: static binary built, $(seconds_since "$began") s"
}

image_inputs() {
  { image_tag "$1" && cat "$(image_dockerfile "$1")" "$(image_binary "$1")"; } | sha256sum | cut -d' ' -f1
}

image_build() (
  image=$1
  [ -f "$(image_binary "$image")" ] || die "the $image image needs $(image_binary "$image"): run 'cluster build' first"
  lock "$IMAGES_DIR/.lock"
  inputs=$(image_inputs "$image")
  [ "$(cat "$IMAGES_DIR/$image.inputs" 2>/dev/null)" != "$inputs" ] || [ ! -f "$(image_archive "$image")" ] ||
    return 0
  began=$(now_ms)
  image_context "$image"
  image_archive_build "$image"
  printf '%s' "$inputs" >"$IMAGES_DIR/$image.inputs"
  say "image $(image_tag "$image"): built, $(seconds_since "$began") s, $(du -h "$(image_archive "$image")" | cut -f1)"
)

image_context() {
  mkdir -p "$IMAGE_CONTEXT"
  cp -f "$(image_binary "$1")" "$IMAGE_CONTEXT/"
  [ "$1" != app ] || cp -f "$(image_binary busybox)" "$IMAGE_CONTEXT/"
  if [ "$1" = etcd ]; then
    # Copying a folder keeps etcdctl a link, so that the binary is in the image once.
    rm -rf "$IMAGE_CONTEXT/etcd-bin"
    mkdir "$IMAGE_CONTEXT/etcd-bin"
    mv "$IMAGE_CONTEXT/etcd" "$IMAGE_CONTEXT/etcd-bin/etcd"
    ln -s etcd "$IMAGE_CONTEXT/etcd-bin/etcdctl"
  fi
}

image_archive_build() {
  "$REPO_DIR/deploy/images/archive.sh" "$(image_tag "$1")" "$(image_dockerfile "$1")" "$IMAGE_CONTEXT" \
    "$(image_archive "$1")" || die "the image $(image_tag "$1") could not be built; the output is above"
}

image_import() {
  local mark inputs
  mark=$(state_dir "$1")/images/$2
  inputs=$(cat "$IMAGES_DIR/$2.inputs")
  if [ "$(cat "$mark" 2>/dev/null)" = "$inputs" ]; then
    return
  fi
  image_load "$1" "$(image_archive "$2")"
  printf '%s' "$inputs" >"$mark"
}

# A tag that moves to another image is removed first: containerd's CRI plugin does not read a known tag again, and would
# go on running the previous image.
image_load() {
  local began tag
  began=$(now_ms)
  for tag in $(image_archive_tags "$2"); do
    in_node "$1" ctr -n k8s.io images rm "$tag" >/dev/null 2>&1 || true
  done
  in_node "$1" ctr -n k8s.io images import - <"$2" >/dev/null ||
    die "$2 could not be imported into cluster '$1': is it an image archive?"
  # The kubelet sees an image once containerd's CRI plugin has registered it.
  until_deadline 20 image_is_noted "$1" || die "containerd of cluster '$1' has not registered $2 after 20 s"
  tag=$(image_archive_tags "$2" | paste -sd ' ')
  say "image $(basename "$2" .tar): imported into '$1' as $tag, $(seconds_since "$began") s"
}

# The tags in an archive; none when it does not have docker's layout.
image_archive_tags() {
  { tar -xOf "$1" manifest.json 2>/dev/null || true; } |
    sed -n 's/.*"RepoTags":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' ' '
}

# For every digest with a tag, the CRI plugin adds a reference by the image's id.
image_is_noted() {
  in_node "$1" ctr -n k8s.io images ls | awk '
    NR > 1 && $1 ~ /^sha256:/ { noted[$3] = 1; next }
    NR > 1 { tagged[$3] = 1 }
    END { for (digest in tagged) if (!(digest in noted)) exit 1 }'
}
