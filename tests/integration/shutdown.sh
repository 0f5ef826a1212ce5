#!/bin/bash
# shutdown.sh - SIGTERM and SIGINT end the server with nothing lost: requests under way are
# answered, and every line is in the log. A stuck log is named, and the end comes none the less.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

# ---- requests under way are answered, on the loop and in the pool
for signal in TERM INT; do
    start --log "$scratch/log" --trace "$scratch/trace" --pool 2
    : >"$scratch/replies"
    requests=()
    for mode in await pool; do
        get "/task?mode=$mode&ms=700" >>"$scratch/replies" &
        requests+=($!)
    done
    open_connections() {
        curl -sS -m 5 "$admin/metrics" | awk '$1 == "tailrace_connections_open" { print $2 }'
    }
    waiting() {
        [ "$(get /threads | grep -o '"function":"task_in_pool"' | wc -l)" = 1 ] &&
            [ "$(open_connections)" -ge 2 ]
    }
    await 5 waiting || fail "the two requests are not under way"
    kill "-$signal" "$server"
    wait "${requests[@]}"
    status=0
    wait "$server" || status=$?
    server=
    expect "exit status after SIG$signal" 0 "$status"
    said '^tlr serve: stopping: 2 requests under way, at most 5\.0 s; a second signal stops at once'
    expect "answers to requests under way" 2 "$(grep -o '"ms":700' "$scratch/replies" | wc -l)"
    expect "their access lines" 2 "$(grep -c 'GET /task.* status=200 ' "$scratch/log")"
    rm "$scratch/log"
done

# ---- every line of every answered request
start --log "$scratch/log" --pool 2
curl -sS -o /dev/null -w '%{http_code}\n' "$base/async?[1-200]" "$base/pool/sync?[1-200]" \
    >"$scratch/codes"
stop
expect "lines said of a quiet end" 1 "$(wc -l <"$scratch/err")"
answered=$(grep -c 200 "$scratch/codes")
expect "answers" 400 "$answered"
expect "access lines" "$answered" "$(grep -c ' server.access ' "$scratch/log")"
expect "lines of the handlers" "$answered" "$(grep -cE ' lab\.(a)?sync ' "$scratch/log")"

# ---- a log that takes nothing: the end comes after the deadline, and says where the lines are
mkfifo "$scratch/fifo"
start --log "$scratch/fifo" --pool 2 --stop-within 500ms --ring-dir "$scratch/ring"
get /async >/dev/null
kill -TERM "$server"
ended() { ! kill -0 "$server" 2>/dev/null; }
await 10 ended || fail "a stuck log holds up the end"
status=0
wait "$server" || status=$?
server=
expect "exit status with a stuck log" 3 "$status"
said "log $scratch/fifo .*[1-9][0-9]* lines .* $scratch/ring/"

# ---- a second signal ends it at once
start --log "$scratch/log2" --pool 1 --stop-within 30s
get '/task?mode=pool&ms=20000' >/dev/null 2>&1 &
others+=($!)
sleeping() { get /threads | grep -q '"function":"task_in_pool"'; }
await 5 sleeping || fail "the pool does not sleep"
kill -TERM "$server"
refuses() { ! curl -sS -m 1 -o /dev/null "$base/quick" 2>/dev/null; }
await 5 refuses || fail "it still accepts after SIGTERM"
kill -TERM "$server"
await 3 ended || fail "a second SIGTERM does not end it"
status=0
wait "$server" || status=$?
server=
expect "exit status after two signals" 143 "$status"

# ---- idle, it all but sleeps (a sanitizer has a thread of its own that does not)
start --log "$scratch/log3" --trace "$scratch/trace3" --loops 2 --pool 4
get /quick >/dev/null
get /pool/async >/dev/null
switches() {
    cat /proc/"$server"/task/*/status |
        awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}
sleep 4 # past what the writers watch for after the last line
before=$(switches)
sleep 3
wakeups=$((($(switches) - before) / 3))
echo "idle: $wakeups wake-ups a second"
[ -n "${TAILRACE_SANITIZE:-}" ] || [ "$wakeups" -le 10 ] ||
    fail "idle, the server wakes up $wakeups times a second"
stop

# ---- requests that outlast the deadline are cut off, and that is said
start --log "$scratch/log4" --trace "$scratch/trace4" --pool 1 --stop-within 300ms
get '/task?mode=pool&ms=3000' >/dev/null 2>&1 &
others+=($!)
await 5 sleeping || fail "the pool does not sleep"
stop_with 3
said 'requests still under way after 0\.3 s were cut off'

# ---- and so is a thread that waits in a write to a log that takes nothing
for where in loop pool; do
    start --log "$scratch/fifo" --trace "$scratch/trace-$where" --pool 1 --stop-within 300ms
    get /$where/sync >/dev/null 2>&1 &
    others+=($!)
    waits() {
        curl -sS -m 5 "$admin/threads" | grep -q "\"role\":\"$where\",\"state\":\"blocked\""
    }
    await 5 waits || fail "no thread waits: $(curl -sS "$admin/threads")"
    kill -TERM "$server"
    await 5 ended || fail "a blocked $where thread holds up the end"
    status=0
    wait "$server" || status=$?
    server=
    expect "exit status with a blocked $where thread" 3 "$status"
    said 'requests still under way after 0\.3 s were cut off'
done
