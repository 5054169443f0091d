# Thin names for the real commands.

.PHONY: sslyze schemathesis run fleet rolling-restart test check lint fmt generate web packages test-rust test-interop test-web photographs test-browsers simulate bench bench-join bench-sfu ramp-sfu line-sfu idle-sfu bench-waiting bench-store bench-lanes bench-audit bench-api kill-store plots loadtest fuzz sbom attack

PROFILE ?= dev
# Debian packages that the browser tests need, and a program of each.
BROWSER_PROGRAMS := chromium firefox-esr Xvfb ip nft unshare
BROWSER_PACKAGES := chromium firefox-esr xvfb iproute2 nftables util-linux fonts-liberation
# A scanner of TLS listeners, in an environment of its own outside the checkout.
SSLYZE_VERSION := 6.3.1
SSLYZE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/telehealth/tools/sslyze
# What tries out everything that the API's description says, likewise.
SCHEMATHESIS_VERSION := 4.32.5
SCHEMATHESIS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/telehealth/tools/schemathesis
# And what the adapters of platform are tested against.
ENGINE_PROGRAMS := nats-server redis-server redis-sentinel setpriv haproxy openssl faketime
ENGINE_PACKAGES := nats-server redis-server redis-sentinel postgresql util-linux haproxy openssl faketime

CARGO_TEST := $(if $(shell command -v cargo-nextest),nextest run,test)

WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -path 'web/e2e/*' -not -path 'web/gallery/out/*' \
	-not -name '*.test.ts' -not -name '*.test.tsx')

# Builds everything and starts it with a demonstration clinic. `make run LAN=1` lets a phone on the same
# network join. ARGS adds flags: `make run ARGS="--listen localhost:8088"`.
run: web
	cargo run --quiet --profile $(PROFILE) --package server --bin telehealth -- serve --demo $(if $(LAN),--lan) $(ARGS)

# Everything that proves it, real browsers included.
test: packages lint test-rust test-interop test-web photographs test-browsers

# Formatting, lints and the fast tests.
check: lint test-web
	cargo $(CARGO_TEST) --workspace --lib --bins --locked

lint:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(if $(shell command -v cargo-deny),cargo deny --offline check bans licenses sources)

fmt:
	cargo fmt --all

# What the pure cores cost, one by one, in nanoseconds. Two minutes; nothing else should run. ARGS takes some:
# `make bench ARGS=rtp`.
bench:
	cargo bench --quiet --profile perf --package benches --bench cores --locked -- $(ARGS)

# How long it takes to join while others talk. JOURNEYS, RATE, PAIRS and SEED change the workload.
bench-join:
	cargo build --quiet --profile perf --package server --package benches --locked
	$${CARGO_TARGET_DIR:-target}/perf/bench-join

# What forwarding costs, beside Janus (Debian's package) under the same clients, or without: JANUS=0. CONSULTS, WARM_S,
# STEADY_S and REPEATS change the workload.
bench-sfu:
	cargo build --quiet --profile perf --package server --package benches --locked
	benches/in-namespace.sh $${CARGO_TARGET_DIR:-target}/perf/bench-sfu

# The highest healthy number of consults, of both. Takes some ten minutes.
ramp-sfu:
	cargo build --quiet --profile perf --package server --package benches --locked
	STEADY_S=$${STEADY_S:-10} benches/in-namespace.sh $${CARGO_TARGET_DIR:-target}/perf/bench-sfu ramp

# How processor time and latency grow with the number of consults, of both. POINTS are the numbers; OUT is a file for
# `make plots`: `make line-sfu OUT=docs/plots/line.json`. Takes some ten minutes.
line-sfu:
	cargo build --quiet --profile perf --package server --package benches --locked
	STEADY_S=$${STEADY_S:-10} $(if $(OUT),OUT='$(OUT)') benches/in-namespace.sh $${CARGO_TARGET_DIR:-target}/perf/bench-sfu line

