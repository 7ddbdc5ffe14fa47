# `make demo` shows Cairn on a real Kubernetes on this machine. `make test` runs everything that CI runs.
# Both need Debian, Rust and Go, install everything else, print what they do, and can be repeated.

export CAIRN_HOME ?= $(CURDIR)/.cairn
CLUSTER := e2e/cluster/cluster
CARGO ?= cargo
# The name of a cluster is unique on the machine, so the tests of another checkout need another name.
E2E_CLUSTER ?= e2e
# The crates whose tests run together. Cargo compiles a dependency for each set of its features, and that set follows
# from the crates of a command. So every step that can names these same crates, and finds what was compiled before.
TESTED := -p cairn-core -p cairn-store -p cairn-kit -p cairn-sidecar -p cairn-webhook -p cairn -p cairn-herd \
  -p cairn-test-app -p cairn-test-etcd -p cairn-test-admission -p cairn-bench -p cairn-client -p cairn-e2e
# Later steps build these crates alone. The others are only checked alone.
BUILT := cairn-sidecar cairn cairn-model cairn-coordination-model cairn-faults
CHECKED = $(filter-out $(BUILT),$(shell $(CARGO) tree --quiet --workspace --depth 0 --prefix none | cut -d ' ' -f 1))
# Warnings fail the build here and not in Cargo.toml, so that a newer compiler cannot break a user's.
DENY := -D warnings

.PHONY: demo test setup tools etcd binaries fmt clippy alone circles doc deny compile unit model chart faults e2e
.PHONY: test-clients test-ui
.PHONY: admission test-versions bench-admission bench-claims bench-coordination bench-scale bench-mirror bench-enrol
.PHONY: images push archives reproducible sbom licences deploy down clean help
.PHONY: test-prometheus test-releases
.DEFAULT_GOAL := help

help:
	@echo "make demo          a real Kubernetes on this machine, Cairn on it, and a table of pods and their names"
	@echo "make test          format, lints, model, unit, fault and end-to-end tests, as CI runs them"
	@echo "make bench-claims  measure the cost of claims on this machine: writes docs/benchmarks.md and its plot"
	@echo "make bench-coordination  the same for members, leader, shards and lookups: docs/coordination-benchmarks.md"
	@echo "make bench-admission  the same for reviews of pods: docs/admission-benchmarks.md"
	@echo "make bench-scale   10,000 pods, restarts under load, half of the CPU (root): docs/scale-benchmarks.md"
	@echo "make bench-mirror  10,000 claims on a real API server: docs/mirror-benchmarks.md"
	@echo "make test-versions the corpus of admission on the oldest and the newest Kubernetes that can be built"
	@echo "make test-releases COMMIT=…  sidecars of that commit beside those of this tree, in one pool of a real etcd"
	@echo "make bench-enrol   measure enrolments on a real cluster on this machine"
	@echo "make test-prometheus  build Prometheus; check alerts, dashboard and docs/metrics.md with it"
	@echo "make images        the images for amd64 and arm64 with Docker; ARCHES=amd64 for one of them"
	@echo "make push          push them to REGISTRY, with one tag for both architectures"
	@echo "make archives      the same as archives, without Docker"
	@echo "make reproducible  build the images twice and compare them"
	@echo "make sbom          what is in each binary, as CycloneDX; make licences lists licences"
	@echo "make down          take down every cluster that was started from here"
	@echo "make clean         down, and remove everything that was built"
	@echo "single steps of make test: $(STEPS)"

# --- the demonstration ---

demo: setup tools
	@. e2e/steps.sh; \
	step "the program that prints the table"; $(CARGO) build --quiet -p cairn-e2e --bin cairn-demo; \
	step "a Kubernetes node called demo"; $(CLUSTER) up demo; \
	step "Cairn's images"; $(CLUSTER) images demo; \
	step "Cairn on it"; target/debug/cairn-demo demo

# The first steps have no time limits, and often keep only one core busy. What later steps need is built beside them.
UNTIMED := fmt clippy alone circles doc deny compile
TIMED := unit test-ui test-clients model chart admission faults e2e
STEPS := $(UNTIMED) $(TIMED)

test: setup
	@set -e; . e2e/steps.sh; \
	step "make tools binaries, beside the next steps"; \
	setsid $(MAKE) --no-print-directory tools binaries & beside=$$!; \
	trap 'exit 1' INT TERM; trap "kill -- -$$beside 2>/dev/null || :" EXIT; \
	for name in $(UNTIMED); do step "make $$name"; $(MAKE) --no-print-directory $$name; done; \
	step "the end of make tools binaries"; wait $$beside; trap - EXIT; \
	for name in $(TIMED); do step "make $$name"; $(MAKE) --no-print-directory $$name; done; \
	step "done"

