/* record.h - a decoded record, its typed fields, its lines; and reading segments.
 */
#ifndef TAILRACE_RECORD_H
#define TAILRACE_RECORD_H

#include <tailrace/log.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tlr_format_program; /* a format, compiled */

enum tlr_record_kind {
    TLR_RECORD_MESSAGE = 0,
    TLR_RECORD_GAP = 1, /* the logger's own line that tells of dropped records */
};

/* One record. All pointers belong to whoever handed it out (the writer, a segment reader) and hold
 * until its next record. */
struct tlr_record {
    uint64_t time_ns; /* date, nanoseconds since 1970 */
    enum tlr_record_kind kind;
    enum tlr_level level;
    unsigned line;
    const char *category;
    const char *thread;
    const char *file;
    const char *function;
    const struct tlr_context *context; /* NULL: none */
    const struct tlr_format_program *program;
    const unsigned char *payload; /* arguments as logging/encode.h lays them out */
    size_t payload_bytes;
};

enum tlr_field_type {
    TLR_FIELD_INTEGER = 1,
    TLR_FIELD_UNSIGNED = 2,
    TLR_FIELD_REAL = 3,
    TLR_FIELD_STRING = 4,
    TLR_FIELD_POINTER = 5,
};

/* A typed field. Text is not terminated; it is raw, as logged: escape before a terminal sees it. */
struct tlr_field {
    enum tlr_field_type type;
    const char *name;
    size_t name_bytes;
    union {
        int64_t integer;
        uint64_t number; /* UNSIGNED, POINTER */
        double real;
        struct {
            const char *bytes;
            size_t size;
        } text;
    } as;
};

/* The field of that name. Errors: -ENOENT. Thread: any. Blocks: never. */
int tlr_record_field(const struct tlr_record *record, const char *name, struct tlr_field *field);

/* The index-th field, from 0. Errors: -ENOENT past the last. */
int tlr_record_field_at(const struct tlr_record *record, unsigned index, struct tlr_field *field);

/* The most bytes that a line of this record can take, in any format, its newline included. */
size_t tlr_record_line_bytes_max(const struct tlr_record *record);

/* Writes the record as one line with its newline; `out` has room for tlr_record_line_bytes_max.
 * Returns its size. Thread: any. Blocks: never.
 * text:   2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  slow write dur_us=1840  trace=4bf9…
 * json:   {"ts":"…","level":"warn","thread":"loop-0","cat":"server.http","msg":"slow write",
 *          "dur_us":1840,"trace":"4bf9…","span":"…","site":"server/conn.c:120"} */
size_t tlr_record_text(const struct tlr_record *record, char *out);
size_t tlr_record_json(const struct tlr_record *record, char *out);

/* Only the message (text form, escaped as in the line), without date, thread and newline. */
size_t tlr_record_message(const struct tlr_record *record, char *out);

/* ---- segments ------------------------------------------------------------------------------ */

struct tlr_segment_reader;

/* Opens one segment file for reading. An empty one, or one whose first bytes are still being
 * written, is no error. Owns: *reader until tlr_segment_close. Thread: one at a time. Blocks: on
 * I/O. Errors: errno of open; -EBADMSG not a segment; -EPROTONOSUPPORT of another version. */
int tlr_segment_open(struct tlr_segment_reader **reader, const char *path);
void tlr_segment_close(struct tlr_segment_reader *reader);

/* The next record: 1; 0 at the present end (call again when the file may have grown); -EBADMSG at
 * damage, after which it goes on at the next whole block. */
int tlr_segment_next(struct tlr_segment_reader *reader, struct tlr_record *record);

/* Nonzero when the end-of-file entry was read: nothing will follow, a next segment was begun. */
int tlr_segment_ended(const struct tlr_segment_reader *reader);

/* A segment's place in the log that it is part of. */
struct tlr_segment_info {
    char name[48];     /* of the log */
    int pid;           /* of the process that wrote it */
    uint64_t sequence; /* 1, 2, ... */
    uint64_t created_ns;
    unsigned char uuid[16], previous_uuid[16]; /* zeros: it is the first */
    uint64_t next_sequence;                    /* once ended; 0: the log was closed */
};

/* Errors: -EAGAIN the file's first bytes are not written yet. Thread: one at a time. Blocks: never.
 */
int tlr_segment_info(const struct tlr_segment_reader *reader, struct tlr_segment_info *info);

/* Skips blocks that hold nothing in [from_ns, to_ns] or nothing at or above `level`; zero means no
 * bound. Records of a block that is not skipped are all given. */
void tlr_segment_skip(struct tlr_segment_reader *reader, uint64_t from_ns, uint64_t to_ns,
                      enum tlr_level level);

/* Calls `visit` with each segment's path in a directory, oldest first; stops when it returns
 * nonzero and returns that. Errors: errno of reading the directory. */
typedef int tlr_segment_visit_fn(const char *path, void *user);
int tlr_segment_find(const char *directory, tlr_segment_visit_fn *visit, void *user);

#ifdef __cplusplus
}
#endif
#endif
