/* segment_reader.c - any bytes as a segment file: whatever the reader gives can be printed, and it
 * comes to an end.
 *
 * Input: a byte, then what it says. 0: the file as it is. Else the sections of blocks, which get
 * whole headers with true checksums, so that what lies behind the checksums is reached: each is two
 * bytes of size, the dictionary, two bytes of size, the records; the byte less one is how often the
 * marker of a block stands before the first one, as something to search through.
 */
#include "checksum.h"
#include "segment.h"
#include "segment_bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const unsigned char uuid[TLR__SEGMENT_UUID_BYTES] = "tailrace segment";

static void file_add(int file, const void *bytes, size_t size) {
    if (size && write(file, bytes, size) != (ssize_t)size) abort();
}

static const unsigned char *section_take(struct tlr__segment_scan *scan, uint32_t *size) {
    const unsigned char *head = tlr__segment_scan_bytes(scan, 2);
    size_t wanted = head ? head[0] | (size_t)head[1] << 8 : 0;
    if (wanted > tlr__segment_scan_left(scan)) wanted = tlr__segment_scan_left(scan);
    *size = (uint32_t)wanted;
    return tlr__segment_scan_bytes(scan, wanted);
}

static void file_of_sections(int file, const uint8_t *bytes, size_t size, unsigned markers) {
    unsigned char header[TLR__SEGMENT_FILE_HEADER_BYTES];
    struct tlr__segment_file_header file_header = {.sequence = 1, .name = "fuzz"};
    memcpy(file_header.uuid, uuid, sizeof uuid);
    tlr__segment_file_header_store(&file_header, header);
    file_add(file, header, sizeof header);
    for (unsigned i = 0; i < markers; i++) file_add(file, uuid, TLR__SEGMENT_MARKER_BYTES);

    struct tlr__segment_scan scan = {.next = bytes, .end = bytes + size};
    while (tlr__segment_scan_left(&scan)) {
        struct tlr__segment_block_header block = {.type = TLR__SEGMENT_RECORDS, .record_count = 1};
        const unsigned char *dictionary = section_take(&scan, &block.dictionary_bytes);
        const unsigned char *records = section_take(&scan, &block.records_bytes);
        memcpy(block.marker, uuid, sizeof block.marker);
        block.dictionary_checksum = tlr__checksum(dictionary, block.dictionary_bytes);
        block.records_checksum = tlr__checksum(records, block.records_bytes);
        tlr__segment_block_header_store(&block, header);
        file_add(file, header, TLR__SEGMENT_BLOCK_HEADER_BYTES);
        file_add(file, dictionary, block.dictionary_bytes);
        file_add(file, records, block.records_bytes);
    }
}

static void record_print(const struct tlr_record *record) {
    size_t room = tlr_record_line_bytes_max(record);
    char *line = malloc(room);
    if (!line) abort();
    size_t text_bytes = tlr_record_text(record, line);
    if (text_bytes == 0 || text_bytes > room || line[text_bytes - 1] != '\n') abort();
    size_t json_bytes = tlr_record_json(record, line);
    if (json_bytes == 0 || json_bytes > room || line[json_bytes - 1] != '\n') abort();
    free(line);
}

static void file_read(const char *path, size_t size) {
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    if (tlr_segment_open(&reader, path)) return;
    /* A record takes four bytes at least, and damage is told once for each thing damaged. */
    for (size_t calls = 0; calls <= 4 * size + 16; calls++) {
        int result = tlr_segment_next(reader, &record);
        if (result == 0 || result == -EPROTONOSUPPORT) {
            tlr_segment_close(reader);
            return;
        }
        if (result == 1) record_print(&record);
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0) return 0;
    int file = memfd_create("segment", MFD_CLOEXEC);
    if (file < 0) abort();
    if (bytes[0]) {
        file_of_sections(file, bytes + 1, size - 1, bytes[0] - 1u);
    } else {
        file_add(file, bytes + 1, size - 1);
    }
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    file_read(path, size);
    close(file);
    return 0;
}
