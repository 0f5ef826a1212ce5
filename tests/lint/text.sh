#!/bin/sh
# text.sh - what every file must be free of, and how long lines and files may be.
set -eu
cd "$1"
export LC_ALL=C.UTF-8
fail=0

# complain WHAT PATTERN FILES: FILES is a list, no name of which holds a blank.
complain() {
    # shellcheck disable=SC2086
    grep -nHE -e "$2" $3 | sed "s|^\([^:]*:[0-9]*\):.*|\1: $1|" | grep . && fail=1
    return 0
}

files=$(find CMakeLists.txt logging tracing server tools tests .ci -type f \
    ! -path '*.corpus/*' ! -path tests/lint/text.sh)
sources=$(find logging tracing server tools tests -name '*.[ch]')

complain "a note that nobody owns" '\<(TODO|FIXME|XXX|HACK)\>' "$files"
complain "blanks at the end" '[[:blank:]]+$' "$files"
complain "a tab" '	' "$files"
complain "a carriage return" "$(printf '\r')" "$files"
complain "over 100 columns" '^.{101,}$' "$(echo "$files" | grep -v '\.md$')"
complain "an ancient atomic" '\<__sync_[a-z]' "$sources"
complain "a fence, which the thread sanitizer cannot see" '\<(__)?atomic_thread_fence\>' "$sources"
complain "a typedef of a type with a name" '^ *typedef +(struct|union|enum)\>' "$sources"
operations='load|store|exchange|compare_exchange_(weak|strong)|fetch_[a-z]+|flag_(test_and_set|clear)'
complain "atomic without an order: use the _explicit call" "\<atomic_($operations) *\(" "$sources"

for file in $files; do
    [ -z "$(tail -c 1 "$file")" ] || {
        echo "$file: no newline at the end"
        fail=1
    }
done
for file in $sources; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || {
        echo "$file:600: $lines lines; a file past 500 asks to be two"
        fail=1
    }
done
exit $fail
