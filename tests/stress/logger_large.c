/* logger_large.c - records near the largest: several do not fit one batch of the writer, and a lane
 * holds only a few, so that room is taken again as soon as it is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"

#define DEADLINE_NS (60 * TLR_NS_PER_S)
#define PRODUCERS 3
#define PARTS 15
#define PART_BYTES 4000

static char letter_of(unsigned producer, uint64_t sequence) {
    return (char)('a' + (int)((producer + sequence) % 26));
}

/* At WARN, so that the lane's headroom is used too: the room given back last is taken first. */
static void *large_thread(void *argument) {
    struct producer *const producer = argument;
    char text[PART_BYTES + 1];
    tlr_thread_full_wait_set(DEADLINE_NS);
    while (producer->attempted < producer->calls) {
        producer->attempted++;
        memset(text, letter_of(producer->number, producer->attempted), PART_BYTES);
        text[PART_BYTES] = '\0';
        tlr_warn(&lines_category, "large %u %" PRIu64 " %s%s%s%s%s%s%s%s%s%s%s%s%s%s%s",
                 producer->number, producer->attempted, text, text, text, text, text, text, text,
                 text, text, text, text, text, text, text, text);
    }
    return NULL;
}

/* The next line's producer, if the line is whole and the producer's next one; else -1. */
static int check_line(const char *line, uint64_t *newest) {
    unsigned producer;
    uint64_t sequence;
    int at = -1;
    const char *const large = strstr(line, " large ");
    if (large == NULL || sscanf(large, " large %u %" SCNu64 " %n", &producer, &sequence, &at) != 2)
        return -1;
    if (at < 0 || producer >= PRODUCERS || sequence != newest[producer] + 1) return -1;
    const char letter[] = {letter_of(producer, sequence), '\0'};
    const char *const text = large + at;
    if (strspn(text, letter) != PARTS * PART_BYTES || text[PARTS * PART_BYTES] != '\n') return -1;
    newest[producer] = sequence;
    return (int)producer;
}

static void test_large_records_stay_whole(void **state) {
    (void)state;
    struct producer producers[PRODUCERS] = {0};
    struct tlr_log *log;
    uint64_t newest[PRODUCERS] = {0};
    char *line = NULL;
    size_t capacity = 0;

    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file}), 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i].number = i;
        producers[i].calls = PRODUCERS_CALLS(2000);
        assert_int_equal(pthread_create(&producers[i].thread, NULL, large_thread, &producers[i]),
                         0);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) pthread_join(producers[i].thread, NULL);
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);

    FILE *const file = fopen(directory.file, "re");
    assert_non_null(file);
    while (getline(&line, &capacity, file) > 0) assert_true(check_line(line, newest) >= 0);
    fclose(file);
    free(line);
    for (unsigned i = 0; i < PRODUCERS; i++) assert_int_equal(newest[i], producers[i].calls);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_large_records_stay_whole, directory_set_up,
                                        directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
