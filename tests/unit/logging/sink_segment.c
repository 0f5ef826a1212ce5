/* sink_segment.c - what goes into a directory of segments comes out of it: over rotations, while it
 * grows, after a full disk; and old segments go when there is no room.
 */
#include "sink_segment.h"
#include "encode.h"
#include "format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- random records, made again from their number alone -------------------------------------- */

#define SITES 300u
#define CATEGORIES 40u
#define THREADS 10000u /* more than the encoder remembers at a time */

static uint64_t random_next(uint64_t *state) { /* splitmix64: public domain, Vigna 2015 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned random_below(uint64_t *state, unsigned limit) {
    return (unsigned)(random_next(state) % limit);
}

static struct site {
    struct tlr_format_program *program;
    enum tlr_level level;
    unsigned category;
    char file[24];
    char function[24];
} sites[SITES];

static const struct conversion {
    const char *text;
    unsigned char tags[2]; /* 0: none */
} conversions[] = {
    {" %d", {TLR_TAG_INTEGER}},
    {" count=%zu", {TLR_TAG_INTEGER}},
    {" %p", {TLR_TAG_POINTER}},
    {" %p", {TLR_TAG_STRING}},
    {" ratio=%f", {TLR_TAG_DOUBLE}},
    {" %Lg", {TLR_TAG_LONG_DOUBLE}},
    {" name=%s", {TLR_TAG_STRING}},
    {" %.3s", {TLR_TAG_STRING}},
    {" %.*s", {TLR_TAG_INTEGER, TLR_TAG_STRING}},
};

static void site_make(struct site *site, unsigned number) {
    uint64_t state = number;
    char format[512] = "site";
    unsigned char tags[TLR_VALUES_MAX];
    unsigned count = 0;
    unsigned wanted = number % 16 == 0 ? TLR_VALUES_MAX : random_below(&state, 7);
    while (count < wanted) {
        const struct conversion *conversion =
            &conversions[random_below(&state, sizeof conversions / sizeof *conversions)];
        if (conversion->tags[1] && count + 2 > TLR_VALUES_MAX) continue;
        strcat(format, conversion->text);
        tags[count++] = conversion->tags[0];
        if (conversion->tags[1]) tags[count++] = conversion->tags[1];
    }
    site->program = tlr__program_compile(format, tags, count);
    assert_non_null(site->program);
    site->level = (enum tlr_level)(TLR_LEVEL_DEBUG + random_below(&state, 4));
    site->category = random_below(&state, CATEGORIES);
    snprintf(site->file, sizeof site->file, "layer/file_%u.c", number / 7);
    snprintf(site->function, sizeof site->function, "function_%u", number);
}

static int sites_make(void **user) {
    (void)user;
    for (unsigned i = 0; i < SITES; i++) site_make(&sites[i], i);
    return 0;
}

static int sites_free(void **user) {
    (void)user;
    for (unsigned i = 0; i < SITES; i++) tlr__program_free(sites[i].program);
    return 0;
}

/* A record with the memory that it points to. */
struct sample {
    struct tlr_record record;
    struct tlr__segment_ids ids;
    struct tlr_context context;
    char category[24];
    char thread[24];
    _Alignas(16) unsigned char payload[TLR__PAYLOAD_BYTES_MAX];
};

static const char *random_string(uint64_t *state, char *at, size_t room) {
    unsigned kind = random_below(state, 20);
    if (kind == 0) return NULL;
    size_t size = kind == 1 ? room - 1 : random_below(state, 40);
    for (size_t i = 0; i < size; i++) at[i] = (char)(1 + random_below(state, 255));
    at[size] = '\0';
    return at;
}

static void payload_make(struct sample *sample, uint64_t *state) {
    static char texts[TLR_VALUES_MAX][TLR_STRING_BYTES_MAX + 100];
    static long double wide[TLR_VALUES_MAX];
    const struct tlr_format_program *program = sample->record.program;
    const struct tlr__plan *plan = tlr__program_plan(program);
    const unsigned char *tags = tlr__program_tags(program);
    union tlr_value values[TLR_VALUES_MAX];
    uint32_t string_sizes[TLR_VALUES_MAX];
    for (unsigned i = 0; i < plan->value_count; i++) {
        uint64_t word = random_next(state) >> random_below(state, 64);
        values[i].integer = (int64_t)(random_below(state, 2) ? word : 0 - word);
        if (tags[i] == TLR_TAG_DOUBLE) values[i].real = (double)values[i].integer / 3;
        if (tags[i] == TLR_TAG_LONG_DOUBLE) {
            wide[i] = (long double)values[i].integer / 7;
            values[i].pointer = &wide[i];
        }
        if (tags[i] == TLR_TAG_STRING) {
            /* Long ones only where a few of them fit a record. */
            size_t room = plan->value_count <= 8 ? sizeof texts[i] : 100;
            values[i].pointer = random_string(state, texts[i], room);
        }
    }
    sample->record.payload_bytes = tlr__encode_bytes(plan, values, string_sizes);
    assert_true(sample->record.payload_bytes <= sizeof sample->payload);
    tlr__encode_write(plan, values, string_sizes, sample->payload);
}

