#!/bin/sh
# calls.sh - the libraries never print, exit, read the environment or touch signals: their objects
# do not even refer to what does. An assert may; a thread may block signals for itself.
set -eu
build=$2
fail=0

forbidden="printf vprintf puts putchar fputs fputc fwrite fprintf vfprintf dprintf vdprintf perror
    psignal __printf_chk __fprintf_chk __vfprintf_chk __dprintf_chk syslog vsyslog
    stdin stdout stderr exit _exit _Exit quick_exit abort atexit
    getenv secure_getenv setenv unsetenv putenv clearenv environ
    signal sigaction sigprocmask raise kill system popen setlocale chdir umask"

for archive in logging/libtailrace_log.a tracing/libtailrace_trace.a server/libtailrace_server.a; do
    undefined=$(nm -u "$build/$archive")
    echo "$undefined" | awk -v forbidden="$(echo "$forbidden" | tr -s ' \n' ' ')" '
        BEGIN { split(forbidden, list, " "); for (i in list) bad[list[i]] = 1 }
        /^[^ ]*\.c\.o:$/ { member = $1; sub(/\.o:$/, "", member); next }
        $1 == "U" && $2 in bad { print member ": uses " $2; found = 1 }
        END { exit found }' || fail=1
done
exit $fail
