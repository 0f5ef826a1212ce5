/* The two headers of a segment; segment.h has the specification. */
#include "segment.h"

#include "checksum.h"
#include "segment_bytes.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <string.h>

static const unsigned char magic[8] = {0x89, 'T', 'L', 'R', '\r', '\n', 0x1a, '\n'};

/* Offsets in the headers. */
enum {
    FILE_VERSION = 8,
    FILE_EXTENSION_BYTES = 12,
    FILE_UUID = 16,
    FILE_PREVIOUS_UUID = 32,
    FILE_SEQUENCE = 48,
    FILE_CREATED = 56,
    FILE_PID = 64,
    FILE_BYTE_ORDER = 68,
    FILE_LONG_DOUBLE_DIGITS = 69,
    FILE_NAME = 72,
    FILE_CHECKSUM = 124,

    BLOCK_TYPE = 8,
    BLOCK_DICTIONARY_BYTES = 12,
    BLOCK_RECORDS_BYTES = 16,
    BLOCK_EXTENSION_BYTES = 20,
    BLOCK_RECORD_COUNT = 24,
    BLOCK_LEVELS = 28,
    BLOCK_TIME_FIRST = 32,
    BLOCK_TIME_MIN = 40,
    BLOCK_TIME_MAX = 48,
    BLOCK_DICTIONARY_CHECKSUM = 56,
    BLOCK_RECORDS_CHECKSUM = 60,
    BLOCK_CHECKSUM = 76,
};

enum { BYTE_ORDER_HERE = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2 };

