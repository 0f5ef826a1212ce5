/* line_search.c - every line that holds the bytes is found once, wherever the reads fall.
 */
#include "line_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "gap_lines.h"
#include "splitter.h"

struct found {
    unsigned count;
    unsigned numbers[64];
};

static int note(const char *line, size_t bytes, void *user) {
    struct found *found = user;
    assert_null(memchr(line, '\n', bytes));
    assert_true(found->count < 64);
    assert_int_equal(sscanf(line, "line %u", &found->numbers[found->count++]), 1);
    return 0;
}

static void every_line_is_found_once(void **state) {
    /* Lines of a prime length drift across the ends of reads. */
    enum { LINES = 20000, EACH = 997 };
    char path[] = "/tmp/tlr_line_search_XXXXXX";
    struct found found = {0};
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    FILE *file = fdopen(dup(fd), "w");
    assert_non_null(file);
    for (unsigned i = 0; i < LINES; i++)
        fprintf(file, "line %u %*s%s%s", i, 80, "",
                i % EACH == 0 ? "needle twice: needle" : "neeedle",
                i == LINES - 1 ? " needle" : "\n");
    fclose(file);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(tlr__line_search(fd, "needle", note, &found), 0);
    assert_int_equal(found.count, (LINES + EACH - 1) / EACH + 1);
    for (unsigned i = 0; i + 1 < found.count; i++) assert_int_equal(found.numbers[i], i * EACH);
    assert_int_equal(found.numbers[found.count - 1], LINES - 1);
    close(fd);
}

static void gap_lines_are_summed(void **state) {
    static const char text[] =
        "2026-11-20T15:03:11.482913Z WARN  loop-0 tailrace  dropped records=12 "
        "reasons=lane_full:12\n"
        "2026-11-20T15:03:11.482913Z INFO  loop-0 app  tailrace dropped records=1000\n"
        "tailrace  dropped records=1000\n"
        "{\"ts\":\"2026-11-20T15:03:11.482913Z\",\"level\":\"warn\",\"thread\":\"loop-0\","
        "\"cat\":\"tailrace\",\"msg\":\"dropped\",\"records\":30,\"reasons\":\"lane_full:30\"}\n"
        "{\"cat\":\"app\",\"msg\":\"dropped\",\"records\":1000,\"why\":\"tailrace\"}\n";
    char path[] = "/tmp/tlr_gap_lines_XXXXXX";
    uint64_t records = 0;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    assert_int_equal(tlr__gap_lines_count(path, &records), 0);
    assert_int_equal(records, 42);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_found_once),
        cmocka_unit_test(gap_lines_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
