# What a newcomer, and CI, type. `make demo` shows the main job; `make test` proves it.
SHELL := /bin/sh
CARGO ?= cargo
BUILD ?= $(CARGO) build --locked

.PHONY: all demo test sweep lint format bench fixtures fuzz tools clean

all: lint test

# Builds irctl and runs its main job, end to end, on a copy of the shipped fixtures.
demo:
	@sh tests/tools.sh demo
	@test -x "$${CARGO_TARGET_DIR:-target}/debug/irctl" || echo "Building irctl; the first time takes a few minutes."
	$(BUILD)
	sh fixtures/demo.sh

# Everything that is tested. Needs only what `tools` finds or installs; nothing is skipped silently.
test: tools
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked && $(CARGO) test --locked --doc; \
	else \
		echo "cargo-nextest is not here: the same tests run under cargo test"; \
		$(CARGO) test --locked --lib --bins --tests && $(CARGO) test --locked --doc; \
	fi

# Kills irctl everywhere: at every fault point, and under strace at every call with which it changes something. A few
# of these kills run with the other tests; all of them take the better part of an hour on two slow cores.
sweep: tools
	IRCTL_SWEEP=all $(CARGO) test --locked --profile sweep --test sweep -- --nocapture --test-threads 2
	IRCTL_SWEEP=all $(CARGO) test --locked --profile sweep --test crash --test check_crash -- --nocapture --test-threads 2
	IRCTL_SWEEP=all $(CARGO) test --locked --profile sweep --test targets -- --nocapture --test-threads 2 kill sweep conforms systemd

lint:
	@sh tests/tools.sh lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

format:
	$(CARGO) fmt --all

# Ratios against a floor or a peer, measured in one run. IRCTL_BENCH_DUCKDB=1 adds the DuckDB comparison.
bench: tools
	$(CARGO) bench --locked --bench whole_process
	$(CARGO) bench --locked --bench classify
	$(CARGO) bench --locked --bench probe
	$(CARGO) bench --locked --bench rollback
	$(CARGO) bench --locked --bench plan
	$(CARGO) bench --locked --bench scale

# Writes the fixtures anew; they are the same, bit for bit, for the same arguments.
fixtures:
	$(CARGO) run --locked --example generate_fixtures

# Feeds rubbish to every parser, FUZZ_SECONDS each. Needs cargo-fuzz (cargo install cargo-fuzz); a stable compiler does.
FUZZ_SECONDS ?= 60
fuzz:
	@cargo fuzz --version >/dev/null 2>&1 || { echo "make fuzz needs cargo-fuzz: cargo install --locked cargo-fuzz"; exit 1; }
	@for target in alert config dataset expression journal log message nagios settings; do \
		echo "fuzz $$target"; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 -print_final_stats=0 || exit 1; \
	done

# Finds what testing needs; installs it on Debian and Ubuntu, names it elsewhere.
tools:
	@sh tests/tools.sh test

clean:
	$(CARGO) clean
	rm -rf .demo
