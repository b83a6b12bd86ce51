/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "covey/crypto.h"

enum { NODES = 6, NOW_S = 1767225600 };

/* Catalogues of three devices of one mesh; the last has trust none. */
struct fixture {
    struct covey_identity *id[NODES];
    struct covey_catalogue *c[NODES];
    struct covey_update out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
    const uint8_t key[COVEY_KEY_BYTES] = {1};
    if (f == NULL || covey_crypto_init() != COVEY_OK) {
        return -1;
    }
    covey_authority_keypair(pub, secret);
    for (unsigned i = 0; i < NODES; i++) {
        enum covey_trust trust = i == 2 ? COVEY_TRUST_NONE : COVEY_TRUST_FULL;
        assert_int_equal(
            covey_identity_new("n", COVEY_TIER_EDGE, trust, secret, key, NOW_S, &f->id[i]),
            COVEY_OK);
        f->c[i] = malloc(covey__catalogue_size());
        assert_non_null(f->c[i]);
        memset(f->c[i], 0xa5, covey__catalogue_size());
        covey__catalogue_init(f->c[i], f->id[i]);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < NODES; i++) {
        free(f->c[i]);
        covey_identity_free(f->id[i]);
    }
    free(f);
    return 0;
}

static struct covey_catalogue_model model_of(unsigned number)
{
    struct covey_catalogue_model m = {.bytes = 1000 + number,
                                      .input_rank = 2,
                                      .output_rank = 2,
                                      .input = {1, 64},
                                      .output = {1, 10}};
    covey_store32(m.id.bytes, number);
    snprintf(m.name, sizeof(m.name), "model-%u", number);
    return m;
}

static covey_err add(struct fixture *f, unsigned node, unsigned number, bool removed)
{
    struct covey_catalogue_model m = model_of(number);
    m.removed = removed;
    return covey__catalogue_publish(f->c[node], &m);
}

static void tick(struct fixture *f, unsigned node)
{
    f->out.count = 0;
    f->out.arena_len = 0;
    f->out.more = false;
    covey__catalogue_tick(f->c[node], &f->out);
}

/* Carries what `from` tells `to`, until it has told all. Number of messages. */
static unsigned carry(struct fixture *f, unsigned from, unsigned to)
{
    unsigned messages = 0;
    do {
        tick(f, from);
        for (size_t i = 0; i < f->out.count; i++) {
            const struct covey_action *a = &f->out.actions[i];
            if (a->type == COVEY_ACTION_SEND &&
                covey_node_id_equal(&a->peer, &f->id[to]->cert.node)) {
                assert_int_equal(covey__catalogue_message(f->c[to], a->bytes, NOW_S), 0);
                messages++;
            }
        }
    } while (f->out.more);
    return messages;
}

static void link_up(struct fixture *f, unsigned from, unsigned to, bool up)
{
    covey__catalogue_peer(f->c[from], (uint16_t)(to + 1), &f->id[to]->cert.node, up);
}

static bool finds(const struct fixture *f, unsigned node, unsigned number,
                  struct covey_catalogue_model *out)
{
    struct covey_catalogue_model want = model_of(number);
    for (size_t i = 0; i < covey__catalogue_count(f->c[node]); i++) {
        covey__catalogue_get(f->c[node], i, out);
        if (covey_digest_equal(&out->id, &want.id)) {
            return true;
        }
    }
    return false;
}

