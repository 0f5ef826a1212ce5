#include "segment.h"

#include "checksum.h"
#include "format.h"
#include "segment_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DICTIONARY_BYTES (128u * 1024u)
#define RECORDS_BYTES (256u * 1024u)
#define NAME_TEXT_BYTES_MAX 1023u      /* of files, functions, categories, threads: cut */
#define FORMAT_BYTES_MAX (64u * 1024u) /* of formats: refused */
#define ENTRY_FIXED_BYTES_MAX 128u     /* of an entry, without its texts */
#define RECORD_FIXED_BYTES_MAX 128u    /* of a record, without its values */
#define SITE_SLOTS 16384u
#define CATEGORY_SLOTS 1024u
#define THREAD_SLOTS 4096u

/* What an id of the writer is numbered as in this file. An id has PROBES slots that it may take,
 * and takes over the oldest where all hold others; the one that lost its slot is defined again,
 * under a new number, when it comes next. So memory is fixed, however many threads come and go, and
 * no id is ever refused. */
struct slot {
    unsigned id;
    unsigned number_plus_1; /* 0: empty */
    unsigned category;      /* of a site: the id of its usual one */
    enum tlr_level level;   /* of a site */
};

#define PROBES 4u

struct tlr__segment_encoder {
    struct slot sites[SITE_SLOTS];
    struct slot categories[CATEGORY_SLOTS];
    struct slot threads[THREAD_SLOTS];
    unsigned site_count, category_count, thread_count; /* numbers given in this file */

    /* The block under construction. */
    struct tlr__segment_block_header header;
    uint64_t time_ns; /* of the record before */
    struct tlr_context context;
    bool context_known;
    unsigned char header_bytes[TLR__SEGMENT_BLOCK_HEADER_BYTES];
    unsigned char dictionary[DICTIONARY_BYTES];
    unsigned char records[RECORDS_BYTES];
};

int tlr__segment_encoder_open(struct tlr__segment_encoder **encoder) {
    struct tlr__segment_encoder *opened = malloc(sizeof *opened);
    if (!opened) return -ENOMEM;
    tlr__segment_encoder_reset(opened);
    *encoder = opened;
    return 0;
}

void tlr__segment_encoder_close(struct tlr__segment_encoder *encoder) {
    free(encoder);
}

void tlr__segment_encoder_clear(struct tlr__segment_encoder *encoder) {
    encoder->header = (struct tlr__segment_block_header){.type = TLR__SEGMENT_RECORDS};
    encoder->context_known = false;
}

void tlr__segment_encoder_reset(struct tlr__segment_encoder *encoder) {
    memset(encoder->sites, 0, sizeof encoder->sites);
    memset(encoder->categories, 0, sizeof encoder->categories);
    memset(encoder->threads, 0, sizeof encoder->threads);
    encoder->site_count = encoder->category_count = encoder->thread_count = 0;
    tlr__segment_encoder_clear(encoder);
}

bool tlr__segment_encoder_exhausted(const struct tlr__segment_encoder *encoder) {
    return encoder->site_count == TLR__SEGMENT_NUMBERS_MAX ||
           encoder->category_count == TLR__SEGMENT_NUMBERS_MAX ||
           encoder->thread_count == TLR__SEGMENT_NUMBERS_MAX;
}

size_t tlr__segment_encoder_bytes(const struct tlr__segment_encoder *encoder) {
    bool empty = encoder->header.record_count == 0 && encoder->header.dictionary_bytes == 0;
    return empty ? 0 : tlr__segment_block_bytes(&encoder->header);
}

void tlr__segment_encoder_seal(struct tlr__segment_encoder *encoder,
                               const unsigned char marker[TLR__SEGMENT_MARKER_BYTES],
                               struct iovec parts[3]) {
    struct tlr__segment_block_header *header = &encoder->header;
    memcpy(header->marker, marker, TLR__SEGMENT_MARKER_BYTES);
    header->dictionary_checksum = tlr__checksum(encoder->dictionary, header->dictionary_bytes);
    header->records_checksum = tlr__checksum(encoder->records, header->records_bytes);
    tlr__segment_block_header_store(header, encoder->header_bytes);
    parts[0] = (struct iovec){encoder->header_bytes, sizeof encoder->header_bytes};
    parts[1] = (struct iovec){encoder->dictionary, header->dictionary_bytes};
    parts[2] = (struct iovec){encoder->records, header->records_bytes};
}

