# Two commands: `make demo` sets everything up and shows the main job, `make test` sets everything up and passes all checks.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml Cargo.lock
say = @printf '\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help setup clients demo test check unit rust hunt peers bench docs examples goldens fuzz clean

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .cache/built ## virtual environment, dependencies, the Rust core; the command is then .venv/bin/dualhome

.cache/venv: requirements.txt
	$(call say,Python packages into .venv (a minute on a new machine))
	@mkdir -p .cache
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("dualhome needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.cache/built: .cache/venv pyproject.toml $(RUST_SOURCES)
	$(call say,The BGP core in Rust (two minutes on a new machine))
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust, https://rustup.rs"; exit 1; }
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release --quiet 2>&1 | tail -n 1
	@touch $@

.cache/docs: .cache/venv requirements-docs.txt
	$(call say,What builds the guide)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

clients: .cache/az/done .cache/sdk/done ## the real az and Azure's SDK, each in a virtual environment of its own, for the tests of `dualhome serve`

.cache/%/done: requirements-%.txt
	$(call say,Azure clients for the tests: $* (a minute or two))
	@mkdir -p .cache && $(PYTHON) -m venv .cache/$* && { .cache/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $< \
	  || echo "$* could not be installed: its tests will be skipped"; }
	@touch $@

docs: setup .cache/docs ## the guide as a site, every link checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "$(CURDIR)/.cache/site/index.html"

demo: setup ## the article's ExpressRoute network, live where this is root: it comes up, then what its failures do
	@$(MAKE) --no-print-directory peers PEERS="iproute2 nftables iputils-ping util-linux"
	@$(BIN)/dualhome demo

test: setup peers clients check rust unit hunt ## every check there is
	$(call say,All checks passed)

check: setup ## formatters, linters, types, floors, stub
	$(call say,Formats linters types floors)
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@PYTHONPATH=src $(BIN)/lint-imports --no-cache | tail -n 4
	@cd /tmp && $(CURDIR)/$(BIN)/python -m mypy.stubtest --ignore-missing-stub --ignore-unused-allowlist --allowlist $(CURDIR)/tests/stubtest-allowlist.txt dualhome._core

rust: setup ## format, clippy and tests of the Rust crates
	$(call say,Rust: format clippy tests)
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@cargo test --quiet -p dualhome-core -p dualhome-linux -p dualhome-load
	@cd fuzz && cargo fmt --all --check && cargo clippy --quiet -p dualhome-fuzz --all-targets -- -D warnings && cargo test --quiet -p dualhome-fuzz

FUZZ_S := 60

fuzz: ## fuzzers on the core, FUZZ_S seconds each, with nightly Rust: docs/fuzzing.md; FUZZ="rib update" these alone
	@fuzz/run.sh $(FUZZ_S) $(FUZZ)

hunt: setup ## networks drawn from new seeds, in which everything must hold: docs/hunt.md
	$(call say,The hunt)
	@$(BIN)/dualhome hunt --new --seeds 200

unit: setup clients .cache/docs ## the Python tests, on all cores; what is skipped says why
	$(call say,Python tests)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

PEERS := frr bird2 gobgpd openbgpd bgpdump wireguard-go wireguard-tools clang-14 llvm-14 libbpf-dev traceroute iputils-ping tcpdump nftables iproute2

peers: ## Debian's BGP daemons and network tools for the live tests, where this machine lets us install them
	@missing=; for each in $(PEERS); do \
	  dpkg-query -W -f '$${db:Status-Status}' $$each 2>/dev/null | grep -qx installed || missing="$$missing $$each"; done; \
	if test -z "$$missing"; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  printf '\033[1m== Debian packages for live networks:%s\033[0m\n' "$$missing"; \
	  policy=/usr/sbin/policy-rc.d; ours=; \
	  if ! test -e $$policy; then printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; ours=$$policy; fi; \
	  trap 'test -z "$$ours" || rm -f "$$ours"' EXIT; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null \
	    || echo "$$missing could not be installed: tests that need them will be skipped"; \
	  if test -n "$$ours" && test -d /run/systemd/system; then systemctl disable --quiet frr bird gobgpd openbgpd 2>/dev/null || true; fi; \
	else echo "$$missing missing, and root is needed to install: tests that need them will be skipped"; fi

bench: setup ## how long things take; figures are printed, not asserted
	@$(BIN)/python benches/rib.py
	@$(BIN)/dualhome bench
	@$(BIN)/python benches/live.py scale
	@$(BIN)/python benches/live.py failover
	@$(BIN)/python benches/live.py routes

goldens: setup ## write anew what examples and golden tests expect; read the difference before you commit it
	@$(BIN)/python -m tests.regenerate

clean: ## remove what was built
	@rm -rf .venv .cache target fuzz/target src/dualhome/_core*.so
