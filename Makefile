# Two commands matter: `make run` and `make test`. Both do all set-up, or name what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# Each program is built alone: no feature that only another asked for gets into it.
PROGRAMS := carapace carapace-supervisor carapace-broker carapace-worker carapace-hands carapace-resolver carapace-secret-helper carapace-jail
PROFILE ?= release
HOST = $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
OUT = target/$(HOST)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: help setup test-setup build run test test-long lint bench fuzz reference install clean-home

help:
	@echo 'make run        build everything and chat with the confined assistant'
	@echo 'make test       install what the tests need and run them'
	@echo 'make lint       rustfmt, clippy with warnings denied, cargo-deny'
	@echo 'make bench      the budgets, each beside its baseline'
	@echo 'make fuzz       TARGET=NAME SECONDS=60: the fuzzer on one decoder (needs nightly and cargo-fuzz)'
	@echo 'make test-long  the long runs: kill torture, fuzzing'
	@echo 'make install    put the programs into PREFIX/bin (default ~/.local)'

# What a build needs: a Rust toolchain, a C compiler, a static C library.
setup:
	@tools/setup.sh

test-setup: setup
	@tools/setup.sh test

build: setup
	@for program in $(PROGRAMS); do $(CARGO) build --quiet --locked --profile $(PROFILE) -p $$program; done

run: build
	@$(OUT)/carapace chat

test: test-setup
	CARAPACE_TEST_ALL=1 $(CARGO) test --locked --workspace

test-long: test-setup
	CARAPACE_KILLS=400 CARAPACE_TEST_ALL=1 $(CARGO) test --locked -p carapace-harness --test kill -- --nocapture

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; \
	else echo 'cargo-deny is not installed: `cargo install --locked cargo-deny`'; exit 1; fi

# JSON=1 prints the table for programs.
bench: build
	@CARAPACE_TEST_PROGRAMS="$(CURDIR)/$(OUT)" $(CARGO) bench --quiet --locked -p carapace-harness $(if $(JSON),-- --json)

# make fuzz TARGET=zmtp_decoder SECONDS=60; what it finds of interest stays in target/fuzz/TARGET.
SECONDS ?= 60
fuzz:
	@known="$$(ls tests/fuzz/corpus | tr '\n' ' ')"; \
	if [ -z "$(TARGET)" ] || [ ! -d "tests/fuzz/corpus/$(TARGET)" ]; then echo "usage: make fuzz TARGET=NAME [SECONDS=60]; names: $$known"; exit 2; fi; \
	$(CARGO) +nightly --version >/dev/null 2>&1 || { echo 'a nightly toolchain is missing: `rustup toolchain install nightly`'; exit 1; }; \
	command -v cargo-fuzz >/dev/null || { echo 'cargo-fuzz is missing: `cargo install --locked cargo-fuzz`'; exit 1; }; \
	mkdir -p "target/fuzz/$(TARGET)"; \
	$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz "$(TARGET)" "target/fuzz/$(TARGET)" "tests/fuzz/corpus/$(TARGET)" -- -max_total_time=$(SECONDS) -timeout=10

# Pages written by the program itself.
reference: build
	@tools/reference.sh "$(OUT)"

install: build
	@prefix="$${PREFIX:-$$HOME/.local}"; mkdir -p "$$prefix/bin"; \
	for program in carapace carapace-supervisor carapace-broker carapace-worker carapace-hands carapace-resolver carapace-secret-helper carapace-probe; do \
	  install -m 0755 "$(OUT)/$$program" "$$prefix/bin/$$program"; done; \
	echo "installed into $$prefix/bin"