# What people cost who are connected and muted, up to 5,000 of them, or MUTED. OUT as in line-sfu.
idle-sfu:
	cargo build --quiet --profile perf --package server --package benches --locked
	$(if $(OUT),OUT='$(OUT)') benches/in-namespace.sh $${CARGO_TARGET_DIR:-target}/perf/bench-sfu idle

# Waiting rooms: memory per connection, how soon a queue shows who came, thousands back at once. ARGS change the
# workload: `make bench-waiting ARGS="--connections 2000 --clinicians 100 --reconnect 500"`.
bench-waiting:
	cargo build --quiet --profile perf --package server --package loadtest --package benches --locked
	$${CARGO_TARGET_DIR:-target}/perf/bench-waiting $(ARGS)

# What the event log takes, on SQLite and on a PostgreSQL of its own, beside what the disk takes for one fsync. DIR is
# where, REPEATS and MEASURE_S how long; ONLY=sqlite or ONLY=postgres leaves the other out.
bench-store: packages
	cargo build --quiet --profile perf --package benches --bin bench-store --locked
	$${CARGO_TARGET_DIR:-target}/perf/bench-store

# What ten times more batch work than can be done does to critical work, to its own goodput and to who is shed. The
# server on one core, the clients on the other. PHASE_S, PAIRS and OVERLOAD change the workload. Four minutes.
bench-lanes:
	cargo build --quiet --profile perf --package server --bin telehealth --package benches --bin bench-lanes --locked
	taskset --cpu-list 0 $${CARGO_TARGET_DIR:-target}/perf/bench-lanes

# How fast an auditor's copy of the audit trail is verified, in rows a second. ROWS and REPEATS change the workload, DIR is
# where.
bench-audit:
	cargo build --quiet --profile perf --package benches --bin bench-audit --locked
	$${CARGO_TARGET_DIR:-target}/perf/bench-audit

# How long reads through the API take at 1,000 a second, signed in, judged and recorded for the auditor. RATE, SECONDS and
# PEOPLE change the workload. Nothing else should run.
bench-api:
	cargo build --quiet --profile perf --package server --bin telehealth --package benches --bin bench-api --locked
	$${CARGO_TARGET_DIR:-target}/perf/bench-api

# A thousand writers of the event log killed in mid-commit, and a hundred PostgreSQL servers; what was acknowledged is
# there each time. KILLS and PG_KILLS change how many (0 leaves one out), DIR where. Some minutes.
kill-store: packages
	cargo build --quiet --profile perf --package benches --bin kill-store --locked
	$${CARGO_TARGET_DIR:-target}/perf/kill-store

# The fleet in virtual time, with everything that can go wrong: docs/simulator.md. SEEDS says how many stories.
simulate:
	SIM_SEEDS=$${SEEDS:-20000} cargo test --package signaling --test sim --locked -- many_seeds --nocapture

# Every parser of a stranger's bytes under cargo-fuzz, SECONDS_EACH (60) each: docs/security-tests.md. ONLY=gate takes
# one. `make test` replays the seeds without it.
fuzz:
	fuzz/run

# What the program and the pages are made of, as CycloneDX: sbom/.
sbom:
	deploy/sbom

# The attacks of OWASP ASVS V17 on a server of its own while calls go on, at length: some minutes. Short in `make test`.
attack:
	ATTACK=long cargo test --quiet --package server --test it --locked -- attack:: --nocapture --test-threads 1