static void sample_make(struct sample *sample, uint64_t number) {
    uint64_t state = number * 1000003;
    unsigned site_number = random_below(&state, SITES);
    const struct site *site = &sites[site_number];
    sample->ids = (struct tlr__segment_ids){
        .site = site_number,
        .category = random_below(&state, 10) ? site->category : random_below(&state, CATEGORIES),
        .thread = random_below(&state, 4) ? random_below(&state, 8) : random_below(&state, THREADS),
    };
    snprintf(sample->category, sizeof sample->category, "category.%u", sample->ids.category);
    snprintf(sample->thread, sizeof sample->thread, "thread-%u", sample->ids.thread);
    uint64_t request = number / 8;
    memset(&sample->context, 0, sizeof sample->context);
    memcpy(sample->context.trace_id, &request, sizeof request);
    sample->context.span_id = request % 3 ? random_next(&request) : number;
    sample->context.flags = (uint32_t)(request % 2);
    unsigned other_level = random_below(&state, 10);
    sample->record = (struct tlr_record){
        .time_ns = UINT64_C(1790000000000000000) + number * 900 - random_below(&state, 5000),
        .kind = random_below(&state, 50) ? TLR_RECORD_MESSAGE : TLR_RECORD_GAP,
        .level = other_level >= 1 && other_level <= 4 ? (enum tlr_level)other_level : site->level,
        .line = 10 + site_number * 3,
        .category = sample->category,
        .thread = sample->thread,
        .file = site->file,
        .function = site->function,
        .context = random_below(&state, 3) ? &sample->context : NULL,
        .program = site->program,
        .payload = sample->payload,
    };
    payload_make(sample, &state);
}

static void assert_same_record(const struct tlr_record *got, const struct tlr_record *wanted) {
    assert_int_equal(got->time_ns, wanted->time_ns);
    assert_int_equal(got->kind, wanted->kind);
    assert_int_equal(got->level, wanted->level);
    assert_int_equal(got->line, wanted->line);
    assert_string_equal(got->category, wanted->category);
    assert_string_equal(got->thread, wanted->thread);
    assert_string_equal(got->file, wanted->file);
    assert_string_equal(got->function, wanted->function);
    assert_string_equal(tlr__program_format(got->program), tlr__program_format(wanted->program));
    assert_int_equal(!got->context, !wanted->context);
    if (got->context) assert_memory_equal(got->context, wanted->context, sizeof *got->context);
    assert_int_equal(got->payload_bytes, wanted->payload_bytes);
    assert_memory_equal(got->payload, wanted->payload, wanted->payload_bytes);
}

/* ---- a directory of its own for each test -----------------------------------------------------
 */

static char directory[] = "sink_segment-XXXXXX";

