/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fetch_state.h"

/* Node 0 is the owner. */
enum {
    NODES = 6,
    BLOBS = 300,
    BODIES = 65536,
    ITEMS = 65536,
    BLOB_LEN = 100000,
    END_MS = 20000000
};

enum item_what { ITEM_NONE, ITEM_MESSAGE, ITEM_STORED, ITEM_LACKED };

struct item {
    enum item_what what;
    uint64_t at_ms;
    unsigned from, to, blob;
    enum covey_work_type type;
    covey_err err;
    size_t len;
    uint8_t *digests;
    bool wrong; /* bytes of another blob */
};

struct node {
    struct covey_fetch *fetch;
    bool has[BLOBS];
    bool silent, lies, away;
    uint64_t keep_ms;               /* that keeping a blob takes, one after the other */
    uint64_t kept_ms;               /* all that came is kept then */
    unsigned keeping, keeping_most; /* blobs */
    unsigned given, asked;          /* blobs */
    unsigned fetched;
    covey_err err;
    unsigned dials;
};

struct world {
    uint64_t now_ms, seed;
    struct covey_update *out;
    struct node node[NODES];
    struct item *item;
    size_t items;
    struct {
        bool alive, wrong;
    } * body;
    covey_handle bodies;
    unsigned alive;
};

static uint64_t draw(struct world *w, uint64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % below;
}

static struct covey_node_id id_of(unsigned node)
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

static struct covey_fence fence_of(uint32_t version)
{
    struct covey_fence fence = {{{9}}, 1, version};
    return fence;
}

static struct item *later(struct world *w, enum item_what what, unsigned from, unsigned to)
{
    assert_true(w->items < ITEMS);
    struct item *item = &w->item[w->items++];
    *item =
        (struct item){.what = what, .at_ms = w->now_ms + 1 + draw(w, 20), .from = from, .to = to};
    return item;
}

static void copy_digests(struct item *item, struct covey_bytes digests)
{
    item->digests = malloc(digests.len);
    assert_non_null(item->digests);
    memcpy(item->digests, digests.ptr, digests.len);
    item->len = digests.len;
}

static void drop_body(struct world *w, covey_handle body)
{
    assert_true(body != 0 && w->body[body].alive);
    w->body[body].alive = false;
    w->alive--;
}

static void on_send(struct world *w, unsigned n, const struct covey_action *action)
{
    struct covey_work_message m;
    unsigned to = node_of(&action->peer);
    assert_int_equal(covey_work_decode(action->bytes, &m), COVEY_OK);
    assert_true(m.type == COVEY_WORK_WANT || m.type == COVEY_WORK_LACK);
    assert_true(to != n && to < NODES);
    w->node[n].asked += m.type == COVEY_WORK_WANT ? (unsigned)(m.blobs.digests.len / 32) : 0;
    if (!w->node[n].silent && !w->node[to].silent && !w->node[n].away && !w->node[to].away) {
        struct item *item = later(w, ITEM_MESSAGE, n, to);
        item->type = m.type;
        copy_digests(item, m.blobs.digests);
    }
}

static void on_serve(struct world *w, unsigned n, const struct covey_action *action)
{
    for (size_t at = 0; at < action->bytes.len; at += 32) {
        unsigned blob = blob_of(action->bytes.ptr + at);
        bool here = blob < BLOBS && w->node[n].has[blob];
        if (here || w->node[n].lies) {
            struct item *item = later(w, ITEM_MESSAGE, n, node_of(&action->peer));
            item->type = COVEY_WORK_GIVE;
            item->blob = blob;
            item->wrong = w->node[n].lies;
            w->node[n].given++;
        } else {
            struct item *item = later(w, ITEM_LACKED, node_of(&action->peer), n);
            copy_digests(item, covey_bytes_of(action->bytes.ptr + at, 32));
        }
    }
}

