# `make` alone prints what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
ROUNDS ?= 300
SHAPE ?= embedded
ARGS ?=

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build and serve on 127.0.0.1:3000, data in ./data (ARGS="--listen 127.0.0.1:8080")
	$(CARGO) build --release --locked --package stoa
	exec target/release/stoa serve $(ARGS)

.PHONY: split
split: ## Build and serve each service twice, with PostgreSQL, NATS, Redis, S3 and a balancer (ARGS="--bus rabbitmq", ARGS=--help)
	exec tools/split.sh $(ARGS)

.PHONY: check
check: ## Before a commit, in minutes: formatting, lints, unit tests, tests on SQLite that need no engine
	tools/check.py

.PHONY: test
test: ## Everything that must hold: lints, all tests on both databases, crash rounds, API fuzzing
	tools/test.sh

.PHONY: lint
lint: ## Formatting and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings

.PHONY: deploy-check
deploy-check: ## Check image, compose files, chart, alerts and dashboards under deploy/
	tools/deploy.sh

.PHONY: crash
crash: ## Break things under load, check that nothing is lost or doubled (ROUNDS=300, SEED=n, SHAPE=embedded|nats|rabbitmq)
	SHAPE=$(SHAPE) ROUNDS=$(ROUNDS) SEED=$(SEED) tools/crash.sh

.PHONY: bench
bench: ## Measure side by side with wrk; writes docs/benchmarks.md
	tools/bench.sh

.PHONY: timings
timings: ## Measure what each crate costs a build from nothing; writes docs/build-times.md
	tools/timings.py

.PHONY: service
service: ## Write a new service that runs and passes its tests (NAME=vendors, ARGS='--about "offers, prices and stock"')
	tools/service.py "$(NAME)" $(ARGS)
	$(CARGO) update --quiet --offline --workspace
	$(CARGO) fmt --package "stoa-$(NAME)"
	$(MAKE) --no-print-directory generate

.PHONY: generate
generate: defaults openapi ## Write all that follows from the services: the two below, tables of README files, parts of deploy/
	$(CARGO) run --quiet --locked --package stoa -- services --json | tools/generate.py --write

.PHONY: defaults
defaults: ## Write stoa.default.toml anew after a service's defaults.toml has changed
	$(CARGO) run --quiet --locked --package stoa -- config print --defaults > stoa.default.toml

.PHONY: openapi
openapi: ## Write docs/openapi.json anew after an endpoint has changed
	$(CARGO) run --quiet --locked --package stoa -- openapi > docs/openapi.json
