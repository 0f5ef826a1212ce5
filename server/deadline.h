/* deadline.h - timeouts of connections: one timer per loop, armed for the next one that is due.
 *
 * Deadlines of one kind all last equally long, so a list per kind, in order of setting, is in order
 * of time: setting and clearing cost a few stores, and an idle loop has no timer ticking. The timer
 * is not moved when a deadline is cleared; it fires then for nothing, at most once per kind's time.
 */
#ifndef TAILRACE_SERVER_DEADLINE_H
#define TAILRACE_SERVER_DEADLINE_H

#include <stdint.h>
#include <uv.h>

enum tlr__deadline_kind {
    TLR__DEADLINE_NONE = 0,
    TLR__DEADLINE_IDLE,   /* between requests */
    TLR__DEADLINE_HEAD,   /* first byte to end of head */
    TLR__DEADLINE_BODY,   /* end of head to end of body */
    TLR__DEADLINE_WRITE,  /* response not taken by the client */
    TLR__DEADLINE_LINGER, /* discarding after a refusal */
    TLR__DEADLINE_KINDS,
};

/* The caller's memory: zeroed before first use. */
struct tlr__deadline {
    struct tlr__deadline *next, *previous;
    uint64_t at_ms;
    enum tlr__deadline_kind kind;
};

/* Called when a deadline has passed; it is cleared already. */
typedef void tlr__deadline_fn(struct tlr__deadline *deadline, enum tlr__deadline_kind kind);

struct tlr__deadlines {
    uv_timer_t timer;
    uint64_t armed_ms; /* when the timer fires; 0: not armed */
    int grace_given;
    uint64_t duration_ms[TLR__DEADLINE_KINDS];
    struct tlr__deadline *first[TLR__DEADLINE_KINDS], *last[TLR__DEADLINE_KINDS];
    tlr__deadline_fn *expired;
};

/* durations: TLR__DEADLINE_KINDS of them. Thread: the loop's, as all here. */
void tlr__deadlines_init(struct tlr__deadlines *deadlines, uv_loop_t *uv,
                         const uint64_t *durations_ms, tlr__deadline_fn *expired);
/* Closes the timer; complete when the loop has run its closing callbacks. */
void tlr__deadlines_close(struct tlr__deadlines *deadlines);

/* Sets a deadline of that kind from now on, in place of the one it had. Blocks: never. */
void tlr__deadline_set(struct tlr__deadlines *deadlines, struct tlr__deadline *deadline,
                       enum tlr__deadline_kind kind);
void tlr__deadline_clear(struct tlr__deadlines *deadlines, struct tlr__deadline *deadline);

#endif
