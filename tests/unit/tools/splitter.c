/* splitter.c - lines come out the same however the bytes come in.
 */
#include "splitter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Gives the text in pieces, and collects lines as "[line]". */
static void split(struct tlr__splitter *splitter, const char *text, size_t piece, char *out) {
    const char *line;
    size_t bytes, room, left = strlen(text);
    while (left) {
        size_t size = left < piece ? left : piece;
        char *at = tlr__splitter_room(splitter, &room);
        assert_non_null(at);
        assert_true(room >= size);
        memcpy(at, text, size);
        tlr__splitter_add(splitter, size);
        text += size;
        left -= size;
        while (tlr__splitter_next(splitter, &line, &bytes))
            out += sprintf(out, "[%.*s]", (int)bytes, line);
    }
    if (tlr__splitter_rest(splitter, &line, &bytes)) sprintf(out, "(%.*s)", (int)bytes, line);
}

static void any_pieces_give_the_same_lines(void **state) {
    static const char text[] = "one\n\ntwo\r\nthree and more\n\n\nrest";
    (void)state;
    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct tlr__splitter splitter = {0};
        char out[256] = "";
        split(&splitter, text, piece, out);
        assert_string_equal(out, "[one][][two\r][three and more][][](rest)");
        assert_int_equal(splitter.cut, 0);
        tlr__splitter_free(&splitter);
    }
}

/* A line of `bytes` between two others. */
static void long_line(size_t bytes, size_t piece, size_t expected, uint64_t cut) {
    struct tlr__splitter splitter = {0};
    size_t size = bytes + 8, at = 0, count = 0, room, got, lengths[3] = {0};
    const char *line;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, "ab\n", 3);
    memcpy(text + 3 + bytes, "\ncde\n", 5);
    while (at < size) {
        size_t take = size - at < piece ? size - at : piece;
        char *into = tlr__splitter_room(&splitter, &room);
        assert_non_null(into);
        memcpy(into, text + at, take);
        tlr__splitter_add(&splitter, take);
        at += take;
        while (tlr__splitter_next(&splitter, &line, &got)) {
            assert_true(count < 3);
            lengths[count++] = got;
        }
        assert_true(splitter.capacity <= 4 * TLR__LINE_BYTES_MAX);
    }
    assert_int_equal(count, 3);
    assert_int_equal(lengths[0], 2);
    assert_int_equal(lengths[1], expected);
    assert_int_equal(lengths[2], 3);
    assert_int_equal(splitter.cut, cut);
    tlr__splitter_free(&splitter);
    free(text);
}

static void long_lines_are_cut_and_counted(void **state) {
    (void)state;
    for (size_t piece = 4093; piece <= TLR__READ_BYTES; piece += TLR__READ_BYTES - 4093) {
        long_line(TLR__LINE_BYTES_MAX, piece, TLR__LINE_BYTES_MAX, 0);
        long_line(TLR__LINE_BYTES_MAX + 1, piece, TLR__LINE_BYTES_MAX, 1);
        long_line((size_t)5 * TLR__LINE_BYTES_MAX, piece, TLR__LINE_BYTES_MAX, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_give_the_same_lines),
        cmocka_unit_test(long_lines_are_cut_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
