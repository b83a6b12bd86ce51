/* SPDX-License-Identifier: MIT */
#include "fixture.h"

enum { WIRE_MAX = COVEY_GOSSIP_MAX + COVEY_DATAGRAM_OVERHEAD };

/* One end: the device and what it keeps of the other. */
struct end {
    struct covey_identity *id;
    struct covey_gossip_session session;
};

struct wire {
    uint8_t bytes[WIRE_MAX];
    size_t len;
};

struct link {
    struct end a, b;
};

static void link_init(struct link *l)
{
    struct mesh m;
    mesh_init(&m);
    l->a.id = mesh_device(&m, "a");
    l->b.id = mesh_device(&m, "b");
    assert_int_equal(covey_gossip_session_init(&l->a.session, l->a.id, &l->b.id->cert), COVEY_OK);
    assert_int_equal(covey_gossip_session_init(&l->b.session, l->b.id, &l->a.id->cert), COVEY_OK);
}

static void link_done(struct link *l)
{
    covey_identity_free(l->a.id);
    covey_identity_free(l->b.id);
}

static void restart(struct end *e, const struct end *peer)
{
    struct covey_identity *again = device_restart(e->id);
    covey_identity_free(e->id);
    e->id = again;
    assert_int_equal(covey_gossip_session_init(&e->session, e->id, &peer->id->cert), COVEY_OK);
}

static void seal(struct end *e, struct wire *w)
{
    assert_int_equal(covey_datagram_seal(&e->session, e->id, covey_bytes_of("gossip", 6),
                                         (struct covey_buf){w->bytes, sizeof(w->bytes)}, &w->len),
                     COVEY_OK);
    assert_int_equal(w->len, 6 + COVEY_DATAGRAM_OVERHEAD);
}

static covey_err open_at(struct end *e, const struct wire *w, struct covey_datagram *out)
{
    uint8_t plain[COVEY_GOSSIP_MAX];
    memset(out, 0, sizeof(*out));
    covey_err err = covey_datagram_open(&e->session, e->id, covey_bytes_of(w->bytes, w->len),
                                        (struct covey_buf){plain, sizeof(plain)}, out);
    if (err == COVEY_OK) {
        assert_int_equal(out->len, 6);
        assert_memory_equal(plain, "gossip", 6);
    }
    return err;
}

/* One datagram from one end to the other; returns whether it was current. */
static bool pass(struct end *from, struct end *to)
{
    struct wire w;
    struct covey_datagram d;
    seal(from, &w);
    assert_int_equal(open_at(to, &w, &d), COVEY_OK);
    return d.current;
}

/* Who was asked makes what who asked expects, and nobody else does: not a third, not who asked, and
 * not for another challenge. It outlives restarts of either, whose keys stay. */
static void test_gossip_proof_is_of_one_question(void **state)
{
    (void)state;
    struct mesh m;
    struct link l;
    mesh_init(&m);
    l.a.id = mesh_device(&m, "a");
    l.b.id = mesh_device(&m, "b");
    struct covey_identity *third = mesh_device(&m, "c");
    struct covey_gossip_session of_third;
    assert_int_equal(covey_gossip_session_init(&l.a.session, l.a.id, &l.b.id->cert), COVEY_OK);
    assert_int_equal(covey_gossip_session_init(&l.b.session, l.b.id, &l.a.id->cert), COVEY_OK);
    assert_int_equal(covey_gossip_session_init(&of_third, third, &l.a.id->cert), COVEY_OK);
    const uint8_t challenge[COVEY_NONCE_BYTES] = {1}, other[COVEY_NONCE_BYTES] = {2};
    uint8_t expected[COVEY_MAC_BYTES], made[COVEY_MAC_BYTES];
    covey_gossip_proof(expected, &l.a.session, false, challenge);
    covey_gossip_proof(made, &l.b.session, true, challenge);
    assert_memory_equal(made, expected, sizeof(made));
    covey_gossip_proof(made, &l.b.session, true, other);
    assert_memory_not_equal(made, expected, sizeof(made));
    covey_gossip_proof(made, &l.a.session, true, challenge);
    assert_memory_not_equal(made, expected, sizeof(made));
    covey_gossip_proof(made, &of_third, true, challenge);
    assert_memory_not_equal(made, expected, sizeof(made));
    restart(&l.b, &l.a);
    covey_gossip_proof(made, &l.b.session, true, challenge);
    assert_memory_equal(made, expected, sizeof(made));
    covey_gossip_session_done(&of_third);
    covey_identity_free(third);
    link_done(&l);
}

