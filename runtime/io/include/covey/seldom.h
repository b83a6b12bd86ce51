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

/* Whether to log one. True: the next one not before ten minutes are over. */
static inline bool covey_seldom_due(struct covey_seldom *s, uint64_t now_ms)
{
    bool due = now_ms >= s->due_ms;
    s->due_ms = due ? now_ms + COVEY_SELDOM_MS : s->due_ms;
    return due;
}

#endif /* COVEY_SELDOM_H */
