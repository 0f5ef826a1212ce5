#!/bin/bash
# lab.sh - the lab shows what it is there to show, and its account adds up.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

"$TLR" lab list >"$scratch/list"
expect_match "list" '^bad-logging ' "$(cat "$scratch/list")"
expect_match "list" '^task-and-quick ' "$(cat "$scratch/list")"
status=0
"$TLR" lab nonsense 2>"$scratch/err" || status=$?
expect "exit status for an unknown scenario" 2 "$status"

# value NAME ROW-PATTERN FILE: a number of the row that holds the pattern.
value() {
    tr '}' '\n' <"$3" | grep -e "$2" | grep -oE "\"$1\":[0-9]+" | head -n 1 | cut -d: -f2
}

# ---- bad-logging, with a small lane: lines are lost, and each loss is announced
"$TLR" lab bad-logging --stop 1500ms --lane-bytes 4K --json >"$scratch/bad" ||
    fail "bad-logging exits with $?: $(cat "$scratch/bad")"
expect_match "bad-logging" '"shown":true' "$(cat "$scratch/bad")"
for path in /sync /async /loop/sync /loop/async /pool/sync /pool/async; do
    expect_match "$path" "\"endpoint\":\"$path\".*\"adds_up\":true" "$(tr '}' '\n' <"$scratch/bad")"
    expect "failed requests of $path" 0 "$(value failed "\"endpoint\":\"$path\"" "$scratch/bad")"
done
for path in /loop/sync /pool/sync; do
    slowest=$(value slowest_us "\"endpoint\":\"$path\"" "$scratch/bad")
    [ "$slowest" -ge 1000000 ] || fail "$path took only $slowest us"
done
[ "$(value quick_slowest_us '"endpoint":"/loop/sync"' "$scratch/bad")" -ge 1000000 ] ||
    fail "/quick did not wait behind /loop/sync"
slow=$(value quick_over_100ms '"endpoint":"/loop/sync"' "$scratch/bad")
victims=$(value quick_victims '"endpoint":"/loop/sync"' "$scratch/bad")
[ "$slow" -ge 50 ] || fail "only $slow slow calls of /quick behind /loop/sync"
[ "$victims" -ge "$slow" ] || fail "$slow slow calls of /quick, but only $victims victims"
[ "$(value quick_victims '"endpoint":"/loop/async"' "$scratch/bad")" -le 5 ] ||
    fail "victims of /loop/async"
dropped=$(value dropped '"endpoint":"/loop/async"' "$scratch/bad")
[ "$dropped" -gt 0 ] || fail "a lane of 4 KiB lost nothing"
site='"file":"[^"]*endpoints.c","line":[0-9]+,"function":"log_synchronously"'
expect_match "culprit" "\"cause\":\"sink_(write|lock)\",$site" "$(cat "$scratch/bad")"
expect_match "blame" '"blame":"[^"]*cat[^"]*stopped' "$(cat "$scratch/bad")"

# ---- task-and-quick
"$TLR" lab task-and-quick --sleep-ms 600 --json >"$scratch/task" ||
    fail "task-and-quick exits with $?: $(cat "$scratch/task")"
expect_match "task-and-quick" '"shown":true' "$(cat "$scratch/task")"
[ "$(value quick_slowest_us '"row":"block"' "$scratch/task")" -ge 500000 ] ||
    fail "/quick did not wait for the blocking task"
expect_match "task-and-quick" '"row":"pool-full","task_on":"pool-[0-9]+","tasks":40,"tasks_ok":40' \
    "$(cat "$scratch/task")"

# ---- tables for people: a title, a row each, one sentence
"$TLR" lab task-and-quick --sleep-ms 100 >"$scratch/table" || true
for row in await block pool pool-full; do
    expect_match "table" "^$row " "$(cat "$scratch/table")"
done
if grep -q uvicorn "$scratch/table" "$scratch/task"; then
    fail "figures recorded for a task of 2 s stand beside others"
fi
