/* lab_account.h - lines of a demonstration server's log, counted from the file that a reader made
 * of it: what arrived, and what the log itself announced as dropped.
 */
#ifndef TLR_LAB_ACCOUNT_H
#define TLR_LAB_ACCOUNT_H

#include <stdint.h>

struct tlr__lab_account {
    uint64_t lab_lines;    /* of the endpoints: "Sync log: N", "Async log: N" */
    uint64_t access_lines; /* one per request */
    uint64_t other_lines;
    uint64_t torn_lines; /* not whole, or not of our form */
    uint64_t gaps;       /* lines that announce a loss */
    uint64_t dropped;    /* records that these announce */
};

/* Blocks: on reading all of it. Errors: errno of reading; -ENOMEM. */
int tlr__lab_account_read(const char *path, struct tlr__lab_account *account);

#endif