static void on_action(struct world *w, unsigned n, const struct covey_action *action)
{
    struct node *node = &w->node[n];
    if (action->type == COVEY_ACTION_SEND) {
        on_send(w, n, action);
    } else if (action->type == COVEY_ACTION_SERVE) {
        on_serve(w, n, action);
    } else if (action->type == COVEY_ACTION_RELEASE) {
        drop_body(w, action->body);
    } else if (action->type == COVEY_ACTION_DIAL) {
        node->dials++;
    } else if (action->type == COVEY_ACTION_STORE) {
        struct item *item = later(w, ITEM_STORED, n, n);
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

static void carry_out(struct world *w, unsigned n)
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

static void arrive(struct world *w, const struct item *item)
{
    struct node *node = &w->node[item->to];
    struct covey_work_message m = {.type = item->type};
    struct covey_incoming in = {id_of(item->from), &m, {NULL, 0}, 0, 0};
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
    }
    assert_int_equal(covey__fetch_message(node->fetch, &in, w->now_ms, w->out), COVEY_OK);
}

static void happen(struct world *w, const struct item *item)
{
    struct node *node = &w->node[item->to];
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
            event.peer = id_of(item->from);
            event.bytes = covey_bytes_of(item->digests, item->len);
        } else if (item->err == COVEY_OK) {
            node->has[item->blob] = true;
        }
        covey__fetch_event(node->fetch, &event, w->out);
    }
    carry_out(w, item->to);
}

/* The next thing that happens, or the next deadline. False: nothing is left. */
static bool go_on(struct world *w)
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
        carry_out(w, due);
        return true;
    }
    struct item item = w->item[next];
    w->item[next] = w->item[--w->items];
    happen(w, &item);
    free(item.digests);
    return true;
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->seed = seed * 0x9e3779b97f4a7c15U + 1;
    w->now_ms = 1000;
    w->out = calloc(1, sizeof(*w->out));
    w->item = calloc(ITEMS, sizeof(*w->item));
    w->body = calloc(BODIES, sizeof(*w->body));
    assert_true(w->out != NULL && w->item != NULL && w->body != NULL);
    for (unsigned n = 0; n < NODES; n++) {
        struct covey_node_id self = id_of(n);
        w->node[n].fetch = malloc(covey__fetch_size());
        assert_non_null(w->node[n].fetch);
        covey__fetch_init(w->node[n].fetch, &self);
    }
    memset(w->node[0].has, true, sizeof(w->node[0].has));
    return w;
}

/* Runs to the end; nothing may be left over. */
static void world_end(struct world *w)
{
    unsigned steps = 0;
    while (go_on(w)) {
        assert_true(++steps < 1000000);
    }
    assert_int_equal(w->items, 0);
    assert_int_equal(w->alive, 0);
}

static void world_free(struct world *w)
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

/* Node n lacks what it has not, up to `count` blobs, which the nodes of the mask have or fetch too,
 * and the owner. */
static void want(struct world *w, unsigned n, unsigned count, uint32_t mask, uint32_t version)
{
    static uint8_t list[COVEY_WANTS_BYTES_MAX];
    struct covey_node_id sources[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        sources[i] = id_of(i);
    }
    size_t len = covey_wants_begin(list, sources, mask != 0 ? NODES : 0);
    for (unsigned b = 0; b < count; b++) {
        struct covey_want entry = {digest_of(b), BLOB_LEN, mask};
        if (b >= BLOBS || !w->node[n].has[b]) {
            len += covey_wants_put(list + len, &entry);
        }
    }
    struct covey_event event = {.type = COVEY_EVENT_ASSIGN_CHECKED,
                                .peer = id_of(0),
                                .fence = fence_of(version),
                                .bytes = covey_bytes_of(list, len)};
    covey__fetch_add(w->node[n].fetch, &event);
    for (unsigned i = 0; i < NODES; i++) {
        struct covey_node_id id = id_of(i);
        covey__fetch_peer(w->node[n].fetch, &id, COVEY_PEER_UP);
    }
    carry_out(w, n);
}

static void assert_complete(const struct world *w, unsigned n)
{
    assert_int_equal(w->node[n].fetched, 1);
    assert_int_equal(w->node[n].err, COVEY_OK);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[n].has[b]);
    }
}

/* All get all, whatever the order of messages, and most of it from one another. */
static void test_all_get_all_from_one_another(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed);
        for (unsigned n = 1; n < NODES; n++) {
            want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        world_end(w);
        for (unsigned n = 1; n < NODES; n++) {
            assert_complete(w, n);
            assert_true(w->node[n].given > 0);
        }
        /* Once each, its own share of primaries to all, and some help. */
        assert_true(w->node[0].given < BLOBS * 3);
        world_free(w);
    }
}

/* A device that was assigned nothing, one that is silent, and one that gives wrong bytes delay the
 * others but keep nothing from them; wrong bytes are never kept. */
