/* SPDX-License-Identifier: MIT */
#include "job_world_late.h"

struct world *usual(struct world *w)
{
    for (unsigned i = 0; i < 6; i++) {
        start_tiles(w, 7);
        pass(w, USUAL_MS);
        give_all(w);
    }
    assert_int_equal(w->tiles_done, 6);
    start_tiles(w, 7);
    assert_int_equal(w->cuts, 7);
    return w;
}

struct world *usual_world(unsigned devices)
{
    return usual(segments_world(devices));
}

void complain(struct world *w, unsigned device, uint32_t missing)
{
    w->waits_for[device] = missing;
    stall(w, device, missing);
}

void end_without(struct world *w, uint32_t devices)
{
    assert_int_equal(w->cuts, 8);
    assert_int_equal(w->started, 15 & ~devices);
    give_all(w);
    assert_int_equal(w->tiles_done, 7);
    finish(w, 7);
}
