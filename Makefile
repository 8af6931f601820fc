# FaceClique: the commands of everyday work. A new machine needs Rust, a C linker and Python 3.

CARGO ?= cargo
PYTHON ?= python3
VENV := .venv

# Properties are tried with the same cases each time; PROPTEST_RNG_SEED=n tries others.
export PROPTEST_RNG_SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help run demo test test-page page-tools picture check fmt core doc bench bench-pairs bench-peers bench-million bench-kill \
	bench-hard bench-load bench-submit bench-page bench-idle bench-photos bench-cancel bench-audit appliance photos photos-http photos-reference \
	soak soak-train soak-damage soak-full soak-crash crash-table soak-years fuzz fixtures clean

help: ## print the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the main job over HTTP: import the fixture, cluster it, print QueueInfo's answer
	$(CARGO) build
	$(PYTHON) tests/main_job.py target/debug/faceclique fixtures/people.jsonl

demo: ## drawn faces of 60 people with planted errors: made, clustered, and the page to look at them (a minute); DEMO=flags of it
	$(CARGO) run -- demo --data target/demo --planted $(DEMO)

test: ## run all tests; those on real faces say so when ../shared is absent
	$(CARGO) test --no-fail-fast

PAGE := $(CURDIR)/target/page
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
# Looked up when it is needed, and once more when it was installed.
PAGE_MISSING = $(strip $(if $(CHROMIUM),,chromium) $(if $(shell command -v npm),,nodejs npm))

test-page: $(PAGE)/ready ## the review page in a real browser: jobs, keys, planted errors, photos, hostile names, axe, pictures in target/page/shots; installs Chromium and Node (CHROMIUM=path for another)
	FACECLIQUE_PAGE=$(PAGE) CHROMIUM=$(CHROMIUM) $(CARGO) test --test review -- --nocapture --test-threads=1

page-tools:
	@test -z "$(PAGE_MISSING)" || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null; } || { \
		echo "not there: $(PAGE_MISSING); apt-get installs them for root only; CHROMIUM=path names a browser"; exit 1; }
	@test -z "$(PAGE_MISSING)" || { apt-get update && apt-get install --yes --no-install-recommends $(PAGE_MISSING); }
	@test -z "$(CHROMIUM)" || command -v "$(CHROMIUM)" > /dev/null || { echo "CHROMIUM=$(CHROMIUM) is no program"; exit 1; }

picture: page-tools ## the picture of the review page in the README: the demo's audit, in Chromium (a minute)
	$(CARGO) build --release
	mkdir -p $(PAGE)/picture
	tests/review/picture.sh target/release/faceclique $(CHROMIUM) $(PAGE)/picture fixtures/review.png

$(PAGE)/ready: tests/review/package.json | page-tools
	mkdir -p $(PAGE)
	cp $< $(PAGE)/package.json
	cd $(PAGE) && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --no-audit --no-fund
	touch $@

photos: ## all photos of ../shared through the whole pipeline, beside another runtime's results (minutes)
	FACECLIQUE_ALL_PHOTOS=1 $(CARGO) test --test photos -- --nocapture

photos-http: ## all photos of ../shared trained and clustered by the real server, beside another runtime's results (minutes)
	FACECLIQUE_ALL_PHOTOS=1 $(CARGO) test --test photos_http -- --nocapture

photos-reference: $(VENV)/ready ## make the other runtime's results anew, and show which conventions they follow (a minute)
	$(VENV)/bin/python tests/bench/agreement.py

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
	$(PYTHON) tests/bench/lfw.py target/release/faceclique $(VENV)/bin/python $(ARGS)

bench-pairs: ## how fast every pair is compared: 8-bit heads beside the machine's peak and float32, 50,000 x 512 (a minute)
	$(PYTHON) tests/bench/pairs.py $(ARGS)

bench-peers: $(VENV)/ready ## 10,000 and 50,000 x 512 beside faiss, hnswlib, usearch, scikit-learn, SciPy, ... (half an hour)
	$(CARGO) build --release
	$(PYTHON) tests/bench/peers.py target/release/faceclique $(VENV)/bin/python $(ARGS)

bench-million: ## the whole job on a server, 250,000 and 1,000,000 x 512 (an hour, 15 GB of disk)
	$(CARGO) build --release
	$(PYTHON) tests/bench/million.py target/release/faceclique $(ARGS)

bench-kill: ## the same, killed at 80 % and finished by the next server: the same bytes (two hours)
	$(CARGO) build --release
	$(PYTHON) tests/bench/million.py target/release/faceclique --kill $(ARGS)

bench-hard: ## sets of 100,000 x 512 that make very many pairs, within a budget of memory (a quarter of an hour)
	$(CARGO) build --release
	$(PYTHON) tests/bench/million.py target/release/faceclique --hard $(ARGS)

bench-load: ## 1,000 connections that poll QueueInfo while a job runs: requests/s, latency, and what the job loses (minutes)
	$(CARGO) build --release
	$(PYTHON) tests/bench/load.py target/release/faceclique $(ARGS)

bench-submit: ## durable jobs accepted a second from 1, 16 and 256 clients, beside the disk's own syncs, and all there after SIGKILL (a minute)
	$(CARGO) build --release
	$(PYTHON) tests/bench/submit.py target/release/faceclique $(ARGS)

bench-audit: ## errors planted in LFW and what the identity audit finds of them and of the published ones, time and memory (minutes)
	$(PYTHON) tests/bench/audit.py $(ARGS)

bench-page: ## the review page over 100,000 x 128 faces: first byte, last byte and size of every kind of page (some minutes)
	$(CARGO) build --release
	$(PYTHON) tests/bench/page.py target/release/faceclique $(ARGS)

