/* segment.c - the format itself: a file that is cut or damaged anywhere gives only records that
 * were written, and says that something is missing; what later versions may add is passed over.
 */
#include "segment.h"
#include "checksum.h"
#include "encode.h"
#include "format.h"
#include "segment_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a file in memory, and a reader of it ------------------------------------------------------
 */

static int file = -1;
static char path[32];

static int file_open(void **user) {
    (void)user;
    file = memfd_create("segment", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0 ? -1 : 0;
}

static int file_close(void **user) {
    (void)user;
    return close(file);
}

static size_t file_bytes(void) {
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    return (size_t)status.st_size;
}

static void file_add(const void *bytes, size_t size) {
    assert_int_equal(pwrite(file, bytes, size, (off_t)file_bytes()), size);
}

static void file_flip(size_t offset, unsigned char mask) {
    unsigned char byte;
    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    byte ^= mask;
    assert_int_equal(pwrite(file, &byte, 1, (off_t)offset), 1);
}

static const unsigned char uuid[TLR__SEGMENT_UUID_BYTES] = {0xa1, 0x52, 0x07, 0x99, 0xfe,
                                                            0x10, 0x4b, 0x3c, 0x8d, 0x20};

static void file_begin(void) {
    struct tlr__segment_file_header header = {.sequence = 7, .created_ns = 5, .pid = 42};
    unsigned char bytes[TLR__SEGMENT_FILE_HEADER_BYTES];
    assert_int_equal(ftruncate(file, 0), 0);
    memcpy(header.uuid, uuid, sizeof uuid);
    strcpy(header.name, "test");
    tlr__segment_file_header_store(&header, bytes);
    file_add(bytes, sizeof bytes);
}

/* Adds a block of the given sections, its sizes and checksums filled in. */
static void block_add(struct tlr__segment_block_header header, const unsigned char *dictionary,
                      const unsigned char *records) {
    unsigned char bytes[TLR__SEGMENT_BLOCK_HEADER_BYTES];
    memcpy(header.marker, uuid, sizeof header.marker);
    header.dictionary_checksum = tlr__checksum(dictionary, header.dictionary_bytes);
    header.records_checksum = tlr__checksum(records, header.records_bytes);
    tlr__segment_block_header_store(&header, bytes);
    file_add(bytes, sizeof bytes);
    if (header.dictionary_bytes) file_add(dictionary, header.dictionary_bytes);
    if (header.records_bytes) file_add(records, header.records_bytes);
}

static void end_add(uint64_t next_sequence) {
    block_add((struct tlr__segment_block_header){.type = TLR__SEGMENT_END,
                                                 .time_first_ns = next_sequence},
              NULL, NULL);
}

/* ---- records, each telling its own number -------------------------------------------------------
 */

static struct tlr__segment_encoder *encoder;
static struct tlr_format_program *program; /* of "number=%d %s" */

static int encoder_make(void **user) {
    (void)user;
    static const unsigned char tags[] = {TLR_TAG_INTEGER, TLR_TAG_STRING};
    program = tlr__program_compile("number=%d %s", tags, 2);
    return program && !tlr__segment_encoder_open(&encoder) ? 0 : -1;
}

static int encoder_free(void **user) {
    (void)user;
    tlr__program_free(program);
    tlr__segment_encoder_close(encoder);
    return 0;
}

static const struct tlr_context context = {{1, 2, 3}, 4, 1, 0};

static void put(unsigned number, unsigned site, enum tlr_level level, const char *text) {
    static _Alignas(16) unsigned char payload[8192];
    static const char *const threads[] = {"loop-0", "pool-1"};
    static const char *const categories[] = {"server.http", "server.pool", "trace"};
    char function[16];
    union tlr_value values[2] = {{.integer = (int64_t)number}, {.pointer = text}};
    uint32_t string_sizes[TLR_VALUES_MAX];
    const struct tlr__plan *plan = tlr__program_plan(program);
    struct tlr__segment_ids ids = {site, number % 3, number % 2};
    snprintf(function, sizeof function, "f%u", site);
    struct tlr_record record = {
        .time_ns = 1000000 + number * 1000,
        .level = level,
        .line = 100 + site,
        .category = categories[number % 3],
        .thread = threads[number % 2],
        .file = "conn.c",
        .function = function,
        .context = number % 4 ? &context : NULL,
        .program = program,
        .payload = payload,
        .payload_bytes = tlr__encode_bytes(plan, values, string_sizes),
    };
    tlr__encode_write(plan, values, string_sizes, payload);
    assert_int_equal(tlr__segment_encoder_put(encoder, &record, &ids), 0);
}

static void block_write(void) {
    struct iovec parts[3];
    tlr__segment_encoder_seal(encoder, uuid, parts);
    for (int i = 0; i < 3; i++) file_add(parts[i].iov_base, parts[i].iov_len);
    tlr__segment_encoder_clear(encoder);
}

enum { BLOCKS = 3, BLOCK_RECORDS = 4, RECORDS = BLOCKS * BLOCK_RECORDS };

/* A small whole file; tells where its blocks end. Each block defines a site; sites[n] is used from
 * block n on. */
static void file_make(size_t ends[BLOCKS]) {
    file_begin();
    tlr__segment_encoder_reset(encoder);
    for (unsigned number = 0; number < RECORDS; number++) {
        unsigned block = number / BLOCK_RECORDS;
        put(number, number % (block + 1), TLR_LEVEL_INFO, number == 5 ? NULL : "text");
        if (number % BLOCK_RECORDS != BLOCK_RECORDS - 1) continue;
        block_write();
        ends[block] = file_bytes();
    }
    end_add(8);
}

/* Reads to the end; each record must be one that was written. Returns a set of the numbers seen. */
struct seen {
    unsigned numbers; /* bit n: record n */
    unsigned damage;
    int open_error;
    bool ended;
};

static void assert_as_written(const struct tlr_record *record, unsigned number) {
    static const char *const threads[] = {"loop-0", "pool-1"};
    static const char *const categories[] = {"server.http", "server.pool", "trace"};
    unsigned block = number / BLOCK_RECORDS;
    assert_int_equal(record->time_ns, 1000000 + number * 1000);
    assert_int_equal(record->kind, TLR_RECORD_MESSAGE);
    assert_int_equal(record->level, TLR_LEVEL_INFO);
    assert_int_equal(record->line, 100 + number % (block + 1));
    assert_string_equal(record->thread, threads[number % 2]);
    assert_string_equal(record->category, categories[number % 3]);
    assert_string_equal(record->file, "conn.c");
    assert_int_equal(!record->context, number % 4 == 0);
    if (record->context) assert_memory_equal(record->context, &context, sizeof context);
    char message[4096], wanted[64];
    assert_true(tlr_record_line_bytes_max(record) <= sizeof message);
    message[tlr_record_message(record, message)] = '\0';
    snprintf(wanted, sizeof wanted, "number=%u %s", number, number == 5 ? "(null)" : "text");
    assert_string_equal(message, wanted);
}

static struct seen read_all(void) {
    struct seen seen = {0};
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    seen.open_error = tlr_segment_open(&reader, path);
    if (seen.open_error) return seen;
    int result;
    while ((result = tlr_segment_next(reader, &record)) != 0) {
        if (result == -EBADMSG) {
            assert_true(++seen.damage < 100);
            continue;
        }
        assert_int_equal(result, 1);
        int64_t number;
        memcpy(&number, record.payload, sizeof number);
        assert_in_range(number, 0, RECORDS - 1);
        assert_false(seen.numbers & 1u << number);
        seen.numbers |= 1u << number;
        assert_as_written(&record, (unsigned)number);
    }
    seen.ended = tlr_segment_ended(reader);
    tlr_segment_close(reader);
    return seen;
}

#define ALL ((1u << RECORDS) - 1)
#define OF_BLOCK(block) (((1u << BLOCK_RECORDS) - 1) << (block)*BLOCK_RECORDS)

/* ---- tests --------------------------------------------------------------------------------------
 */

static void checksums_are_crc32c(void **user) {
    (void)user;
    unsigned char bytes[300] = {0};
    assert_int_equal(tlr__checksum("123456789", 9), 0xe3069283);
    assert_int_equal(tlr__checksum(bytes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(tlr__checksum_portable(bytes, 32), 0x8a9136aa);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 151 + i / 3);
        assert_int_equal(tlr__checksum(bytes, i), tlr__checksum_portable(bytes, i));
    }
}

static void numbers_come_back(void **user) {
    (void)user;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t value = (UINT64_C(1) << shift) + (uint64_t)(int64_t)off;
            unsigned char bytes[10];
            const unsigned char *end = tlr__segment_varint_store(bytes, value);
            assert_in_range(end - bytes, 1, 10);
            struct tlr__segment_scan scan = {.next = bytes, .end = end};
            assert_int_equal(tlr__segment_scan_varint(&scan), value);
            assert_int_equal(tlr__segment_scan_left(&scan), 0);
            assert_false(scan.failed);
            assert_int_equal(tlr__segment_unzigzag(tlr__segment_zigzag(value)), value);
            struct tlr__segment_scan cut = {.next = bytes, .end = end - 1};
            tlr__segment_scan_varint(&cut);
            assert_true(cut.failed);
        }
    }
    static const unsigned char overlong[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                               0x80, 0x80, 0x80, 0x80, 0x00};
    struct tlr__segment_scan scan = {.next = overlong, .end = overlong + sizeof overlong};
    assert_int_equal(tlr__segment_scan_varint(&scan), 0);
    assert_true(scan.failed);
}