/* Two that know nothing of each other's boot agree after a datagram and its one reply. */
static void test_datagram_ends_learn_each_other(void **state)
{
    (void)state;
    struct link l;
    struct wire w;
    struct covey_datagram d;
    link_init(&l);
    assert_false(pass(&l.a, &l.b));
    assert_false(l.b.session.peer_boot_known); /* not current: changes nothing */
    struct covey_buf space = {w.bytes, sizeof(w.bytes)};
    struct covey_bytes payload = covey_bytes_of("gossip", 6);
    assert_int_equal(covey_datagram_reply(&l.a.session, l.a.id, payload, space, &w.len),
                     COVEY_ERR_STATE);
    assert_int_equal(covey_datagram_reply(&l.b.session, l.b.id, payload, space, &w.len), COVEY_OK);
    assert_int_equal(open_at(&l.a, &w, &d), COVEY_OK);
    assert_true(d.current && d.new_boot);
    seal(&l.a, &w);
    assert_int_equal(open_at(&l.b, &w, &d), COVEY_OK);
    assert_true(d.current && d.new_boot);
    seal(&l.a, &w);
    assert_int_equal(open_at(&l.b, &w, &d), COVEY_OK);
    assert_true(d.current && !d.new_boot);
    link_done(&l);
}

static void link_learn(struct link *l)
{
    for (int i = 0; i < 2; i++) {
        pass(&l->a, &l->b);
        pass(&l->b, &l->a);
    }
    assert_true(pass(&l->a, &l->b) && pass(&l->b, &l->a));
}

/* Each flipped bit is refused, in the header as in the rest, and so is each shorter datagram. */
static void test_datagram_refuses_flipped_bits(void **state)
{
    (void)state;
    struct link l;
    struct wire w;
    struct covey_datagram d;
    link_init(&l);
    link_learn(&l);
    seal(&l.a, &w);
    struct covey_gossip_session before = l.b.session;
    for (size_t bit = 0; bit < 8 * w.len; bit++) {
        w.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        covey_err err = open_at(&l.b, &w, &d);
        assert_true(err == COVEY_ERR_AUTH || err == COVEY_ERR_MALFORMED);
        w.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    size_t whole = w.len;
    for (w.len = 0; w.len < whole; w.len++) {
        assert_int_not_equal(open_at(&l.b, &w, &d), COVEY_OK);
    }
    assert_memory_equal(&l.b.session, &before, sizeof(before));
    w.len = whole;
    assert_int_equal(open_at(&l.b, &w, &d), COVEY_OK);
    link_done(&l);
}

/* A datagram opens once, in any order within the window. */
static void test_datagram_refuses_replay(void **state)
{
    (void)state;
    struct link l;
    struct wire w[4];
    struct covey_datagram d;
    link_init(&l);
    link_learn(&l);
    for (int i = 0; i < 4; i++) {
        seal(&l.a, &w[i]);
    }
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(open_at(&l.b, &w[i], &d), COVEY_OK);
        assert_int_equal(open_at(&l.b, &w[i], &d), COVEY_ERR_REPLAY);
    }
    link_done(&l);
}

