#!/bin/sh
# Finds the programs that are needed besides a Rust toolchain: `sh tests/tools.sh demo|lint|test`. On Debian and Ubuntu
# the missing ones are installed when that is possible without asking; elsewhere they are named and the run fails.
set -eu

purpose=${1:-test}
missing=""
need() { # program, package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

if ! command -v cargo >/dev/null 2>&1; then
    echo "There is no Rust toolchain here. Install one from rustup.rs, then run this again." >&2
    exit 1
fi

need cc gcc
need awk mawk
need sha256sum coreutils
if [ "$purpose" = test ]; then
    need git git
    need strace strace
    need prometheus prometheus
    need promtool prometheus
    need prove perl
    need prometheus-alertmanager prometheus-alertmanager
    need redis-server redis-server
    need kubectl kubernetes-client
    need script bsdutils
    need openssl openssl
    need sqlite3 sqlite3
    need setpriv util-linux
    # PostgreSQL's programs are not on PATH where Debian puts them.
    if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
        missing="$missing postgresql"
    fi
    need python3 python3
    python3 -c 'import venv' >/dev/null 2>&1 || missing="$missing python3-venv"
    python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
fi

# rustfmt and clippy are parts of rustup; only lint needs them.
if [ "$purpose" = lint ] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    echo "rustfmt or clippy is missing. Install them with: rustup component add rustfmt clippy" >&2
    exit 1
fi

[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    if [ -z "$sudo" ] || sudo -n true >/dev/null 2>&1; then
        echo "Installing:$missing"
        # shellcheck disable=SC2086
        if $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null; then
            exit 0
        fi
    fi
fi
echo "These programs are missing and could not be installed:$missing" >&2
echo "Install them, then run this again. On Debian and Ubuntu: sudo apt-get install$missing" >&2
exit 1
