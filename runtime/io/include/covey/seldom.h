/* SPDX-License-Identifier: MIT
 *
 * seldom.h - lines that others could have logged as often as they like, or that hold for long: of
 * one kind one in ten minutes.
 */
#ifndef COVEY_SELDOM_H
#define COVEY_SELDOM_H

#include <stdbool.h>
#include <stdint.h>

enum { COVEY_SELDOM_MS = 600 * 1000 };

/* When a line of the kind is due again; zeroed: now. */
struct covey_seldom {
    uint64_t due_ms;
};

/* Whether to log one: so many (1 or more) at once, then one in ten minutes. */
static inline bool covey_seldom_some(struct covey_seldom *s, uint64_t now_ms, unsigned count)
{
    bool due = now_ms + (uint64_t)(count - 1) * COVEY_SELDOM_MS >= s->due_ms;
    uint64_t from_ms = now_ms > s->due_ms ? now_ms : s->due_ms;
    s->due_ms = due ? from_ms + COVEY_SELDOM_MS : s->due_ms;
    return due;
}

/* Whether to log one. True: the next one not before ten minutes are over. */
static inline bool covey_seldom_due(struct covey_seldom *s, uint64_t now_ms)
{
    return covey_seldom_some(s, now_ms, 1);
}

#endif /* COVEY_SELDOM_H */