# Draws docs/plots/*.svg from the data beside them.
plots:
	cargo run --quiet --package benches --bin plots --locked -- docs/plots/*.json

# Synthetic people against a deployment; docs/load-testing.md. Without ARGS, a stream of consults against a server
# of its own: `make loadtest ARGS="run --journey smoke --links ready.json"`.
loadtest:
	cargo build --quiet --profile perf --package server --package loadtest --locked
	$${CARGO_TARGET_DIR:-target}/perf/loadtest $(or $(ARGS),run --start $${CARGO_TARGET_DIR:-target}/perf/telehealth)

# The TypeScript and the JSON Schema of the wire messages, and the description of the HTTP interface, from the Rust types.
generate:
	UPDATE_TS=1 cargo test --quiet --package signaling-protocol
	UPDATE_OPENAPI=1 cargo test --quiet --package server --test it -- api::the_committed_description

test-rust: web packages sslyze schemathesis
	export WITHOUT_SSLYZE=$$(test -x $(SSLYZE)/bin/sslyze || echo 1); \
	export WITHOUT_SCHEMATHESIS=$$(test -x $(SCHEMATHESIS)/bin/schemathesis || echo 1); cargo $(CARGO_TEST) --workspace --locked

# What judges the TLS listener. Where it cannot be installed, that one test is skipped, and this says so.
sslyze:
	@test -x $(SSLYZE)/bin/sslyze || { python3 -m venv $(SSLYZE) && $(SSLYZE)/bin/pip install --quiet sslyze==$(SSLYZE_VERSION); } \
		|| echo "SKIPPED: sslyze cannot be installed here; the TLS listener is not judged from outside"

# What tries out the API. Where it cannot be installed, that one test is skipped, and this says so.
schemathesis:
	@test -x $(SCHEMATHESIS)/bin/schemathesis || { python3 -m venv $(SCHEMATHESIS) && $(SCHEMATHESIS)/bin/pip install --quiet schemathesis==$(SCHEMATHESIS_VERSION); } \
		|| echo "SKIPPED: schemathesis cannot be installed here; the API is not tried out from outside"

# The webrtc crate as a client, lints included. Apart from the rest: it is another hundred crates, and changes features
# that everything else would be built anew with.
test-interop:
	cargo clippy --package loadtest --features interop --all-targets --locked -- -D warnings
	cargo build --quiet --package server --bin telehealth --locked
	cargo $(CARGO_TEST) --package loadtest --features interop --test interop --locked

test-web: web/node_modules/.installed
	cd web && npm run --silent typecheck && npm run --silent lint && npm run --silent test

# A picture of every view and state in web/gallery/out/photographs, and what is wrong with each. With FULL=1 each
# in every size, theme and language; ONLY=regex takes some.
photographs: web/node_modules/.installed packages
	cd web && node gallery/photograph.mjs $(if $(FULL),--full) $(if $(ONLY),--only='$(ONLY)')

test-browsers: web packages
	cargo build --quiet --package server --bin telehealth --package sfu --example flood --package loadtest --bin loadtest --locked
	web/e2e/run.sh
	E2E_SHAPE=fleet web/e2e/run.sh

# Everything as a fleet on this machine: PostgreSQL, Redis, NATS, two processes of each role, haproxy. docs/fleet.md.
fleet: packages web
	cargo build --quiet --package server --bin telehealth --locked
	deploy/local/fleet up

# Restarts every process of a fleet, one after the other, under 20 calls and 50 requests a second: no request fails, no
# call is lost. docs/runbooks/rolling-restart.md. CALLS, REQUESTS and TALK_S change the workload.
rolling-restart: packages web
	cargo build --quiet --profile $(PROFILE) --package server --bin telehealth --package loadtest --bin loadtest --package benches --bin rolling-restart --locked
	$${CARGO_TARGET_DIR:-target}/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/rolling-restart

# The pages, hashed and precompressed.
web: web/dist/index.html

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Installs what the tests with browsers and engines lack, where that is allowed; otherwise says the one command.
packages:
	@for program in $(BROWSER_PROGRAMS) $(ENGINE_PROGRAMS); do \
		command -v $$program >/dev/null || PATH="$$PATH:/usr/sbin:/sbin" command -v $$program >/dev/null || lacks="$$lacks $$program"; \
	done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || lacks="$$lacks postgresql"; \
	if [ -z "$$lacks" ]; then exit 0; fi; \
	install="apt-get install --yes --no-install-recommends $(sort $(BROWSER_PACKAGES) $(ENGINE_PACKAGES))"; \
	echo "The tests need:$$lacks"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$install -qq; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then \
		sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive $$install -qq; \
	else \
		echo "Run this once, then again what you ran:  sudo $$install"; exit 1; \
	fi
