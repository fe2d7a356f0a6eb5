# Every command of the project. Each does its own set-up (.ci/setup) and is quick the second time.
SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(HOME)/.cache/bellwether/target
export DUCKDB_LIB_DIR ?= $(HOME)/.cache/bellwether/libduckdb-1.5.6
export LD_LIBRARY_PATH := $(DUCKDB_LIB_DIR):$(LD_LIBRARY_PATH)
export BELLWETHER_ORACLES ?= $(HOME)/.cache/bellwether/oracles
BUILD = .ci/setup && cargo build --release --workspace --bins

.PHONY: demo build test check fmt bench soak documents
demo: ; @$(BUILD) && $(CARGO_TARGET_DIR)/release/bellwether demo $(DEMO)
build: ; @$(BUILD) && echo "built $(CARGO_TARGET_DIR)/release/bellwether"
test: ; @$(BUILD) && .ci/setup oracles && cargo test --release --workspace
check: ; @.ci/setup && cargo fmt --all --check && cargo clippy --release --workspace --all-targets -- -D warnings && .ci/setup deny && $(HOME)/.cache/bellwether/deny/bin/cargo-deny check licenses bans sources
fmt: ; @cargo fmt --all
soak: ; @$(BUILD) && .ci/setup oracles && .ci/setup soak && $(BELLWETHER_ORACLES)/bin/python tests/soak.py $(SOAK)
bench: ; @$(BUILD) && .ci/setup oracles && $(BELLWETHER_ORACLES)/bin/python tests/bench.py
documents: ; @$(BUILD) && $(CARGO_TARGET_DIR)/release/bellwether tables > schema/CATALOG.md && $(CARGO_TARGET_DIR)/release/bellwether openapi > server/api/openapi.json
