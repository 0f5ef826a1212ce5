/* Reading a segment file: block by block with pread, never mapped (a file that is truncated under a
 * mapping kills its reader), while it grows, and past damage. */
#include "segment.h"

#include "checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES_MAX (1024u * 1024u)
#define BUFFER_BYTES_MIN (256u * 1024u)

enum state {
    STATE_HEADER,  /* the file's header was not there yet */
    STATE_BLOCKS,  /* at the start of a block */
    STATE_SEARCH,  /* behind damage, looking for a block's marker */
    STATE_RECORDS, /* in a block */
    STATE_END,     /* the end-of-file entry was read */
    STATE_FAILED,  /* what came as the file's header is none */
};

struct tlr_segment_reader {
    int fd;
    enum state state;
    uint64_t offset; /* of the next block, or where the search goes on */
    struct tlr__segment_file_header header;
    uint64_t next_sequence; /* as the end-of-file entry says */

    struct tlr__segment_decoder decoder;
    uint32_t records_left; /* of the block, by its header */
    bool loss_told;        /* damage was reported: what is missing on its account is no news */

    uint64_t skip_before_ns, skip_after_ns;
    uint32_t skip_levels; /* blocks with none of these are skipped; 0: no bound */

    unsigned char *buffer;
    size_t buffer_bytes;
};

/* ---- reading the file ------------------------------------------------------------------------ */

