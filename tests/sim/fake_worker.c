/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/wants.h"
#include "fake_state.h"

static struct fake_assignment *find(struct fake_node *n, const struct covey_node_id *owner,
                                    const struct covey_fence *fence)
{
    for (unsigned i = 0; i < FAKE_ASSIGNMENTS; i++) {
        struct fake_assignment *a = &n->assignment[i];
        if (a->used && covey_node_id_equal(&a->owner, owner) &&
            memcmp(&a->fence, fence, sizeof(*fence)) == 0) {
            return a;
        }
    }
    return NULL;
}

static unsigned look_up(const struct fake_node *n, const struct covey_digest *digest)
{
    for (unsigned i = 0; i < n->units; i++) {
        if (covey_digest_equal(&n->cache[i].digest, digest)) {
            return i + 1;
        }
    }
    return 0;
}

unsigned fake_keep(struct fake *fake, unsigned node, const uint32_t *weights, size_t count)
{
    struct fake_node *n = &fake->node[node];
    struct covey_digest digest;
    fake_model_digest(weights, count, &digest);
    unsigned found = look_up(n, &digest);
    if (found != 0) {
        return found;
    }
    if (n->units == FAKE_CACHE || count > FAKE_WEIGHTS_MAX) {
        fake_fail(fake, node, "more units than fit");
        return 0;
    }
    struct fake_unit *unit = &n->cache[n->units++];
    memcpy(unit->weights, weights, count * sizeof(*weights));
    unit->len = count * sizeof(*weights);
    unit->digest = digest;
    return n->units;
}

/* Tells what is missing still. */
static void check(struct fake *fake, unsigned node, struct fake_assignment *a)
{
    uint8_t list[COVEY_WANTS_BYTES_MAX];
    size_t head = covey_wants_begin(list, a->source, (uint8_t)a->sources);
    size_t len = head;
    for (unsigned i = 0; i < a->count; i++) {
        a->entry[i].cached = look_up(&fake->node[node], &a->entry[i].digest);
        if (a->entry[i].cached == 0) {
            struct covey_want want = {.digest = a->entry[i].digest, .sources = a->entry[i].sources};
            len += covey_wants_put(list + len, &want);
        }
    }
    struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                .peer = a->owner,
                                .fence = a->fence,
                                .bytes = covey_bytes_of(list, len > head ? len : 0)};
    cluster_inject_after(fake->c, node, 200, &event);
}

/* The plan's devices, where all have all, else those that had units before. */
static void take_sources(struct fake_assignment *a, const struct covey_action *action,
                         const struct covey_work_assign *assign)
{
    struct covey_work_holders holders = {0};
    for (unsigned d = 0; a->rows && d < action->plan->devices; d++) {
        bool owns = covey_node_id_equal(&action->plan->device[d], &a->owner);
        a->source[a->sources] = action->plan->device[d];
        a->sources += !owns;
    }
    for (unsigned i = 0; a->rows && i < a->count; i++) {
        a->entry[i].sources = COVEY_WANTS_ALL;
    }
    if (a->rows || covey_work_holders_read(assign->holders, &holders) != COVEY_OK) {
        return;
    }
    for (; a->sources < holders.devices; a->sources++) {
        a->source[a->sources] = covey_work_holders_id(&holders, a->sources);
    }
    for (size_t i = 0; i < covey_work_holders_count(&holders); i++) {
        struct covey_work_had had = covey_work_holders_get(&holders, i);
        for (unsigned e = 0; e < a->count; e++) {
            if (a->entry[e].layer == had.layer && a->entry[e].slot == had.slot) {
                a->entry[e].sources = had.devices;
            }
        }
    }
}

static void assigned(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    struct fake_assignment *a = find(n, &action->peer, &action->fence);
    struct covey_work_message m;
    for (unsigned i = 0; a == NULL && i < FAKE_ASSIGNMENTS; i++) {
        a = n->assignment[i].used ? NULL : &n->assignment[i];
    }
    if (a == NULL || covey_work_decode(action->bytes, &m) != COVEY_OK ||
        m.assign.slots.len > (size_t)FAKE_ENTRIES * COVEY_WORK_SLOT_BYTES) {
        fake_fail(fake, node, "an assignment does not fit");
        return;
    }
    memset(a, 0, sizeof(*a));
    a->used = true;
    a->owner = action->peer;
    a->fence = action->fence;
    a->count = (unsigned)(m.assign.slots.len / COVEY_WORK_SLOT_BYTES);
    a->rows = action->plan != NULL && action->plan->runs == 0;
    for (unsigned i = 0; i < a->count; i++) {
        const uint8_t *p = m.assign.slots.ptr + (size_t)i * COVEY_WORK_SLOT_BYTES;
        a->entry[i].layer = covey_load16(p);
        a->entry[i].slot = covey_load16(p + 2);
        memcpy(a->entry[i].digest.bytes, p + 4, sizeof(a->entry[i].digest.bytes));
    }
    take_sources(a, action, &m.assign);
    check(fake, node, a);
}

static void fetched(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_assignment *a = find(&fake->node[node], &action->peer, &action->fence);
    if (a != NULL && action->err == COVEY_OK) {
        check(fake, node, a);
    } else if (a != NULL) {
        struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                    .peer = action->peer,
                                    .fence = action->fence,
                                    .err = action->err};
        a->used = false;
        cluster_inject_after(fake->c, node, 200, &event);
    }
}