/* After the receiver's restart what was recorded before is not current, and changes nothing. */
static void test_datagram_old_to_new_receiver_is_not_current(void **state)
{
    (void)state;
    struct link l;
    struct wire recorded;
    struct covey_datagram d;
    link_init(&l);
    link_learn(&l);
    seal(&l.a, &recorded);
    restart(&l.b, &l.a);
    assert_int_equal(open_at(&l.b, &recorded, &d), COVEY_OK);
    assert_false(d.current);
    assert_false(l.b.session.peer_boot_known);
    link_learn(&l);
    assert_int_equal(open_at(&l.b, &recorded, &d), COVEY_OK);
    assert_false(d.current || d.new_boot);
    assert_true(pass(&l.b, &l.a)); /* still addressed rightly */
    link_done(&l);
}

/* After the sender's restarts none of its former boots' datagrams pass for another restart. */
static void test_datagram_refuses_former_boots(void **state)
{
    (void)state;
    struct link l;
    struct wire recorded[COVEY_RETIRED_BOOTS];
    struct covey_datagram d;
    link_init(&l);
    for (int i = 0; i < COVEY_RETIRED_BOOTS; i++) {
        link_learn(&l);
        seal(&l.a, &recorded[i]);
        restart(&l.a, &l.b);
    }
    link_learn(&l);
    struct covey_gossip_session before = l.b.session;
    for (int i = 0; i < COVEY_RETIRED_BOOTS; i++) {
        assert_int_equal(open_at(&l.b, &recorded[i], &d), COVEY_ERR_REPLAY);
    }
    assert_memory_equal(&l.b.session, &before, sizeof(before));
    link_done(&l);
}

/* Ends find each other again after either, or both, started again. */
static void test_datagram_survives_restarts(void **state)
{
    (void)state;
    struct link l;
    link_init(&l);
    link_learn(&l);
    restart(&l.a, &l.b);
    link_learn(&l);
    restart(&l.b, &l.a);
    link_learn(&l);
    restart(&l.a, &l.b);
    restart(&l.b, &l.a);
    link_learn(&l);
    link_done(&l);
}

/* A session made anew within one boot never uses a counter again, and the peer goes on hearing it.
 */
static void test_datagram_counters_are_never_reused(void **state)
{
    (void)state;
    struct link l;
    struct covey_datagram d;
    struct wire first, again;
    link_init(&l);
    link_learn(&l);
    seal(&l.a, &first);
    assert_int_equal(covey_gossip_session_init(&l.a.session, l.a.id, &l.b.id->cert), COVEY_OK);
    assert_true(l.a.session.send_counter > covey_load64(first.bytes + COVEY_DATAGRAM_HEADER - 8));
    assert_true(pass(&l.b, &l.a));
    seal(&l.a, &again);
    assert_int_equal(open_at(&l.b, &again, &d), COVEY_OK);
    assert_true(d.current);
    link_done(&l);
}

/* A datagram is no good to anyone but its receiver, nor sent back to who sealed it. */
static void test_datagram_is_for_one_receiver(void **state)
{
    (void)state;
    struct mesh m;
    struct link l;
    struct wire w;
    struct covey_datagram d;
    struct end third;
    link_init(&l);
    link_learn(&l);
    mesh_init(&m);
    third.id = mesh_device(&m, "third");
    assert_int_equal(covey_gossip_session_init(&third.session, third.id, &l.a.id->cert), COVEY_OK);
    seal(&l.a, &w);
    assert_int_equal(open_at(&third, &w, &d), COVEY_ERR_AUTH);
    assert_int_equal(open_at(&l.a, &w, &d), COVEY_ERR_AUTH);
    assert_int_equal(covey_gossip_session_init(&third.session, third.id, &third.id->cert),
                     COVEY_ERR_DENIED);
    covey_identity_free(third.id);
    link_done(&l);
}