# --- what both need ---

setup:
	@$(CLUSTER) setup

tools: setup
	@$(CLUSTER) build

etcd:
	@$(CLUSTER) build etcd

# The binaries of the images, as `make e2e` builds them.
binaries: export CARGO_TARGET_DIR := $(CAIRN_HOME)/target
binaries: export CARGO_TERM_QUIET := true
binaries:
	@for name in sidecar webhook; do deploy/images/binary.sh $$name || exit; done

# --- the steps ---

fmt:
	$(CARGO) fmt --all --check
	@.ci/form

clippy:
	$(CARGO) clippy --quiet --workspace --all-targets --all-features -- $(DENY)

# Every crate must build alone: a crate that needs a feature which only another crate enables is a defect.
alone:
	@set -e; for crate in $(BUILT); do echo "cargo build -p $$crate"; $(CARGO) build --quiet -p $$crate; done
	@set -e; [ -n "$(CHECKED)" ]; \
	for crate in $(CHECKED); do echo "cargo check -p $$crate"; $(CARGO) check --quiet -p $$crate; done

# The modules of a crate must have no circle of imports.
circles:
	$(CARGO) test --quiet -p cairn-circles

# The API documentation, with private items, because public ones may link to them. A broken link is a defect. With the
# examples, dependencies have the features that the tests ask for: so they are those that clippy has checked.
doc:
	RUSTDOCFLAGS="$(DENY) -A rustdoc::private-intra-doc-links" \
	  $(CARGO) doc --quiet --workspace --all-features --no-deps --document-private-items \
	  --lib --bins --examples

# Bans, licences, sources and duplicates by deny.toml. Advisories need a database from outside.
deny:
	@e2e/cargo-deny.sh check bans licenses sources

# What `make unit` runs.
compile:
	$(CARGO) test --quiet --no-run $(TESTED)

# The same random inputs each time: a red run must be one that the change has caused.
unit: export BOLERO_RANDOM_SEED ?= 20261127
unit: etcd
	$(CARGO) test --quiet $(TESTED)

# The page of `cairn ui` in a real headless browser, on a real etcd.
test-ui: etcd
	@e2e/browser.sh
	$(CARGO) test --quiet $(TESTED) --features cairn/browser --test page

# The example apps of clients/, beside real sidecars on a real etcd: Python, Go, Rust, and what else has its tools here.
test-clients: etcd
	@cd clients/check && python3 -B -m unittest --quiet
	$(CARGO) build --quiet -p cairn-sidecar
	@CRATES="$(TESTED)" clients/check/check.py --home $(CAIRN_HOME) --sidecar target/debug/cairn-sidecar

# Checks both protocols exhaustively in small bounds, and that leaving out each rule breaks them.
model:
	$(CARGO) test -p cairn-model -p cairn-coordination-model

chart: tools
	@HELM=$(CAIRN_HOME)/bin/helm charts/check.sh

# The corpus of manifests through a real API server, alone and beside a webhook that changes pods too.
admission: tools
	$(CARGO) test $(TESTED) --features cairn-test-admission/api-server --test api_server --test restart_storm \
	  -- --nocapture

# Not part of `make test`: the same on other versions of Kubernetes, whose API servers are built first (20 minutes).
test-versions: etcd
	@e2e/admission/versions/run.sh $(CARGO) test -p cairn-test-admission --features api-server --test api_server \
	  -- --nocapture

# Not part of `make test`: sidecars of another commit beside those of this tree, in one pool. It takes ten minutes.
test-releases: etcd
	@e2e/releases/run.sh $(COMMIT)

# Checks the implementation of the protocol on a real three-member etcd with injected faults.
faults: setup etcd
	$(CARGO) test -p cairn-faults --features histories -- --nocapture

# Not a test: measures claims for docs/, and two simpler protocols in the same run. Ten minutes on an idle machine.
bench-claims: setup etcd
	$(CARGO) build --release -p cairn-sidecar
	$(CARGO) run --release -p cairn-bench -- all --sidecar target/release/cairn-sidecar --write docs

# Not a test: measures coordination for docs/, and two simpler protocols in the same run. Ten minutes, no other load.
# Fails when the large group could not be measured.
bench-coordination: setup etcd
	$(CARGO) run --release -p cairn-bench -- coordination --write docs

