/* SPDX-License-Identifier: MIT
 *
 * rest.h - how much of the time is for what must not hold up requests: while there are any, a
 * quarter, a piece at a time; else all.
 *
 * Time is the processor's: how long a piece waited for others does not put off the next.
 */
#ifndef COVEY_SESSION_REST_H
#define COVEY_SESSION_REST_H

#include "covey/bytes.h"

/* Zeroed by its maker. */
struct covey_rest {
    uint64_t request_ms;        /* the last time that a request was seen; 0: never */
    uint64_t began_ms;          /* the piece that is under way; 0: none */
    uint64_t until_ms, left_us; /* and so much of the next millisecond */
};

/* This device has a part in a request now. */
void covey__rest_request(struct covey_rest *r, uint64_t now_ms);
bool covey__rest_has_requests(const struct covey_rest *r, uint64_t now_ms);
/* Since when a piece may begin; UINT64_MAX: once the one under way has ended. */
uint64_t covey__rest_next_ms(const struct covey_rest *r, uint64_t now_ms);
void covey__rest_begin(struct covey_rest *r, uint64_t now_ms);
/* spent_us: of the device's processor, as it is paced. */
void covey__rest_end(struct covey_rest *r, uint64_t now_ms, uint64_t spent_us);

#endif /* COVEY_SESSION_REST_H */