bench-idle: ## memory, threads and wake-ups of an idle server, and its start with 100,000 faces and 10,000 jobs (some minutes)
	$(CARGO) build --release
	$(PYTHON) tests/bench/idle.py target/release/faceclique $(ARGS)

bench-cancel: ## how long a job that is stopped takes to leave each of its stages, 100,000 x 128, 5 tries; ARGS="CANCEL_FACES=n CANCEL_TRIES=n CANCEL_KINDS=Exact,Hnsw" (half an hour)
	CANCEL_FACES=100000 CANCEL_TRIES=5 $(if $(ARGS),env $(ARGS)) $(CARGO) test --release --test stops -- --nocapture

STATIC := x86_64-unknown-linux-musl

appliance: ## one static program that needs nothing of the system, tried; needs `rustup target add x86_64-unknown-linux-musl` and musl-gcc (musl-tools)
	$(CARGO) build --release --target $(STATIC)
	strip target/$(STATIC)/release/faceclique
	ls -l target/$(STATIC)/release/faceclique
	! ldd target/$(STATIC)/release/faceclique 2>/dev/null | grep -q '=>'
	$(PYTHON) tests/main_job.py target/$(STATIC)/release/faceclique fixtures/people.jsonl > /dev/null

bench-photos: $(VENV)/ready ## photos to embeddings, beside onnxruntime with the same models: photos/s, start, memory (a quarter of an hour)
	$(CARGO) build --release
	$(PYTHON) tests/bench/photos.py target/release/faceclique $(VENV)/bin/python $(ARGS)

SOAK_SECONDS ?= 180

soak: ## flood the server with mutated requests, SOAK_SECONDS=180 of them; SOAK_SEED=n to see a run again
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --release --test soak -- --nocapture

KILLS ?= 20

soak-train: ## kill the server KILLS=20 times in the middle of its training of pictures; PHOTOS=1 for real ones, SEED=n for other moments
	KILLS=$(KILLS) $(CARGO) test --test $(if $(PHOTOS),photos_http,training) -- --nocapture --test-threads=1 killed

DAMAGES ?= 400

soak-damage: ## harm the files of a data directory DAMAGES=400 times and ask everything: a table of what came of it; SEED=n, IMAGES=n
	PLACES=$(DAMAGES) $(CARGO) test --lib store::salvage -- --nocapture
	DAMAGES=$(DAMAGES) REPAIRS=$(DAMAGES) $(CARGO) test --test damage -- --nocapture --test-threads=1

soak-full: ## full, broken and slow disks under everything that writes: a table of what is answered (minutes); SCENES=3,14
	FULL_DISK=$(or $(SCENES),all) $(CARGO) test --test full_disk -- --nocapture --test-threads=1

JOBS ?= 1000000
CYCLES ?= 100
FACES ?= 2000

soak-years: ## JOBS=1000000 jobs and CYCLES=100 databases of FACES=2000 that come and go: size of the store, memory (minutes with TMPDIR=/dev/shm, hours of syncs without)
	echo what,at,seconds,store_kib,resident_kib > fixtures/bench/years.csv
	YEARS_JOBS=$(JOBS) YEARS_CYCLES=$(CYCLES) YEARS_FACES=$(FACES) YEARS_CSV=$(CURDIR)/fixtures/bench/years.csv \
		$(CARGO) test --release --test years -- --nocapture

soak-crash: ## kill the server KILLS=500 times under a mix of clients, audit everything, print the table; SEED=1
	KILLS=$(if $(filter command line environment,$(origin KILLS)),$(KILLS),500) SEED=$(SEED) \
		$(CARGO) test --test soak_crash -- --nocapture

crash-table: ## die at every write of nine lives, on every disk that may be left, torn ones too; print the table (minutes)
	@echo "life          steps   writes  stopped    cut  reordered  again    torn    lost"
	@CRASH_TABLE=1 $(CARGO) test --lib -- a_death_at_any_write_of_a_life whatever_sectors 2>/dev/null \
		| awk '/ 0$$|wrong$$|FAILED|panicked|test result/ {print} /FAILED/ {bad = 1} END {exit bad}'

FUZZ_SECONDS ?= 30
FUZZ_TARGETS ?= request multipart form values jsonl csv npy npz toml ini
# `none` needs no nightly compiler, and the fuzzed code has no `unsafe` of its own.
FUZZ_SANITIZER ?= none

fuzz: ## run libFuzzer on the decoders and readers, FUZZ_SECONDS=30 each; needs `cargo install cargo-fuzz` and a C++ compiler
	cp Cargo.lock tests/fuzz/Cargo.lock
	for target in $(FUZZ_TARGETS); do \
		mkdir -p target/fuzz-corpus/$$target target/fuzz-artifacts; \
		seeds=tests/fuzz/corpus/$$target; test -d $$seeds || seeds=fixtures/aci; \
		$(CARGO) fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz --sanitizer $(FUZZ_SANITIZER) $$target \
			target/fuzz-corpus/$$target $$seeds -- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 \
			-artifact_prefix=target/fuzz-artifacts/$$target- || exit 1; \
	done

# One by one, so that a package that cannot be had here holds back no other; its contender is shown as not installed.
$(VENV)/ready: tests/bench/requirements.txt
	$(PYTHON) -m venv $(VENV)
	while read -r package; do \
		$(VENV)/bin/pip install --quiet --constraint $< "$$package" || echo "not installed: $$package"; \
	done < $<
	touch $@

fixtures: ## write the fixtures anew from their generator
	UPDATE_FIXTURES=1 $(CARGO) test --test main_job --test goldens

clean: ## remove what was built
	$(CARGO) clean
	rm -rf $(VENV)
