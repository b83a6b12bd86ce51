/* SPDX-License-Identifier: MIT */
#include "rest.h"

enum {
    REQUEST_MS = 1000, /* so long after the last one there may be more */
    REST = 3,          /* times what a piece used */
    REST_MAX_MS = 2000,
};

void covey__rest_request(struct covey_rest *r, uint64_t now_ms)
{
    r->request_ms = now_ms > 0 ? now_ms : 1;
}

bool covey__rest_has_requests(const struct covey_rest *r, uint64_t now_ms)
{
    return r->request_ms != 0 && now_ms < r->request_ms + REQUEST_MS;
}

uint64_t covey__rest_next_ms(const struct covey_rest *r, uint64_t now_ms)
{
    if (!covey__rest_has_requests(r, now_ms)) {
        return now_ms;
    }
    return r->began_ms != 0 ? UINT64_MAX : r->until_ms;
}

void covey__rest_begin(struct covey_rest *r, uint64_t now_ms)
{
    r->began_ms = now_ms > 0 ? now_ms : 1;
}

void covey__rest_end(struct covey_rest *r, uint64_t now_ms, uint64_t spent_us)
{
    uint64_t most_us = REST_MAX_MS * UINT64_C(1000);
    uint64_t rest_us = spent_us < most_us / REST ? spent_us * REST : most_us;
    rest_us += r->left_us;
    r->until_ms = now_ms + rest_us / 1000;
    r->left_us = rest_us % 1000;
    r->began_ms = 0;
}