# Not a test: measures admission for docs/, beside a handler with typed structs in the same run, and with the webhook of
# the image. Ten minutes, no other load.
bench-admission: tools
	$(CARGO) build --release -p cairn-test-admission
	target/release/cairn-admission bench "$$(deploy/images/binary.sh webhook)" --write docs

# Not a test: measures 10,000 pods, and herds on an etcd with half of its CPU, as root. Fails when a claim is lost or a
# herd collapses. Ten minutes, no other load.
bench-scale: setup etcd
	ulimit -n $$(ulimit -Hn); $(CARGO) run --release -p cairn-bench -- fleet --write docs

# Not a test: measures the claims mirror with 10,000 claims, on a real API server and etcd. Six minutes, no other load.
# Fails when a target is missed.
bench-mirror: tools
	$(CARGO) build --release -p cairn-webhook
	$(CARGO) run --release -p cairn-bench -- mirror --write docs

# Not a test: measures enrolments on a real cluster.
bench-enrol: tools
	@$(CLUSTER) up $(E2E_CLUSTER)
	@$(CLUSTER) images $(E2E_CLUSTER)
	@$(CARGO) build --release -p cairn-e2e --bin cairn-enrol --bin cairn-bench-enrol
	CAIRN_E2E_CLUSTER=$(E2E_CLUSTER) target/release/cairn-bench-enrol

# Not a step of `make test`: Prometheus takes minutes to build, once. Real binaries are scraped by a real Prometheus.
test-prometheus: tools
	@e2e/prometheus/build
	$(CAIRN_HOME)/bin/promtool check rules charts/cairn/files/alerts.yaml
	$(CAIRN_HOME)/bin/promtool test rules e2e/prometheus/alerts.test.yaml
	$(CARGO) build --quiet -p cairn-webhook -p cairn-sidecar
	$(CARGO) test --quiet -p cairn-plane --features prometheus

e2e: tools
	@$(CLUSTER) up $(E2E_CLUSTER)
	@$(CLUSTER) images $(E2E_CLUSTER)
	@$(CARGO) build --quiet -p cairn
	CAIRN_E2E_CLUSTER=$(E2E_CLUSTER) $(CARGO) test $(TESTED) --features cairn-e2e/cluster --test sentences \
	  -- --nocapture --test-threads=100
	@$(CLUSTER) down $(E2E_CLUSTER)

# --- for your own cluster ---

# Static binaries, in images that contain nothing else. An image has a tag for each architecture, and `make push` puts
# them together under the version, which is the one that the chart asks for.
REGISTRY ?= localhost
VERSION ?= $(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/cairn/Chart.yaml)
DOCKER ?= docker
ARCH ?= $(subst x86_64,amd64,$(subst aarch64,arm64,$(shell uname -m)))
ARCHES ?= amd64 arm64
IMAGES := sidecar webhook cli
images:
	@set -e; for name in $(IMAGES); do for arch in $(ARCHES); do \
	  binary=$$(deploy/images/binary.sh $$name $$arch); \
	  $(DOCKER) build --platform linux/$$arch -t $(REGISTRY)/cairn-$$name:$(VERSION)-$$arch \
	    -f deploy/images/$$name.Dockerfile $$(dirname $$binary); \
	done; done
	@echo "push them with: make push REGISTRY=$(REGISTRY) VERSION=$(VERSION) ARCHES='$(ARCHES)'"

push:
	@set -e; for name in $(IMAGES); do \
	  image=$(REGISTRY)/cairn-$$name:$(VERSION); tags=; \
	  for arch in $(ARCHES); do $(DOCKER) push $$image-$$arch; tags="$$tags $$image-$$arch"; done; \
	  $(DOCKER) manifest create --amend $$image $$tags; \
	  $(DOCKER) manifest push $$image; \
	done

# The same images as archives, without Docker: `make archives ARCH=arm64`.
archives:
	@deploy/images/archives.sh target/archives $(ARCH)

# --- where the images come from ---

# Builds the images twice, in two folders, and compares them. Not part of `make test`: ten minutes and more.
reproducible:
	@e2e/reproducible.sh $(ARCH)

# What is in each binary, as CycloneDX files in target/sbom.
sbom:
	@e2e/sbom.sh target/sbom $(ARCH)

# Every crate of this workspace and of what it is built and tested with, by licence.
licences:
	@e2e/cargo-deny.sh list --layout license

# --- upkeep ---

deploy: tools
	HELM=$(CAIRN_HOME)/bin/helm charts/render.sh > deploy/cairn.yaml

down:
	@$(CLUSTER) down --all

clean: down
	rm -rf $(CAIRN_HOME) target
