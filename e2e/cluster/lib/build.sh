# The tools: Go programs of this module. A tool is built only when its sources or this file have changed.
# shellcheck shell=bash

# How often a build prints its progress.
HEARTBEAT_SECONDS=10

BUILD_TARGETS=(etcd pause node)

# The names that each binary answers to; see cmd/*/main.go.
declare -A BUILD_LINKS=(
  [etcd]="etcdctl"
  [pause]=""
  [node]="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl helm coredns"
)

build_command() {
  [ $# -le 1 ] || no_more_args build "${@:2}"
  local target targets=("${BUILD_TARGETS[@]}")
  if [ $# -eq 1 ]; then
    [ -n "${BUILD_LINKS[$1]+known}" ] ||
      bad_input "there is no '$1' to build: write one of ${BUILD_TARGETS[*]}, or nothing for all"
    targets=("$1")
  fi
  command -v go >/dev/null || die "Go is missing: run 'cluster setup', which says what to install"
  mkdir -p "$BIN_DIR"
  lock "$BIN_DIR/.lock"
  for target in "${targets[@]}"; do
    build_target "$target"
  done
  unlock
}

build_target() {
  local target=$1 began inputs link
  began=$(now_ms)
  inputs=$(build_inputs "$target")
  if [ -x "$BIN_DIR/$target" ] && [ "$(cat "$BIN_DIR/.$target.inputs" 2>/dev/null)" = "$inputs" ]; then
    say "$target: up to date"
    return
  fi
  build_download "$target"
  build_compile "$target"
  for link in ${BUILD_LINKS[$target]}; do
    ln -sf "$target" "$BIN_DIR/$link"
  done
  printf '%s' "$inputs" >"$BIN_DIR/.$target.inputs"
  say "$target: built in $(seconds_since "$began") s"
}

build_inputs() {
  (cd "$SOURCE_DIR" && go env GOVERSION GOARCH && sha256sum go.mod go.sum cmd/"$1"/*.go lib/build.sh) |
    sha256sum | cut -d' ' -f1
}

# The version that the linker writes into the binary. It is read from go.mod.
build_ldflags() {
  local package=k8s.io/component-base/version version
  version=$(sed -n 's|^\tk8s.io/kubernetes v||p' "$SOURCE_DIR/go.mod")
  local major=${version%%.*} rest=${version#*.}
  printf -- '-s -w'
  printf -- " -X $package.%s" "gitVersion=v$version" "gitMajor=$major" "gitMinor=${rest%%.*}" \
    gitTreeState=clean gitCommit=0 buildDate=2026-01-01T00:00:00Z
}

# Listing the packages of a program fetches exactly the modules that it needs, and no others.
build_download() {
  local target=$1 total
  local log=$BIN_DIR/.$target.log
  if ! (cd "$SOURCE_DIR" && go list -deps "./cmd/$target" 2>&1 >"$BIN_DIR/.$target.packages") |
    tee "$log" | build_progress "$target: downloaded" "modules" ""; then
    tail -n 20 "$log" >&2
    die "the modules of $target could not be downloaded: is the Go module proxy reachable? (go env GOPROXY)"
  fi
  total=$(wc -l <"$BIN_DIR/.$target.packages")
  rm -f "$BIN_DIR/.$target.packages"
  BUILD_TOTAL=$total
}

build_compile() {
  local target=$1
  local log=$BIN_DIR/.$target.log
  if ! (cd "$SOURCE_DIR" && CGO_ENABLED=0 go build -v -trimpath -buildvcs=false -ldflags "$(build_ldflags)" \
    -o "$BIN_DIR/$target.new" "./cmd/$target" 2>&1) |
    tee "$log" |
    build_progress "$target: compiled" "packages" " of at most $BUILD_TOTAL, those in Go's cache not counted"; then
    tail -n 20 "$log" >&2
    die "$target could not be built; the compiler's output is above and in $log"
  fi
  # A running cluster keeps the file that it was started from.
  mv -f "$BIN_DIR/$target.new" "$BIN_DIR/$target"
  rm -f "$log"
}

# build_progress WHAT NOUN SUFFIX: counts lines, and prints the count every HEARTBEAT_SECONDS.
build_progress() {
  local count=0 doing began next line status
  began=$(now_ms)
  next=$((began + HEARTBEAT_SECONDS * 1000))
  while :; do
    status=0
    read -r -t "$HEARTBEAT_SECONDS" line || status=$?
    # A status above 128 means that the read has timed out. Any other failure is the end of the output.
    [ "$status" -eq 0 ] || [ "$status" -gt 128 ] || break
    if [ "$status" -eq 0 ]; then
      count=$((count + 1))
      doing="last $line"
    else
      # Compilers print nothing during a long step.
      doing="compiling or linking"
    fi
    if [ "$(now_ms)" -ge "$next" ]; then
      say "  $1 $count $2$3, $doing, $(seconds_since "$began") s"
      next=$(($(now_ms) + HEARTBEAT_SECONDS * 1000))
    fi
  done
}
