/* SPDX-License-Identifier: MIT */
#include "job_world.h"

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
