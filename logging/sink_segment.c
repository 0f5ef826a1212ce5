#include "sink_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_ATTEMPTS 100 /* to find a file name that is not taken */

/* A file of the log. */
struct segment {
    int fd; /* -1: none */
    char *path;
    uint64_t sequence;
    uint64_t bytes;
    unsigned char uuid[TLR__SEGMENT_UUID_BYTES];
};

struct tlr__sink_segment {
    char *directory; /* absolute: the process may change its own */
    char name[TLR__SEGMENT_NAME_BYTES];
    uint64_t segment_bytes, total_bytes;
    uint64_t created_ns; /* of the newest segment */

    struct segment present;
    struct segment next; /* begun, while the present one's end is still to be written */
    size_t end_written;  /* bytes of the present one's end-of-file entry */
    bool rotation_due;   /* the encoder's block is one of a new segment */

    struct tlr__segment_encoder *encoder;
    bool sealed;           /* the block is being written, and takes no more records */
    struct iovec parts[3]; /* what is left to write of it */
    struct tlr__sink_segment_counts counts;
};

/* ---- writing --------------------------------------------------------------------------------- */

static void parts_advance(struct iovec *parts, size_t count, size_t bytes) {
    for (size_t i = 0; i < count && bytes > 0; i++) {
        size_t taken = bytes < parts[i].iov_len ? bytes : parts[i].iov_len;
        parts[i].iov_base = (unsigned char *)parts[i].iov_base + taken;
        parts[i].iov_len -= taken;
        bytes -= taken;
    }
}

static size_t parts_bytes(const struct iovec *parts, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += parts[i].iov_len;
    return bytes;
}

