#!/bin/sh
# shell.sh - shellcheck has nothing to say about the scripts.
set -eu
cd "$1"
command -v shellcheck >/dev/null || {
    echo "SKIPPED: shellcheck is not installed"
    exit 77
}
grep -rlIE '^#!/bin/(ba)?sh' .ci tools tests | xargs shellcheck --external-sources
