#!/usr/bin/env bash
# Installs what a build or a test run needs, or names exactly what is missing.
# usage: tools/setup.sh [test]
set -eu

missing=()
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi; }
# Debian and its kin can be served; elsewhere the names are said.
install() {
    command -v apt-get >/dev/null || return 1
    as_root apt-get install -y -q "$@" >/dev/null 2>&1 || { as_root apt-get update -q >/dev/null 2>&1 && as_root apt-get install -y -q "$@" >/dev/null 2>&1; }
}
need() { # what it is, how it is recognised, Debian's packages
    local what=$1 check=$2; shift 2
    eval "$check" >/dev/null 2>&1 && return 0
    install "$@" && eval "$check" >/dev/null 2>&1 && return 0
    missing+=("$what (Debian: $*)")
}

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "cargo is in $HOME/.cargo/bin, which is not on PATH: export PATH=\"\$HOME/.cargo/bin:\$PATH\"" >&2
    exit 1
fi
command -v cargo >/dev/null || missing+=("a Rust toolchain, see rust-toolchain.toml (https://rustup.rs)")
need "a C compiler" "command -v cc || command -v gcc" gcc
need "the static C library" "gcc -print-file-name=libc.a | grep -q /" libc6-dev

if [ "${1:-}" = test ]; then
    need "git (a tool that runs in the cage)" "command -v git" git
    need "make (a tool that runs in the cage)" "command -v make" make
    need "bubblewrap (the baseline of the benchmarks)" "command -v bwrap" bubblewrap
    need "python3" "command -v python3" python3
    # libzmq, as the foreign peer of the channel's tests
    need "python3 with pyzmq" "python3 -c 'import zmq' || /usr/bin/python3 -c 'import zmq'" python3-zmq
    # the secret helper speaks with these
    need "pass" "command -v pass" pass
    need "tree (pass lists with it)" "command -v tree" tree
    need "gpg (pass encrypts with it)" "command -v gpg && command -v gpgconf" gnupg
    need "dbus-daemon" "command -v dbus-daemon" dbus
    need "gnome-keyring-daemon" "command -v gnome-keyring-daemon" gnome-keyring
    need "secret-tool" "command -v secret-tool" libsecret-tools
    # the foreign model vendor and OAuth server
    need "node 20 or newer" "node -e 'process.exit(parseInt(process.versions.node, 10) < 20 ? 1 : 0)'" nodejs
    need "npm" "command -v npm" npm
    peers=$(dirname "$0")/../tests/peers
    installed=$peers/node_modules/.package-lock.json
    if command -v npm >/dev/null && { [ ! -e "$installed" ] || [ "$installed" -ot "$peers/package-lock.json" ]; }; then
        if npm ci --prefix "$peers" --no-audit --no-fund --ignore-scripts >/dev/null; then
            touch "$installed"
        else
            missing+=("the packages of tests/peers (npm ci --prefix tests/peers --no-audit --no-fund --ignore-scripts)")
        fi
    fi
fi

if [ "${#missing[@]}" -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 1
fi
