#!/bin/sh
# format.sh - every C file is as clang-format would write it.
set -eu
cd "$1"
command -v clang-format >/dev/null || {
    echo "SKIPPED: clang-format is not installed"
    exit 77
}
find logging tracing server tools tests '(' -name '*.[ch]' -o -name '*.cc' ')' \
    -exec clang-format --dry-run -Werror {} +