static void a_whole_file_is_read(void **user) {
    (void)user;
    size_t ends[BLOCKS];
    file_make(ends);
    struct seen seen = read_all();
    assert_int_equal(seen.numbers, ALL);
    assert_int_equal(seen.damage, 0);
    assert_true(seen.ended);
}

static void a_cut_file_gives_its_whole_blocks(void **user) {
    (void)user;
    size_t ends[BLOCKS];
    file_make(ends);
    size_t whole = file_bytes();
    for (size_t cut = whole; cut-- > 0;) {
        assert_int_equal(ftruncate(file, (off_t)cut), 0);
        struct seen seen = read_all();
        unsigned wanted = 0;
        for (unsigned block = 0; block < BLOCKS; block++) {
            if (cut >= ends[block]) wanted |= OF_BLOCK(block);
        }
        assert_int_equal(seen.open_error, 0);
        assert_int_equal(seen.numbers, wanted);
        assert_int_equal(seen.damage, 0);
        assert_false(seen.ended);
    }
}

static void a_file_that_grows_by_bytes_is_followed(void **user) {
    (void)user;
    size_t ends[BLOCKS];
    file_make(ends);
    static unsigned char copy[8192];
    size_t whole = file_bytes();
    assert_true(whole <= sizeof copy);
    assert_int_equal(pread(file, copy, whole, 0), whole);
    assert_int_equal(ftruncate(file, 0), 0);

    struct tlr_segment_reader *reader;
    struct tlr_segment_info info;
    struct tlr_record record;
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    assert_int_equal(tlr_segment_info(reader, &info), -EAGAIN);
    unsigned number = 0;
    for (size_t i = 0; i < whole; i++) {
        file_add(copy + i, 1);
        int result;
        while ((result = tlr_segment_next(reader, &record)) == 1) {
            assert_int_equal(i + 1, ends[number / BLOCK_RECORDS]);
            assert_as_written(&record, number++);
        }
        assert_int_equal(result, 0);
        assert_int_equal(tlr_segment_ended(reader), i + 1 == whole);
    }
    assert_int_equal(number, RECORDS);
    assert_int_equal(tlr_segment_info(reader, &info), 0);
    assert_int_equal(info.sequence, 7);
    assert_int_equal(info.next_sequence, 8);
    assert_int_equal(info.pid, 42);
    assert_string_equal(info.name, "test");
    assert_memory_equal(info.uuid, uuid, sizeof uuid);
    tlr_segment_close(reader);
}

