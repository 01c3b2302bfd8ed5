# Entry points only: what they do stands in scripts/. docs/development.md explains.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test test-rust test-panel test-e2e lint check-macos test-systemd test-docker fmt api clean-demo bench

# The cargo profile of `make run`: dev or release.
PROFILE ?= dev
export PROFILE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Install what is missing, build, and start Steady with its demo backend
	@scripts/run

test: ## Install what tests need, and run them all: Rust, panel, end to end
	@scripts/test

test-rust: ## Only the Rust tests
	@scripts/test rust

test-panel: ## Only the panel's tests
	@scripts/test panel

test-e2e: ## Only the end-to-end tests
	@scripts/test e2e

test-systemd: ## The managers' conformance suite against a real systemd, in a container (docker.io, mmdebstrap)
	@scripts/systemd-container

test-docker: ## The docker check against a real Docker Engine, started for it (root, docker.io, busybox-static)
	@scripts/docker-engine

lint: ## Format, clippy, dependencies, panel, API contract, file size
	@scripts/lint

check-macos: ## Type-check and lint everything for macOS, from Linux too
	@scripts/setup app macos-check
	@scripts/panel build
	@scripts/check-macos

fmt: ## Format Rust and the panel
	@cargo fmt --all
	@scripts/panel deps
	@npm --prefix ui run --silent format

api: ## Write docs/openapi.json and the panel's types from the handlers
	@scripts/check-api --write

clean-demo: ## Stop the demo and remove its folder
	@scripts/clean-demo

bench: ## Measure Steady beside its peers and write docs/benchmarks.md; PART=restart (hundred, growth, logs, health, backup, cut, downtime, brain) for one
	@bench/install-peers
	@cargo build --release -p steady-cli -p steady-brain
	@cargo run --quiet --release -p steady-bench -- run $(PART)
