#!/bin/bash
# bad_input.sh - what cannot be done is one clear line and exit status 2; what goes wrong later is
# counted and announced; malformed HTTP gets 400 and a close; nothing crashes.
# shellcheck source=tests/support/serve.sh
source "$(dirname "$0")/../support/serve.sh"

# refused PATTERN OPTION...: the start fails with that one line.
refused() {
    local pattern=$1 status=0
    shift
    timeout 20 "$TLR" serve --host 127.0.0.1 --port any --admin-port any "$@" \
        >"$scratch/out" 2>"$scratch/err" || status=$?
    expect "exit status of serve $*" 2 "$status"
    expect "lines of the message of serve $*" 1 "$(wc -l <"$scratch/err")"
    expect_match "message of serve $*" "^tlr serve: $pattern" "$(cat "$scratch/err")"
    expect "output of serve $*" "" "$(cat "$scratch/out")"
}

# ---- the command line
refused '.*--loops' --loops 0
refused '.*--loops' --loops many
refused '.*--port' --port 65536
refused '.*--nonsense' --nonsense
refused '.*--log-format' --log-format xml
refused '.*--lane-bytes' --lane-bytes 5000
refused '.*--host.*localhost' --host localhost

# ---- the log, the trace
refused "log $scratch/none/log: No such file or directory" --log "$scratch/none/log"
refused "log $scratch: Is a directory" --log "$scratch"
refused "trace $scratch/none/trace: No such file or directory" --log "$scratch/log" \
    --trace "$scratch/none/trace"
touch "$scratch/file"
refused "trace $scratch/file: " --log "$scratch/log" --trace "$scratch/file"

# ---- ports in use
start --log "$scratch/log" --trace "$scratch/trace" --pool 1
cp "$scratch/err" "$scratch/err.first"
port=${base##*:}
refused "listen on 127.0.0.1:$port: address already in use" --log "$scratch/log2" --port "$port"
admin_port=${admin##*:}
refused ".*127.0.0.1:$admin_port: address already in use" --log "$scratch/log2" \
    --admin-port "$admin_port"
cp "$scratch/err.first" "$scratch/err"

# ---- malformed HTTP: one 400, then the end of the connection
send() {
    local reply
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf %b "$1" >&3
    reply=$(timeout 5 cat <&3) || fail "the connection stayed open after '$1'"
    exec 3<&-
    tr -d '\r' <<<"$reply"
}
post='POST /echo HTTP/1.1\r\nHost: x\r\n'
for request in 'nonsense\r\n\r\n' 'GET / HTTP/9.9\r\nHost: x\r\n\r\n' \
    'GET /quick HTTP/1.1\r\n\r\n' \
    'GET /quick HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n' \
    'GET /quick HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n' \
    "$post"'Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc' \
    "$post"'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
    "$post"'Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n' \
    'GET /quick HTTP/1.1\nHost: x\n\n' 'GET /qu\001ick HTTP/1.1\r\nHost: x\r\n\r\n'; do
    reply=$(send "$request")
    expect_match "reply to '$request'" '^HTTP/1\.1 (4[0-9][0-9]|505) ' "$reply"
    expect "replies to '$request'" 1 "$(grep -c '^HTTP/1' <<<"$reply")"
done
expect "after all that" 200 "$(status_of /quick)"
stop

# ---- a full disk at run time: the server serves, the loss is counted
start --log /dev/full --trace "$scratch/trace2" --pool 1
for path in /quick /async /sync /pool/async; do
    expect "$path on a full disk" 200 "$(status_of $path)"
done
await 5 grep -q 'full: No space left on device; lines are kept in memory' "$scratch/err" ||
    fail "a full disk is not told of"
live=$("$TLR" stalls "$server")
expect_match "advice on a full disk" 'next +.*they did not wait\. See that the log' "$live"
if grep -q 'make the reader faster' <<<"$live"; then fail "a full disk has a reader: $live"; fi
stop_with 3
said "^tlr serve: log /dev/full takes nothing: [1-9][0-9]* lines .* has no command for"
said '^tlr serve: log /dev/full: 1 line was dropped while it ran'

# ---- the trace directory goes away while the server runs
start --log "$scratch/log3" --trace "$scratch/trace3" --pool 1
rm -rf "$scratch/trace3"
expect "without a trace directory" 200 "$(status_of /quick)"
await 5 grep -q "trace3: the directory was removed" "$scratch/err" ||
    fail "a removed trace directory is not told of"
stop