/* What one device adds is known to another when their channel comes up, and at once after that. */
static void test_models_travel(void **state)
{
    struct fixture *f = *state;
    struct covey_catalogue_model m;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(add(f, 0, i, false), COVEY_OK);
    }
    assert_int_equal(carry(f, 0, 1), 0);
    link_up(f, 0, 1, true);
    assert_int_equal(carry(f, 0, 1), 3); /* 16 in each */
    assert_int_equal(covey__catalogue_count(f->c[1]), 40);
    assert_true(finds(f, 1, 39, &m));
    assert_string_equal(m.name, "model-39");
    assert_int_equal(m.bytes, 1039);
    assert_true(covey_node_id_equal(&m.publisher, &f->id[0]->cert.node));
    assert_int_equal(carry(f, 0, 1), 0);
    assert_int_equal(add(f, 0, 40, false), COVEY_OK);
    assert_int_equal(carry(f, 0, 1), 1);
    assert_true(finds(f, 1, 40, &m));
    /* Adding it again says nothing new. */
    assert_int_equal(add(f, 0, 40, false), COVEY_OK);
    assert_int_equal(carry(f, 0, 1), 0);
}

/* Who never met the publisher hears of its models from others, and session is told once. */
static void test_models_are_handed_on(void **state)
{
    struct fixture *f = *state;
    struct covey_catalogue_model m;
    assert_int_equal(add(f, 0, 7, false), COVEY_OK);
    link_up(f, 0, 1, true);
    assert_int_equal(carry(f, 0, 1), 1);
    link_up(f, 1, 2, true);
    tick(f, 1);
    assert_int_equal(f->out.count, 2);
    assert_int_equal(f->out.actions[0].type, COVEY_ACTION_CATALOGUE);
    assert_int_equal(covey__catalogue_message(f->c[2], f->out.actions[1].bytes, NOW_S), 0);
    assert_true(finds(f, 2, 7, &m));
    tick(f, 1);
    assert_int_equal(f->out.count, 0);
}

/* A removed model stays removed, whatever older entries come; added again it is there again. */
static void test_removals_hold(void **state)
{
    struct fixture *f = *state;
    struct covey_catalogue_model m;
    uint8_t old[COVEY_CATALOGUE_MESSAGE_MAX];
    size_t len = 0;
    assert_int_equal(add(f, 0, 7, false), COVEY_OK);
    assert_int_equal(covey__catalogue_wire(f->c[0], 0, (struct covey_buf){old, sizeof(old)}, &len),
                     COVEY_OK);
    link_up(f, 0, 1, true);
    assert_int_equal(carry(f, 0, 1), 1);
    assert_int_equal(add(f, 0, 7, true), COVEY_OK);
    assert_int_equal(carry(f, 0, 1), 1);
    assert_true(finds(f, 1, 7, &m) && m.removed);
    assert_int_equal(covey__catalogue_message(f->c[1], covey_bytes_of(old, len), NOW_S), 0);
    assert_true(finds(f, 1, 7, &m) && m.removed);
    assert_int_equal(add(f, 0, 7, false), COVEY_OK);
    assert_int_equal(carry(f, 0, 1), 1);
    assert_true(finds(f, 1, 7, &m) && !m.removed);
    assert_int_equal(covey__catalogue_count(f->c[1]), 1);
    /* What was never there need not be removed. */
    assert_int_equal(add(f, 0, 8, true), COVEY_OK);
    assert_int_equal(covey__catalogue_count(f->c[0]), 1);
}

/* Only devices of full trust publish; an altered entry, or one of another mesh, is left out. */
static void test_only_signed_models_count(void **state)
{
    struct fixture *f = *state;
    uint8_t wire[COVEY_CATALOGUE_MESSAGE_MAX];
    size_t len = 0;
    assert_int_equal(add(f, 2, 1, false), COVEY_ERR_DENIED);
    assert_int_equal(add(f, 0, 1, false), COVEY_OK);
    assert_int_equal(
        covey__catalogue_wire(f->c[0], 0, (struct covey_buf){wire, sizeof(wire)}, &len), COVEY_OK);
    for (size_t i = 0; i < len; i++) {
        wire[i] ^= 1;
        (void)covey__catalogue_message(f->c[1], covey_bytes_of(wire, len), NOW_S);
        wire[i] ^= 1;
        (void)covey__catalogue_message(f->c[1], covey_bytes_of(wire, i), NOW_S);
    }
    assert_int_equal(covey__catalogue_count(f->c[1]), 0);
    /* After its certificate has ended nobody new believes it. */
    uint64_t late = f->id[0]->cert.not_after_s + 1;
    assert_int_equal(covey__catalogue_message(f->c[1], covey_bytes_of(wire, len), late), 1);
    assert_int_equal(covey__catalogue_message(f->c[1], covey_bytes_of(wire, len), NOW_S), 0);
    assert_int_equal(covey__catalogue_count(f->c[1]), 1);
}

