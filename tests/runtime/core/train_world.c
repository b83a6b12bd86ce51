/* SPDX-License-Identifier: MIT */
#include "train_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct train_world *train_world_new(void)
{
    struct train_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->out = calloc(1, sizeof(*w->out));
    assert_non_null(w->out);
    return w;
}

void train_world_free(struct train_world *w)
{
    free(w->out);
    free(w);
}

covey_handle train_body(struct train_world *w)
{
    assert_true(++w->bodies < TRAIN_BODIES);
    w->alive[w->bodies] = true;
    return w->bodies;
}

void train_drop(struct train_world *w, covey_handle body)
{
    assert_true(body != 0 && body < TRAIN_BODIES && w->alive[body]);
    w->alive[body] = false;
}

unsigned train_alive(const struct train_world *w)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TRAIN_BODIES; i++) {
        count += w->alive[i];
    }
    return count;
}

static void note(struct train_world *w, const struct covey_action *action)
{
    assert_true(w->seen_count < TRAIN_SEEN);
    struct train_seen *seen = &w->seen[w->seen_count++];
    memset(seen, 0, sizeof(*seen));
    seen->action = *action;
    seen->peer = action->peer;
    if (action->type == COVEY_ACTION_SEND) {
        assert_int_equal(covey_train_decode(action->bytes, &seen->message), COVEY_OK);
        seen->sent = true;
        seen->spec_first = seen->message.spec.len > 0 ? seen->message.spec.ptr[0] : 0;
    } else {
        seen->spec_first = action->bytes.len > 0 ? action->bytes.ptr[0] : 0;
        seen->task_spec_first = action->task_spec.len > 0 ? action->task_spec.ptr[0] : 0;
    }
    assert_true(action->body == 0 || w->alive[action->body]);
    assert_true(action->shared == 0 || w->alive[action->shared]);
}

void train_drain(struct train_world *w)
{
    for (size_t i = 0; i < w->out->count; i++) {
        const struct covey_action *action = &w->out->actions[i];
        if (action->type == COVEY_ACTION_RELEASE) {
            train_drop(w, action->body);
        } else if (action->type != COVEY_ACTION_NONE) {
            note(w, action);
        }
    }
    w->out->count = 0;
    w->out->arena_len = 0;
    w->out->more = false;
}

void train_clear(struct train_world *w)
{
    w->seen_count = 0;
}

unsigned train_sent(const struct train_world *w, enum covey_train_type type)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->seen_count; i++) {
        count += w->seen[i].sent && w->seen[i].message.type == type;
    }
    return count;
}

unsigned train_acted(const struct train_world *w, enum covey_action_type type)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->seen_count; i++) {
        count += w->seen[i].action.type == type;
    }
    return count;
}

const struct train_seen *train_message(const struct train_world *w, enum covey_train_type type,
                                       unsigned nth)
{
    for (unsigned i = 0; i < w->seen_count; i++) {
        if (w->seen[i].sent && w->seen[i].message.type == type && nth-- == 0) {
            return &w->seen[i];
        }
    }
    fail_msg("message %d was not sent", (int)type);
    return NULL;
}

const struct covey_action *train_action(const struct train_world *w, enum covey_action_type type,
                                        unsigned nth)
{
    for (unsigned i = 0; i < w->seen_count; i++) {
        if (w->seen[i].action.type == type && nth-- == 0) {
            return &w->seen[i].action;
        }
    }
    fail_msg("action %d was not asked for", (int)type);
    return NULL;
}

struct covey_node_id train_id(unsigned i)
{
    struct covey_node_id id = {{(uint8_t)(i + 1), (uint8_t)(i >> 8)}};
    return id;
}

struct covey_fence train_fence(unsigned session, uint32_t epoch)
{
    struct covey_fence fence = {{{(uint8_t)session, 77}}, epoch, 0};
    return fence;
}

void train_fill(struct train_world *w, unsigned room)
{
    w->out->count = COVEY_UPDATE_ACTIONS_MAX - room;
    for (size_t i = 0; i < w->out->count; i++) {
        w->out->actions[i].type = COVEY_ACTION_NONE;
    }
}
