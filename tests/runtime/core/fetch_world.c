/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fetch_world.h"

enum fetch_item_what { ITEM_NONE, ITEM_MESSAGE, ITEM_STORED, ITEM_LACKED };

struct fetch_item {
    enum fetch_item_what what;
    uint64_t at_ms;
    unsigned from, to, blob;
    enum covey_work_type type;
    covey_err err;
    size_t len;
    uint8_t *digests;
    bool wrong; /* bytes of another blob */
    bool at_once;
};

uint64_t fetch_draw(struct fetch_world *w, uint64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % below;
}

struct covey_node_id fetch_id(unsigned node)
{
    struct covey_node_id id = {{(uint8_t)(node + 1)}};
    return id;
}

static unsigned node_of(const struct covey_node_id *id)
{
    return id->bytes[0] - 1U;
}

static struct covey_digest digest_of(unsigned blob)
{
    struct covey_digest digest = {{0}};
    covey_store32(digest.bytes, blob * 2654435761U);
    covey_store32(digest.bytes + 8, blob);
    return digest;
}

static unsigned blob_of(const uint8_t *digest)
{
    return covey_load32(digest + 8);
}

struct covey_fence fetch_fence(uint32_t version)
{
    struct covey_fence fence = {{{9}}, 1, version};
    return fence;
}

static struct fetch_item *later(struct fetch_world *w, enum fetch_item_what what, unsigned from,
                                unsigned to)
{
    assert_true(w->items < ITEMS);
    struct fetch_item *item = &w->item[w->items++];
    *item = (struct fetch_item){
        .what = what, .at_ms = w->now_ms + 1 + fetch_draw(w, 20), .from = from, .to = to};
    return item;
}

static void copy_digests(struct fetch_item *item, struct covey_bytes digests)
{
    item->digests = malloc(digests.len);
    assert_non_null(item->digests);
    memcpy(item->digests, digests.ptr, digests.len);
    item->len = digests.len;
}

static void drop_body(struct fetch_world *w, covey_handle body)
{
    assert_true(body != 0 && w->body[body].alive);
    w->body[body].alive = false;
    w->alive--;
}

static void on_send(struct fetch_world *w, unsigned n, const struct covey_action *action)
{
    struct covey_work_message m;
    unsigned to = node_of(&action->peer);
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    assert_true(m.type == COVEY_WORK_WANT || m.type == COVEY_WORK_LACK);
    assert_true(to != n && to < NODES);
    w->node[n].asked += m.type == COVEY_WORK_WANT ? (unsigned)(m.blobs.digests.len / 32) : 0;
    if (!w->node[n].silent && !w->node[to].silent && !w->node[n].away && !w->node[to].away) {
        struct fetch_item *item = later(w, ITEM_MESSAGE, n, to);
        item->type = m.type;
        item->at_once = m.blobs.at_once;
        copy_digests(item, m.blobs.digests);
    }
}

static void on_serve(struct fetch_world *w, unsigned n, const struct covey_action *action)
{
    for (size_t at = 0; at < action->bytes.len; at += 32) {
        unsigned blob = blob_of(action->bytes.ptr + at);
        bool here = blob < BLOBS && w->node[n].has[blob];
        if (here || w->node[n].lies) {
            struct fetch_item *item = later(w, ITEM_MESSAGE, n, node_of(&action->peer));
            item->type = COVEY_WORK_GIVE;
            item->blob = blob;
            item->wrong = w->node[n].lies;
            w->node[n].given++;
        } else {
            struct fetch_item *item = later(w, ITEM_LACKED, node_of(&action->peer), n);
            item->at_once = action->index != 0;
            copy_digests(item, covey_bytes_of(action->bytes.ptr + at, 32));
        }
    }
}

static void on_action(struct fetch_world *w, unsigned n, const struct covey_action *action)
{
    struct fetch_node *node = &w->node[n];
    if (action->type == COVEY_ACTION_SEND) {
        on_send(w, n, action);
    } else if (action->type == COVEY_ACTION_SERVE) {
        on_serve(w, n, action);
    } else if (action->type == COVEY_ACTION_RELEASE) {
        drop_body(w, action->body);
    } else if (action->type == COVEY_ACTION_DIAL) {
        node->dials++;
    } else if (action->type == COVEY_ACTION_STORE) {
        struct fetch_item *item = later(w, ITEM_STORED, n, n);
        node->kept_ms = node->kept_ms > w->now_ms ? node->kept_ms : w->now_ms;
        node->kept_ms += node->keep_ms;
        item->at_ms += node->kept_ms - w->now_ms;
        node->keeping++;
        node->keeping_most =
            node->keeping > node->keeping_most ? node->keeping : node->keeping_most;
        item->blob = blob_of(action->digest.bytes);
        item->err = w->body[action->body].wrong ? COVEY_ERR_AUTH : COVEY_OK;
        drop_body(w, action->body);
    } else {
        assert_int_equal(action->type, COVEY_ACTION_FETCHED);
        node->fetched++;
        node->err = action->err;
    }
}

void fetch_carry_out(struct fetch_world *w, unsigned n)
{
    do {
        covey__fetch_tick(w->node[n].fetch, w->now_ms, w->out);
        struct covey_action *actions = w->out->actions;
        for (size_t i = 0; i < w->out->count; i++) {
            on_action(w, n, &actions[i]);
        }
        bool more = w->out->more;
        w->out->count = w->out->arena_len = 0;
        w->out->more = false;
        if (!more) {
            break;
        }
    } while (true);
}