static void any_changed_byte_is_noticed(void **user) {
    (void)user;
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    size_t ends[BLOCKS];
    file_make(ends);
    size_t whole = file_bytes();
    for (size_t offset = 0; offset < whole; offset++) {
        for (unsigned i = 0; i < sizeof masks; i++) {
            file_flip(offset, masks[i]);
            struct seen seen = read_all();
            file_flip(offset, masks[i]);
            if (offset < TLR__SEGMENT_FILE_HEADER_BYTES) {
                assert_int_equal(seen.open_error, -EBADMSG);
                continue;
            }
            assert_int_equal(seen.open_error, 0);
            assert_int_equal(seen.damage, 1);
            /* Blocks before the damage are whole; the one with it may have lost only a dictionary.
             */
            for (unsigned block = 0; block < BLOCKS && ends[block] <= offset; block++) {
                assert_int_equal(seen.numbers & OF_BLOCK(block), OF_BLOCK(block));
            }
        }
    }
}

static void damage_costs_its_own_block_alone(void **user) {
    (void)user;
    size_t ends[BLOCKS];
    file_make(ends);
    /* In the records of block 1: its dictionary holds. */
    file_flip(ends[1] - 1, 1);
    struct seen seen = read_all();
    assert_int_equal(seen.numbers, ALL & ~OF_BLOCK(1));
    assert_int_equal(seen.damage, 1);
    assert_true(seen.ended);
    file_flip(ends[1] - 1, 1);

    /* In its dictionary: what block 1 defined is missing in block 2 as well, and nothing else. */
    file_flip(ends[0] + TLR__SEGMENT_BLOCK_HEADER_BYTES, 1);
    seen = read_all();
    unsigned of_site_1 = 1u << 5 | 1u << 7 | 1u << 10;
    assert_int_equal(seen.numbers, ALL & ~of_site_1);
    assert_int_equal(seen.damage, 1);
}

