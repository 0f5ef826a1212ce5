#!/bin/sh
# headers.sh - each public header stands alone and is taken without a warning, and so is a program
# that uses the macros, by both compilers, as C11, C17, C2x, C++17 and C++20.
set -eu
cd "$1"
fail=0

for compiler in gcc g++ clang clang++; do
    command -v $compiler >/dev/null || {
        echo "SKIPPED: $compiler is not installed"
        exit 77
    }
done

# check COMPILER STANDARD LANGUAGE-OPTION...: compiles standard input, which is called $subject.
check() {
    compiler=$1 standard=$2
    shift 2
    "$compiler" -std="$standard" -Wall -Wextra -Wpedantic -Wformat=2 -Wundef -Werror -fsyntax-only \
        -Ilogging/include -Itracing/include -Iserver/include "$@" - || {
        echo "$subject: not taken by $compiler -std=$standard"
        fail=1
    }
}

for subject in */include/tailrace/*.h tests/lint/public_use.c; do
    case $subject in
    *.c) text="#include \"$PWD/$subject\"" ;;
    *) text="#include <tailrace/${subject##*/}>" ;;
    esac
    # A part of another header says so in its first line.
    ! head -n 1 "$subject" | grep -q 'included by' || continue
    for standard in c11 c17 c2x; do
        echo "$text" | check gcc $standard -x c -Wshadow -Wstrict-prototypes
        echo "$text" | check clang $standard -x c -Wshadow -Wstrict-prototypes
    done
    for standard in c++17 c++20; do
        echo "$text" | check g++ $standard -x c++
        echo "$text" | check clang++ $standard -x c++
    done
done
exit $fail
