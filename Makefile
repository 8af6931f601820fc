# FaceClique: the commands of everyday work. A new machine needs Rust, a C linker and Python 3.

CARGO ?= cargo
PYTHON ?= python3
VENV := .venv

.DEFAULT_GOAL := help
.PHONY: help run demo test check fmt core doc bench bench-pairs bench-peers fixtures clean

help: ## print the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the main job over HTTP: import the fixture, cluster it, print QueueInfo's answer
	$(CARGO) build
	$(PYTHON) tests/main_job.py target/debug/faceclique fixtures/people.jsonl

demo: ## cluster the fixture offline, with a summary
	$(CARGO) run -- cluster fixtures/people.jsonl --verify

test: ## run all tests; those on real faces say so when ../shared is absent
	$(CARGO) test --no-fail-fast

check: fmt core doc ## formatting, lints, the pure core alone, documentation
	$(CARGO) clippy --all-targets -- -D warnings

fmt:
	$(CARGO) fmt --check

core: ## the pure core alone: no store, sockets or async
	$(CARGO) clippy --no-default-features --lib -- -D warnings
	$(CARGO) test --no-default-features --lib

doc: ## the documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

bench: $(VENV)/ready ## time and memory of import, job and poll on LFW, beside SciPy (a few minutes)
	$(CARGO) build --release
	$(PYTHON) tests/bench/lfw.py target/release/faceclique $(VENV)/bin/python

bench-pairs: ## how fast every pair is compared: 8-bit heads beside the peak of this machine and float32, 50,000 x 512 (a minute)
	$(CARGO) bench --bench pairs

bench-peers: $(VENV)/ready ## all pairs of 50,000 x 512 and their clusters, beside faiss' pairs (some minutes)
	$(CARGO) build --release
	$(CARGO) bench --bench pairs -- 50000 512 2 --write $(CURDIR)/target/peers.npz
	$(PYTHON) tests/bench/peers.py target/release/faceclique $(VENV)/bin/python target/peers.npz

$(VENV)/ready: tests/bench/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement tests/bench/requirements.txt
	touch $@

fixtures: ## write the fixtures anew from their generator
	UPDATE_FIXTURES=1 $(CARGO) test --test main_job

clean: ## remove what was built
	$(CARGO) clean
	rm -rf $(VENV)
