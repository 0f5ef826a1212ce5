#!/bin/sh
# names.sh - a file exports only what is its own: tlr_... that a public header of its layer
# declares, or tlr__... that begins with its own name or that the header of its name declares.
set -eu
cd "$1"
build=$2
fail=0

# check ARCHIVE FOLDER: nm prints a line "MEMBER.c.o:" and below it that member's names.
check() {
    symbols=$(nm -g --defined-only "$build/$1")
    echo "$symbols" | awk '
        /^[^ ]*\.c\.o:$/ { member = $1; sub(/\.c\.o:$/, "", member); next }
        NF == 3 { print member, $3 }' |
        while read -r member name; do
            case $name in
            "tlr__$member" | "tlr__${member}_"*) ;;
            tlr__*)
                grep -qw -e "$name" "$2/$member.h" 2>/dev/null ||
                    echo "$2/$member.c: exports $name, which is not its own"
                ;;
            tlr_*)
                grep -qw -e "$name" "$2"/include/tailrace/*.h 2>/dev/null ||
                    echo "$2/$member.c: exports $name, which no public header declares"
                ;;
            *) echo "$2/$member.c: exports $name" ;;
            esac
        done | grep . && fail=1
    return 0
}

check logging/libtailrace_log.a logging
check tracing/libtailrace_trace.a tracing
check server/libtailrace_server.a server
check tools/tlr/libtlr_commands.a tools/tlr

# The archives end up in one program, but a linker that finds a name in one looks no further.
nm -g --defined-only "$build"/*/libtailrace_*.a "$build"/tools/tlr/libtlr_commands.a |
    awk '$3 ~ /^tlr_/ { print $3 ": defined twice" }' | sort | uniq -d | grep . && fail=1
exit $fail
