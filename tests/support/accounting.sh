#!/bin/bash
# accounting.sh - sourced: a server at full speed for $1, with tracing and the ring log. Every
# request that wrk saw answered is in the trace, with the thread that the response named; every
# request is a line of the log, or announced as dropped; wrk saw no error.
# shellcheck source=tests/support/serve.sh
source "$(dirname "${BASH_SOURCE[0]}")/serve.sh"

command -v wrk >/dev/null || {
    echo "SKIPPED: wrk is not installed"
    exit 77
}

# What wrk's script notes of each response: a line `ID THREAD`, in a file of each wrk thread.
cat >"$scratch/note.lua" <<'LUA'
local paths = { "/quick", "/loop/async", "/pool/async", "/loop/sync", "/scope" }
local threads = 0
local count = 0
function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end
function init(args)
    file = io.open(args[1] .. "." .. number, "w")
end
function request()
    count = count + 1
    return wrk.format("GET", paths[count % #paths + 1])
end
function response(status, headers, body)
    file:write(headers["X-Request-Id"], " ", headers["X-Served-By"], " ", status, "\n")
end
LUA

account() {
    local seconds=$1 connections=32
    start --log "$scratch/log" --trace "$scratch/trace" --loops 1 --pool 4
    wrk -t 1 -c $connections -d "$seconds" -s "$scratch/note.lua" "$base" -- "$scratch/seen" \
        >"$scratch/wrk"
    stop
    ! grep -E 'Socket errors|Non-2xx' "$scratch/wrk" || fail "wrk saw errors: $(cat "$scratch/wrk")"

    # A last answer that wrk did not wait for may be cut in its file.
    awk 'NF == 3 && $3 == 200 { print $1, $2 }' "$scratch"/seen.* | sort >"$scratch/answered"
    # ... trace.request method=M path=P status=S trace=ID span=N parent=N served_by=THREAD ...
    "$TLR" tail -n all -o short "$scratch/trace" | awk '$4 == "trace.request" {
        print substr($8, 7), substr($11, 11), substr($6, 6) }' | sort >"$scratch/requests"
    cut -d ' ' -f 1,2 "$scratch/requests" >"$scratch/traced"

    # What the trace itself lost, where the machine kept its writer from running, it announces.
    local lost
    lost=$("$TLR" tail -n all -o short "$scratch/trace" |
        sed -nE 's/.* tailrace +dropped records=([0-9]+) .*/\1/p' |
        awk '{ n += $1 } END { print n + 0 }')

    local answered traced lines dropped calls missing
    answered=$(wc -l <"$scratch/answered")
    traced=$(wc -l <"$scratch/traced")
    [ "$answered" -gt 1000 ] || fail "only $answered answers"
    missing=$(comm -23 "$scratch/answered" "$scratch/traced" | wc -l)
    [ "$missing" -le "$lost" ] ||
        fail "$missing answers are not in the trace with their thread, $lost announced as lost: \
$(comm -23 "$scratch/answered" "$scratch/traced" | head -n 5)"
    [ $((traced + lost - answered)) -le $connections ] ||
        fail "$traced requests traced, $lost lost, $answered answered"

    lines=$(grep -c ' server\.access ' "$scratch/log")
    dropped=$(sed -nE 's/.* tailrace +dropped records=([0-9]+) .*/\1/p' "$scratch/log" |
        awk '{ n += $1 } END { print n + 0 }')
    lines=$((lines + $(grep -cE ' lab\.a?sync ' "$scratch/log")))
    # Each of three of the five paths makes its handler log one line more.
    calls=$((traced + $(lines_in "$scratch/requests" ' /(loop|pool)/')))
    [ "$lost" -gt 0 ] || # else the calls of some requests are not known
        expect "calls of the log, against lines and announced drops" $calls $((lines + dropped))
    echo "$answered answered, $traced traced, $lost of them announced as lost by the trace," \
        "$lines lines, $dropped announced as dropped"
}
