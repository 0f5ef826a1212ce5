#include "deadline.h"

#include <stddef.h>
#include <string.h>

/* A timer this late means that the loop was held up, and what clients sent in the meantime waits in
 * the kernel: it is read once before anyone is judged. */
#define LATE_MS 500u
#define GRACE_MS 20u

static void on_timer(uv_timer_t *timer);

static void arm(struct tlr__deadlines *deadlines, uint64_t at_ms) {
    const uint64_t now = uv_now(deadlines->timer.loop);
    if (deadlines->armed_ms && deadlines->armed_ms <= at_ms) return;
    deadlines->armed_ms = at_ms;
    uv_timer_start(&deadlines->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

static void arm_for_next(struct tlr__deadlines *deadlines) {
    for (unsigned kind = 0; kind < TLR__DEADLINE_KINDS; kind++)
        if (deadlines->first[kind]) arm(deadlines, deadlines->first[kind]->at_ms);
}

static void on_timer(uv_timer_t *timer) {
    struct tlr__deadlines *deadlines = timer->data;
    const uint64_t now = uv_now(timer->loop);
    const int late = now > deadlines->armed_ms + LATE_MS;

    deadlines->armed_ms = 0;
    if (late && !deadlines->grace_given) {
        deadlines->grace_given = 1;
        arm(deadlines, now + GRACE_MS);
        return;
    }
    deadlines->grace_given = 0;
    for (unsigned kind = 0; kind < TLR__DEADLINE_KINDS; kind++) {
        struct tlr__deadline *due;
        while ((due = deadlines->first[kind]) && due->at_ms <= now) {
            tlr__deadline_clear(deadlines, due);
            deadlines->expired(due, (enum tlr__deadline_kind)kind);
        }
    }
    arm_for_next(deadlines);
}

void tlr__deadlines_init(struct tlr__deadlines *deadlines, uv_loop_t *uv,
                         const uint64_t *durations_ms, tlr__deadline_fn *expired) {
    memset(deadlines, 0, sizeof *deadlines);
    memcpy(deadlines->duration_ms, durations_ms, sizeof deadlines->duration_ms);
    deadlines->expired = expired;
    uv_timer_init(uv, &deadlines->timer); /* cannot fail */
    deadlines->timer.data = deadlines;
}

void tlr__deadlines_close(struct tlr__deadlines *deadlines) {
    uv_close((uv_handle_t *)&deadlines->timer, NULL);
}

void tlr__deadline_set(struct tlr__deadlines *deadlines, struct tlr__deadline *deadline,
                       enum tlr__deadline_kind kind) {
    tlr__deadline_clear(deadlines, deadline);
    deadline->kind = kind;
    deadline->at_ms = uv_now(deadlines->timer.loop) + deadlines->duration_ms[kind];
    deadline->next = NULL;
    deadline->previous = deadlines->last[kind];
    if (deadline->previous)
        deadline->previous->next = deadline;
    else
        deadlines->first[kind] = deadline;
    deadlines->last[kind] = deadline;
    arm(deadlines, deadline->at_ms);
}

void tlr__deadline_clear(struct tlr__deadlines *deadlines, struct tlr__deadline *deadline) {
    const enum tlr__deadline_kind kind = deadline->kind;
    if (kind == TLR__DEADLINE_NONE) return;
    if (deadline->previous)
        deadline->previous->next = deadline->next;
    else
        deadlines->first[kind] = deadline->next;
    if (deadline->next)
        deadline->next->previous = deadline->previous;
    else
        deadlines->last[kind] = deadline->previous;
    deadline->kind = TLR__DEADLINE_NONE;
}
