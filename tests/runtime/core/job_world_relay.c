/* SPDX-License-Identifier: MIT */
#include "job_world_relay.h"

void on_relay(struct world *w, unsigned d, const struct covey_work_message *m,
              const struct covey_action *action)
{
    bool is_relay = m->type == COVEY_WORK_RELAY;
    const struct covey_work_tile *relay = is_relay ? &m->tile : &w->relay[d];
    unsigned source = is_relay ? d : m->tile.source;
    struct covey_relay_piece piece = covey_relay_piece(relay->bytes, relay->fed, source);
    assert_true(action->body == INPUT && piece.len > 0);
    assert_int_equal(action->part_from, piece.from);
    assert_int_equal(action->part_len, piece.len);
    if (is_relay) {
        w->relayed |= 1U << d;
        w->relay[d] = m->tile;
        w->given[d] = 0;
        w->execute[d] = (struct covey_work_execute){m->tile.fence, m->tile.request, m->tile.layer,
                                                    m->tile.work};
        return;
    }
    assert_true(m->tile.run == COVEY_WORK_NO_RUN && m->tile.segment == 0);
    assert_int_equal(m->tile.attempt, relay->attempt);
    assert_true(source != d && (w->given[d] >> source & 1) == 0);
    w->given[d] |= 1U << source;
    w->pieces++;
}

unsigned bits(const uint64_t *slots)
{
    unsigned count = 0;
    for (unsigned i = 0; i < COVEY_LAYER_SLOTS_MAX; i++) {
        count += (slots[i / 64] >> (i % 64) & 1) != 0;
    }
    return count;
}

unsigned asked_mask(const struct world *w)
{
    unsigned mask = 0;
    for (unsigned d = 0; d < DEVICES; d++) {
        mask |= (unsigned)w->asked[d] << d;
    }
    return mask;
}

void say_stalled(struct world *w, unsigned device, uint32_t missing)
{
    uint8_t bytes[4];
    covey_store32(bytes, missing);
    struct covey_work_message m = {.type = COVEY_WORK_STALLED, .tile = w->relay[device]};
    m.tile.run = COVEY_WORK_NO_RUN;
    m.tile.missing = covey_bytes_of(bytes, sizeof(bytes));
    tell(w, device, &m, 0, 0);
}

/* The first layers' holders give one another their input: all links are slow. */
struct world *slow_world(unsigned devices, const struct links *links)
{
    struct world *w = world_new(devices, links->parity);
    w->input_len = 262144;
    for (unsigned i = 0; i < links->relayed; i++) {
        w->costs.cost[i].input_bytes = (uint32_t)w->input_len;
        w->costs.cost[i].unit.flops = 8000000;
    }
    for (unsigned i = 0; i < w->view.devices; i++) {
        w->view.device[i].link_mbytes = links->mbytes;
    }
    open_session(w);
    assert_int_equal(w->active, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(w->plan.layer[i].relayed, i < links->relayed);
    }
    assert_int_equal(begin(w, REQUEST), COVEY_OK);
    return w;
}

struct world *world_with(unsigned devices, unsigned relayed)
{
    return slow_world(devices, &(struct links){relayed, 1, 12});
}

struct world *relay_world(unsigned devices)
{
    return world_with(devices, 1);
}

struct world *begun(void)
{
    struct world *w = relay_world(DEVICES_ALL);
    start_layer(w, REQUEST, 0);
    assert_int_equal(w->relayed, HOLDERS);
    assert_int_equal(asked_mask(w), 0);
    return w;
}

/* The request after one that all have answered: who is in its relay. */
uint32_t next_relay(struct world *w, uint64_t request)
{
    end(w, request - 1);
    assert_int_equal(begin(w, request), COVEY_OK);
    start_layer(w, request, 0);
    return w->relayed;
}