/* ---- dictionary ------------------------------------------------------------------------------ */

static size_t text_bytes(const char *text, size_t bytes_max) {
    return text ? strnlen(text, bytes_max) : 0;
}

static unsigned char *text_store(unsigned char *out, const char *text, size_t bytes_max) {
    size_t bytes = text_bytes(text, bytes_max);
    out = tlr__segment_varint_store(out, bytes);
    if (bytes) memcpy(out, text, bytes);
    return out + bytes;
}

/* An entry's size stands before its body, whose size is not known yet: room for the longest is
 * left, and closed afterwards. */
#define SIZE_ROOM 3u

static unsigned char *size_close(unsigned char *size_at, unsigned char *end) {
    unsigned char *body = size_at + SIZE_ROOM;
    size_t bytes = (size_t)(end - body);
    unsigned char *packed = tlr__segment_varint_store(size_at, bytes);
    memmove(packed, body, bytes);
    return packed + bytes;
}

static void dictionary_extend(struct tlr__segment_encoder *encoder, unsigned char *size_at,
                              unsigned char *end) {
    end = size_close(size_at, end);
    encoder->header.dictionary_bytes = (uint32_t)(end - encoder->dictionary);
}

static unsigned char *dictionary_end(struct tlr__segment_encoder *encoder) {
    return encoder->dictionary + encoder->header.dictionary_bytes;
}

static void name_define(struct tlr__segment_encoder *encoder, enum tlr__segment_entry_kind kind,
                        unsigned number, const char *name) {
    unsigned char *out = dictionary_end(encoder);
    *out++ = (unsigned char)kind;
    unsigned char *size_at = out;
    out = tlr__segment_varint_store(out + SIZE_ROOM, number);
    dictionary_extend(encoder, size_at, text_store(out, name, NAME_TEXT_BYTES_MAX));
}

static void site_define(struct tlr__segment_encoder *encoder, unsigned number,
                        unsigned category_number, const struct tlr_record *record) {
    const struct tlr__plan *plan = tlr__program_plan(record->program);
    unsigned char *out = dictionary_end(encoder);
    *out++ = TLR__SEGMENT_ENTRY_SITE;
    unsigned char *size_at = out;
    out = tlr__segment_varint_store(out + SIZE_ROOM, number);
    out = tlr__segment_varint_store(out, category_number);
    out = tlr__segment_varint_store(out, record->line);
    *out++ = (unsigned char)record->level;
    *out++ = plan->value_count;
    if (plan->value_count) {
        memcpy(out, tlr__program_tags(record->program), plan->value_count);
        out += plan->value_count;
    }
    for (unsigned i = 0; i < plan->value_count; i++) *out++ = tlr__segment_kind(plan->kinds[i]);
    out = text_store(out, record->file, NAME_TEXT_BYTES_MAX);
    out = text_store(out, record->function, NAME_TEXT_BYTES_MAX);
    out = text_store(out, tlr__program_format(record->program), FORMAT_BYTES_MAX);
    dictionary_extend(encoder, size_at, out);
}

static struct slot *slot_find(struct slot *slots, unsigned slot_count, unsigned id) {
    for (unsigned i = 0; i < PROBES; i++) {
        struct slot *slot = &slots[(id + i) % slot_count];
        if (slot->id == id && slot->number_plus_1) return slot;
    }
    return NULL;
}

/* Gives an id the next number, in the emptiest or oldest of its slots. */
static struct slot *slot_take(struct slot *slots, unsigned slot_count, unsigned id,
                              unsigned *count) {
    struct slot *taken = &slots[id % slot_count];
    for (unsigned i = 1; i < PROBES; i++) {
        struct slot *slot = &slots[(id + i) % slot_count];
        if (slot->number_plus_1 < taken->number_plus_1) taken = slot;
    }
    *taken = (struct slot){.id = id, .number_plus_1 = ++*count};
    return taken;
}

