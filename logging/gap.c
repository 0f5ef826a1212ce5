#include "gap.h"

#include "encode.h"
#include "format.h"
#include "site.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const unsigned char gap_tags[] = {TLR_TAG_INTEGER, TLR_TAG_STRING, TLR_TAG_STRING};
static struct tlr_site_state gap_state;
static const struct tlr_site gap_site = {
    "logging/gap.c", "tailrace", "dropped records=%" PRIu64 " reasons=%s sites=%s",
    gap_tags,        &gap_state, __LINE__,
    TLR_LEVEL_WARN,  3};

static pthread_once_t compiled = PTHREAD_ONCE_INIT;
static struct tlr_format_program *program;

static void compile(void) {
    program = tlr__program_compile(gap_site.format, gap_site.tags, gap_site.value_count);
}

/* Appends to a comma-separated list; what does not fit is marked by a last "+". */
__attribute__((format(printf, 2, 3))) static void append(char *text, const char *format, ...) {
    const size_t used = strlen(text);
    const size_t room = TLR__GAP_TEXT_BYTES - 2 - used;
    if (room < 2) return;
    va_list arguments;
    va_start(arguments, format);
    const int bytes = vsnprintf(text + used, room, format, arguments);
    va_end(arguments);
    if (bytes >= 0 && (size_t)bytes < room) return;
    memcpy(text + used, "+", 2);
}

static void append_site(const struct tlr_ring *ring, char *text, uint32_t number, uint64_t count) {
    const char *comma = text[0] != '\0' ? "," : "";
    struct tlr__site_text site;
    if (tlr__ring_file_site(ring, number, &site) != 0) {
        append(text, "%sothers:%" PRIu64, comma, count);
        return;
    }
    const char *slash = strrchr(site.file, '/');
    append(text, "%s%s:%u:%" PRIu64, comma, slash != NULL ? slash + 1 : site.file, site.line,
           count);
}

bool tlr__gap_collect(const struct tlr_ring *ring, const struct tlr__loss *losses,
                      struct tlr__gap_seen *seen, struct tlr__gap *gap) {
    uint64_t by_reason[TLR_REASON_COUNT] = {0};
    gap->records = 0;
    gap->reasons[0] = '\0';
    gap->sites[0] = '\0';
    for (unsigned i = 0; i < TLR__LOSSES_KEPT; i++) {
        const uint64_t count =
            atomic_load_explicit(&losses[i].count, memory_order_acquire); /* A2 */
        const uint64_t more = count - seen->counts[i];
        if (more == 0) continue;
        seen->counts[i] = count;
        gap->records += more;
        /* Both are stored plus one; the last entry, never taken, reads as "others". */
        const uint32_t reason = atomic_load_explicit(&losses[i].reason, memory_order_relaxed);
        const uint32_t site = atomic_load_explicit(&losses[i].site, memory_order_relaxed);
        const bool known = reason > 0 && reason <= TLR_REASON_COUNT;
        by_reason[known ? reason - 1 : (unsigned)TLR_REASON_LANE_FULL] += more;
        append_site(ring, gap->sites, site > 0 ? site - 1 : 0, more);
    }
    for (unsigned i = 0; i < TLR_REASON_COUNT; i++) {
        if (by_reason[i] == 0) continue;
        append(gap->reasons, "%s%s:%" PRIu64, gap->reasons[0] != '\0' ? "," : "",
               tlr_reason_name((enum tlr_reason)i), by_reason[i]);
    }
    return gap->records > 0;
}

int tlr__gap_record(const struct tlr__gap *gap, uint64_t time_ns, const char *thread,
                    unsigned char payload[TLR__GAP_PAYLOAD_BYTES], struct tlr_record *record,
                    unsigned *site_number) {
    pthread_once(&compiled, compile);
    if (program == NULL) return -ENOMEM;
    const struct tlr__plan *plan = tlr__program_plan(program);
    const union tlr_value values[] = {
        {.integer = (int64_t)gap->records}, {.pointer = gap->reasons}, {.pointer = gap->sites}};
    uint32_t string_sizes[TLR_VALUES_MAX];
    *record = (struct tlr_record){
        .time_ns = time_ns,
        .kind = TLR_RECORD_GAP,
        .level = TLR_LEVEL_WARN,
        .line = gap_site.line,
        .category = "tailrace",
        .thread = thread,
        .file = gap_site.file,
        .function = gap_site.function,
        .program = program,
        .payload = payload,
        .payload_bytes = tlr__encode_bytes(plan, values, string_sizes),
    };
    tlr__encode_write(plan, values, string_sizes, payload);
    *site_number = tlr__site_number(&gap_site);
    return 0;
}