static int directory_make(void **user) {
    (void)user;
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_file(const char *path, void *user) {
    (void)user;
    return unlink(path);
}

static int directory_remove(void **user) {
    (void)user;
    umount2(directory, MNT_DETACH); /* where a test failed with a disk mounted there */
    tlr_segment_find(directory, remove_file, NULL);
    return rmdir(directory);
}

static void put(struct tlr__sink_segment *sink, const struct sample *sample) {
    int error = tlr__sink_segment_put(sink, &sample->record, &sample->ids);
    if (error == -ENOBUFS) {
        assert_int_equal(tlr__sink_segment_flush(sink), 0);
        error = tlr__sink_segment_put(sink, &sample->record, &sample->ids);
    }
    assert_int_equal(error, 0);
}

static void put_samples(struct tlr__sink_segment *sink, uint64_t begin, uint64_t end) {
    static struct sample sample;
    for (uint64_t number = begin; number < end; number++) {
        sample_make(&sample, number);
        put(sink, &sample);
    }
    assert_int_equal(tlr__sink_segment_flush(sink), 0);
    assert_int_equal(tlr__sink_segment_pending(sink), 0);
}

/* ---- reading it back ---------------------------------------------------------------------------
 */

struct reading {
    uint64_t next; /* number of the sample that is to come */
    unsigned files;
    unsigned ended;
    struct tlr_segment_info info; /* of the file before */
};

static void read_samples(struct tlr_segment_reader *reader, struct reading *reading) {
    static struct sample sample;
    struct tlr_record record;
    int result;
    while ((result = tlr_segment_next(reader, &record)) == 1) {
        sample_make(&sample, reading->next++);
        assert_same_record(&record, &sample.record);
    }
    assert_int_equal(result, 0);
}

static int read_file(const char *path, void *user) {
    struct reading *reading = user;
    struct tlr_segment_reader *reader;
    struct tlr_segment_info info;
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    read_samples(reader, reading);
    reading->ended += tlr_segment_ended(reader) != 0;
    assert_int_equal(tlr_segment_info(reader, &info), 0);
    tlr_segment_close(reader);
    if (reading->files++) {
        assert_int_equal(reading->info.next_sequence, info.sequence);
        assert_int_equal(reading->info.sequence + 1, info.sequence);
        assert_memory_equal(reading->info.uuid, info.previous_uuid, sizeof info.uuid);
        assert_true(reading->info.created_ns < info.created_ns);
    }
    reading->info = info;
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void all_comes_back_over_rotations(void **user) {
    (void)user;
    enum { COUNT = 40000 };
    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "law", 500000, 1 << 30), 0);
    uint64_t state = 1;
    for (uint64_t begin = 0; begin < COUNT;) {
        uint64_t end = begin + 1 + random_below(&state, 700);
        if (end > COUNT) end = COUNT;
        put_samples(sink, begin, end);
        begin = end;
    }
    struct tlr__sink_segment_counts counts;
    tlr__sink_segment_counts(sink, &counts);
    assert_string_equal(strrchr(tlr__sink_segment_path(sink), '.'), ".tlr");
    tlr__sink_segment_close(sink);

    struct reading reading = {0};
    assert_int_equal(tlr_segment_find(directory, read_file, &reading), 0);
    assert_int_equal(reading.next, COUNT);
    assert_true(reading.files >= 5);
    assert_int_equal(reading.files, counts.segments_begun);
    assert_int_equal(reading.ended, reading.files);
    assert_int_equal(reading.info.next_sequence, 0);
    assert_string_equal(reading.info.name, "law");
    assert_int_equal(reading.info.pid, getpid());
    assert_int_equal(counts.segments_deleted, 0);
}

static void files_are_private_and_named(void **user) {
    (void)user;
    char inner[64];
    snprintf(inner, sizeof inner, "%s/made", directory);
    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, inner, "web", 1 << 20, 1 << 24), 0);
    struct stat status;
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(fstat(tlr__sink_segment_fd(sink), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(fcntl(tlr__sink_segment_fd(sink), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(tlr__sink_segment_fd(sink), F_GETFL) & O_APPEND);

    const char *path = tlr__sink_segment_path(sink);
    char zone;
    int pid, used = 0;
    unsigned day, second, sequence;
    assert_int_equal(sscanf(strrchr(path, '/'), "/web-%8uT%6u%c-%d-%6u.tlr%n", &day, &second, &zone,
                            &pid, &sequence, &used),
                     5);
    assert_int_equal(used, strlen(strrchr(path, '/')));
    assert_int_equal(zone, 'Z');
    assert_int_equal(pid, getpid());
    assert_int_equal(sequence, 1);
    tlr__sink_segment_close(sink);
    assert_int_equal(tlr_segment_find(inner, remove_file, NULL), 0);
    assert_int_equal(rmdir(inner), 0);

    assert_int_equal(tlr__sink_segment_open(&sink, directory, "a/b", 1 << 20, 1 << 24), -EINVAL);
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "", 1 << 20, 1 << 24), -EINVAL);
    assert_int_equal(tlr__sink_segment_open(&sink, "/dev/null", "x", 1 << 20, 1 << 24), -ENOTDIR);
}

struct sizes {
    uint64_t bytes;
    unsigned files;
};

static int add_size(const char *path, void *user) {
    struct sizes *sizes = user;
    struct stat status;
    if (stat(path, &status)) return -errno;
    sizes->bytes += (uint64_t)status.st_size;
    sizes->files++;
    return 0;
}

