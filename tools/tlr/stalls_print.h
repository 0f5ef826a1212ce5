/* stalls_print.h - what `tlr stalls` found, for people, on stdout.
 */
#ifndef TLR_STALLS_PRINT_H
#define TLR_STALLS_PRINT_H

#include "culprit.h"
#include "stalls_live.h"
#include "stalls_trace.h"

struct tlr__stalls_report {
    const char *source;                    /* as given: path or process */
    const struct tlr__culprit_list *list;  /* ranked */
    const struct tlr__stalls_live *live;   /* NULL: from a trace alone */
    const struct tlr__stalls_trace *trace; /* NULL: from a live process */
    int log_count;                         /* logs whose gap lines were counted */
    uint64_t gap_lines;                    /* lines that these announce as dropped */
};

void tlr__stalls_print_text(const struct tlr__stalls_report *report);

#endif
