#!/bin/bash
# serve.sh - every endpoint of the demonstration server answers as the lab says, from the thread
# that it says, and leaves the lines that it says.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

start --log "$scratch/log" --trace "$scratch/trace" --pool 2

# ---- nothing has stalled yet, and every ring file can be read
status=0
live=$("$TLR" stalls --min 10s "$server") || status=$?
expect "status of a live process without stalls" 1 "$status"
expect "blank lines before LOGS" 1 "$(grep -B 2 '^LOGS' <<<"$live" | grep -c '^$')"

# ---- the index names every endpoint
index=$(get / -i)
expect_match "/" '^Content-Type: text/plain' "$index"
for path in /quick /sync /async /loop/sync /loop/async /pool/sync /pool/async '/task\?mode=await' \
    '/cpu\?ms=N&where=pool' /echo /scope /threads; do
    expect_match "/" "^(GET|POST) $path" "$index"
done

# ---- answers and threads
declare -A thread=([/sync]=pool [/async]=loop [/loop/sync]=loop [/loop/async]=loop
    [/pool/sync]=pool [/pool/async]=pool)
for path in "${!thread[@]}"; do
    reply=$(get "$path" -i)
    case $path in
    *async) word=Asynchronous ;;
    *) word=Synchronous ;;
    esac
    expect_match "$path" "^HTTP/1.1 200" "$reply"
    expect_match "$path" "^\{\"message\":\"$word logging\"\}" "$reply"
    expect_match "$path" "^X-Served-By: ${thread[$path]}-[0-9]+" "$reply"
    expect_match "$path" "^X-Request-Id: [0-9a-f]+" "$reply"
    expect_match "$path" "^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}" "$reply"
    expect_match "$path" "^Server-Timing: .*queue.*handler.*return.*log" "$reply"
done
expect "/quick" '{"status":"quick response"}' "$(get /quick)"

# ---- waiting and computing
expect "await" '{"mode":"await","ms":20}' "$(get '/task?mode=await&ms=20')"
expect "block" '{"mode":"block","ms":20}' "$(get '/task?mode=block&ms=20')"
expect "pool" '{"mode":"pool","ms":20}' "$(get '/task?mode=pool&ms=20')"
expect_match "await's thread" "^X-Served-By: loop-0" "$(get '/task?mode=await&ms=1' -i)"
expect_match "pool's thread" "^X-Served-By: pool-" "$(get '/task?mode=pool&ms=1' -i)"
expect_match "cpu" '"where":"loop"' "$(get '/cpu?ms=5')"
expect_match "cpu in the pool" "^X-Served-By: pool-" "$(get '/cpu?ms=5&where=pool' -i)"
for mode in await block pool; do
    took=$(milliseconds get "/task?mode=$mode&ms=200")
    [ "$took" -ge 200 ] || fail "mode=$mode&ms=200 took $took ms"
done

# ---- what is wrong gets 400 and says why
for query in '' 'ms=5' 'mode=await' 'mode=await&ms=' 'mode=await&ms=-1' 'mode=await&ms=60001' \
    'mode=pool&ms=1e3' 'mode=block&ms=99999999999999999999' 'mode=nap&ms=5'; do
    expect "/task?$query" 400 "$(status_of "/task?$query")"
    expect_match "/task?$query" '^\{"error":"m(s|ode) must be ' "$(get "/task?$query")"
done
expect "/cpu?where=moon" 400 "$(status_of '/cpu?ms=1&where=moon')"
expect "no such path" 404 "$(status_of /nothing)"
expect "wrong method" 405 "$(status_of /echo)"

# ---- what the server sees
expect "/echo" 'hello "world"' "$(get /echo --data-binary 'hello "world"')"
expect "/echo of nothing" '' "$(get /echo --data-binary '')"
head -c 300000 /dev/urandom >"$scratch/body"
get /echo --data-binary "@$scratch/body" | cmp - "$scratch/body" || fail "/echo changed the body"

parent=00-0123456789abcdef0123456789abcdef-0123456789abcdef-01
reply=$(get '/scope?a=%22b' -H 'X-Odd: a"\b' -H "traceparent: $parent")
expect_match "/scope" '"method":"GET","target":"/scope\?a=%22b","path":"/scope"' "$reply"
expect_match "/scope" '"X-Odd","a\\"\\\\b"' "$reply"
expect_match "/scope" '"loop":"loop-0"' "$reply"
expect_match "/scope" '"trace":"0123456789abcdef0123456789abcdef"' "$reply"

