#include "segment.h"

#include "format.h"
#include "payload.h"
#include "segment_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All dictionary sections of a file together: bounds what a hostile file makes a reader keep. */
#define DICTIONARY_BYTES_MAX (64u * 1024u * 1024u)

struct site {
    struct tlr_format_program *program; /* NULL: not compiled yet, or unusable */
    bool unusable;                      /* its values cannot be taken apart by this reader */
    unsigned category, line;
    enum tlr_level level;
    unsigned char value_count;
    unsigned char tags[TLR_VALUES_MAX];
    unsigned char kinds[TLR_VALUES_MAX];
    const char *file, *function, *format;
    char texts[]; /* where they lie */
};

/* ---- dictionary ------------------------------------------------------------------------------ */

static void table_clear(struct tlr__segment_table *table) {
    for (unsigned i = 0; i < table->count; i++) free(table->items[i]);
    free(table->items);
}

void tlr__segment_decoder_clear(struct tlr__segment_decoder *decoder) {
    for (unsigned i = 0; i < decoder->sites.count; i++) {
        struct site *site = decoder->sites.items[i];
        if (site) tlr__program_free(site->program);
    }
    table_clear(&decoder->sites);
    table_clear(&decoder->categories);
    table_clear(&decoder->threads);
    decoder->sites = decoder->categories = decoder->threads = (struct tlr__segment_table){0};
    decoder->dictionary_bytes = 0;
    decoder->next = decoder->end = NULL;
}

static void *table_at(const struct tlr__segment_table *table, uint64_t number) {
    return number < table->count ? table->items[number] : NULL;
}

/* Finds the place of a number not yet given. Numbers come in order but for lost ones, so the table
 * doubles. */
static int table_place(struct tlr__segment_table *table, uint64_t number, void ***place) {
    if (number >= TLR__SEGMENT_NUMBERS_MAX || table_at(table, number)) return -EBADMSG;
    if (number >= table->count) {
        unsigned grown = table->count ? table->count : 16;
        while (grown <= number) grown *= 2;
        void **items = realloc(table->items, grown * sizeof *items);
        if (!items) return -ENOMEM;
        memset(items + table->count, 0, (grown - table->count) * sizeof *items);
        table->items = items;
        table->count = grown;
    }
    *place = &table->items[number];
    return 0;
}

struct text {
    const unsigned char *bytes;
    size_t size;
};

static struct text scan_text(struct tlr__segment_scan *scan) {
    uint64_t size = tlr__segment_scan_varint(scan);
    const unsigned char *bytes = tlr__segment_scan_bytes(scan, size);
    return (struct text){bytes, bytes ? (size_t)size : 0};
}

/* Copies a text, terminated, and moves `at` behind it. */
static const char *text_keep(char **at, struct text text) {
    char *kept = *at;
    if (text.size) memcpy(kept, text.bytes, text.size);
    kept[text.size] = '\0';
    *at += text.size + 1;
    return kept;
}

static int name_add(struct tlr__segment_table *names, struct tlr__segment_scan *body) {
    uint64_t number = tlr__segment_scan_varint(body);
    struct text name = scan_text(body);
    void **place;
    if (body->failed) return -EBADMSG;
    int error = table_place(names, number, &place);
    if (error) return error;
    char *at = malloc(name.size + 1);
    if (!at) return -ENOMEM;
    *place = at;
    text_keep(&at, name);
    return 0;
}

static int site_add(struct tlr__segment_decoder *decoder, struct tlr__segment_scan *body) {
    uint64_t number = tlr__segment_scan_varint(body);
    uint64_t category = tlr__segment_scan_varint(body);
    uint64_t line = tlr__segment_scan_varint(body);
    unsigned level = tlr__segment_scan_byte(body);
    uint64_t value_count = tlr__segment_scan_varint(body);
    const unsigned char *tags = tlr__segment_scan_bytes(body, value_count);
    const unsigned char *kinds = tlr__segment_scan_bytes(body, value_count);
    struct text file = scan_text(body);
    struct text function = scan_text(body);
    struct text format = scan_text(body);
    if (body->failed || value_count > TLR_VALUES_MAX || level >= TLR_LEVEL_OFF ||
        category >= TLR__SEGMENT_NUMBERS_MAX || line > UINT32_MAX) {
        return -EBADMSG;
    }
    void **place;
    int error = table_place(&decoder->sites, number, &place);
    if (error) return error;

    struct site *site = malloc(sizeof *site + file.size + function.size + format.size + 3);
    if (!site) return -ENOMEM;
    *site = (struct site){
        .category = (unsigned)category,
        .line = (unsigned)line,
        .level = (enum tlr_level)level,
        .value_count = (unsigned char)value_count,
    };
    memcpy(site->tags, tags, value_count);
    memcpy(site->kinds, kinds, value_count);
    char *at = site->texts;
    site->file = text_keep(&at, file);
    site->function = text_keep(&at, function);
    site->format = text_keep(&at, format);
    *place = site;
    return 0;
}

