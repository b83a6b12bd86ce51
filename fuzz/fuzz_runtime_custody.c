/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "runtime/core/custody_state.h"

enum { PEERS = 3, KINDS = 12 };

/* What session would do at once: everything succeeds. */
static void answer(struct covey_custody *c, const struct covey_custody_view *view,
                   const struct covey_update *update)
{
    static struct covey_update next;
    for (size_t i = 0; i < update->count; i++) {
        const struct covey_action *action = &update->actions[i];
        struct covey_event event = {
            .fence = action->fence, .checkpoint = action->checkpoint, .index = action->index};
        if (action->type == COVEY_ACTION_CUSTODY_PERSIST) {
            event.type = COVEY_EVENT_PERSISTED;
        } else if (action->type == COVEY_ACTION_CUSTODY_APPOINTED) {
            event.type = COVEY_EVENT_CUSTODY_HELD;
        } else if (action->type == COVEY_ACTION_CUSTODY_KEEP) {
            event.type = COVEY_EVENT_CUSTODY_STORED;
        } else {
            continue;
        }
        next.count = next.arena_len = 0;
        COVEY_ASSERT(covey__custody_event(c, view, &event, &next) == COVEY_OK);
    }
}

/* Steps as kind u8 || peer u8 || tenths of seconds u8 || length u8 || bytes, into a machine that
 * sees three trusted devices: whatever they say, no deadline stays in the past, no update is full.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct covey_custody machine;
    static struct covey_update update;
    struct covey_node_id self = {{1}};
    struct covey_custody_view view = {.now_ms = 1000, .self = self};
    covey__custody_init(&machine, &self, 1);
    while (size >= 4) {
        size_t len = data[3] < size - 4 ? data[3] : size - 4;
        struct covey_bytes bytes = covey_bytes_of(data + 4, len);
        struct covey_node_id peer = {{(uint8_t)(2 + data[1] % PEERS)}};
        struct covey_event event = {.bytes = bytes, .fence.epoch = 1 + data[1] % 4U};
        struct covey_custody_message m;
        covey_err err = COVEY_OK;
        update.count = update.arena_len = 0;
        update.more = false;
        view.now_ms += data[2] * UINT64_C(100);
        event.fence.session.bytes[0] = event.checkpoint.digest.bytes[0] = data[1] % 3;
        event.checkpoint.step = len;
        if (data[0] % KINDS < 5) {
            event.type = (enum covey_event_type)(COVEY_EVENT_CUSTODY_OPEN + data[0] % KINDS);
            err = covey__custody_event(&machine, &view, &event, &update);
        } else if (data[0] % KINDS == 5) {
            event.type = COVEY_EVENT_CUSTODY_STATE;
            err = covey__custody_event(&machine, &view, &event, &update);
        } else if (data[0] % KINDS == 6) {
            view.count = data[1] % (PEERS + 1);
            for (unsigned i = 0; i < view.count; i++) {
                view.device[i] = (struct covey_node_id){{(uint8_t)(2 + i)}};
            }
            err = covey__custody_peer(&machine, &view, &peer, COVEY_PEER_UP, &update);
        } else if (covey_custody_decode(bytes, &m) == COVEY_OK) {
            err = covey__custody_message(&machine, &view, &peer, &m, &update);
        } else {
            err = covey__custody_tick(&machine, &view, &update);
        }
        (void)err; /* an owner's event may come at a wrong time */
        COVEY_ASSERT(!update.more);
        COVEY_ASSERT(covey__custody_deadline_ms(&machine) > view.now_ms);
        if (data[0] % 2 == 0) {
            answer(&machine, &view, &update);
        }
        data += 4 + len;
        size -= 4 + len;
    }
    return 0;
}