static void arrive(struct fetch_world *w, const struct fetch_item *item)
{
    struct fetch_node *node = &w->node[item->to];
    struct covey_work_message m = {.type = item->type};
    struct covey_incoming in = {fetch_id(item->from), &m, {NULL, 0}, 0, 0};
    if (item->type == COVEY_WORK_GIVE) {
        m.give = digest_of(item->blob);
        in.body = ++w->bodies;
        in.body_len = BLOB_LEN;
        assert_true(w->bodies < BODIES);
        w->body[in.body].alive = true;
        w->body[in.body].wrong = item->wrong;
        w->alive++;
    } else {
        m.blobs.digests = covey_bytes_of(item->digests, item->len);
        m.blobs.at_once = item->at_once;
    }
    assert_int_equal(covey__fetch_message(node->fetch, &in, w->now_ms, w->out), COVEY_OK);
}

static void happen(struct fetch_world *w, const struct fetch_item *item)
{
    struct fetch_node *node = &w->node[item->to];
    if (item->what == ITEM_MESSAGE) {
        if (!node->away && !w->node[item->from].away) {
            arrive(w, item);
        }
    } else {
        struct covey_event event = {.type = COVEY_EVENT_STORED, .err = item->err};
        event.digest = digest_of(item->blob);
        node->keeping -= item->what == ITEM_STORED;
        if (item->what == ITEM_LACKED) {
            event.type = COVEY_EVENT_LACKED;
            event.peer = fetch_id(item->from);
            event.bytes = covey_bytes_of(item->digests, item->len);
            event.index = item->at_once;
        } else if (item->err == COVEY_OK) {
            node->has[item->blob] = true;
        }
        covey__fetch_event(node->fetch, &event, w->out);
    }
    fetch_carry_out(w, item->to);
}

bool fetch_go_on(struct fetch_world *w)
{
    uint64_t at = UINT64_MAX;
    size_t next = 0;
    unsigned due = NODES;
    for (size_t i = 0; i < w->items; i++) {
        if (w->item[i].at_ms < at) {
            at = w->item[i].at_ms;
            next = i;
        }
    }
    for (unsigned n = 0; n < NODES; n++) {
        uint64_t deadline = covey__fetch_deadline_ms(w->node[n].fetch);
        if (deadline < at) {
            at = deadline;
            due = n;
        }
    }
    if (at > END_MS) {
        return false;
    }
    w->now_ms = at > w->now_ms ? at : w->now_ms + (due < NODES);
    if (due < NODES) {
        fetch_carry_out(w, due);
        return true;
    }
    struct fetch_item item = w->item[next];
    w->item[next] = w->item[--w->items];
    happen(w, &item);
    free(item.digests);
    return true;
}

struct fetch_world *fetch_world_new(uint64_t seed)
{
    struct fetch_world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->seed = seed * 0x9e3779b97f4a7c15U + 1;
    w->now_ms = 1000;
    w->out = calloc(1, sizeof(*w->out));
    w->item = calloc(ITEMS, sizeof(*w->item));
    w->body = calloc(BODIES, sizeof(*w->body));
    assert_true(w->out != NULL && w->item != NULL && w->body != NULL);
    for (unsigned n = 0; n < NODES; n++) {
        struct covey_node_id self = fetch_id(n);
        w->node[n].fetch = malloc(covey__fetch_size());
        assert_non_null(w->node[n].fetch);
        covey__fetch_init(w->node[n].fetch, &self);
    }
    memset(w->node[0].has, true, sizeof(w->node[0].has));
    return w;
}

void fetch_world_end(struct fetch_world *w)
{
    unsigned steps = 0;
    while (fetch_go_on(w)) {
        assert_true(++steps < 1000000);
    }
    assert_int_equal(w->items, 0);
    assert_int_equal(w->alive, 0);
}

void fetch_world_free(struct fetch_world *w)
{
    for (unsigned n = 0; n < NODES; n++) {
        free(w->node[n].fetch);
    }
    for (size_t i = 0; i < w->items; i++) {
        free(w->item[i].digests);
    }
    free(w->item);
    free(w->body);
    free(w->out);
    free(w);
}

void fetch_want(struct fetch_world *w, unsigned n, unsigned count, uint32_t mask, uint32_t version)
{
    static uint8_t list[COVEY_WANTS_BYTES_MAX];
    struct covey_node_id sources[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        sources[i] = fetch_id(i);
    }
    size_t len = covey_wants_begin(list, sources, mask != 0 ? NODES : 0);
    for (unsigned b = 0; b < count; b++) {
        struct covey_want entry = {digest_of(b), BLOB_LEN, mask};
        if (b >= BLOBS || !w->node[n].has[b]) {
            len += covey_wants_put(list + len, &entry);
        }
    }
    struct covey_event event = {.type = w->own ? COVEY_EVENT_FETCH : COVEY_EVENT_ASSIGN_CHECKED,
                                .index = w->once,
                                .peer = fetch_id(0),
                                .fence = fetch_fence(version),
                                .bytes = covey_bytes_of(list, len)};
    covey__fetch_add(w->node[n].fetch, &event);
    for (unsigned i = 0; i < NODES; i++) {
        struct covey_node_id id = fetch_id(i);
        covey__fetch_peer(w->node[n].fetch, &id, COVEY_PEER_UP);
    }
    fetch_carry_out(w, n);
}

void fetch_assert_complete(const struct fetch_world *w, unsigned n)
{
    assert_int_equal(w->node[n].fetched, 1);
    assert_int_equal(w->node[n].err, COVEY_OK);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[n].has[b]);
    }
}
