/* W3C traceparent: what is taken, what is refused, and ids that are new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/wait.h>
#include <tailrace/trace.h>
#include <unistd.h>

#include "identity.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void valid_ones_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned flags;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-01", 1},      {"00-" TRACE "-" SPAN "-00", 0},
        {"00-" TRACE "-" SPAN "-ff", 0xff},   {"01-" TRACE "-" SPAN "-03", 1},
        {"cc-" TRACE "-" SPAN "-01-more", 1}, {"fe-" TRACE "-" SPAN "-00-", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tlr_context context;
        memset(&context, 0xaa, sizeof context);
        assert_int_equal(tlr_traceparent_parse(cases[i].text, strlen(cases[i].text), &context), 0);
        assert_int_equal(context.trace_id[0], 0x4b);
        assert_int_equal(context.trace_id[15], 0x36);
        assert_true(context.span_id == UINT64_C(0x00f067aa0ba902b7));
        assert_int_equal(context.flags, cases[i].flags);
        assert_int_equal(context.reserved, 0);
    }
}

static void invalid_ones_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-1",
        "00-" TRACE "-" SPAN "-0g",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-011",
        "ff-" TRACE "-" SPAN "-01",
        "0x-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01 ",
        "01-" TRACE "-" SPAN "-01more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        " 00-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-01 ",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tlr_context context, untouched;
        memset(&untouched, 0xaa, sizeof untouched);
        context = untouched;
        assert_int_equal(tlr_traceparent_parse(cases[i], strlen(cases[i]), &context), -EINVAL);
        assert_memory_equal(&context, &untouched, sizeof context);
    }
}

static void text_after_the_given_size_is_not_read(void **state) {
    (void)state;
    struct tlr_context context;
    const char text[] = "00-" TRACE "-" SPAN "-01garbage";
    assert_int_equal(tlr_traceparent_parse(text, TLR_TRACEPARENT_BYTES, &context), 0);
}

static void what_was_read_is_printed_again(void **state) {
    (void)state;
    const char text[] = "00-" TRACE "-" SPAN "-01";
    struct tlr_context context;
    char out[TLR_TRACEPARENT_BYTES + 1] = "";
    assert_int_equal(tlr_traceparent_parse(text, strlen(text), &context), 0);
    tlr_traceparent_print(&context, out);
    assert_string_equal(out, text);

    char id[TLR_TRACE_ID_TEXT_BYTES + 1] = "";
    tlr_trace_id_print(&context, id);
    assert_string_equal(id, TRACE);
    char span[TLR_SPAN_ID_TEXT_BYTES + 1] = "";
    tlr_span_id_print(UINT64_C(0x0123456789abcdef), span);
    assert_string_equal(span, "0123456789abcdef");
}

static void flags_that_version_00_does_not_know_are_sent_as_zero(void **state) {
    (void)state;
    struct tlr_context context = {.trace_id = {1}, .span_id = 1, .flags = 0xff};
    char out[TLR_TRACEPARENT_BYTES + 1] = "";
    tlr_traceparent_print(&context, out);
    assert_string_equal(out + 53, "01");
}

static void new_ids_differ_and_are_not_zero(void **state) {
    (void)state;
    uint64_t before = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t id = tlr__identity_new();
        assert_true(id != 0 && id != before);
        before = id;
    }
}

static void a_forked_child_has_ids_of_its_own(void **state) {
    (void)state;
    int ends[2];
    uint64_t childs = 0;
    tlr__identity_new();
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint64_t id = tlr__identity_new();
        _exit(write(ends[1], &id, sizeof id) == (ssize_t)sizeof id ? 0 : 1);
    }
    uint64_t own = tlr__identity_new();
    assert_int_equal(read(ends[0], &childs, sizeof childs), sizeof childs);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(own != childs);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_ones_are_read),
        cmocka_unit_test(invalid_ones_are_refused),
        cmocka_unit_test(text_after_the_given_size_is_not_read),
        cmocka_unit_test(what_was_read_is_printed_again),
        cmocka_unit_test(flags_that_version_00_does_not_know_are_sent_as_zero),
        cmocka_unit_test(new_ids_differ_and_are_not_zero),
        cmocka_unit_test(a_forked_child_has_ids_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