/* One publisher takes its share and no more; removals give their place to new models. */
static void test_publishers_have_quotas(void **state)
{
    struct fixture *f = *state;
    struct covey_catalogue_model m;
    for (unsigned i = 0; i < COVEY__CATALOGUE_PUBLISHER_MAX; i++) {
        assert_int_equal(add(f, 0, i, false), COVEY_OK);
    }
    assert_int_equal(add(f, 0, 1000, false), COVEY_ERR_LIMIT);
    assert_int_equal(add(f, 0, 3, true), COVEY_OK);
    assert_int_equal(add(f, 0, 1000, false), COVEY_OK);
    assert_true(finds(f, 0, 1000, &m));
    assert_false(finds(f, 0, 3, &m));
    assert_int_equal(covey__catalogue_count(f->c[0]), COVEY__CATALOGUE_PUBLISHER_MAX);
    assert_int_equal(add(f, 1, 5, false), COVEY_OK);
    link_up(f, 0, 1, true);
    carry(f, 0, 1);
    assert_int_equal(covey__catalogue_count(f->c[1]), COVEY__CATALOGUE_PUBLISHER_MAX + 1);
}

/* Where removals of others take all places a device's first model still has one; and a removal of
 * what is not known takes none of those that others have. */
static void test_removals_leave_room_for_others(void **state)
{
    struct fixture *f = *state;
    const unsigned publishers[] = {0, 1, 3, 4};
    const unsigned all = 4 * COVEY__CATALOGUE_PUBLISHER_MAX;
    struct covey_catalogue_model m;
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned i = 0; i < COVEY__CATALOGUE_PUBLISHER_MAX; i++) {
            assert_int_equal(add(f, publishers[p], 100 * p + i, false), COVEY_OK);
            assert_int_equal(add(f, publishers[p], 100 * p + i, true), COVEY_OK);
        }
        link_up(f, publishers[p], 5, true);
        carry(f, publishers[p], 5);
    }
    assert_int_equal(covey__catalogue_count(f->c[5]), all);
    assert_int_equal(all, COVEY__CATALOGUE_MAX);
    assert_int_equal(add(f, 5, 1000, false), COVEY_OK);
    assert_true(finds(f, 5, 1000, &m) && !m.removed);
    assert_int_equal(covey__catalogue_count(f->c[5]), all);
    assert_false(finds(f, 5, 0, &m));
    link_up(f, 0, 5, false);
    link_up(f, 0, 5, true);
    carry(f, 0, 5);
    assert_false(finds(f, 5, 0, &m));
    assert_true(finds(f, 5, 100, &m) && finds(f, 5, 1, &m));
}

/* A full update takes what it can; the rest follows in the next one. */
static void test_full_updates_lose_nothing(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(add(f, 0, i, false), COVEY_OK);
    }
    link_up(f, 0, 1, true);
    memset(&f->out, 0, sizeof(f->out));
    f->out.count = COVEY_UPDATE_ACTIONS_MAX;
    covey__catalogue_tick(f->c[0], &f->out);
    assert_true(f->out.more);
    f->out.count = 0;
    f->out.arena_len = sizeof(f->out.arena) - 100;
    covey__catalogue_tick(f->c[0], &f->out);
    assert_true(f->out.more);
    assert_int_equal(carry(f, 0, 1), 2);
    assert_int_equal(covey__catalogue_count(f->c[1]), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_models_travel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_models_are_handed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removals_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_signed_models_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_publishers_have_quotas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removals_leave_room_for_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_updates_lose_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