static void file_write(const char *name, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void oldest_segments_go(void **user) {
    (void)user;
    enum { TOTAL = 400000, BATCH = 50 };
    /* Of others: never counted, never deleted. */
    file_write("law-extra-20200101T000000Z-1-000001.tlr", TOTAL);
    file_write("law-notes.tlr", TOTAL);
    /* Of another process that is writing it: counted, but left. */
    file_write("law-20200101T000000Z-1-000001.tlr", 1000);
    char held[128];
    snprintf(held, sizeof held, "%s/law-20200101T000000Z-1-000001.tlr", directory);
    int holder = open(held, O_RDONLY);
    assert_int_equal(flock(holder, LOCK_SH), 0);

    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "law", 50000, TOTAL), 0);
    struct sizes most = {0};
    uint64_t number = 0;
    for (int batch = 0; batch < 200; batch++, number += BATCH) {
        put_samples(sink, number, number + BATCH);
        struct sizes sizes = {0};
        assert_int_equal(tlr_segment_find(directory, add_size, &sizes), 0);
        if (sizes.bytes > most.bytes) most = sizes;
    }
    struct tlr__sink_segment_counts counts;
    tlr__sink_segment_counts(sink, &counts);
    struct sizes sizes = {0};
    tlr_segment_find(directory, add_size, &sizes);
    assert_true(counts.segments_begun > 20);
    assert_int_equal(sizes.files, 3 + counts.segments_begun - counts.segments_deleted);
    assert_true(sizes.files >= 3 + 3);
    /* A segment may pass its size by one batch. */
    assert_true(most.bytes - 2 * TOTAL <= TOTAL + 100000);
    assert_int_equal(access(held, F_OK), 0);
    close(holder);
    tlr__sink_segment_close(sink);
}

static int first_path(const char *path, void *user) {
    strcpy(user, path);
    return 1;
}

static void a_growing_file_is_followed(void **user) {
    (void)user;
    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "grow", 1 << 30, UINT64_C(1) << 40),
                     0);
    char path[256];
    assert_int_equal(tlr_segment_find(directory, first_path, path), 1);
    assert_string_equal(strrchr(path, '/'), strrchr(tlr__sink_segment_path(sink), '/'));
    struct tlr_segment_reader *reader;
    struct reading reading = {0};
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    read_samples(reader, &reading);
    assert_int_equal(reading.next, 0);
    for (uint64_t number = 0; number < 3000; number += 100) {
        put_samples(sink, number, number + 100);
        read_samples(reader, &reading);
        assert_int_equal(reading.next, number + 100);
        assert_int_equal(tlr_segment_ended(reader), 0);
    }
    tlr__sink_segment_close(sink);
    read_samples(reader, &reading);
    assert_true(tlr_segment_ended(reader));
    tlr_segment_close(reader);
}

/* Puts and flushes; where the disk does not take it, keeps trying what is asked for at `heal`. */
static unsigned put_with_failures(struct tlr__sink_segment *sink, uint64_t count, int error_wanted,
                                  void (*hurt)(uint64_t number), void (*heal)(void)) {
    static struct sample sample;
    unsigned failures = 0;
    for (uint64_t number = 0; number < count; number++) {
        sample_make(&sample, number);
        put(sink, &sample);
        if (number % 50 != 49) continue;
        hurt(number);
        int error;
        while ((error = tlr__sink_segment_flush(sink))) {
            assert_int_equal(error, error_wanted);
            assert_true(tlr__sink_segment_pending(sink) > 0);
            assert_int_equal(tlr__sink_segment_flush(sink), error_wanted);
            failures++;
            heal();
        }
    }
    return failures;
}

/* A limit that falls somewhere in the block to be written. */
static void limit_set(rlim_t bytes) {
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static const struct tlr__sink_segment *limited;

static void limit_hurt(uint64_t number) {
    struct stat status;
    assert_int_equal(fstat(tlr__sink_segment_fd(limited), &status), 0);
    limit_set((rlim_t)status.st_size + 1 + number % 997);
}

static void limit_heal(void) {
    limit_set(RLIM_INFINITY);
}

static void a_failed_write_goes_on_where_it_stopped(void **user) {
    (void)user;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "limit", 1 << 30, UINT64_C(1) << 40),
                     0);
    limited = sink;
    unsigned failures = put_with_failures(sink, 2000, -EFBIG, limit_hurt, limit_heal);
    assert_int_equal(failures, 40);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tlr__sink_segment_close(sink);
    struct reading reading = {0};
    assert_int_equal(tlr_segment_find(directory, read_file, &reading), 0);
    assert_int_equal(reading.next, 2000);
    assert_int_equal(reading.ended, 1);
}