/* A block within the bytes of another, whose header is damaged so that it is searched. */
static struct seen read_enclosed(const unsigned char marker[TLR__SEGMENT_MARKER_BYTES]) {
    static unsigned char inner[1024];
    struct iovec parts[3];
    size_t size = 0;
    file_begin();
    tlr__segment_encoder_reset(encoder);
    put(0, 0, TLR_LEVEL_INFO, "text");
    tlr__segment_encoder_seal(encoder, marker, parts);
    for (int i = 0; i < 3; i++) {
        memcpy(inner + 100 + size, parts[i].iov_base, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    size_t outer = file_bytes();
    block_add((struct tlr__segment_block_header){.type = TLR__SEGMENT_RECORDS,
                                                 .records_bytes = sizeof inner},
              NULL, inner);
    file_flip(outer + 9, 1);
    return read_all();
}

static void logged_bytes_cannot_forge_a_block(void **user) {
    (void)user;
    struct seen seen = read_enclosed((const unsigned char *)"guessed!");
    assert_int_equal(seen.numbers, 0);
    assert_int_equal(seen.damage, 1);
    /* It is the marker alone that keeps it out. */
    assert_int_equal(read_enclosed(uuid).numbers, 1);
}

static unsigned read_skipping(uint64_t from_ns, uint64_t to_ns, enum tlr_level level) {
    unsigned numbers = 0;
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    tlr_segment_skip(reader, from_ns, to_ns, level);
    int result;
    while ((result = tlr_segment_next(reader, &record)) == 1) {
        int64_t number;
        memcpy(&number, record.payload, sizeof number);
        numbers |= 1u << number;
    }
    assert_int_equal(result, 0);
    assert_true(tlr_segment_ended(reader));
    tlr_segment_close(reader);
    return numbers;
}

static void blocks_out_of_bounds_are_skipped(void **user) {
    (void)user;
    size_t ends[BLOCKS];
    file_make(ends);
    assert_int_equal(read_skipping(0, 0, TLR_LEVEL_UNSET), ALL);
    assert_int_equal(read_skipping(1000000, 1011000, TLR_LEVEL_INFO), ALL);
    assert_int_equal(read_skipping(1003001, 0, TLR_LEVEL_UNSET), ALL & ~OF_BLOCK(0));
    assert_int_equal(read_skipping(1003000, 0, TLR_LEVEL_UNSET), ALL);
    assert_int_equal(read_skipping(0, 1007999, TLR_LEVEL_UNSET), ALL & ~OF_BLOCK(2));
    assert_int_equal(read_skipping(1004000, 1007000, TLR_LEVEL_DEBUG), OF_BLOCK(1));
    assert_int_equal(read_skipping(0, 0, TLR_LEVEL_WARN), 0);

    file_begin();
    tlr__segment_encoder_reset(encoder);
    put(0, 0, TLR_LEVEL_INFO, "text");
    put(1, 0, TLR_LEVEL_ERROR, "text");
    block_write();
    put(2, 0, TLR_LEVEL_DEBUG, "text");
    block_write();
    end_add(0);
    assert_int_equal(read_skipping(0, 0, TLR_LEVEL_WARN), 3);
    assert_int_equal(read_skipping(0, 0, TLR_LEVEL_ERROR), 3);
    assert_int_equal(read_skipping(0, 0, TLR_LEVEL_OFF), 0);
}

static void what_later_versions_add_is_passed_over(void **user) {
    (void)user;
    static const unsigned char entry[] = {99, 3, 1, 2, 3}; /* of an unknown kind */
    static const unsigned char extension[50] = {1};
    struct tlr__segment_file_header file_header = {.sequence = 1, .extension_bytes = 50};
    unsigned char bytes[TLR__SEGMENT_FILE_HEADER_BYTES];
    memcpy(file_header.uuid, uuid, sizeof uuid);
    tlr__segment_file_header_store(&file_header, bytes);
    file_add(bytes, sizeof bytes);
    file_add(extension, sizeof extension);

    block_add((struct tlr__segment_block_header){.type = TLR__SEGMENT_RECORDS,
                                                 .dictionary_bytes = sizeof entry,
                                                 .extension_bytes = sizeof extension},
              entry, NULL);
    file_add(extension, sizeof extension);
    block_add((struct tlr__segment_block_header){.type = 77, .records_bytes = sizeof extension},
              NULL, extension);
    tlr__segment_encoder_reset(encoder);
    put(0, 0, TLR_LEVEL_INFO, "text");
    block_write();
    end_add(0);
    struct seen seen = read_all();
    assert_int_equal(seen.numbers, 1);
    assert_int_equal(seen.damage, 0);
    assert_true(seen.ended);

    bytes[8] = 2; /* another version */
    tlr__segment_store32(bytes + 124, tlr__checksum(bytes, 124));
    assert_int_equal(pwrite(file, bytes, sizeof bytes, 0), sizeof bytes);
    assert_int_equal(read_all().open_error, -EPROTONOSUPPORT);
}

static int define(const unsigned char *section, size_t bytes) {
    static struct tlr__segment_decoder decoder;
    int error = tlr__segment_decoder_define(&decoder, section, bytes);
    tlr__segment_decoder_clear(&decoder);
    return error;
}

#define DEFINE(...) \
    define((const unsigned char[]){__VA_ARGS__}, sizeof(unsigned char[]){__VA_ARGS__})

static void hostile_dictionaries_are_refused(void **user) {
    (void)user;
    assert_int_equal(DEFINE(2, 3, 0, 1, 'c'), 0);
    assert_int_equal(DEFINE(2, 4, 0, 1, 'c', 9), 0);                      /* more in the body */
    assert_int_equal(DEFINE(2), -EBADMSG);                                /* no size */
    assert_int_equal(DEFINE(2, 4, 0, 1, 'c'), -EBADMSG);                  /* body cut */
    assert_int_equal(DEFINE(2, 3, 0, 2, 'c'), -EBADMSG);                  /* text past the body */
    assert_int_equal(DEFINE(2, 3, 0, 1, 'c', 2, 3, 0, 1, 'd'), -EBADMSG); /* number given twice */
    assert_int_equal(DEFINE(3, 5, 0x80, 0x80, 4, 1, 'c'), -EBADMSG);      /* number 65536 */
    assert_int_equal(DEFINE(3, 5, 0xff, 0xff, 3, 1, 'c'), 0);             /* number 65535 */
    assert_int_equal(DEFINE(1, 8, 0, 0, 9, 2, 0, 0, 0, 0), 0);            /* a site */
    assert_int_equal(DEFINE(1, 8, 0, 0, 9, 5, 0, 0, 0, 0), -EBADMSG);     /* level "off" */
    assert_int_equal(DEFINE(1, 8, 0, 0, 9, 2, 33, 0, 0, 0), -EBADMSG);    /* too many values */
}

static void no_segments_are_refused(void **user) {
    (void)user;
    struct tlr_segment_reader *reader;
    assert_int_equal(tlr_segment_open(&reader, "no such file"), -ENOENT);
    assert_int_equal(tlr_segment_open(&reader, "."), -EISDIR);
    assert_int_equal(tlr_segment_open(&reader, "/dev/null"), -EBADMSG);
    assert_int_equal(tlr_segment_open(&reader, path), 0); /* empty: it may become one */
    struct tlr_record record;
    assert_int_equal(tlr_segment_next(reader, &record), 0);
    file_add("2026-11-20T15:03:11", 19);
    assert_int_equal(tlr_segment_next(reader, &record), -EBADMSG);
    assert_int_equal(tlr_segment_next(reader, &record), 0);
    assert_false(tlr_segment_ended(reader));
    tlr_segment_close(reader);
    assert_int_equal(tlr_segment_open(&reader, path), -EBADMSG);
    tlr_segment_close(NULL);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, file_open, file_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_crc32c),
        cmocka_unit_test(numbers_come_back),
        ON_FILE(a_whole_file_is_read),
        ON_FILE(a_cut_file_gives_its_whole_blocks),
        ON_FILE(a_file_that_grows_by_bytes_is_followed),
        ON_FILE(any_changed_byte_is_noticed),
        ON_FILE(damage_costs_its_own_block_alone),
        ON_FILE(logged_bytes_cannot_forge_a_block),
        ON_FILE(blocks_out_of_bounds_are_skipped),
        ON_FILE(what_later_versions_add_is_passed_over),
        cmocka_unit_test(hostile_dictionaries_are_refused),
        ON_FILE(no_segments_are_refused),
    };
    return cmocka_run_group_tests(tests, encoder_make, encoder_free);
}