/* Writes all of `parts`, which tell afterwards what is left. */
static int parts_write(struct tlr__sink_segment *sink, struct segment *segment, struct iovec *parts,
                       size_t count) {
    while (parts_bytes(parts, count) > 0) {
        ssize_t written = writev(segment->fd, parts, (int)count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        if (written == 0) return -EIO;
        parts_advance(parts, count, (size_t)written);
        segment->bytes += (uint64_t)written;
        sink->counts.bytes += (uint64_t)written;
        sink->counts.writes++;
    }
    return 0;
}

/* Ends the present segment; goes on where it stopped when called again. */
static int end_write(struct tlr__sink_segment *sink, uint64_t next_sequence) {
    unsigned char bytes[TLR__SEGMENT_BLOCK_HEADER_BYTES];
    struct tlr__segment_block_header end = {
        .type = TLR__SEGMENT_END,
        .time_first_ns = next_sequence,
    };
    memcpy(end.marker, sink->present.uuid, sizeof end.marker);
    tlr__segment_block_header_store(&end, bytes);
    struct iovec part = {bytes, sizeof bytes};
    parts_advance(&part, 1, sink->end_written);
    int error = parts_write(sink, &sink->present, &part, 1);
    sink->end_written = sizeof bytes - part.iov_len;
    return error;
}

/* ---- retention ------------------------------------------------------------------------------- */

/* Whoever writes a segment holds a shared lock on it. */
static bool in_use(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return false;
    bool used = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return used;
}

/* Makes room for one more segment. That it cannot list or delete does not keep the log from going
 * on. */
static void retain(struct tlr__sink_segment *sink) {
    struct tlr__segment_listing listing;
    if (tlr__segment_listing_make(sink->directory, sink->name, &listing)) return;
    uint64_t total = sink->segment_bytes;
    for (size_t i = 0; i < listing.count; i++) total += listing.files[i].bytes;
    for (size_t i = 0; i < listing.count && total > sink->total_bytes; i++) {
        const struct tlr__segment_file *file = &listing.files[i];
        if (in_use(file->path) || unlink(file->path)) continue;
        total -= file->bytes;
        sink->counts.segments_deleted++;
    }
    tlr__segment_listing_free(&listing);
}

/* ---- segments -------------------------------------------------------------------------------- */

static int uuid_make(unsigned char uuid[TLR__SEGMENT_UUID_BYTES]) {
    ssize_t got;
    do got = getrandom(uuid, TLR__SEGMENT_UUID_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got != TLR__SEGMENT_UUID_BYTES) return got < 0 ? -errno : -EIO;
    uuid[6] = (uuid[6] & 0x0f) | 0x40; /* version 4, variant of RFC 9562 */
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
    return 0;
}

/* Opens a new file whose name tells `created_ns`, or seconds after it where names are taken. */
static int file_create(struct tlr__sink_segment *sink, uint64_t sequence, uint64_t created_ns,
                       struct segment *segment) {
    for (unsigned attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        time_t seconds = (time_t)(created_ns / TLR_NS_PER_S) + attempt;
        struct tm date;
        char date_text[32];
        gmtime_r(&seconds, &date);
        strftime(date_text, sizeof date_text, "%Y%m%dT%H%M%SZ", &date);
        char *path;
        if (asprintf(&path, "%s/%s-%s-%d-%06llu.tlr", sink->directory, sink->name, date_text,
                     (int)getpid(), (unsigned long long)sequence) < 0) {
            return -ENOMEM;
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd >= 0) {
            flock(fd, LOCK_SH | LOCK_NB); /* without it, retention elsewhere knows less */
            segment->fd = fd;
            segment->path = path;
            return 0;
        }
        int error = -errno;
        free(path);
        if (error != -EEXIST) return error;
    }
    return -EEXIST;
}

static void segment_close(struct segment *segment) {
    if (segment->fd >= 0) close(segment->fd);
    free(segment->path);
    *segment = (struct segment){.fd = -1};
}

/* Begins the segment after `previous`: all of it, or no file is left. */
static int segment_begin(struct tlr__sink_segment *sink, const struct segment *previous,
                         struct segment *segment) {
    if (mkdir(sink->directory, 0700) && errno != EEXIST) return -errno; /* it was removed */
    retain(sink);

    uint64_t now_ns = tlr_clock_date_ns(tlr_clock_ticks());
    struct tlr__segment_file_header header = {
        .sequence = previous->sequence + 1,
        /* Order by date is order of writing, also when the clock was set back. */
        .created_ns = now_ns > sink->created_ns ? now_ns : sink->created_ns + 1,
        .pid = (uint32_t)getpid(),
    };
    struct segment begun = {.fd = -1, .sequence = header.sequence};
    int error = uuid_make(begun.uuid);
    if (error) return error;
    memcpy(header.uuid, begun.uuid, sizeof header.uuid);
    memcpy(header.previous_uuid, previous->uuid, sizeof header.previous_uuid);
    memcpy(header.name, sink->name, sizeof header.name);
    unsigned char bytes[TLR__SEGMENT_FILE_HEADER_BYTES];
    tlr__segment_file_header_store(&header, bytes);
    error = file_create(sink, header.sequence, header.created_ns, &begun);
    if (error) return error;
    struct iovec part = {bytes, sizeof bytes};
    error = parts_write(sink, &begun, &part, 1);
    if (error) {
        unlink(begun.path);
        segment_close(&begun);
        return error;
    }
    sink->created_ns = header.created_ns;
    sink->counts.segments_begun++;
    *segment = begun;
    return 0;
}

/* Goes over to the next segment, which is there before the present one's end tells of it. */
static int rotate(struct tlr__sink_segment *sink) {
    if (sink->next.fd < 0) {
        int error = segment_begin(sink, &sink->present, &sink->next);
        if (error) return error;
    }
    /* A full disk is waited out. A file that cannot be ended for another reason is left as a crash
     * would leave it: the log is worth more than its end. */
    int error = end_write(sink, sink->next.sequence);
    if (error == -ENOSPC || error == -EDQUOT) return error;
    segment_close(&sink->present);
    sink->present = sink->next;
    sink->next = (struct segment){.fd = -1};
    sink->end_written = 0;
    sink->rotation_due = false;
    return 0;
}

/* ---- the sink -------------------------------------------------------------------------------- */

static bool name_valid(const char *name) {
    size_t bytes = strlen(name);
    return bytes > 0 && bytes < TLR__SEGMENT_NAME_BYTES && *name != '.' && !strchr(name, '/');
}

int tlr__sink_segment_open(struct tlr__sink_segment **sink, const char *directory, const char *name,
                           size_t segment_bytes, uint64_t total_bytes) {
    if (!name_valid(name) || segment_bytes == 0 || total_bytes == 0) return -EINVAL;
    struct tlr__sink_segment *opened = calloc(1, sizeof *opened);
    if (!opened) return -ENOMEM;
    opened->present.fd = opened->next.fd = -1;
    strcpy(opened->name, name);
    opened->total_bytes = total_bytes;
    opened->segment_bytes = segment_bytes < total_bytes / 4 ? segment_bytes : total_bytes / 4;

    int error = mkdir(directory, 0700) && errno != EEXIST ? -errno : 0;
    if (!error && !(opened->directory = realpath(directory, NULL))) error = -errno;
    if (!error) error = tlr__segment_encoder_open(&opened->encoder);
    if (!error) error = segment_begin(opened, &opened->present, &opened->present);
    if (error) {
        tlr__sink_segment_close(opened);
        return error;
    }
    *sink = opened;
    return 0;
}

int tlr__sink_segment_put(struct tlr__sink_segment *sink, const struct tlr_record *record,
                          const struct tlr__segment_ids *ids) {
    if (sink->sealed) return -ENOBUFS;
    return tlr__segment_encoder_put(sink->encoder, record, ids);
}

size_t tlr__sink_segment_pending(const struct tlr__sink_segment *sink) {
    if (sink->sealed) return parts_bytes(sink->parts, 3);
    return tlr__segment_encoder_bytes(sink->encoder);
}

int tlr__sink_segment_flush(struct tlr__sink_segment *sink) {
    if (tlr__sink_segment_pending(sink) == 0) return 0;
    if (sink->rotation_due) {
        int error = rotate(sink);
        if (error) return error;
    }
    if (!sink->sealed) {
        tlr__segment_encoder_seal(sink->encoder, sink->present.uuid, sink->parts);
        sink->sealed = true;
    }
    int error = parts_write(sink, &sink->present, sink->parts, 3);
    if (error) return error;

    sink->sealed = false;
    tlr__segment_encoder_clear(sink->encoder);
    if (sink->present.bytes >= sink->segment_bytes ||
        tlr__segment_encoder_exhausted(sink->encoder)) {
        tlr__segment_encoder_reset(sink->encoder);
        sink->rotation_due = true;
    }
    return 0;
}

void tlr__sink_segment_counts(const struct tlr__sink_segment *sink,
                              struct tlr__sink_segment_counts *counts) {
    *counts = sink->counts;
}

const char *tlr__sink_segment_path(const struct tlr__sink_segment *sink) {
    return sink->present.path;
}

int tlr__sink_segment_fd(const struct tlr__sink_segment *sink) {
    return sink->present.fd;
}

void tlr__sink_segment_close(struct tlr__sink_segment *sink) {
    if (!sink) return;
    bool whole = sink->present.fd >= 0 && tlr__sink_segment_pending(sink) == 0;
    if (whole) end_write(sink, 0); /* what fails here leaves a file as a crash would */
    segment_close(&sink->present);
    segment_close(&sink->next);
    tlr__segment_encoder_close(sink->encoder);
    free(sink->directory);
    free(sink);
}
