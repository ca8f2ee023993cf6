# What a newcomer, and CI, type. `make demo` shows the main job; `make test` proves it.
SHELL := /bin/sh
CARGO ?= cargo
BUILD ?= $(CARGO) build --locked

.PHONY: all demo test lint format bench fixtures fuzz tools clean

all: lint test

# Builds irctl and runs its main job, end to end, on a copy of the shipped fixtures.
demo: tools
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

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

format:
	$(CARGO) fmt --all

# Ratios against a floor or a peer, measured in one run. IRCTL_BENCH_DUCKDB=1 adds the DuckDB comparison.
bench: tools
	$(CARGO) build --locked --release
	$(CARGO) bench --locked --bench whole_process
	$(CARGO) bench --locked --bench classify
	$(CARGO) bench --locked --bench probe

# Writes the fixtures anew; they are the same, bit for bit, for the same arguments.
fixtures:
	$(CARGO) run --locked --example generate_fixtures -- --out fixtures/rila_6y20b

# Finds what building and testing need; installs it on Debian and Ubuntu, names it elsewhere.
tools:
	@sh tests/tools.sh

clean:
	$(CARGO) clean
	rm -rf .demo