/* What a record names. */
struct named {
    const struct slot *site, *category, *thread; /* NULL: not known in this file */
};

static bool named_find(struct tlr__segment_encoder *encoder, const struct tlr__segment_ids *ids,
                       struct named *named) {
    named->site = slot_find(encoder->sites, SITE_SLOTS, ids->site);
    named->category = slot_find(encoder->categories, CATEGORY_SLOTS, ids->category);
    named->thread = slot_find(encoder->threads, THREAD_SLOTS, ids->thread);
    return named->site && named->category && named->thread;
}

/* Defines what is not known in this file yet. The rare path. */
static int named_define(struct tlr__segment_encoder *encoder, const struct tlr_record *record,
                        const struct tlr__segment_ids *ids, struct named *named) {
    size_t format_bytes = strlen(tlr__program_format(record->program));
    if (format_bytes > FORMAT_BYTES_MAX) return -EMSGSIZE;
    size_t room = 3 * ENTRY_FIXED_BYTES_MAX + 4 * NAME_TEXT_BYTES_MAX + format_bytes;
    if (room > DICTIONARY_BYTES - encoder->header.dictionary_bytes ||
        tlr__segment_encoder_exhausted(encoder)) {
        return -ENOBUFS;
    }

    if (!named->category) {
        named->category =
            slot_take(encoder->categories, CATEGORY_SLOTS, ids->category, &encoder->category_count);
        name_define(encoder, TLR__SEGMENT_ENTRY_CATEGORY, named->category->number_plus_1 - 1,
                    record->category);
    }
    if (!named->thread) {
        named->thread =
            slot_take(encoder->threads, THREAD_SLOTS, ids->thread, &encoder->thread_count);
        name_define(encoder, TLR__SEGMENT_ENTRY_THREAD, named->thread->number_plus_1 - 1,
                    record->thread);
    }
    if (!named->site) {
        struct slot *site = slot_take(encoder->sites, SITE_SLOTS, ids->site, &encoder->site_count);
        site->category = ids->category;
        site->level = record->level;
        site_define(encoder, site->number_plus_1 - 1, named->category->number_plus_1 - 1, record);
        named->site = site;
    }
    return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Writes the values; NULL if the payload holds fewer than the plan says. `out` has room for what
 * record_bytes_max says of the payload. What is in it beyond the plan is left out: nothing could
 * print it, as of a call site whose text is not known. */
static unsigned char *values_store(unsigned char *out, const struct tlr__plan *plan,
                                   const unsigned char *payload, size_t payload_bytes) {
    size_t at = 0;
    for (unsigned i = 0; i < plan->value_count; i++) {
        size_t left = payload_bytes - at;
        switch (plan->kinds[i]) {
        case TLR__KIND_WORD: {
            uint64_t word;
            if (left < 8) return NULL;
            memcpy(&word, payload + at, 8);
            out = tlr__segment_varint_store(out, tlr__segment_zigzag(word));
            at += 8;
            break;
        }
        case TLR__KIND_REAL: {
            uint64_t bits;
            if (left < 8) return NULL;
            memcpy(&bits, payload + at, 8);
            tlr__segment_store64(out, bits);
            out += 8;
            at += 8;
            break;
        }
        case TLR__KIND_LONG_DOUBLE:
            if (left < 16) return NULL;
            memcpy(out, payload + at, 16);
            out += 16;
            at += 16;
            break;
        default: {
            uint32_t head;
            if (left < 8) return NULL;
            memcpy(&head, payload + at, 4);
            size_t size = head & TLR__STRING_SIZE_MASK;
            size_t taken = tlr__segment_string_bytes(size);
            if (taken > left) return NULL;
            uint64_t flags =
                (head & TLR__STRING_CUT ? 2u : 0u) | (head & TLR__STRING_NULL ? 1u : 0u);
            out = tlr__segment_varint_store(out, (uint64_t)size << 2 | flags);
            memcpy(out, payload + at + 4, size);
            out += size;
            at += taken;
            break;
        }
        }
    }
    return out;
}

/* A WORD's 8 bytes become at most 10; nothing else grows. */
static size_t record_bytes_max(size_t payload_bytes) {
    return RECORD_FIXED_BYTES_MAX + payload_bytes + payload_bytes / 4;
}

static unsigned char *context_store(unsigned char *out, const struct tlr_context *context) {
    memcpy(out, context->trace_id, 16);
    tlr__segment_store64(out + 16, context->span_id);
    tlr__segment_store32(out + 24, context->flags);
    tlr__segment_store32(out + 28, context->reserved);
    return out + TLR__SEGMENT_CONTEXT_BYTES;
}

static void header_count(struct tlr__segment_block_header *header,
                         const struct tlr_record *record) {
    if (header->record_count++ == 0) {
        header->time_first_ns = header->time_min_ns = header->time_max_ns = record->time_ns;
    }
    if (record->time_ns < header->time_min_ns) header->time_min_ns = record->time_ns;
    if (record->time_ns > header->time_max_ns) header->time_max_ns = record->time_ns;
    header->levels |= 1u << ((unsigned)record->level & 31);
}

int tlr__segment_encoder_put(struct tlr__segment_encoder *encoder, const struct tlr_record *record,
                             const struct tlr__segment_ids *ids) {
    if (record->payload_bytes > TLR__PAYLOAD_BYTES_MAX) return -EMSGSIZE;
    size_t used = encoder->header.records_bytes;
    if (record_bytes_max(record->payload_bytes) > RECORDS_BYTES - used) return -ENOBUFS;

    struct named named;
    if (!named_find(encoder, ids, &named)) {
        int error = named_define(encoder, record, ids, &named);
        if (error) return error;
    }

    unsigned char *size_at = encoder->records + used;
    unsigned char *body = size_at + 1;
    unsigned flags = record->kind == TLR_RECORD_GAP ? TLR__SEGMENT_FLAG_GAP : 0;
    if (ids->category != named.site->category) flags |= TLR__SEGMENT_FLAG_CATEGORY;
    if (record->level != named.site->level) flags |= TLR__SEGMENT_FLAG_LEVEL;
    if (record->context) {
        bool again = encoder->context_known &&
                     !memcmp(record->context, &encoder->context, sizeof encoder->context);
        flags |= again ? TLR__SEGMENT_FLAG_CONTEXT_AGAIN : TLR__SEGMENT_FLAG_CONTEXT;
    }
    uint64_t time_before_ns = encoder->header.record_count ? encoder->time_ns : record->time_ns;

    body[0] = (unsigned char)flags;
    unsigned char *out = body + 1;
    out = tlr__segment_varint_store(out, tlr__segment_zigzag(record->time_ns - time_before_ns));
    out = tlr__segment_varint_store(out, named.site->number_plus_1 - 1);
    out = tlr__segment_varint_store(out, named.thread->number_plus_1 - 1);
    if (flags & TLR__SEGMENT_FLAG_CATEGORY) {
        out = tlr__segment_varint_store(out, named.category->number_plus_1 - 1);
    }
    if (flags & TLR__SEGMENT_FLAG_LEVEL) *out++ = (unsigned char)record->level;
    if (flags & TLR__SEGMENT_FLAG_CONTEXT) out = context_store(out, record->context);
    out = values_store(out, tlr__program_plan(record->program), record->payload,
                       record->payload_bytes);
    if (!out) return -EINVAL;

    /* Nearly all records are shorter than 128 bytes: one byte of room, and a move for the others.
     */
    size_t bytes = (size_t)(out - body);
    unsigned char *packed = size_at + 1;
    if (bytes >= 0x80) {
        packed = size_at + (bytes < 0x4000 ? 2 : 3);
        memmove(packed, body, bytes);
    }
    tlr__segment_varint_store(size_at, bytes);

    if (flags & TLR__SEGMENT_FLAG_CONTEXT) {
        encoder->context = *record->context;
        encoder->context_known = true;
    }
    encoder->time_ns = record->time_ns;
    encoder->header.records_bytes = (uint32_t)(packed + bytes - encoder->records);
    header_count(&encoder->header, record);
    return 0;
}