static void test_bad_sources_are_passed_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 9; seed++) {
        struct world *w = world_new(seed);
        w->node[1].silent = seed % 3 == 0;
        w->node[1].lies = seed % 3 == 1;
        for (unsigned n = 2; n < NODES; n++) {
            want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        world_end(w);
        for (unsigned n = 2; n < NODES; n++) {
            assert_complete(w, n);
        }
        world_free(w);
    }
}

/* A device whose disk is slow asks for no more than it can soon keep. */
static void test_slow_disks_are_not_flooded(void **state)
{
    (void)state;
    struct world *w = world_new(3);
    w->node[1].keep_ms = 200;
    want(w, 1, BLOBS, 0, 1);
    world_end(w);
    assert_complete(w, 1);
    assert_true(w->node[1].keeping_most * BLOB_LEN <=
                COVEY__FETCH_STORING_MAX + COVEY__FETCH_WINDOW_MAX + BLOB_LEN);
    world_free(w);
}

/* A device of little memory has no more under way than it was told, but for one blob. */
static void test_little_memory_is_not_flooded(void **state)
{
    (void)state;
    static const uint64_t limit[] = {1, 3 * BLOB_LEN + BLOB_LEN / 2};
    static const unsigned most[] = {1, 3};
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = world_new(3);
        covey__fetch_limit(w->node[1].fetch, limit[i]);
        w->node[1].keep_ms = 200;
        want(w, 1, BLOBS / 3, i == 1, 1);
        world_end(w);
        assert_int_equal(w->node[1].fetched, 1);
        assert_int_equal(w->node[1].keeping_most, most[i]);
        world_free(w);
    }
}

static void set_away(struct world *w, unsigned who, bool away)
{
    struct covey_node_id id = id_of(who);
    w->node[who].away = away;
    for (unsigned n = 0; n < NODES; n++) {
        if (n != who) {
            struct covey_node_id other = id_of(n);
            enum covey_peer_state state = away ? COVEY_PEER_NO_CHANNEL : COVEY_PEER_UP;
            covey__fetch_peer(w->node[n].fetch, &id, state);
            covey__fetch_peer(w->node[who].fetch, &other, state);
            carry_out(w, n);
        }
    }
    carry_out(w, who);
}

/* Devices, and the owner itself, whose channels go in the middle and come back: all is got. */
static void test_lost_channels_are_survived(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *w = world_new(seed);
        for (unsigned n = 1; n < NODES; n++) {
            want(w, n, BLOBS, COVEY_WANTS_ALL, 1);
        }
        for (unsigned i = 0; i < 3; i++) {
            unsigned who = (unsigned)draw(w, NODES);
            for (uint64_t steps = draw(w, 400); steps > 0 && go_on(w); steps--) {
            }
            set_away(w, who, true);
            for (uint64_t steps = draw(w, 200); steps > 0 && go_on(w); steps--) {
            }
            set_away(w, who, false);
        }
        world_end(w);
        for (unsigned n = 1; n < NODES; n++) {
            assert_complete(w, n);
        }
        world_free(w);
    }
}

/* What only the owner has is asked of nobody else; what is here already is not asked for again. */
static void test_units_come_from_the_owner(void **state)
{
    (void)state;
    struct world *w = world_new(3);
    for (unsigned b = 0; b < BLOBS / 2; b++) {
        w->node[2].has[b] = true;
    }
    want(w, 2, BLOBS, 0, 1);
    world_end(w);
    assert_complete(w, 2);
    assert_int_equal(w->node[2].asked, BLOBS - BLOBS / 2);
    assert_int_equal(w->node[0].given, BLOBS - BLOBS / 2);
    for (unsigned n = 1; n < NODES; n++) {
        assert_int_equal(w->node[n].given, 0);
    }
    world_free(w);
}

/* What some of the devices have comes from all of these and the owner, and nobody else is asked;
 * from these alone when the owner has it no more. */
