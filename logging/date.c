#include "date.h"

#include "number.h"

#include <string.h>
#include <tailrace/clock.h>

#define SECOND_BYTES 20 /* "2026-11-20T15:03:11." */

/* Years are counted from 1 March 0000, so that the leap day is a year's last; 400 years are 146097
 * days. 153 days are the five months from March, and from August, on. */
static char *put_day(char *out, uint64_t days_since_1970) {
    const uint64_t days = days_since_1970 + 719468;
    const uint64_t era = days / 146097, day_of_era = days % 146097;
    const uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    const uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const uint64_t year = era * 400 + year_of_era + (month <= 2);
    out = tlr__number_digits(out, year, 4);
    *out++ = '-';
    out = tlr__number_digits(out, month, 2);
    *out++ = '-';
    return tlr__number_digits(out, day, 2);
}

static char *put_second(char *out, uint64_t second) {
    out = put_day(out, second / 86400);
    *out++ = 'T';
    out = tlr__number_digits(out, second / 3600 % 24, 2);
    *out++ = ':';
    out = tlr__number_digits(out, second / 60 % 60, 2);
    *out++ = ':';
    out = tlr__number_digits(out, second % 60, 2);
    *out++ = '.';
    return out;
}

char *tlr__date_print(char *out, uint64_t time_ns) {
    static _Thread_local struct {
        uint64_t second;
        char text[SECOND_BYTES];
    } last = {.text = "1970-01-01T00:00:00."};

    const uint64_t second = time_ns / TLR_NS_PER_S;
    if (second != last.second) {
        put_second(last.text, second);
        last.second = second;
    }
    memcpy(out, last.text, SECOND_BYTES);
    out = tlr__number_digits(out + SECOND_BYTES, time_ns % TLR_NS_PER_S / TLR_NS_PER_US, 6);
    *out++ = 'Z';
    return out;
}
