/* gap.h - telling of lost records, in the stream and in order.
 *
 * A producer counts each drop by (site, reason) in a table of its lane; every later record of the
 * lane carries the lane's total. When the writer meets a record with a higher total it announces
 * what the table holds beyond what was announced before. The table alone is counted, so no drop is
 * told twice or never, however reads and drops interleave.
 */
#ifndef TLR_GAP_H
#define TLR_GAP_H

#include "ring_file.h"

#include <tailrace/record.h>

#define TLR__GAP_TEXT_BYTES 1024

/* What has been announced of one table; the writer's own. */
struct tlr__gap_seen {
    uint32_t lost; /* the total as last met */
    uint64_t counts[TLR__LOSSES_KEPT];
};

struct tlr__gap {
    uint64_t records;
    char reasons[TLR__GAP_TEXT_BYTES]; /* "lane_full:12,no_lane:3" */
    char sites[TLR__GAP_TEXT_BYTES];   /* "conn.c:120:10,api.c:44:5" */
};

/* Collects what is new in a table. False: nothing. `seen` is advanced. */
bool tlr__gap_collect(const struct tlr_ring *ring, const struct tlr__loss *losses,
                      struct tlr__gap_seen *seen, struct tlr__gap *gap);

/* The gap as a record: `dropped records=N reasons=... sites=...`. Everything that `record` points
 * to is in `gap` or `payload`. Errors: -ENOMEM. */
#define TLR__GAP_PAYLOAD_BYTES (8 + 2 * (8 + TLR__GAP_TEXT_BYTES))
int tlr__gap_record(const struct tlr__gap *gap, uint64_t time_ns, const char *thread,
                    unsigned char payload[TLR__GAP_PAYLOAD_BYTES], struct tlr_record *record,
                    unsigned *site_number);

#endif