static int entry_add(struct tlr__segment_decoder *decoder, unsigned kind,
                     struct tlr__segment_scan *body) {
    switch (kind) {
    case TLR__SEGMENT_ENTRY_SITE:
        return site_add(decoder, body);
    case TLR__SEGMENT_ENTRY_CATEGORY:
        return name_add(&decoder->categories, body);
    case TLR__SEGMENT_ENTRY_THREAD:
        return name_add(&decoder->threads, body);
    default:
        return 0; /* of a later version */
    }
}

int tlr__segment_decoder_define(struct tlr__segment_decoder *decoder, const unsigned char *section,
                                size_t bytes) {
    if (bytes > DICTIONARY_BYTES_MAX - decoder->dictionary_bytes) return -EBADMSG;
    decoder->dictionary_bytes += bytes;
    struct tlr__segment_scan scan = {.next = section, .end = section + bytes};
    while (tlr__segment_scan_left(&scan)) {
        unsigned kind = tlr__segment_scan_byte(&scan);
        uint64_t size = tlr__segment_scan_varint(&scan);
        const unsigned char *body = tlr__segment_scan_bytes(&scan, size);
        if (scan.failed) return -EBADMSG;
        struct tlr__segment_scan body_scan = {.next = body, .end = body + size};
        int error = entry_add(decoder, kind, &body_scan);
        if (error) return error;
    }
    return 0;
}

/* True if the plan that this reader makes of the format takes values as the writer wrote them. */
static bool kinds_agree(const struct site *site, bool long_double_foreign) {
    const struct tlr__plan *plan = tlr__program_plan(site->program);
    if (plan->value_count != site->value_count) return false;
    for (unsigned i = 0; i < site->value_count; i++) {
        if (tlr__segment_kind(plan->kinds[i]) != site->kinds[i]) return false;
        if (site->kinds[i] == TLR__KIND_LONG_DOUBLE && long_double_foreign) return false;
    }
    return true;
}

static bool tags_known(const struct site *site) {
    for (unsigned i = 0; i < site->value_count; i++) {
        if (site->tags[i] < TLR_TAG_INTEGER || site->tags[i] > TLR_TAG_POINTER) return false;
    }
    return true;
}