/* Payloads up to the limit pass; longer ones, and too small a space, are refused. */
static void test_datagram_limits(void **state)
{
    (void)state;
    static uint8_t big[COVEY_GOSSIP_MAX + 1], plain[COVEY_GOSSIP_MAX];
    struct link l;
    struct wire w;
    struct covey_datagram d;
    link_init(&l);
    struct covey_buf space = {w.bytes, sizeof(w.bytes)};
    assert_int_equal(
        covey_datagram_seal(&l.a.session, l.a.id, covey_bytes_of(big, sizeof(big)), space, &w.len),
        COVEY_ERR_LIMIT);
    space.len--;
    assert_int_equal(covey_datagram_seal(&l.a.session, l.a.id,
                                         covey_bytes_of(big, COVEY_GOSSIP_MAX), space, &w.len),
                     COVEY_ERR_SPACE);
    space.len++;
    assert_int_equal(covey_datagram_seal(&l.a.session, l.a.id,
                                         covey_bytes_of(big, COVEY_GOSSIP_MAX), space, &w.len),
                     COVEY_OK);
    assert_int_equal(covey_datagram_open(&l.b.session, l.b.id, covey_bytes_of(w.bytes, w.len),
                                         (struct covey_buf){plain, sizeof(plain)}, &d),
                     COVEY_OK);
    assert_int_equal(d.len, COVEY_GOSSIP_MAX);
    link_done(&l);
}

/* The window, case by case: each line is a counter and whether it is new. */
static void test_replay_window(void **state)
{
    (void)state;
    enum { W = COVEY_REPLAY_WINDOW };
    static const struct {
        uint64_t counter;
        bool fresh;
    } cases[] = {
        {0, true},
        {0, false},
        {1, true},
        {1, false},
        {9, true},
        {8, true},
        {7, true},
        {7, false},
        {W, true},
        {W - 1, true},
        {W - 1, false},
        {W, false},
        {2, true},
        {2, false},
        {1, false},
        {W + 16, true},
        {3, false}, /* seen never, but too old by now */
        {16, false},
        {17, true}, /* the oldest that is told apart */
        {17, false},
        {W + 16, false},
        {4 * W, true},
        {4 * W - (W - 1), true},
        {4 * W - (W - 1), false},
        {4 * W - W, false},
        {4 * W - 1, true},
        {4 * W + W - 1, true},
        {4 * W, false},
        {4 * W + 1, true},
        {UINT64_MAX - 1, true},
        {UINT64_MAX - 1, false},
        {UINT64_MAX, false}, /* top would wrap */
        {UINT64_MAX - W, true},
        {UINT64_MAX - W - 1, false},
        {0, false},
    };
    struct covey_replay r = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(covey_replay_accept(&r, cases[i].counter), cases[i].fresh);
    }
}

/* It agrees with a plain list of all counters seen. */
static void test_replay_window_agrees_with_list(void **state)
{
    (void)state;
    enum { SPAN = 20000 };
    static bool seen[SPAN];
    struct covey_replay r = {0};
    uint64_t top = 0;
    uint32_t random = 1;
    memset(seen, 0, sizeof(seen));
    for (uint64_t i = 0; i < 60000; i++) {
        random = random * 1664525 + 1013904223;
        uint64_t base = i / 4, back = (random >> 8) % 4096;
        uint64_t counter = (base + 2048 > back ? base + 2048 - back : 0) % SPAN;
        bool expected = counter + COVEY_REPLAY_WINDOW >= top && !seen[counter];
        assert_int_equal(covey_replay_accept(&r, counter), expected);
        if (expected) {
            seen[counter] = true;
            top = counter + 1 > top ? counter + 1 : top;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gossip_proof_is_of_one_question),
        cmocka_unit_test(test_datagram_ends_learn_each_other),
        cmocka_unit_test(test_datagram_refuses_flipped_bits),
        cmocka_unit_test(test_datagram_refuses_replay),
        cmocka_unit_test(test_datagram_old_to_new_receiver_is_not_current),
        cmocka_unit_test(test_datagram_refuses_former_boots),
        cmocka_unit_test(test_datagram_survives_restarts),
        cmocka_unit_test(test_datagram_counters_are_never_reused),
        cmocka_unit_test(test_datagram_is_for_one_receiver),
        cmocka_unit_test(test_datagram_limits),
        cmocka_unit_test(test_replay_window),
        cmocka_unit_test(test_replay_window_agrees_with_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
