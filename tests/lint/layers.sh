#!/bin/sh
# layers.sh - dependencies run one way: a file includes the headers of its own layer and the public
# headers of the layers below it, and no path climbs out of a folder.
set -eu
cd "$1"
fail=0

# public LAYER...: the names of the layers' public headers, as they are included.
public() {
    for layer in "$@"; do
        for header in "$layer"/include/tailrace/*.h; do echo "tailrace/${header##*/}"; done
    done
}

# judge FILE FOLDER ALLOWED: reads lines of "FORM NAME", FORM being the opening < or ".
judge() {
    while read -r form name; do
        case $form$name in
        '<tailrace/'*)
            echo "$3" | grep -qxF "$name" || echo "$1: includes <$name>, which is not below it"
            ;;
        '"'*..*) echo "$1: includes \"$name\", which climbs" ;;
        '"tailrace/'*) echo "$1: includes a public header by quotes" ;;
        '"'*)
            [ -f "${1%/*}/$name" ] || [ -f "$2/$name" ] ||
                echo "$1: includes \"$name\", which is not its layer's"
            ;;
        esac
    done
}

# check FOLDER LAYER...: FOLDER may use the public headers of these layers.
check() {
    folder=$1
    shift
    allowed=$(public "$@")
    find "$folder" -name '*.[ch]' | while read -r file; do
        sed -nE 's/^ *# *include *([<"])([^>"]*)[>"].*/\1 \2/p' "$file" |
            judge "$file" "$folder" "$allowed"
    done | grep . && fail=1
    return 0
}

check logging logging
check tracing tracing logging
check server server tracing logging
check tools server tracing logging
exit $fail