void tlr__segment_file_header_store(const struct tlr__segment_file_header *header,
                                    unsigned char out[TLR__SEGMENT_FILE_HEADER_BYTES]) {
    memset(out, 0, TLR__SEGMENT_FILE_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    tlr__segment_store32(out + FILE_VERSION, TLR__SEGMENT_VERSION);
    tlr__segment_store32(out + FILE_EXTENSION_BYTES, header->extension_bytes);
    memcpy(out + FILE_UUID, header->uuid, TLR__SEGMENT_UUID_BYTES);
    memcpy(out + FILE_PREVIOUS_UUID, header->previous_uuid, TLR__SEGMENT_UUID_BYTES);
    tlr__segment_store64(out + FILE_SEQUENCE, header->sequence);
    tlr__segment_store64(out + FILE_CREATED, header->created_ns);
    tlr__segment_store32(out + FILE_PID, header->pid);
    out[FILE_BYTE_ORDER] = BYTE_ORDER_HERE;
    out[FILE_LONG_DOUBLE_DIGITS] = LDBL_MANT_DIG;
    memcpy(out + FILE_NAME, header->name, strnlen(header->name, TLR__SEGMENT_NAME_BYTES - 1));
    tlr__segment_store32(out + FILE_CHECKSUM, tlr__checksum(out, FILE_CHECKSUM));
}

int tlr__segment_file_header_load(const unsigned char *in, size_t size,
                                  struct tlr__segment_file_header *header) {
    if (memcmp(in, magic, size < sizeof magic ? size : sizeof magic)) return -EBADMSG;
    if (size < TLR__SEGMENT_FILE_HEADER_BYTES) return -EAGAIN;
    if (tlr__segment_load32(in + FILE_CHECKSUM) != tlr__checksum(in, FILE_CHECKSUM)) {
        return -EBADMSG;
    }
    if (tlr__segment_load32(in + FILE_VERSION) != TLR__SEGMENT_VERSION) return -EPROTONOSUPPORT;
    uint32_t extension_bytes = tlr__segment_load32(in + FILE_EXTENSION_BYTES);
    if (extension_bytes > TLR__SEGMENT_EXTENSION_BYTES_MAX) return -EBADMSG;

    *header = (struct tlr__segment_file_header){
        .sequence = tlr__segment_load64(in + FILE_SEQUENCE),
        .created_ns = tlr__segment_load64(in + FILE_CREATED),
        .extension_bytes = extension_bytes,
        .pid = tlr__segment_load32(in + FILE_PID),
        .long_double_foreign =
            in[FILE_BYTE_ORDER] != BYTE_ORDER_HERE || in[FILE_LONG_DOUBLE_DIGITS] != LDBL_MANT_DIG,
    };
    memcpy(header->uuid, in + FILE_UUID, TLR__SEGMENT_UUID_BYTES);
    memcpy(header->previous_uuid, in + FILE_PREVIOUS_UUID, TLR__SEGMENT_UUID_BYTES);
    memcpy(header->name, in + FILE_NAME, TLR__SEGMENT_NAME_BYTES - 1);
    return 0;
}

void tlr__segment_block_header_store(const struct tlr__segment_block_header *header,
                                     unsigned char out[TLR__SEGMENT_BLOCK_HEADER_BYTES]) {
    assert(tlr__segment_block_bytes(header) <= TLR__SEGMENT_BLOCK_BYTES_MAX);
    memset(out, 0, TLR__SEGMENT_BLOCK_HEADER_BYTES);
    memcpy(out, header->marker, TLR__SEGMENT_MARKER_BYTES);
    tlr__segment_store32(out + BLOCK_TYPE, header->type);
    tlr__segment_store32(out + BLOCK_DICTIONARY_BYTES, header->dictionary_bytes);
    tlr__segment_store32(out + BLOCK_RECORDS_BYTES, header->records_bytes);
    tlr__segment_store32(out + BLOCK_EXTENSION_BYTES, header->extension_bytes);
    tlr__segment_store32(out + BLOCK_RECORD_COUNT, header->record_count);
    tlr__segment_store32(out + BLOCK_LEVELS, header->levels);
    tlr__segment_store64(out + BLOCK_TIME_FIRST, header->time_first_ns);
    tlr__segment_store64(out + BLOCK_TIME_MIN, header->time_min_ns);
    tlr__segment_store64(out + BLOCK_TIME_MAX, header->time_max_ns);
    tlr__segment_store32(out + BLOCK_DICTIONARY_CHECKSUM, header->dictionary_checksum);
    tlr__segment_store32(out + BLOCK_RECORDS_CHECKSUM, header->records_checksum);
    tlr__segment_store32(out + BLOCK_CHECKSUM, tlr__checksum(out, BLOCK_CHECKSUM));
}

int tlr__segment_block_header_load(const unsigned char in[TLR__SEGMENT_BLOCK_HEADER_BYTES],
                                   const unsigned char marker[TLR__SEGMENT_MARKER_BYTES],
                                   struct tlr__segment_block_header *header) {
    if (memcmp(in, marker, TLR__SEGMENT_MARKER_BYTES) ||
        tlr__segment_load32(in + BLOCK_CHECKSUM) != tlr__checksum(in, BLOCK_CHECKSUM)) {
        return -EBADMSG;
    }
    struct tlr__segment_block_header loaded = {
        .type = tlr__segment_load32(in + BLOCK_TYPE),
        .dictionary_bytes = tlr__segment_load32(in + BLOCK_DICTIONARY_BYTES),
        .records_bytes = tlr__segment_load32(in + BLOCK_RECORDS_BYTES),
        .extension_bytes = tlr__segment_load32(in + BLOCK_EXTENSION_BYTES),
        .record_count = tlr__segment_load32(in + BLOCK_RECORD_COUNT),
        .levels = tlr__segment_load32(in + BLOCK_LEVELS),
        .time_first_ns = tlr__segment_load64(in + BLOCK_TIME_FIRST),
        .time_min_ns = tlr__segment_load64(in + BLOCK_TIME_MIN),
        .time_max_ns = tlr__segment_load64(in + BLOCK_TIME_MAX),
        .dictionary_checksum = tlr__segment_load32(in + BLOCK_DICTIONARY_CHECKSUM),
        .records_checksum = tlr__segment_load32(in + BLOCK_RECORDS_CHECKSUM),
    };
    memcpy(loaded.marker, in, TLR__SEGMENT_MARKER_BYTES);
    if (tlr__segment_block_bytes(&loaded) > TLR__SEGMENT_BLOCK_BYTES_MAX) return -EBADMSG;
    *header = loaded;
    return 0;
}

uint64_t tlr__segment_block_bytes(const struct tlr__segment_block_header *header) {
    return (uint64_t)TLR__SEGMENT_BLOCK_HEADER_BYTES + header->dictionary_bytes +
           header->records_bytes + header->extension_bytes;
}