static char ballast[128];

static void ballast_grow(uint64_t number) {
    if (number % 250 != 49) return;
    int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);
    char page[4096] = {0};
    while (write(fd, page, sizeof page) > 0) continue;
    close(fd);
}

static void ballast_drop(void) {
    assert_int_equal(unlink(ballast), 0);
}

static void a_full_disk_loses_nothing(void **user) {
    (void)user;
    if (mount("tmpfs", directory, "tmpfs", 0, "size=4m")) {
        print_message("SKIPPED: cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", directory);
    struct tlr__sink_segment *sink;
    int error = tlr__sink_segment_open(&sink, directory, "full", 100000, 1 << 24);
    unsigned failures = 0;
    struct reading reading = {0};
    if (!error) {
        failures = put_with_failures(sink, 2000, -ENOSPC, ballast_grow, ballast_drop);
        tlr__sink_segment_close(sink);
        tlr_segment_find(directory, read_file, &reading);
    }
    assert_int_equal(umount(directory), 0);
    assert_int_equal(error, 0);
    assert_true(failures >= 4);
    assert_int_equal(reading.next, 2000);
    assert_int_equal(reading.ended, reading.files);
    assert_true(reading.files > 1);
}

static int count_threads(const char *path, void *user) {
    unsigned *next = user;
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    while (tlr_segment_next(reader, &record) == 1) {
        char wanted[24];
        snprintf(wanted, sizeof wanted, "t%u", (*next)++);
        assert_string_equal(record.thread, wanted);
    }
    tlr_segment_close(reader);
    return 0;
}

static void any_number_of_threads_may_come_and_go(void **user) {
    (void)user;
    enum { COUNT = 150000 };
    static struct sample sample;
    sample_make(&sample, 3);
    struct tlr__sink_segment *sink;
    assert_int_equal(
        tlr__sink_segment_open(&sink, directory, "threads", 1 << 30, UINT64_C(1) << 40), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        sample.ids.thread = i;
        snprintf(sample.thread, sizeof sample.thread, "t%u", i);
        put(sink, &sample);
    }
    assert_int_equal(tlr__sink_segment_flush(sink), 0);
    struct tlr__sink_segment_counts counts;
    tlr__sink_segment_counts(sink, &counts);
    assert_int_equal(counts.segments_begun, 3);
    tlr__sink_segment_close(sink);
    unsigned next = 0;
    assert_int_equal(tlr_segment_find(directory, count_threads, &next), 0);
    assert_int_equal(next, COUNT);
}

static void what_fits_no_block_is_refused(void **user) {
    (void)user;
    static struct sample sample;
    struct tlr__sink_segment *sink;
    assert_int_equal(tlr__sink_segment_open(&sink, directory, "refuse", 1 << 20, 1 << 24), 0);
    sample_make(&sample, 1);
    sample.record.payload_bytes = TLR__PAYLOAD_BYTES_MAX + 1;
    assert_int_equal(tlr__sink_segment_put(sink, &sample.record, &sample.ids), -EMSGSIZE);
    sample_make(&sample, 1);
    assert_true(sample.record.payload_bytes >= 8);
    sample.record.payload_bytes -= 8;
    assert_int_equal(tlr__sink_segment_put(sink, &sample.record, &sample.ids), -EINVAL);
    sample.record.payload_bytes += 8;
    assert_int_equal(tlr__sink_segment_put(sink, &sample.record, &sample.ids), 0);
    tlr__sink_segment_close(sink);
    tlr__sink_segment_close(NULL);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(all_comes_back_over_rotations),
        IN_DIRECTORY(files_are_private_and_named),
        IN_DIRECTORY(oldest_segments_go),
        IN_DIRECTORY(a_growing_file_is_followed),
        IN_DIRECTORY(a_failed_write_goes_on_where_it_stopped),
        IN_DIRECTORY(a_full_disk_loses_nothing),
        IN_DIRECTORY(any_number_of_threads_may_come_and_go),
        IN_DIRECTORY(what_fits_no_block_is_refused),
    };
    return cmocka_run_group_tests(tests, sites_make, sites_free);
}