/* Compiles a site's program, or finds it unusable. Errors: -ENOMEM. */
static int site_compile(struct site *site, bool long_double_foreign) {
    if (tags_known(site)) {
        site->program = tlr__program_compile(site->format, site->tags, site->value_count);
        if (!site->program) return -ENOMEM;
        if (kinds_agree(site, long_double_foreign)) return 0;
        tlr__program_free(site->program);
        site->program = NULL;
    }
    site->unusable = true;
    return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

/* Lays values out as encode.h says. Returns the payload's bytes; too many for a payload, or
 * anything malformed, sets the scan's `failed`. */
static size_t values_load(struct tlr__segment_scan *scan, const struct site *site,
                          unsigned char *payload) {
    size_t at = 0;
    for (unsigned i = 0; i < site->value_count && !scan->failed; i++) {
        switch (site->kinds[i]) {
        case TLR__KIND_WORD: {
            uint64_t word = tlr__segment_unzigzag(tlr__segment_scan_varint(scan));
            memcpy(payload + at, &word, 8);
            at += 8;
            break;
        }
        case TLR__KIND_REAL: {
            const unsigned char *bytes = tlr__segment_scan_bytes(scan, 8);
            uint64_t bits = bytes ? tlr__segment_load64(bytes) : 0;
            memcpy(payload + at, &bits, 8);
            at += 8;
            break;
        }
        case TLR__KIND_LONG_DOUBLE: {
            const unsigned char *bytes = tlr__segment_scan_bytes(scan, 16);
            if (bytes) memcpy(payload + at, bytes, 16);
            at += 16;
            break;
        }
        default: {
            uint64_t head = tlr__segment_scan_varint(scan);
            uint64_t size = head >> 2;
            const unsigned char *bytes = tlr__segment_scan_bytes(scan, size);
            if (!bytes || size > TLR__PAYLOAD_BYTES_MAX ||
                tlr__segment_string_bytes(size) > TLR__PAYLOAD_BYTES_MAX - at) {
                scan->failed = true;
                break;
            }
            uint32_t payload_head = (uint32_t)size | (head & 2 ? TLR__STRING_CUT : 0) |
                                    (head & 1 ? TLR__STRING_NULL : 0);
            size_t taken = tlr__segment_string_bytes(size);
            memset(payload + at + taken - 8, 0, 8);
            memcpy(payload + at, &payload_head, 4);
            memcpy(payload + at + 4, bytes, size);
            at += taken;
            break;
        }
        }
        if (at > TLR__PAYLOAD_BYTES_MAX) scan->failed = true;
    }
    return at;
}

static void context_load(struct tlr__segment_scan *scan, struct tlr_context *context) {
    const unsigned char *in = tlr__segment_scan_bytes(scan, TLR__SEGMENT_CONTEXT_BYTES);
    if (!in) return;
    memcpy(context->trace_id, in, 16);
    context->span_id = tlr__segment_load64(in + 16);
    context->flags = tlr__segment_load32(in + 24);
    context->reserved = tlr__segment_load32(in + 28);
}

/* What stands before a record's values. */
struct head {
    unsigned flags, level;
    uint64_t time_delta, site, thread, category;
};

static int head_load(struct tlr__segment_scan *body, struct head *head) {
    head->flags = tlr__segment_scan_byte(body);
    head->time_delta = tlr__segment_unzigzag(tlr__segment_scan_varint(body));
    head->site = tlr__segment_scan_varint(body);
    head->thread = tlr__segment_scan_varint(body);
    if (head->flags & TLR__SEGMENT_FLAG_CATEGORY) head->category = tlr__segment_scan_varint(body);
    if (head->flags & TLR__SEGMENT_FLAG_LEVEL) head->level = tlr__segment_scan_byte(body);
    bool known = !(head->flags & ~(unsigned)TLR__SEGMENT_FLAGS_KNOWN);
    return body->failed || !known || head->level >= TLR_LEVEL_OFF ? -EBADMSG : 0;
}

static int body_load(struct tlr__segment_decoder *decoder, struct tlr__segment_scan *body,
                     struct tlr_record *record) {
    struct head head = {0};
    int error = head_load(body, &head);
    if (error) return error;
    struct site *site = table_at(&decoder->sites, head.site);
    if (site && !site->program && !site->unusable) {
        error = site_compile(site, decoder->long_double_foreign);
        if (error) return error;
    }

    /* What later records need of this one, also when it cannot be given itself. */
    decoder->time_ns += head.time_delta;
    if (head.flags & TLR__SEGMENT_FLAG_CONTEXT) {
        context_load(body, &decoder->context);
        decoder->context_known = true;
    }
    bool has_context = head.flags & (TLR__SEGMENT_FLAG_CONTEXT | TLR__SEGMENT_FLAG_CONTEXT_AGAIN);
    if (body->failed || (has_context && !decoder->context_known)) return -EBADMSG;

    if (!site || site->unusable) return -ENOENT;
    if (!(head.flags & TLR__SEGMENT_FLAG_CATEGORY)) head.category = site->category;
    const char *category = table_at(&decoder->categories, head.category);
    const char *thread = table_at(&decoder->threads, head.thread);
    if (!category || !thread) return -ENOENT;

    size_t payload_bytes = values_load(body, site, decoder->payload);
    if (body->failed || tlr__segment_scan_left(body) ||
        !tlr__payload_valid(tlr__program_plan(site->program), decoder->payload, payload_bytes)) {
        return -ENOENT;
    }
    *record = (struct tlr_record){
        .time_ns = decoder->time_ns,
        .kind = head.flags & TLR__SEGMENT_FLAG_GAP ? TLR_RECORD_GAP : TLR_RECORD_MESSAGE,
        .level = head.flags & TLR__SEGMENT_FLAG_LEVEL ? (enum tlr_level)head.level : site->level,
        .line = site->line,
        .category = category,
        .thread = thread,
        .file = site->file,
        .function = site->function,
        .context = has_context ? &decoder->context : NULL,
        .program = site->program,
        .payload = decoder->payload,
        .payload_bytes = payload_bytes,
    };
    return 1;
}

void tlr__segment_decoder_begin(struct tlr__segment_decoder *decoder, const unsigned char *section,
                                size_t bytes, uint64_t time_first_ns) {
    decoder->next = section;
    decoder->end = section + bytes;
    decoder->time_ns = time_first_ns;
    decoder->context_known = false;
}

int tlr__segment_decoder_next(struct tlr__segment_decoder *decoder, struct tlr_record *record) {
    if (decoder->next == decoder->end) return 0;
    struct tlr__segment_scan scan = {.next = decoder->next, .end = decoder->end};
    uint64_t size = tlr__segment_scan_varint(&scan);
    const unsigned char *body = tlr__segment_scan_bytes(&scan, size);
    int result = -EBADMSG;
    if (!scan.failed) {
        struct tlr__segment_scan body_scan = {.next = body, .end = body + size};
        result = body_load(decoder, &body_scan, record);
    }
    if (result == -EBADMSG) {
        decoder->next = decoder->end;
    } else if (result != -ENOMEM) {
        decoder->next = scan.next;
    }
    return result;
}