static void test_only_holders_are_asked(void **state)
{
    (void)state;
    for (unsigned owner_has = 0; owner_has < 2; owner_has++) {
        struct world *w = world_new(7 + owner_has);
        memset(w->node[0].has, owner_has == 1, sizeof(w->node[0].has));
        memset(w->node[2].has, true, sizeof(w->node[2].has));
        memset(w->node[3].has, true, sizeof(w->node[3].has));
        want(w, 5, BLOBS, 1U << 2 | 1U << 3 | 1U << 5, 1);
        world_end(w);
        assert_complete(w, 5);
        assert_int_equal(w->node[1].given + w->node[4].given, 0);
        assert_true(w->node[2].given >= BLOBS / 4 && w->node[3].given >= BLOBS / 4);
        assert_true((w->node[0].given > 0) == (owner_has == 1));
        assert_int_equal(w->node[0].given + w->node[2].given + w->node[3].given, BLOBS);
        world_free(w);
    }
}

/* Whom a later version of the plan names as holders is asked for what an earlier one lacks in vain,
 * and stays known when the later one is over first. */
static void test_sources_of_all_versions_count(void **state)
{
    (void)state;
    for (unsigned retired = 0; retired < 2; retired++) {
        struct world *w = world_new(11 + retired);
        struct covey_node_id owner = id_of(0);
        struct covey_fence both = fence_of(2);
        memset(w->node[0].has, false, sizeof(w->node[0].has));
        memset(w->node[2].has, true, sizeof(w->node[2].has));
        want(w, 1, BLOBS, 0, 1);
        for (unsigned i = 0; i < 20; i++) {
            assert_true(go_on(w));
        }
        want(w, 1, BLOBS, 1U << 1 | 1U << 2, 2);
        if (retired == 1) {
            want(w, 1, 1, 0, 2); /* the same version again: its list before is forgotten */
        }
        world_end(w);
        for (unsigned b = 0; b < BLOBS; b++) {
            assert_true(w->node[1].has[b]);
        }
        assert_int_equal(w->node[1].err, COVEY_OK);
        covey__fetch_retired(w->node[1].fetch, &owner, &both);
        world_free(w);
    }
}

/* A blob that nobody has ends in an error, once, after all others have come. */
static void test_what_nobody_has_is_told(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    want(w, 1, BLOBS + 1, COVEY_WANTS_ALL, 1);
    want(w, 2, BLOBS, COVEY_WANTS_ALL, 1);
    world_end(w);
    assert_int_equal(w->node[1].fetched, 1);
    assert_int_equal(w->node[1].err, COVEY_ERR_NOT_FOUND);
    assert_complete(w, 2);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[1].has[b]);
    }
    world_free(w);
}

/* Two versions that lack the same fetch it once; one that is retired in the middle ends quietly and
 * takes nothing from the other. */
static void test_versions_share_and_retire(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *w = world_new(seed);
        struct covey_node_id owner = id_of(0);
        struct covey_fence first = fence_of(1);
        want(w, 1, BLOBS, COVEY_WANTS_ALL, 1);
        want(w, 1, BLOBS, 0, 2);
        for (uint64_t steps = draw(w, 200); steps > 0 && go_on(w); steps--) {
        }
        assert_int_equal(w->node[1].fetched, 0);
        covey__fetch_retired(w->node[1].fetch, &owner, &first);
        world_end(w);
        assert_complete(w, 1);
        assert_true(w->node[1].asked < BLOBS * 2);
        world_free(w);
    }
}

/* More than fits at a time is bounded: what is left out is named again after FETCHED. */
static void test_lists_beyond_the_room_end(void **state)
{
    (void)state;
    struct world *w = world_new(5);
    for (uint32_t version = 1; version <= 3; version++) {
        want(w, 1, COVEY_WANTS_MAX, COVEY_WANTS_ALL, version);
    }
    world_end(w);
    assert_int_equal(w->node[1].fetched, 3);
    for (unsigned b = 0; b < BLOBS; b++) {
        assert_true(w->node[1].has[b]);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_get_all_from_one_another),
        cmocka_unit_test(test_bad_sources_are_passed_over),
        cmocka_unit_test(test_slow_disks_are_not_flooded),
        cmocka_unit_test(test_little_memory_is_not_flooded),
        cmocka_unit_test(test_lost_channels_are_survived),
        cmocka_unit_test(test_units_come_from_the_owner),
        cmocka_unit_test(test_only_holders_are_asked),
        cmocka_unit_test(test_sources_of_all_versions_count),
        cmocka_unit_test(test_what_nobody_has_is_told),
        cmocka_unit_test(test_versions_share_and_retire),
        cmocka_unit_test(test_lists_beyond_the_room_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
