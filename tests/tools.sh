#!/bin/sh
# Finds the programs that building and testing need besides a Rust toolchain. On Debian and Ubuntu the missing ones
# are installed when that is possible without asking; elsewhere they are named and the run fails.
set -eu

missing=""
need() { # program, package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need cargo cargo
need cc gcc
need make make
need git git
need awk mawk
need sha256sum coreutils
need strace strace

# Without rustup's components there is no lint; say how to get them.
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    echo "rustfmt or clippy is missing: rustup component add rustfmt clippy" >&2
    [ "${IRCTL_TOOLS_LINT:-1}" = 0 ] || exit 1
fi

[ -n "$missing" ] || exit 0

case " $missing " in
*" cargo "*)
    echo "There is no Rust toolchain here. Install one from rustup.rs, then run this again." >&2
    exit 1
    ;;
esac

if command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    echo "Installing:$missing"
    # shellcheck disable=SC2086
    if $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null; then
        exit 0
    fi
fi
echo "These programs are missing and could not be installed:$missing" >&2
echo "Install them with your package manager, then run this again." >&2
exit 1
