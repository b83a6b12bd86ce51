/* SPDX-License-Identifier: MIT */
#include "fake_state.h"

bool fake_has_slot(const uint64_t *slots, unsigned slot)
{
    return (slots[slot / 64] >> (slot % 64) & 1) != 0;
}

static void take(struct fake *fake, covey_handle body, size_t index, size_t numbers, uint32_t *out)
{
    size_t len, bytes = numbers * sizeof(*out);
    const uint8_t *data = cluster_body_data(fake->c, body, &len);
    COVEY_ASSERT((index + 1) * bytes <= len);
    memcpy(out, data + index * bytes, bytes);
}

static void gather(struct fake *fake, const struct covey_plan_layer *layer,
                   const struct covey_layer_done *done, struct fake_came *out)
{
    unsigned index[COVEY_PLAN_DEVICES_MAX] = {0}, local = 0;
    memset(out->here, 0, sizeof(out->here));
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        unsigned d = layer->holder[slot];
        if (done->answer[d] != 0) {
            take(fake, done->answer[d], index[d]++, out->numbers, out->value[slot]);
            out->here[slot] = true;
        }
        if (done->local != 0 && fake_has_slot(done->local_slots, slot)) {
            take(fake, done->local, local++, out->numbers, out->value[slot]);
            out->here[slot] = true;
        }
    }
}

void fake_layer_take(struct fake *fake, unsigned node, const struct covey_plan_layer *layer,
                     const struct covey_layer_done *done, struct fake_came *out)
{
    struct fake_counts *counts = &fake->node[node].counts;
    gather(fake, layer, done, out);
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        cluster_body_unref(fake->c, done->answer[d]);
    }
    cluster_body_unref(fake->c, done->local);
    counts->recovered_dead += done->recovered_dead;
    counts->recovered_late += done->recovered_late;
    counts->computed_here += done->local != 0;
}

void fake_layer_tell_local(struct fake *fake, unsigned node, const struct covey_action *action,
                           struct covey_bytes answers, unsigned slots)
{
    struct covey_event event = {.type = COVEY_EVENT_COMPUTED_LOCAL,
                                .request = action->request,
                                .layer = action->layer,
                                .body_len = answers.len};
    event.body = cluster_body_new(fake->c, answers.ptr, answers.len);
    memcpy(event.slots, action->slots, sizeof(event.slots));
    cluster_inject_after(fake->c, node, fake_compute_us(fake, node, slots), &event);
}
