#!/bin/bash
# tlr_tail.sh - what `tlr tail` shows of logs of every kind, and what it keeps from a terminal.
# Following is in tlr_tail_follow.c.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"
cd "$scratch"

trace=4bf92f3577b34da6a3ce929d0e0e4736
for i in $(seq 1 25); do
    level=INFO
    [ $((i % 5)) -ne 0 ] || level=WARN
    printf '2026-11-20T15:03:11.4829%02dZ %-5s loop-0 app  line n=%d\n' "$i" $level "$i"
done >text
cat >>text <<END
2026-11-20T15:03:12.000000Z ERROR pool-1 app  last  trace=$trace
no form at all
END
printf '{"ts":"2026-11-20T15:03:11.482913Z","level":"error","thread":"t","cat":"c",' >json
printf '"msg":"m","n":1,"trace":"%s"}\n' $trace >>json
printf '{"level":30,"time":1700000000000,"msg":"of another"}\n' >>json

# shown WANTED ARGUMENT...
shown() {
    local wanted=$1
    shift
    expect "tail $*" "$wanted" "$("$TLR" tail "$@")"
}

# ---- how many
expect "default" 10 "$("$TLR" tail text | wc -l)"
expect "all" 27 "$("$TLR" tail -n all text | wc -l)"
shown 'no form at all' -n1 text
shown 'no form at all' -n 1 - <text
expect "from a pipe" 'no form at all' "$("$TLR" tail -n 1 <<<"$(cat text)")"
expect "none" '' "$("$TLR" tail -n 0 text || true)"
expect "as it was" "$(cat text)" "$("$TLR" tail -n all text)"

# ---- which
words() { grep -oE 'n=[0-9]+|last' | paste -sd,; }
expect "warnings" 'n=20,n=25,last' "$("$TLR" tail -n 3 -p warn text | words)"
expect "a trace" 2 "$("$TLR" tail -n all -T ${trace:0:8} text json | grep -c "trace=$trace")"
status=0
"$TLR" tail -p error -T 00000000 text >/dev/null || status=$?
expect "status when nothing passes" 1 $status

expect "since and until" 'n=10,n=11' "$("$TLR" tail text --since 2026-11-20T15:03:11.482910Z \
    --until 2026-11-20T15:03:11.482911Z | words)"
expect "since long ago" 27 "$("$TLR" tail --since 99999d text | wc -l)"

# ---- in which form
shown "2026-11-20T15:03:11.482913Z ERROR t c  m n=1  trace=$trace
2023-11-14T22:13:20.000000Z INFO  - -  of another" json
expect "text as json" '"level":"error","thread":"pool-1","cat":"app","msg":"last",' \
    "$("$TLR" tail -n 2 -o json text | head -n 1 | sed 's/.*Z",//; s/"trace".*//')"
shown '{"msg":"no form at all"}' -n 1 -o json text
expect "raw" "$(cat json)" "$("$TLR" tail -o raw json)"
shown "==> text <==
no form at all

==> json <==
2023-11-14T22:13:20.000000Z INFO  - -  of another" -n 1 text json

# ---- nothing harmful reaches a terminal; colours only there, and only if wanted
printf '2026-11-20T15:03:11.482913Z WARN  t c  \033]0;title\007 \033[31mred\233\n' >hostile
expect_match "escaped" 'c  \\x1b\]0;title\\x07 \\x1b\[31mred\\x9b$' "$("$TLR" tail hostile)"
expect "raw into a pipe" "$(cat hostile)" "$("$TLR" tail -o raw hostile)"
# on_terminal COMMAND: what it writes to one.
on_terminal() { TERM=xterm script -qec "$1" /dev/null </dev/null; }
if command -v script >/dev/null; then
    expect_match "raw on a terminal" '\\x1b\]0;title' "$(on_terminal "$TLR tail -o raw hostile")"
    expect_match "colours" $'\033\\[33mWARN ' "$(on_terminal "$TLR tail hostile")"
    plain=$(NO_COLOR=1 on_terminal "$TLR tail hostile")
    [[ $plain != *$'\033'* ]] || fail "NO_COLOR is not heeded: $(cat -v <<<"$plain")"
fi

# ---- huge files are read from their end, long lines are cut
truncate -s 20G sparse
printf '\nlast but one\nlast\n' >>sparse
shown 'last but one
last' -n 2 sparse
{ head -c 3000000 /dev/zero | tr '\0' x && echo && echo after; } >long
status=0
"$TLR" tail -n all long >short 2>notice || status=$?
expect "status of a cut line" 3 $status
expect "bytes of a cut line" 1048583 "$(wc -c <short)"
expect_match "notice" '1 line was too long' "$(cat notice)"

# ---- what cannot be shown is one line, and status 2; the rest is shown all the same
status=0
"$TLR" tail -n 1 none text >out 2>notice || status=$?
expect "status" 2 $status
expect "notice" 'tlr tail: none: No such file or directory' "$(cat notice)"
expect_match "the rest" '^no form at all$' "$(cat out)"
printf 'tlrring\n\001\0\0\0rest' >log.1.ring
status=0
"$TLR" tail log.1.ring >out 2>notice || status=$?
expect "status of a ring file" 2 $status
expect "output of a ring file" '' "$(cat out)"
expect_match "notice" '^tlr tail: log\.1\.ring: a ring file, not a log' "$(cat notice)"
expect "lines said of a ring file" 1 "$(wc -l <notice)"
status=0
"$TLR" tail text >/dev/full 2>notice || status=$?
expect "status of a full disk" 2 $status
expect "notice" 'tlr tail: standard output: No space left on device' "$(cat notice)"
"$TLR" tail -n all text | head -n 1 >/dev/null || fail "a closed pipe is an error"
