/* stalls_advice.h - what a stall means and what to do about it, in plain words.
 */
#ifndef TLR_STALLS_ADVICE_H
#define TLR_STALLS_ADVICE_H

#include <tailrace/stall.h>

/* One next step. role: of the thread that stalled. target: what it waited for, a path or
 * "pipe:[4711]"; "" unknown. Thread: any. Blocks: on a look at the target's kind. */
const char *tlr__stalls_advice(enum tlr_cause cause, enum tlr_role role, const char *target);

/* What the thread did, for "… waited 3 s": "writing to the log", "for room in its lane". */
const char *tlr__stalls_advice_activity(enum tlr_cause cause, enum tlr_role role);

#endif
