# Everything is done from here; `make` alone lists what there is.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Node and npm from PyPI, where the system's are too old (tests/setup.sh puts them there).
export PATH := $(CURDIR)/build/bin:$(PATH)
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Extra arguments for `sysflow demo`: make run ARGS='--capture my.scap'
ARGS ?=

VIEWER_SOURCES := $(shell find viewer -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print 2>/dev/null)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

.PHONY: run
run: build ## Build, then replay the bundled intrusion: alerts in this terminal, the graph in your browser
	@exec $(TARGET)/release/sysflow demo $(ARGS)

# Plugin and program apart: together they would share features, and what only the program needs (any schema, zstd)
# would be linked into Falco's process.
.PHONY: build
build: viewer/dist/index.html ## Build viewer, plugin and program: target/release/{sysflow,libsysflow.so}
	@echo '==> Building plugin and program (optimised; several minutes the first time)'
	cargo build --release -p sysflow-plugin
	cargo build --release -p sysflow-processor

.PHONY: viewer
viewer: viewer/dist/index.html ## Build the viewer only
viewer/dist/index.html: $(VIEWER_SOURCES) tests/setup.sh
	@tests/setup.sh build
	@echo '==> Building the viewer'
	npm --prefix viewer run build
	@touch $@

.PHONY: test
test: ## Install what the tests need, run all of them, end with a summary
	@tests/run.sh

.PHONY: test-full
test-full: ## The same with all that takes long: many more kills, large captures
	@TEST_FULL=1 tests/run.sh

.PHONY: test-viewer test-rust test-e2e test-charts test-browser conformance charts-docs
test-viewer: ## Types and unit tests of the viewer, and its build
	@tests/run.sh viewer
test-rust: ## Tests of all Rust crates
	@tests/run.sh viewer-build rust
test-e2e: ## Tests of the built program and plugin: the intrusion, formats, conformance, bad input
	@tests/run.sh viewer-build build e2e
test-charts: ## Tests of Helm charts, drop-ins for Falco and packages
	@tests/run.sh viewer-build build charts
charts-docs: setup ## Write the tables of the charts' READMEs and their examples anew
	build/venv/bin/python tests/charts/readme.py
conformance: ## Compare with the traces of SysFlow's own collector, pair by pair (needs ../shared/data/pairs)
	@tests/run.sh viewer-build build conformance
test-browser: ## Tests of the page in a real browser
	@tests/run.sh viewer-build build browser

# A driver cannot be brought along, so this is not part of `make test`.
FALCO ?= falco
.PHONY: live
live: build setup ## As root: a workload under a live Falco with the plugin, compared with strace: make live FALCO=/usr/bin/falco
	build/venv/bin/python tests/live/live.py --falco $(FALCO)
	build/venv/bin/python tests/live/live.py --falco $(FALCO) --stock
	build/venv/bin/python tests/live/idle.py --falco $(FALCO)

.PHONY: check
check: viewer/dist/index.html ## What must be clean before a commit: formatting, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items

.PHONY: bench bench-instructions
bench: ## What an event costs and how much of a capture is left, as tables (a quiet machine, several minutes)
	@echo '==> Operations, by how many flows live'
	@cargo bench --quiet -p sysflow-flow --bench flow
	@echo '==> Captures, through libsysflow.so'
	@cargo bench --quiet -p sysflow-plugin --bench plugin
	@echo '==> Records, from the event thread to a reader that acknowledges'
	@cargo bench --quiet -p sysflow-plugin --bench writer
bench-instructions: ## The same in instructions, which do not depend on the machine's load (needs valgrind)
	@cargo bench --quiet -p sysflow-flow --bench flow -- --instructions
	@cargo bench --quiet -p sysflow-plugin --bench plugin -- --instructions

.PHONY: latency
latency: viewer/dist/index.html ## How long it takes from a record's emission to the post of its alert (a quiet machine, ten seconds)
	@cargo test --release --quiet -p sysflow-processor --test it -- --ignored --nocapture alert_latency

.PHONY: setup
setup: ## Install what building and testing need, and nothing else
	@tests/setup.sh test

.PHONY: clean
clean: ## Remove everything that was built or installed below this folder
	rm -rf build viewer/dist viewer/node_modules tests/browser/node_modules tests/artifacts
	cargo clean
