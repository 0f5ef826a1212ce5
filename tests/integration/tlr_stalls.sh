#!/bin/bash
# tlr_stalls.sh - a log's reader stops, a handler blocks, a request waits behind it: while it lasts
# and afterwards, `tlr stalls` names who, where, why and whom; `tlr req` tells it of each request.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

mkfifo "$scratch/log"
cat "$scratch/log" >"$scratch/lines" &
reader=$!
others+=("$reader")
exec 3>"$scratch/log" # so that the reader stays, whenever the server opens it
start --log "$scratch/log" --trace "$scratch/trace" --lane-bytes 4K

# A signal takes effect a moment after it was sent.
stop_reader() {
    kill -STOP "$reader"
    await 5 grep -q '^State:.*T (stopped)' "/proc/$reader/status" || fail "the reader runs on"
}

# ---- nothing yet
get /quick >/dev/null
status=0
"$TLR" stalls --min 10s "$scratch/trace" >/dev/null || status=$?
expect "status without stalls" 1 $status

# ---- the reader stops, the pipe is full, the loop's handler waits
stop_reader
{ head -c 65535 /dev/zero | tr '\0' f && echo; } |
    dd of="$scratch/log" bs=4096 iflag=fullblock oflag=nonblock conv=notrunc 2>/dev/null || true

get /loop/sync -i >"$scratch/culprit" &
others+=($!)
in_flight() {
    kill -0 "$server" || fail "the server died"
    "$TLR" stalls --json "$server" |
        grep -q '"in_flight":\[.*"thread":"loop-0".*"cause":"sink_write"'
}
await 10 in_flight || fail "not seen in flight: $("$TLR" stalls "$server")"
get /quick -i >"$scratch/victim" &
others+=($!)
sleep 0.4

live=$("$TLR" stalls "$server")
expect_match "live" '^IN FLIGHT ' "$live"
expect_match "live" 'loop-0, tid [0-9]+: sink_write for ' "$live"
expect_match "live" 'site +.*endpoints\.c:[0-9]+ in log_synchronously' "$live"
expect_match "live" "peer +process $reader \(cat\), state T" "$live"

kill -CONT "$reader"
wait "${others[1]}" "${others[2]}"
id_of() { sed -nE 's/^X-Request-Id: ([0-9a-f]+)\r?$/\1/p' "$1"; }
culprit=$(id_of "$scratch/culprit")
victim=$(id_of "$scratch/victim")

# ---- lines that find no room are dropped, and counted
stop_reader
for _ in 1 2 3; do
    get "/loop/async?[1-300]" >/dev/null
done
kill -CONT "$reader"
traced() { "$TLR" tail -n all -T "$victim" "$scratch/trace" >/dev/null; }
await 10 traced || fail "the victim's record is not in the trace"
dropped=$("$TLR" stalls --json "$server" |
    sed -nE 's/.*"name":"log".*"dropped":\{"lane_full":([0-9]+).*/\1/p')
stop

# ---- afterwards
after=$("$TLR" stalls "$scratch/trace" "$scratch/lines")
expect_match "verdict" '^VERDICT  .*endpoints\.c:[0-9]+, in log_synchronously, ' "$after"
expect_match "verdict" ', serving GET /loop/sync, waited .* writing to the log on loop-0; ' "$after"
expect_match "verdict" '1 request waited behind it' "$after"
expect_match "culprit's request" "request +$culprit +GET /loop/sync" "$after"
expect_match "victim" "$victim +GET /quick +waited " "$after"
expect_match "dropped" "^$dropped lines were dropped, as the log's gap lines tell" "$after"
[ "$dropped" -gt 100 ] || fail "only $dropped lines dropped"
json=$("$TLR" stalls --json "$scratch/trace")
expect_match "json" '"cause":"sink_write".*"victims":1,' "$json"
expect_match "why" "\"blame\":\"[^\"]*its reader cat \(pid $reader\) is stopped" "$json"

request=$("$TLR" req "$culprit" "$scratch/trace" "$scratch/lines")
expect_match "culprit" '^GET /loop/sync  200 ' "$request"
expect_match "culprit" '^BLOCKED ' "$request"
expect_match "culprit" "lab.sync  Sync log: [0-9]+  trace=$culprit" "$request"
request=$("$TLR" req "${victim:0:12}" "$scratch/trace" "$scratch/lines")
expect_match "victim" '^  wait +kernel ' "$request"
expect_match "victim" '^VICTIM  it waited .* behind stall ' "$request"
expect_match "victim" "in request $culprit GET /loop/sync" "$request"

# ---- what cannot be read
for path in "$scratch/none" "$scratch/lines" "$scratch"; do
    status=0
    message=$("$TLR" stalls "$path" 2>&1) || status=$?
    expect "status of $path" 2 $status
    expect "lines said of $path" 1 "$(wc -l <<<"$message")"
done
segment=$(echo "$scratch"/trace/*.tlr)
printf '%64s' '' | dd of="$segment" bs=1 seek=300 conv=notrunc 2>/dev/null
status=0
"$TLR" stalls "$scratch/trace" >/dev/null 2>&1 || status=$?
expect "status of a damaged trace" 3 $status

# ---- a handler that computes holds up its loop, and is seen while it does
start --log "$scratch/lines2" --trace "$scratch/trace2"
get '/cpu?ms=2000&where=loop' >/dev/null &
computing=$!
others+=("$computing")
computes() {
    live=$("$TLR" stalls "$server") && grep -q 'loop-0, tid [0-9]*: in a handler for ' <<<"$live"
}
await 2 computes || fail "a handler that computes is not seen: $live"
expect_match "computing" 'site +.*endpoints\.c:[0-9]+ in cpu' "$live"
expect_match "computing" 'why +this handler has not returned' "$live"
expect_match "computing, as JSON" '"thread":"loop-0",.*"state":"running",.*"function":"cpu"' \
    "$("$TLR" stalls --json "$server")"
wait "$computing"
stop
