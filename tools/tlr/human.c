/* human.c - see human.h.
 */
#include "human.h"

#include <stdio.h>
#include <time.h>

const char *tlr__human_duration(uint64_t duration_ns, char out[TLR__HUMAN_BYTES]) {
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
    if (duration_ns >= 120 * UINT64_C(1000000000)) {
        uint64_t seconds = duration_ns / 1000000000;
        snprintf(out, TLR__HUMAN_BYTES, "%llu min %llu s", (unsigned long long)(seconds / 60),
                 (unsigned long long)(seconds % 60));
        return out;
    }
    unsigned unit = 0;
    while (unit < 3 && duration_ns < units[unit].ns) unit++;
    double value = (double)duration_ns / (double)units[unit].ns;
    int places = unit == 3 ? 0 : unit == 0 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(out, TLR__HUMAN_BYTES, "%.*f %s", places, value, units[unit].name);
    return out;
}

const char *tlr__human_date(uint64_t date_ns, char out[TLR__HUMAN_BYTES]) {
    time_t seconds = (time_t)(date_ns / 1000000000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    size_t used = strftime(out, TLR__HUMAN_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + used, TLR__HUMAN_BYTES - used, ".%06uZ",
             (unsigned)(date_ns % 1000000000 / 1000));
    return out;
}

const char *tlr__human_size(uint64_t bytes, char out[TLR__HUMAN_BYTES]) {
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 4; unit++) value /= 1024;
    int places = unit == 0 || value >= 100 || value == (double)(uint64_t)value ? 0 : 1;
    snprintf(out, TLR__HUMAN_BYTES, "%.*f %s", places, value, names[unit]);
    return out;
}