static void store(struct fake *fake, unsigned node, const struct covey_action *action)
{
    size_t len;
    const uint8_t *data = cluster_body_data(fake->c, action->body, &len);
    uint32_t weights[FAKE_WEIGHTS_MAX];
    struct covey_event event = {.type = COVEY_EVENT_STORED, .digest = action->digest};
    COVEY_ASSERT(len <= sizeof(weights));
    memcpy(weights, data, len);
    unsigned at = fake_keep(fake, node, weights, len / sizeof(*weights));
    if (at == 0 || !covey_digest_equal(&fake->node[node].cache[at - 1].digest, &action->digest)) {
        fake_fail(fake, node, "a unit is not what its digest says");
    }
    cluster_inject_after(fake->c, node, 100, &event);
    cluster_body_unref(fake->c, action->body);
}

static void serve(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    for (size_t at = 0; at < action->bytes.len; at += sizeof(struct covey_digest)) {
        struct covey_work_message m = {.type = COVEY_WORK_GIVE};
        memcpy(m.give.bytes, action->bytes.ptr + at, sizeof(m.give.bytes));
        unsigned found = look_up(n, &m.give);
        struct covey_event event = {.type = COVEY_EVENT_LACKED,
                                    .peer = action->peer,
                                    .bytes = covey_bytes_of(m.give.bytes, sizeof(m.give.bytes)),
                                    .index = action->index};
        if (found == 0) {
            cluster_inject_after(fake->c, node, 50, &event);
            continue;
        }
        const struct fake_unit *unit = &n->cache[found - 1];
        n->given++;
        covey_handle body = cluster_body_new(fake->c, unit->weights, unit->len);
        fake_send(fake, node, &action->peer, &m, body);
        cluster_body_unref(fake->c, body);
    }
}

static void compute(struct fake *fake, unsigned node, const struct covey_action *action)
{
    struct fake_node *n = &fake->node[node];
    const struct fake_assignment *a = find(n, &action->peer, &action->fence);
    uint32_t answers[FAKE_ENTRIES * FAKE_HIGH], input[FAKE_INPUT_MAX];
    size_t len;
    unsigned slots = 0;
    const uint8_t *data = cluster_body_data(fake->c, action->body, &len);
    struct covey_event event = {
        .type = COVEY_EVENT_COMPUTED, .peer = action->peer, .work = action->work};
    if (a != NULL && a->rows) {
        event.body_len = fake_rows_answer(n, a, action->layer, covey_bytes_of(data, len), answers);
        event.body = event.body_len > 0 ? cluster_body_new(fake->c, answers, event.body_len) : 0;
        slots = FAKE_FILTERS;
    } else if (a != NULL && len == fake_model_inputs(action->layer) * sizeof(*input)) {
        memcpy(input, data, len);
        for (unsigned i = 0; i < a->count; i++) {
            if (a->entry[i].layer == action->layer) {
                fake_model_product(action->layer, n->cache[a->entry[i].cached - 1].weights, input,
                                   answers + (size_t)slots++ * FAKE_ROWS);
            }
        }
        event.body_len = slots * FAKE_ROWS * sizeof(*answers);
        event.body = cluster_body_new(fake->c, answers, event.body_len);
    }
    cluster_body_unref(fake->c, action->body);
    cluster_inject_after(fake->c, node, fake_compute_us(fake, node, slots), &event);
}

static void retired(struct fake_node *n, const struct covey_action *action)
{
    for (unsigned i = 0; i < FAKE_ASSIGNMENTS; i++) {
        struct fake_assignment *a = &n->assignment[i];
        if (a->used && covey_node_id_equal(&a->owner, &action->peer) &&
            covey_session_id_equal(&a->fence.session, &action->fence.session) &&
            a->fence.epoch == action->fence.epoch && a->fence.version <= action->fence.version) {
            a->used = false;
        }
    }
}

void fake_worker_action(struct fake *fake, unsigned node, const struct covey_action *action)
{
    if (action->type == COVEY_ACTION_ASSIGNED) {
        assigned(fake, node, action);
    } else if (action->type == COVEY_ACTION_STORE) {
        store(fake, node, action);
    } else if (action->type == COVEY_ACTION_FETCHED) {
        fetched(fake, node, action);
    } else if (action->type == COVEY_ACTION_SERVE) {
        serve(fake, node, action);
    } else if (action->type == COVEY_ACTION_COMPUTE) {
        compute(fake, node, action);
    } else if (fake_tiles_action(fake, node, action)) {
        return;
    } else if (action->type == COVEY_ACTION_RETIRED) {
        retired(&fake->node[node], action);
    }
}

void fake_worker_stop(struct fake *fake, unsigned node)
{
    memset(fake->node[node].assignment, 0, sizeof(fake->node[node].assignment));
    memset(fake->node[node].made, 0, sizeof(fake->node[node].made));
    fake->node[node].busy_us = 0;
}

void fake_lie(struct fake *fake, unsigned worker, bool on)
{
    fake->node[worker].lies = on;
}

void fake_wipe(struct fake *fake, unsigned node)
{
    fake->node[node].units = 0;
}

unsigned fake_given(const struct fake *fake, unsigned node)
{
    return fake->node[node].given;
}

unsigned fake_assignments(const struct fake *fake, unsigned worker, unsigned owner)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FAKE_ASSIGNMENTS; i++) {
        const struct fake_assignment *a = &fake->node[worker].assignment[i];
        count += a->used && covey_node_id_equal(&a->owner, cluster_id(fake->c, owner));
    }
    return count;
}
