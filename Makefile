# `make demo` shows Cairn on a real Kubernetes on this machine. `make test` runs everything that CI runs.
# Both need Debian, Rust and Go, install everything else, print what they do, and can be repeated.

export CAIRN_HOME ?= $(CURDIR)/.cairn
CLUSTER := e2e/cluster/cluster
CARGO ?= cargo
# The name of a cluster is unique on the machine, so the tests of another checkout need another name.
E2E_CLUSTER ?= e2e
CRATES := cairn-core cairn-store cairn-kit cairn-sidecar cairn-webhook cairn cairn-model \
  cairn-test-etcd cairn-bench cairn-faults cairn-circles cairn-e2e
# Warnings fail the build here and not in Cargo.toml, so that a newer compiler cannot break a user's.
DENY := -D warnings

.PHONY: demo test setup tools etcd fmt clippy alone circles doc deny unit model chart faults e2e
.PHONY: bench-claims images deploy down clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo          a real Kubernetes on this machine, Cairn on it, and a table of pods and their names"
	@echo "make test          format, lints, model, unit, fault and end-to-end tests, as CI runs them"
	@echo "make bench-claims  measure the cost of claims on this machine: writes docs/benchmarks.md and its plot"
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

STEPS := fmt clippy alone circles doc deny unit model chart faults e2e

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
	  -p cairn-test-etcd -p cairn-bench

# Checks the protocol exhaustively in small bounds, and that leaving out each rule breaks it.
model:
	$(CARGO) test -p cairn-model

chart: tools
	@HELM=$(CAIRN_HOME)/bin/helm charts/check.sh

# Checks the implementation of the protocol on a real three-member etcd with injected faults.
faults: setup etcd
	$(CARGO) test -p cairn-faults --features histories -- --nocapture

# Not a test: measures claims for docs/, and two simpler protocols in the same run. Ten minutes on an idle machine.
bench-claims: setup etcd
	$(CARGO) build --release -p cairn-sidecar
	$(CARGO) run --release -p cairn-bench -- all --sidecar target/release/cairn-sidecar --write docs

e2e: tools
	@$(CLUSTER) up $(E2E_CLUSTER)
	@$(CLUSTER) images $(E2E_CLUSTER)
	@$(CARGO) build --quiet -p cairn
	CAIRN_E2E_CLUSTER=$(E2E_CLUSTER) $(CARGO) test -p cairn-e2e --features cluster -- --nocapture --test-threads=4
	@$(CLUSTER) down $(E2E_CLUSTER)

# --- for your own cluster ---

# Static binaries for this machine's architecture, in images that contain nothing else.
REGISTRY ?= localhost
VERSION ?= dev
DOCKER ?= docker
TARGET := $(shell uname -m)-unknown-linux-gnu
images:
	@set -e; for name in sidecar webhook; do \
	  RUSTFLAGS="-C target-feature=+crt-static" \
	    $(CARGO) build --locked --profile image --target $(TARGET) -p cairn-$$name; \
	  $(DOCKER) build -t $(REGISTRY)/cairn-$$name:$(VERSION) -f deploy/images/$$name.Dockerfile target/$(TARGET)/image; \
	done
	@echo "push them with: $(DOCKER) push $(REGISTRY)/cairn-sidecar:$(VERSION), and likewise cairn-webhook"

# --- upkeep ---

deploy: tools
	HELM=$(CAIRN_HOME)/bin/helm charts/render.sh > deploy/cairn.yaml

down:
	@$(CLUSTER) down --all

clean: down
	rm -rf $(CAIRN_HOME) target
