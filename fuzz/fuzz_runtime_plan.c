/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/tiles.h"
#include "fuzz.h"
#include "runtime/core/plan_codec.h"

struct work {
    struct covey_plan_request request;
    struct covey_plan_held held;
    struct covey_plan plan, again;
    uint8_t out[2][COVEY__PLAN_MAX + COVEY__PLAN_REQUEST_MAX];
};

/* A plan that a holder took: rows can be followed, and its bytes come back as they were. */
static void try_plan(struct work *w, struct covey_bytes in)
{
    size_t len[2] = {0};
    if (covey__plan_decode(in, &w->plan) != COVEY_OK) {
        return;
    }
    for (unsigned i = 0; i < w->plan.runs; i++) {
        struct covey_tile_layout layout;
        covey_tile_layout_of(&w->plan.run[i], w->plan.devices, &layout);
        covey_err err = covey_tile_layout_check(&layout, &w->plan.run[i], w->plan.devices);
        COVEY_ASSERT(w->plan.devices == 0 || err == COVEY_OK);
    }
    covey_err err =
        covey__plan_encode(&w->plan, (struct covey_buf){w->out[0], COVEY__PLAN_MAX}, &len[0]);
    COVEY_ASSERT(err == COVEY_OK);
    err = covey__plan_decode(covey_bytes_of(w->out[0], len[0]), &w->again);
    COVEY_ASSERT(err == COVEY_OK);
    err = covey__plan_encode(&w->again, (struct covey_buf){w->out[1], COVEY__PLAN_MAX}, &len[1]);
    COVEY_ASSERT(err == COVEY_OK);
    COVEY_ASSERT(len[0] == len[1] && memcmp(w->out[0], w->out[1], len[0]) == 0);
}

/* Whatever an owner asks for, a coordinator answers with a plan that holds. Over slow links that is
 * another one. */
static void try_request(struct work *w, struct covey_bytes in, unsigned devices, bool slow)
{
    if (covey__plan_request_decode(in, &w->held, &w->request) != COVEY_OK) {
        return;
    }
    w->request.devices = (uint8_t)devices;
    for (unsigned d = 0; d < devices; d++) {
        w->request.device[d] = (struct covey_plan_device){.mflops = 1000 * (d % 3 + 1),
                                                          .link_mbytes = slow ? 12 : 0,
                                                          .memory_bytes = UINT64_MAX >> d,
                                                          .owner = d == 0};
        w->request.device[d].id.bytes[0] = (uint8_t)(d + 1);
    }
    covey_err err = covey_plan_make(&w->request, &w->plan);
    COVEY_ASSERT(err == COVEY_OK);
    err = covey_plan_check(&w->plan, &w->request);
    COVEY_ASSERT(err == COVEY_OK);
}

/* The first byte says which of the two, over which links, and among how many devices. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL || size == 0) {
        free(w);
        return 0;
    }
    if (data[0] >= 128) {
        try_plan(w, covey_bytes_of(data + 1, size - 1));
    } else {
        bool slow = (data[0] & 64) != 0;
        try_request(w, covey_bytes_of(data + 1, size - 1), (data[0] & 63) % 9, slow);
    }
    free(w);
    return 0;
}
