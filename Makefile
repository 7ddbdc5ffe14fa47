# `make demo` shows Cairn on a real Kubernetes on this machine. `make test` runs everything that CI runs.
# Both need Debian, Rust and Go, install everything else, print what they do, and can be repeated.

export CAIRN_HOME ?= $(CURDIR)/.cairn
CLUSTER := e2e/cluster/cluster
CARGO ?= cargo
# The name of a cluster is unique on the machine, so the tests of another checkout need another name.
E2E_CLUSTER ?= e2e
CRATES := cairn-core cairn-store cairn-proto cairn-kit cairn-sidecar cairn-webhook cairn cairn-herd cairn-model \
  cairn-model-check cairn-coordination-model cairn-test-app cairn-test-etcd cairn-test-admission cairn-bench \
  cairn-faults cairn-circles cairn-client cairn-e2e
# Warnings fail the build here and not in Cargo.toml, so that a newer compiler cannot break a user's.
DENY := -D warnings

.PHONY: demo test setup tools etcd fmt clippy alone circles doc deny unit model chart faults e2e test-clients
.PHONY: admission test-versions bench-admission
.PHONY: bench-claims bench-coordination bench-enrol images archives reproducible sbom licences deploy down clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo          a real Kubernetes on this machine, Cairn on it, and a table of pods and their names"
	@echo "make test          format, lints, model, unit, fault and end-to-end tests, as CI runs them"
	@echo "make bench-claims  measure the cost of claims on this machine: writes docs/benchmarks.md and its plot"
	@echo "make bench-coordination  the same for members, leader, shards and lookups: docs/coordination-benchmarks.md"
	@echo "make bench-admission  the same for reviews of pods: docs/admission-benchmarks.md"
	@echo "make test-versions the corpus of admission on the oldest and the newest Kubernetes that can be built"
	@echo "make bench-enrol   measure enrolments on a real cluster on this machine"
	@echo "make images        both images with Docker; ARCH=arm64 for the other architecture"
	@echo "make archives      the same as archives, without Docker"
	@echo "make reproducible  build both images twice and compare them"
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

STEPS := fmt clippy alone circles doc deny unit test-clients model chart admission faults e2e

test: setup
	@set -e; . e2e/steps.sh; \
	for name in $(STEPS); do step "make $$name"; $(MAKE) --no-print-directory $$name; done; \
	step "done"

# --- what both need ---

setup:
	@$(CLUSTER) setup

tools: setup
	@$(CLUSTER) build

etcd:
	@$(CLUSTER) build etcd

# --- the steps ---

fmt:
	$(CARGO) fmt --all --check
	@.ci/form

clippy:
	$(CARGO) clippy --quiet --workspace --all-targets --all-features -- $(DENY)

# Every crate must build alone: a crate that needs a feature which only another crate enables is a defect.
alone:
	@set -e; for crate in $(CRATES); do echo "cargo check -p $$crate"; $(CARGO) check --quiet -p $$crate; done

# The modules of a crate must have no circle of imports.
circles:
	$(CARGO) test --quiet -p cairn-circles

# The API documentation, with private items, because public ones may link to them. A broken link is a defect.
doc:
	RUSTDOCFLAGS="$(DENY) -A rustdoc::private-intra-doc-links" \
	  $(CARGO) doc --quiet --workspace --all-features --no-deps --document-private-items

# Bans, licences, sources and duplicates by deny.toml. Advisories need a database from outside.
deny:
	@e2e/cargo-deny.sh check bans licenses sources

unit: etcd
	$(CARGO) test --quiet -p cairn-core -p cairn-store -p cairn-kit -p cairn-sidecar -p cairn-webhook -p cairn \
	  -p cairn-herd -p cairn-test-app -p cairn-test-etcd -p cairn-test-admission -p cairn-bench -p cairn-client

# The example apps of clients/, beside real sidecars on a real etcd: Python, Go, Rust, and what else has its tools here.
test-clients: etcd
	@cd clients/check && python3 -B -m unittest --quiet
	$(CARGO) build --quiet -p cairn-sidecar
	@clients/check/check.py --home $(CAIRN_HOME) --sidecar target/debug/cairn-sidecar

# Checks both protocols exhaustively in small bounds, and that leaving out each rule breaks them.
model:
	$(CARGO) test -p cairn-model -p cairn-coordination-model

chart: tools
	@HELM=$(CAIRN_HOME)/bin/helm charts/check.sh

# The corpus of manifests through a real API server, alone and beside a webhook that changes pods too.
admission: tools
	$(CARGO) test -p cairn-test-admission --features api-server --test api_server --test restart_storm -- --nocapture

# Not part of `make test`: the same on other versions of Kubernetes, whose API servers are built first (20 minutes).
test-versions: etcd
	@e2e/admission/versions/run.sh $(CARGO) test -p cairn-test-admission --features api-server --test api_server \
	  -- --nocapture

# Checks the implementation of the protocol on a real three-member etcd with injected faults.
faults: setup etcd
	$(CARGO) test -p cairn-faults --features histories -- --nocapture

# Not a test: measures claims for docs/, and two simpler protocols in the same run. Ten minutes on an idle machine.
bench-claims: setup etcd
	$(CARGO) build --release -p cairn-sidecar
	$(CARGO) run --release -p cairn-bench -- all --sidecar target/release/cairn-sidecar --write docs

# Not a test: measures coordination for docs/, and two simpler protocols in the same run. Eight minutes, no other load.
bench-coordination: setup etcd
	$(CARGO) run --release -p cairn-bench -- coordination --write docs

# Not a test: measures admission for docs/, beside a handler with typed structs in the same run. Ten minutes.
bench-admission: tools
	$(CARGO) build --release -p cairn-test-admission
	target/release/cairn-admission bench --write docs

# Not a test: measures enrolments on a real cluster.
bench-enrol: tools
	@$(CLUSTER) up $(E2E_CLUSTER)
	@$(CLUSTER) images $(E2E_CLUSTER)
	@$(CARGO) build --release -p cairn-e2e --bin cairn-enrol --bin cairn-bench-enrol
	CAIRN_E2E_CLUSTER=$(E2E_CLUSTER) target/release/cairn-bench-enrol

e2e: tools
	@$(CLUSTER) up $(E2E_CLUSTER)
	@$(CLUSTER) images $(E2E_CLUSTER)
	@$(CARGO) build --quiet -p cairn
	CAIRN_E2E_CLUSTER=$(E2E_CLUSTER) $(CARGO) test -p cairn-e2e --features cluster -- --nocapture --test-threads=100
	@$(CLUSTER) down $(E2E_CLUSTER)

# --- for your own cluster ---

# Static binaries for one architecture, in images that contain nothing else.
REGISTRY ?= localhost
VERSION ?= dev
DOCKER ?= docker
ARCH ?= $(subst x86_64,amd64,$(subst aarch64,arm64,$(shell uname -m)))
images:
	@set -e; for name in sidecar webhook; do \
	  binary=$$(deploy/images/binary.sh $$name $(ARCH)); \
	  $(DOCKER) build --platform linux/$(ARCH) -t $(REGISTRY)/cairn-$$name:$(VERSION) \
	    -f deploy/images/$$name.Dockerfile $$(dirname $$binary); \
	done
	@echo "push them with: $(DOCKER) push $(REGISTRY)/cairn-sidecar:$(VERSION), and likewise cairn-webhook"

# The same images as archives, without Docker: `make archives ARCH=arm64`.
archives:
	@deploy/images/archives.sh target/archives $(ARCH)

# --- where the images come from ---

# Builds both images twice, in two folders, and compares them. Not part of `make test`: ten minutes and more.
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