/* Reads up to `size` bytes; fewer only at the file's end. Returns how many, or negative errno. */
static ssize_t read_at(const struct tlr_segment_reader *reader, unsigned char *out, size_t size,
                       uint64_t offset) {
    size_t done = 0;
    while (done < size) {
        size_t step = size - done < READ_BYTES_MAX ? size - done : READ_BYTES_MAX;
        ssize_t got = pread(reader->fd, out + done, step, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int buffer_reach(struct tlr_segment_reader *reader, size_t size) {
    if (size <= reader->buffer_bytes) return 0;
    unsigned char *buffer = realloc(reader->buffer, size);
    if (!buffer) return -ENOMEM;
    reader->buffer = buffer;
    reader->buffer_bytes = size;
    return 0;
}

/* 0 or negative errno; -EAGAIN: it is not there yet. */
static int file_header_read(struct tlr_segment_reader *reader) {
    unsigned char bytes[TLR__SEGMENT_FILE_HEADER_BYTES];
    ssize_t got = read_at(reader, bytes, sizeof bytes, 0);
    if (got < 0) return (int)got;
    int error = tlr__segment_file_header_load(bytes, (size_t)got, &reader->header);
    if (error) return error;
    reader->decoder.long_double_foreign = reader->header.long_double_foreign;
    reader->offset = TLR__SEGMENT_FILE_HEADER_BYTES + reader->header.extension_bytes;
    reader->state = STATE_BLOCKS;
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int tlr_segment_open(struct tlr_segment_reader **reader, const char *path) {
    struct tlr_segment_reader *opened = calloc(1, sizeof *opened);
    if (!opened) return -ENOMEM;
    opened->state = STATE_HEADER;
    /* Nonblocking, so that a FIFO of that name cannot hold the reader. */
    opened->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int error = opened->fd < 0 ? -errno : 0;
    struct stat status;
    if (!error && fstat(opened->fd, &status)) error = -errno;
    if (!error && S_ISDIR(status.st_mode)) error = -EISDIR;
    if (!error && !S_ISREG(status.st_mode)) error = -EBADMSG;
    if (!error) error = buffer_reach(opened, BUFFER_BYTES_MIN);
    if (!error) error = file_header_read(opened);
    if (error && error != -EAGAIN) {
        tlr_segment_close(opened);
        return error;
    }
    *reader = opened;
    return 0;
}

void tlr_segment_close(struct tlr_segment_reader *reader) {
    if (!reader) return;
    tlr__segment_decoder_clear(&reader->decoder);
    if (reader->fd >= 0) close(reader->fd);
    free(reader->buffer);
    free(reader);
}

int tlr_segment_ended(const struct tlr_segment_reader *reader) {
    return reader->state == STATE_END;
}

int tlr_segment_info(const struct tlr_segment_reader *reader, struct tlr_segment_info *info) {
    if (reader->state == STATE_HEADER || reader->state == STATE_FAILED) return -EAGAIN;
    const struct tlr__segment_file_header *header = &reader->header;
    *info = (struct tlr_segment_info){
        .pid = (int)header->pid,
        .sequence = header->sequence,
        .created_ns = header->created_ns,
        .next_sequence = reader->next_sequence,
    };
    _Static_assert(sizeof info->name == sizeof header->name, "a name is copied whole");
    memcpy(info->name, header->name, sizeof info->name);
    memcpy(info->uuid, header->uuid, sizeof info->uuid);
    memcpy(info->previous_uuid, header->previous_uuid, sizeof info->previous_uuid);
    return 0;
}

void tlr_segment_skip(struct tlr_segment_reader *reader, uint64_t from_ns, uint64_t to_ns,
                      enum tlr_level level) {
    reader->skip_before_ns = from_ns;
    reader->skip_after_ns = to_ns;
    reader->skip_levels = level == TLR_LEVEL_UNSET ? 0 : ~UINT32_C(0) << level;
}

static bool block_skipped(const struct tlr_segment_reader *reader,
                          const struct tlr__segment_block_header *block) {
    return block->time_max_ns < reader->skip_before_ns ||
           (reader->skip_after_ns && block->time_min_ns > reader->skip_after_ns) ||
           (reader->skip_levels && !(block->levels & reader->skip_levels));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int damage(struct tlr_segment_reader *reader) {
    reader->loss_told = true;
    return -EBADMSG;
}

/* Takes in the sections at `sections` that are asked for. The dictionary and the records have
 * checksums of their own, so that the loss of either does not cost the other. */
static int sections_load(struct tlr_segment_reader *reader,
                         const struct tlr__segment_block_header *block, uint64_t sections) {
    bool skipped = block_skipped(reader, block);
    size_t wanted = (size_t)block->dictionary_bytes + (skipped ? 0 : block->records_bytes);
    int error = buffer_reach(reader, wanted);
    if (error) return error;
    ssize_t got = read_at(reader, reader->buffer, wanted, sections);
    if (got < 0) return (int)got;
    if ((size_t)got < wanted) return -EAGAIN;

    const unsigned char *dictionary = reader->buffer;
    const unsigned char *records = dictionary + block->dictionary_bytes;
    reader->offset += tlr__segment_block_bytes(block);
    if (tlr__checksum(dictionary, block->dictionary_bytes) != block->dictionary_checksum) {
        error = -EBADMSG;
    } else {
        error = tlr__segment_decoder_define(&reader->decoder, dictionary, block->dictionary_bytes);
    }
    if (skipped) return error;
    if (tlr__checksum(records, block->records_bytes) != block->records_checksum) return -EBADMSG;
    tlr__segment_decoder_begin(&reader->decoder, records, block->records_bytes,
                               block->time_first_ns);
    reader->records_left = block->record_count;
    reader->state = STATE_RECORDS;
    return error;
}

/* Reads the block at `offset`: 0, its records can be walked or there are none to walk; -EAGAIN it
 * is not whole yet; -EBADMSG damage: of its header (the state is then SEARCH) or of its sections.
 */
static int block_read(struct tlr_segment_reader *reader) {
    unsigned char bytes[TLR__SEGMENT_BLOCK_HEADER_BYTES];
    struct tlr__segment_block_header block;
    ssize_t got = read_at(reader, bytes, sizeof bytes, reader->offset);
    if (got < 0) return (int)got;
    if ((size_t)got < sizeof bytes) return -EAGAIN;
    int error = tlr__segment_block_header_load(bytes, reader->header.uuid, &block);
    if (error) {
        reader->state = STATE_SEARCH;
        return error;
    }

    struct stat status;
    if (fstat(reader->fd, &status)) return -errno;
    uint64_t end = reader->offset + tlr__segment_block_bytes(&block);
    if (status.st_size < 0 || (uint64_t)status.st_size < end) return -EAGAIN;
    switch (block.type) {
    case TLR__SEGMENT_RECORDS:
        return sections_load(reader, &block, reader->offset + sizeof bytes);
    case TLR__SEGMENT_END:
        reader->next_sequence = block.time_first_ns;
        reader->state = STATE_END;
        return 0;
    default:
        reader->offset = end; /* of a later version */
        return 0;
    }
}

/* Looks for the next marker before which nothing can be read: 0 `offset` stands at one whose header
 * is good; -EAGAIN there is none yet, and the search goes on from where it stopped. */
static int marker_search(struct tlr_segment_reader *reader) {
    for (;;) {
        ssize_t got = read_at(reader, reader->buffer, BUFFER_BYTES_MIN, reader->offset);
        if (got < 0) return (int)got;
        if (got < TLR__SEGMENT_BLOCK_HEADER_BYTES) return -EAGAIN;
        /* Where a header begins, it must end in what was read. */
        const unsigned char *last = reader->buffer + got - TLR__SEGMENT_BLOCK_HEADER_BYTES;
        const unsigned char *at = reader->buffer;
        while (at <= last) {
            size_t left = (size_t)(last - at) + TLR__SEGMENT_MARKER_BYTES;
            struct tlr__segment_block_header block;
            at = memmem(at, left, reader->header.uuid, TLR__SEGMENT_MARKER_BYTES);
            if (!at) break;
            if (!tlr__segment_block_header_load(at, reader->header.uuid, &block)) {
                reader->offset += (uint64_t)(at - reader->buffer);
                reader->state = STATE_BLOCKS;
                return 0;
            }
            at++;
        }
        reader->offset += (uint64_t)(last - reader->buffer) + 1;
    }
}

/* ---- records --------------------------------------------------------------------------------- */

/* The next record of the block: 1; 0 there are no more; or an error. */
static int record_next(struct tlr_segment_reader *reader, struct tlr_record *record) {
    for (;;) {
        int result = tlr__segment_decoder_next(&reader->decoder, record);
        if (result == -ENOMEM) return result;
        if (result != 0 && result != -EBADMSG) reader->records_left--;
        if (result == -ENOENT) {
            if (!reader->loss_told) return damage(reader);
            continue;
        }
        if (result == 1) return 1;
        reader->state = STATE_BLOCKS;
        bool whole = result == 0 && reader->records_left == 0;
        return whole ? 0 : damage(reader);
    }
}

int tlr_segment_next(struct tlr_segment_reader *reader, struct tlr_record *record) {
    for (;;) {
        int result = 0;
        switch (reader->state) {
        case STATE_HEADER:
            result = file_header_read(reader);
            if (result == -EBADMSG || result == -EPROTONOSUPPORT) reader->state = STATE_FAILED;
            break;
        case STATE_BLOCKS:
            result = block_read(reader);
            if (result == -EBADMSG) return damage(reader);
            break;
        case STATE_SEARCH:
            result = marker_search(reader);
            break;
        case STATE_RECORDS:
            result = record_next(reader, record);
            if (result == 1) return 1;
            break;
        case STATE_END:
        case STATE_FAILED:
            return 0;
        }
        if (result == -EAGAIN) return 0;
        if (result) return result;
    }
}