get '/task?mode=pool&ms=400' >/dev/null &
others+=($!)
sleeps() {
    get /threads |
        grep -q '"role":"pool","state":"blocked".*"cause":"sleep".*"function":"task_in_pool"'
}
await 5 sleeps || fail "/threads does not show the sleeping pool thread: $(get /threads)"
reply=$(get /threads)
expect_match "/threads" '"name":"loop-0","role":"loop","state":"running"' "$reply"
expect_match "/threads" '"role":"writer"' "$reply"
if command -v jq >/dev/null; then
    jq -e . <<<"$reply" >/dev/null || fail "/threads is no JSON: $reply"
    get '/scope' -H 'X-Odd: a"\b' | jq -e . >/dev/null || fail "/scope is no JSON"
fi

# ---- the admin interface
for path in /healthz /threads /stalls; do
    expect "admin $path" 200 "$(curl -sS -m 5 -o /dev/null -w '%{http_code}' "$admin$path")"
done

stop

# ---- what was logged
expect "lines of the synchronous log" 3 \
    "$(lines_in "$scratch/log" 'lab\.sync +Sync log: ([0-9]{1,2}|100)( |$)')"
expect "lines of the ring" 3 \
    "$(lines_in "$scratch/log" 'lab\.async +Async log: ([0-9]{1,2}|100)( |$)')"
expect "access lines of /quick" 1 \
    "$(lines_in "$scratch/log" 'server\.access +GET /quick status=200 ')"
expect "gap lines" 0 "$(lines_in "$scratch/log" 'dropped records=')"

# ---- standard output and JSON
start --log - --log-format json --pool 1
get /async >/dev/null
get /sync >/dev/null
stop
line='^\{"ts":"[^"]+","level":"info","thread":"[^"]+","cat":"lab\.a?sync","msg":"A?[Ss]ync log: '
expect "JSON lines on the standard output" 2 "$(lines_in "$scratch/out" "$line")"
expect "lines that are no JSON" 0 "$(grep -cvE '^\{.*\}$' "$scratch/out" || true)"

# ---- the log's path is opened anew on SIGHUP
start --log "$scratch/rotated" --pool 1
get /async >/dev/null
await 5 grep -q 'Async log' "$scratch/rotated" || fail "no line in the log"
mv "$scratch/rotated" "$scratch/rotated.1"
kill -HUP "$server"
reopened() { [ -e "$scratch/rotated" ]; }
await 5 reopened || fail "SIGHUP did not reopen the log"
get /async >/dev/null
get /sync >/dev/null
stop
expect "lines before" 1 "$(lines_in "$scratch/rotated.1" 'A?[Ss]ync log')"
expect "lines after" 2 "$(lines_in "$scratch/rotated" 'A?[Ss]ync log')"

# ---- a FIFO that nobody reads holds up neither the start nor those who log through the ring
mkfifo "$scratch/fifo"
start --log "$scratch/fifo" --pool 1
for path in /quick /async /pool/async; do
    took=$(milliseconds get $path)
    [ "$took" -lt 1000 ] || fail "$path took $took ms on a FIFO without a reader"
done
cat "$scratch/fifo" >"$scratch/read" &
others+=($!)
await 10 grep -q 'Async log' "$scratch/read" || fail "the reader that came late got nothing"
stop
expect "lines that a late reader got" 2 "$(grep -c 'Async log' "$scratch/read")"

# ---- it is served to this machine alone unless told otherwise, and says where it is
"$TLR" serve --port any --admin-port any --log "$scratch/log4" --ring-dir "$scratch/none/ring" \
    >"$scratch/out" 2>"$scratch/err" &
server=$!
await 20 listens || fail "the server does not listen"
said '^tlr serve: listening on http://127\.0\.0\.1:[0-9]+, '
said '^tlr serve: no ring file in .*/none/ring: No such file or directory; `tlr stalls '"$server"'`'
stop
start --host 0.0.0.0 --log "$scratch/log4"
said '^tlr serve: listening on http://0\.0\.0\.0:[0-9]+, '
stop

# ---- a sink that begins to fail, and one that works again, are told of once
mkfifo "$scratch/unread"
start --log "$scratch/unread" --pool 1
get /async >/dev/null
await 5 grep -q 'unread: nobody reads this FIFO; lines are kept in memory' "$scratch/err" ||
    fail "a FIFO that nobody reads is not told of"
cat "$scratch/unread" >"$scratch/read2" &
others+=($!)
await 5 grep -q 'unread: works again' "$scratch/err" || fail "that it works again is not told of"
stop
expect "notices of the sink" 2 "$(grep -c 'unread: ' "$scratch/err")"
