/* backward.c - the place found from the end is the one that counting from the start gives.
 */
#include "backward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "splitter.h"

static int file_of(const char *text, size_t bytes) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    assert_int_equal(write(fd, text, bytes), (ssize_t)bytes);
    return fd;
}

static off_t find(int fd, off_t end, uint64_t lines, int torn_counts,
                  const struct tlr__show *show) {
    off_t begin = -1;
    const struct tlr__backward search = {
        .fd = fd, .end = end, .lines = lines, .torn_counts = torn_counts, .show = show};
    assert_int_equal(tlr__backward_find(&search, &begin), 0);
    return begin;
}

/* The same from the start: where the last `wanted` lines begin. */
static off_t count_from_start(const char *text, size_t bytes, uint64_t wanted, int torn_counts) {
    size_t starts[64], count = 0, at = 0;
    starts[count++] = 0;
    for (; at < bytes; at++)
        if (text[at] == '\n') starts[count++] = at + 1;
    /* The last start is that of the rest, which may be empty. */
    size_t rest = starts[--count];
    if (rest < bytes && torn_counts) starts[count++] = rest;
    if (wanted == 0) return (off_t)(torn_counts ? bytes : rest);
    return (off_t)(count == 0 ? (torn_counts ? bytes : rest)
                              : starts[wanted < count ? count - wanted : 0]);
}

static void any_text_and_count(void **state) {
    static const char *const texts[] = {"",       "\n",     "a",          "a\n",         "a\nb",
                                        "a\nb\n", "\n\n\n", "a\n\nb\n\n", "\na\nbb\nccc"};
    const struct tlr__show show = {0};
    (void)state;
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        size_t bytes = strlen(texts[t]);
        int fd = file_of(texts[t], bytes);
        for (uint64_t wanted = 0; wanted < 6; wanted++)
            for (int torn = 0; torn < 2; torn++)
                assert_int_equal(find(fd, (off_t)bytes, wanted, torn, &show),
                                 count_from_start(texts[t], bytes, wanted, torn));
        assert_int_equal(find(fd, (off_t)bytes, UINT64_MAX, 0, &show), 0);
        close(fd);
    }
}

/* Lines across and beyond the blocks that are read. */
static void lines_longer_than_blocks(void **state) {
    static const size_t sizes[] = {10,
                                   TLR__READ_BYTES - 1,
                                   TLR__READ_BYTES,
                                   3 * TLR__READ_BYTES,
                                   TLR__LINE_BYTES_MAX,
                                   2 * TLR__LINE_BYTES_MAX + 5,
                                   1,
                                   0};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    const struct tlr__show show = {0};
    size_t starts[COUNT], bytes = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++) bytes += sizes[i] + 1;
    char *text = malloc(bytes), *at = text;
    assert_non_null(text);
    for (int i = 0; i < COUNT; i++) {
        starts[i] = (size_t)(at - text);
        memset(at, 'x', sizes[i]);
        at += sizes[i];
        *at++ = '\n';
    }
    int fd = file_of(text, bytes);
    for (unsigned wanted = 1; wanted <= COUNT; wanted++)
        assert_int_equal(find(fd, (off_t)bytes, wanted, 0, &show), starts[COUNT - wanted]);
    close(fd);
    free(text);
}

static void only_lines_that_pass_count(void **state) {
    static const char text[] = "2026-11-20T15:03:11.482913Z ERROR t c  one\n"
                               "2026-11-20T15:03:11.482913Z INFO  t c  two\n"
                               "2026-11-20T15:03:11.482913Z ERROR t c  three\n"
                               "other\n"
                               "2026-11-20T15:03:11.482913Z INFO  t c  four\n";
    const struct tlr__show errors = {.level = TLR_LEVEL_ERROR};
    int fd = file_of(text, sizeof(text) - 1);
    (void)state;
    assert_int_equal(find(fd, sizeof(text) - 1, 1, 0, &errors), strstr(text, "three") - 39 - text);
    assert_int_equal(find(fd, sizeof(text) - 1, 2, 0, &errors), 0);
    assert_int_equal(find(fd, sizeof(text) - 1, 3, 0, &errors), 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_and_count),
        cmocka_unit_test(lines_longer_than_blocks),
        cmocka_unit_test(only_lines_that_pass_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
