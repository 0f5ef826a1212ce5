#!/bin/bash
# tlr_req.sh - one request whole, from its trace and its log, in text and JSON lines.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

start --log "$scratch/log" --log-format json --trace "$scratch/trace" --pool 2
id=4bf92f3577b34da6a3ce929d0e0e4736
get '/task?mode=pool&ms=60' -H "traceparent: 00-$id-00f067aa0ba902b7-01" >/dev/null
get /loop/async -H 'traceparent: 00-4bf92f35ffffffffa3ce929d0e0e4736-00f067aa0ba902b7-01' >/dev/null
stop

request=$("$TLR" req "$id" "$scratch/trace" "$scratch/log")
expect_match "heading" '^GET /task.*  200  [0-9.]+ ms  on loop-0 -> pool-[01] -> loop-0$' "$request"
expect_match "trace" "trace $id" "$request"
expect_match "hop" '^  queue +loop-0 -> pool-[01] ' "$request"
expect_match "hop" '^  handler +pool-[01] .* (6|7|8|9)[0-9.]+ ms +\|' "$request"
expect_match "hop" '^  return +pool-[01] -> loop-0 ' "$request"
expect_match "hop" '^  write +loop-0 ' "$request"
expect_match "log" "server.access  GET /task.* status=200 .*trace=$id" "$request"

json=$("$TLR" req --json "$id" "$scratch/trace" "$scratch/log")
expect_match "json" '"requests":\[\{"method":"GET","path":"/task' "$json"
expect_match "json" '"lines":\[\{"ts":' "$json"
if command -v jq >/dev/null; then
    in_order='.requests[0].hops | map(.hop) | index("queue") < index("handler")'
    jq -e "$in_order" <<<"$json" >/dev/null ||
        fail "the hops are not in order: $json"
fi

# check STATUS ARGUMENT...: the status, and one line on stderr.
check() {
    local status=0 wanted=$1
    shift
    "$TLR" req "$@" >"$scratch/said" 2>"$scratch/err" || status=$?
    expect "status of req $*" "$wanted" $status
    expect "lines said by req $*" 1 "$(wc -l <"$scratch/err")"
}
check 1 0123456789abcdef0123456789abcdef "$scratch/trace" "$scratch/log"
check 2 4bf9 "$scratch/trace"
expect "candidates" 2 "$(wc -l <"$scratch/said")"
expect_match "candidates" "^$id +[0-9T:.Z-]+ +GET /task" "$(cat "$scratch/said")"
check 2 4bx9 "$scratch/trace"
check 2 4bf "$scratch/trace"
check 2 "$id"
check 2 "$id" "$scratch/none"
check 3 "$id" "$scratch/none" "$scratch/trace"
