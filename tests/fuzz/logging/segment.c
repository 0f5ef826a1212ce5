/* segment.c - any bytes as a segment file: reading ends, and each record that is given holds.
 *
 * Input: a zero and the file; or anything else and blocks of {2 bytes size of the dictionary, 2
 * bytes size of the records, both sections}, which get headers with the right checksums.
 */
#include "segment.h"

#include "checksum.h"
#include "record_check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void append(int fd, const void *bytes, size_t size) {
    if (write(fd, bytes, size) != (ssize_t)size) abort();
}

/* Returns how many bytes of the input it took; 0: none are left. */
static size_t append_block(int fd, const uint8_t *bytes, size_t size) {
    if (size < 4) return 0;
    size_t dictionary_bytes = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    size_t records_bytes = (size_t)bytes[2] | (size_t)bytes[3] << 8;
    if (dictionary_bytes > size - 4) dictionary_bytes = size - 4;
    if (records_bytes > size - 4 - dictionary_bytes) records_bytes = size - 4 - dictionary_bytes;
    const uint8_t *records = bytes + 4 + dictionary_bytes;
    const struct tlr__segment_block_header header = {
        .marker = {1},
        .type = TLR__SEGMENT_RECORDS,
        .dictionary_bytes = (uint32_t)dictionary_bytes,
        .records_bytes = (uint32_t)records_bytes,
        .record_count = 1,
        .levels = UINT32_MAX,
        .time_max_ns = UINT64_MAX,
        .dictionary_checksum = tlr__checksum(bytes + 4, dictionary_bytes),
        .records_checksum = tlr__checksum(records, records_bytes),
    };
    unsigned char out[TLR__SEGMENT_BLOCK_HEADER_BYTES];
    tlr__segment_block_header_store(&header, out);
    append(fd, out, sizeof out);
    append(fd, bytes + 4, dictionary_bytes + records_bytes);
    return 4 + dictionary_bytes + records_bytes;
}

static void append_file(int fd, const uint8_t *bytes, size_t size) {
    const struct tlr__segment_file_header header = {.uuid = {1}, .sequence = 1, .name = "fuzz"};
    unsigned char out[TLR__SEGMENT_FILE_HEADER_BYTES];
    tlr__segment_file_header_store(&header, out);
    append(fd, out, sizeof out);
    for (size_t taken; (taken = append_block(fd, bytes, size)) > 0; size -= taken) bytes += taken;
}

/* A file has fewer records than bytes: more would come of a reader that does not go on. */
static void read_all(struct tlr_segment_reader *reader, size_t file_bytes) {
    struct tlr_record record;
    int result;
    for (size_t steps = 0; (result = tlr_segment_next(reader, &record)) != 0; steps++) {
        if (steps > file_bytes || (result != 1 && result != -EBADMSG)) abort();
        if (result == 1) record_check(&record);
    }
    (void)tlr_segment_ended(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[64];
    const int fd = memfd_create("segment", MFD_CLOEXEC);
    if (fd < 0) abort();
    if (size == 0 || bytes[0] == 0)
        append(fd, bytes + (size > 0), size - (size > 0));
    else
        append_file(fd, bytes + 1, size - 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int skip = 0; skip < 2; skip++) {
        struct tlr_segment_reader *reader;
        if (tlr_segment_open(&reader, path) < 0) break;
        if (skip != 0) tlr_segment_skip(reader, 1, UINT64_MAX / 2, TLR_LEVEL_WARN);
        read_all(reader, (size_t)lseek(fd, 0, SEEK_END));
        tlr_segment_close(reader);
    }
    close(fd);
    return 0;
}
