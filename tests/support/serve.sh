#!/bin/bash
# serve.sh - sourced by the scripts that look at `tlr serve`: a scratch directory, a server in it,
# and the few words that checks are made of. The command is $TLR.
set -euo pipefail
export LC_ALL=C

scratch=$(mktemp -d)
server=
others=()
trap 'finish' EXIT

# Only what was started here is ended; a stopped process needs its CONT to take the TERM.
finish() {
    local status=$?
    for pid in "${others[@]}" $server; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$scratch"
    exit $status
}

fail() {
    echo "FAILED: $*" >&2
    [ ! -s "$scratch/err" ] || sed 's/^/    server: /' "$scratch/err" >&2
    exit 1
}

# expect WHAT WANTED GOT
expect() {
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

# expect_match WHAT PATTERN TEXT: an extended regular expression, found in any line.
expect_match() {
    grep -qE -e "$2" <<<"$3" || fail "$1: no /$2/ in '$3'"
}

# lines_in FILE PATTERN: how many lines of the file hold it.
lines_in() {
    grep -cE -e "$2" "$1" || true
}

# said PATTERN: the server wrote it on its standard error.
said() {
    expect_match "what the server says" "$1" "$(cat "$scratch/err")"
}

# await SECONDS COMMAND...: tries until it succeeds.
await() {
    local end=$(($(date +%s%N) + $1 * 1000000000))
    shift
    until "$@"; do
        [ "$(date +%s%N)" -lt $end ] || return 1
        sleep 0.02
    done
}

listens() {
    ! kill -0 "$server" 2>/dev/null || grep -q 'listening on' "$scratch/err"
}

# launch OPTION...: starts a server on free ports; its output goes to $scratch/out and err.
launch() {
    : >"$scratch/err"
    "$TLR" serve --host 127.0.0.1 --port any --admin-port any --loops 1 "$@" \
        >"$scratch/out" 2>"$scratch/err" &
    server=$!
}

# start OPTION...: the same, and waits until it listens; sets $base and $admin to its addresses.
start() {
    launch "$@"
    await 20 listens || fail "the server does not listen"
    base=$(sed -nE 's/.*listening on (http:[^ ,]*), admin.*/\1/p' "$scratch/err")
    # shellcheck disable=SC2034
    admin=$(sed -nE 's/.*, admin (http:[^ ,]*),.*/\1/p' "$scratch/err")
    [ -n "$base" ] || fail "the server did not start"
}

# stop_with STATUS: ends it by SIGTERM and checks its exit status.
stop_with() {
    local status=0
    kill -TERM "$server"
    wait "$server" || status=$?
    server=
    expect "exit status after SIGTERM" "$1" "$status"
}

stop() {
    stop_with 0
}

# get PATH [CURL-OPTION...]: the body.
get() {
    local path=$1
    shift
    curl -sS -m 20 "$@" "$base$path"
}

# status_of PATH [CURL-OPTION...]
status_of() {
    local path=$1
    shift
    curl -sS -m 20 -o /dev/null -w '%{http_code}' "$@" "$base$path"
}

# milliseconds COMMAND...: how long it took.
milliseconds() {
    local begin
    begin=$(date +%s%N)
    "$@" >/dev/null
    echo $((($(date +%s%N) - begin) / 1000000))
}
