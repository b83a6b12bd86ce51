/* SPDX-License-Identifier: MIT */
#include "fixture.h"

struct two {
    struct mesh mesh;
    struct covey_identity *a, *b; /* a dials b */
};

static void two_init(struct two *t)
{
    mesh_init(&t->mesh);
    t->a = mesh_device(&t->mesh, "a");
    t->b = mesh_device(&t->mesh, "b");
}

static void two_done(struct two *t)
{
    covey_identity_free(t->a);
    covey_identity_free(t->b);
}

static bool believed(const struct covey_handshake *h)
{
    static const struct covey_cert nothing;
    return h->peer_len != 0 || memcmp(&h->peer, &nothing, sizeof(nothing)) != 0;
}

/* Sends one record each way over a channel that is open at both ends. */
static void check_channel(struct dial *d)
{
    struct covey_sealer send[2], receive[2];
    uint8_t wire[64], plain[COVEY_RECORD_MAX];
    struct covey_record record;
    size_t len;
    assert_int_equal(covey_handshake_finish(&d->dialler, &send[0], &receive[0]), COVEY_OK);
    assert_int_equal(covey_handshake_finish(&d->acceptor, &send[1], &receive[1]), COVEY_OK);
    for (int from = 0; from < 2; from++) {
        assert_int_equal(covey_record_seal(&send[from], COVEY_RECORD_BODY, 7,
                                           covey_bytes_of("hello", 5),
                                           (struct covey_buf){wire, sizeof(wire)}, &len),
                         COVEY_OK);
        assert_int_equal(covey_record_open(&receive[1 - from], covey_bytes_of(wire, len),
                                           (struct covey_buf){plain, sizeof(plain)}, &record),
                         COVEY_OK);
        assert_int_equal(record.stream, 7);
        assert_memory_equal(plain, "hello", 5);
    }
    assert_int_equal(covey_handshake_finish(&d->dialler, &send[0], &receive[0]), COVEY_ERR_STATE);
}

/* Two members open a channel, and each knows who the other is. */
static void test_handshake_opens_channel(void **state)
{
    (void)state;
    struct two t;
    struct dial d;
    two_init(&t);
    dial_init(&d, t.a, t.b, &t.b->cert.node);
    assert_int_equal(dial_run(&d), COVEY_OK);
    assert_true(covey_node_id_equal(&d.dialler.peer.node, &t.b->cert.node));
    assert_true(covey_node_id_equal(&d.acceptor.peer.node, &t.a->cert.node));
    assert_int_equal(d.acceptor.peer_len, t.a->cert_len);
    assert_memory_equal(d.acceptor.peer_wire, t.a->cert_wire, t.a->cert_len);
    check_channel(&d);
    dial_done(&d);
    dial_init(&d, t.a, t.b, NULL); /* --join: any member */
    assert_int_equal(dial_run(&d), COVEY_OK);
    dial_done(&d);
    two_done(&t);
}

/* Moves at most n bytes at a time across, in both directions. */
static void run_in_pieces(struct dial *d, size_t n)
{
    uint8_t out[COVEY_HANDSHAKE_MAX + 2];
    struct covey_buf space = {out, sizeof(out)};
    struct covey_handshake *side[2] = {&d->acceptor, &d->dialler};
    uint8_t *in[2] = {d->to_acceptor, d->to_dialler};
    size_t *in_len[2] = {&d->to_acceptor_len, &d->to_dialler_len};
    for (int turn = 0; turn < 8192; turn++) {
        int i = turn % 2;
        if (side[i]->state != COVEY_HANDSHAKE_RUNNING) {
            continue;
        }
        size_t give = *in_len[i] < n ? *in_len[i] : n, len, used;
        assert_int_equal(
            covey_handshake_step(side[i], covey_bytes_of(in[i], give), NOW_S, space, &len, &used),
            COVEY_OK);
        memmove(in[i], in[i] + used, *in_len[i] - used);
        *in_len[i] -= used;
        memcpy(in[1 - i] + *in_len[1 - i], out, len);
        *in_len[1 - i] += len;
    }
}

/* Bytes may arrive in any split. */
static void test_handshake_takes_any_split(void **state)
{
    (void)state;
    struct two t;
    two_init(&t);
    for (size_t n = 1; n < 100; n += 7) {
        struct dial d;
        dial_init(&d, t.a, t.b, &t.b->cert.node);
        run_in_pieces(&d, n);
        assert_int_equal(d.dialler.state, COVEY_HANDSHAKE_DONE);
        assert_int_equal(d.acceptor.state, COVEY_HANDSHAKE_DONE);
        check_channel(&d);
        dial_done(&d);
    }
    two_done(&t);
}

/* Bytes behind the last message are left for the records. */
static void test_handshake_leaves_records_alone(void **state)
{
    (void)state;
    struct two t;
    struct dial d;
    two_init(&t);
    dial_init(&d, t.a, t.b, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dial_step_acceptor(&d), COVEY_OK);
        assert_int_equal(dial_step_dialler(&d), COVEY_OK);
    }
    memcpy(d.to_acceptor + d.to_acceptor_len, "record", 6);
    d.to_acceptor_len += 6;
    assert_int_equal(dial_step_acceptor(&d), COVEY_OK);
    assert_int_equal(d.acceptor.state, COVEY_HANDSHAKE_DONE);
    assert_int_equal(d.to_acceptor_len, 6);
    assert_memory_equal(d.to_acceptor, "record", 6);
    assert_int_equal(dial_step_acceptor(&d), COVEY_ERR_STATE);
    dial_done(&d);
    two_done(&t);
}

/* Runs a handshake with one byte of the index-th flight (0: challenge) altered. Returns false when
 * the flight has no such byte. */
static bool run_corrupted(const struct two *t, int flight, size_t at, uint8_t flip)
{
    struct dial d;
    bool altered = false;
    dial_init(&d, t->a, t->b, &t->b->cert.node);
    covey_err err = COVEY_OK;
    for (int i = 0; i < 5 && err == COVEY_OK; i++) {
        bool to_dialler = i % 2 == 0;
        err = to_dialler ? dial_step_acceptor(&d) : dial_step_dialler(&d);
        uint8_t *wire = to_dialler ? d.to_dialler : d.to_acceptor;
        if (i == flight && at < (to_dialler ? d.to_dialler_len : d.to_acceptor_len)) {
            wire[at] ^= flip;
            altered = true;
        }
    }
    if (altered) {
        bool both =
            d.dialler.state == COVEY_HANDSHAKE_DONE && d.acceptor.state == COVEY_HANDSHAKE_DONE;
        assert_false(both);
        assert_false(believed(&d.acceptor));
        assert_true(flight == 3 || !believed(&d.dialler));
        assert_true(err == COVEY_OK || err == COVEY_ERR_AUTH || err == COVEY_ERR_MALFORMED);
    }
    dial_done(&d);
    return altered;
}

/* Any byte of any message altered, and the channel does not open. */
static void test_handshake_refuses_every_altered_byte(void **state)
{
    (void)state;
    static const size_t shortest[4] = {16, 70, 2 + COVEY_NOISE_OVERHEAD_2,
                                       2 + COVEY_NOISE_OVERHEAD_3};
    struct two t;
    two_init(&t);
    for (int flight = 0; flight < 4; flight++) {
        size_t at = 0;
        while (run_corrupted(&t, flight, at, (uint8_t)(1u << (at % 8)))) {
            at++;
        }
        assert_true(at >= shortest[flight]);
        run_corrupted(&t, flight, 31, 0x80);
        run_corrupted(&t, flight, 33, 0x80);      /* high bit of the ephemeral of message 2 */
        run_corrupted(&t, flight, 22 + 31, 0x80); /* and of message 1 */
    }
    two_done(&t);
}

/* Runs a dial and says where it ended; nothing is believed at the end that failed. */
static covey_err outcome(const struct covey_identity *dialler,
                         const struct covey_identity *acceptor,
                         const struct covey_node_id *expected)
{
    struct dial d;
    dial_init(&d, dialler, acceptor, expected);
    covey_err err = dial_run(&d);
    if (err != COVEY_OK) {
        assert_true(d.acceptor.state == COVEY_HANDSHAKE_FAILED ||
                    d.dialler.state == COVEY_HANDSHAKE_FAILED);
        assert_true(d.acceptor.state != COVEY_HANDSHAKE_FAILED || !believed(&d.acceptor));
        assert_true(d.dialler.state != COVEY_HANDSHAKE_FAILED || !believed(&d.dialler));
    }
    dial_done(&d);
    return err;
}

/* Who does not hold the mesh key gets no answer to the preamble, and no X25519 is done for it. */
static void test_handshake_refuses_wrong_mesh_key(void **state)
{
    (void)state;
    struct two t;
    struct dial d;
    two_init(&t);
    t.a->mesh_key[5] ^= 1;
    dial_init(&d, t.a, t.b, NULL);
    assert_int_equal(dial_step_acceptor(&d), COVEY_OK);
    assert_int_equal(dial_step_dialler(&d), COVEY_OK);
    d.to_dialler_len = 0;
    assert_int_equal(dial_step_acceptor(&d), COVEY_ERR_AUTH);
    assert_int_equal(d.to_dialler_len, 0);
    static const uint8_t untouched[32];
    assert_memory_equal(d.acceptor.noise.e_public, untouched, 32);
    dial_done(&d);
    two_done(&t);
}

/* A stranger with the mesh key and another authority's certificate is refused on either side. */
static void test_handshake_refuses_strangers(void **state)
{
    (void)state;
    struct two t;
    struct mesh other;
    two_init(&t);
    mesh_init(&other);
    memcpy(other.mesh_key, t.mesh.mesh_key, sizeof(other.mesh_key));
    struct covey_identity *stranger = mesh_device(&other, "stranger");
    memcpy(stranger->authority_public, t.a->authority_public, sizeof(stranger->authority_public));
    assert_int_equal(outcome(stranger, t.b, NULL), COVEY_ERR_AUTH);
    assert_int_equal(outcome(t.a, stranger, NULL), COVEY_ERR_AUTH);
    covey_identity_free(stranger);
    two_done(&t);
}

/* A member that shows another's certificate is refused: its handshake key is not in it. */
static void test_handshake_refuses_borrowed_certificates(void **state)
{
    (void)state;
    struct two t;
    two_init(&t);
    struct covey_identity *thief = mesh_device(&t.mesh, "thief");
    memcpy(thief->cert_wire, t.a->cert_wire, t.a->cert_len);
    thief->cert_len = t.a->cert_len;
    assert_int_equal(outcome(thief, t.b, NULL), COVEY_ERR_AUTH);
    assert_int_equal(outcome(t.b, thief, NULL), COVEY_ERR_AUTH);
    covey_identity_free(thief);
    two_done(&t);
}

/* The dialler leaves, showing no certificate, unless the id is the one it dialled. */
static void test_handshake_refuses_unexpected_id(void **state)
{
    (void)state;
    struct two t;
    struct dial d;
    two_init(&t);
    assert_int_equal(outcome(t.a, t.b, &t.a->cert.node), COVEY_ERR_AUTH);
    dial_init(&d, t.a, t.b, &t.a->cert.node);
    assert_int_equal(dial_run(&d), COVEY_ERR_AUTH);
    assert_int_equal(d.to_acceptor_len, 0);
    dial_done(&d);
    two_done(&t);
}

/* A certificate that has expired opens nothing. */
static void test_handshake_refuses_expired(void **state)
{
    (void)state;
    struct two t;
    struct covey_identity *old;
    two_init(&t);
    assert_int_equal(covey_identity_new("old", COVEY_TIER_END, COVEY_TRUST_FULL,
                                        t.mesh.authority_secret, t.mesh.mesh_key,
                                        NOW_S - 2 * UINT64_C(366) * 24 * 3600, &old),
                     COVEY_OK);
    assert_int_equal(outcome(old, t.b, NULL), COVEY_ERR_EXPIRED);
    assert_int_equal(outcome(t.a, old, NULL), COVEY_ERR_EXPIRED);
    covey_identity_free(old);
    two_done(&t);
}

/* One's own id at the other end is a copied state directory, or a loop. */
static void test_handshake_refuses_own_id(void **state)
{
    (void)state;
    struct two t;
    two_init(&t);
    struct covey_identity *copy = device_restart(t.a);
    assert_int_equal(outcome(t.a, copy, NULL), COVEY_ERR_AUTH);
    covey_identity_free(copy);
    two_done(&t);
}

/* What a dialler once sent means nothing to another challenge. */
static void test_handshake_refuses_replayed_dialler(void **state)
{
    (void)state;
    struct two t;
    struct dial d, replay;
    uint8_t sent[2048];
    two_init(&t);
    dial_init(&d, t.a, t.b, NULL);
    assert_int_equal(dial_step_acceptor(&d), COVEY_OK);
    assert_int_equal(dial_step_dialler(&d), COVEY_OK);
    size_t len = d.to_acceptor_len;
    memcpy(sent, d.to_acceptor, len);
    assert_int_equal(dial_step_acceptor(&d), COVEY_OK);
    assert_int_equal(dial_step_dialler(&d), COVEY_OK);
    memcpy(sent + len, d.to_acceptor, d.to_acceptor_len);
    len += d.to_acceptor_len;
    dial_init(&replay, t.a, t.b, NULL);
    assert_int_equal(dial_step_acceptor(&replay), COVEY_OK);
    replay.to_dialler_len = 0;
    memcpy(replay.to_acceptor, sent, len);
    replay.to_acceptor_len = len;
    assert_int_equal(dial_step_acceptor(&replay), COVEY_ERR_AUTH);
    assert_int_equal(replay.to_dialler_len, 0);
    dial_done(&d);
    dial_done(&replay);
    two_done(&t);
}

/* Too small a space is refused before anything is taken, and the handshake goes on after. */
static void test_handshake_needs_space(void **state)
{
    (void)state;
    struct two t;
    struct dial d;
    uint8_t out[COVEY_HANDSHAKE_MAX + 1];
    size_t len, used;
    two_init(&t);
    dial_init(&d, t.a, t.b, NULL);
    assert_int_equal(covey_handshake_step(&d.acceptor, covey_bytes_of(NULL, 0), NOW_S,
                                          (struct covey_buf){out, sizeof(out)}, &len, &used),
                     COVEY_ERR_SPACE);
    assert_int_equal(dial_run(&d), COVEY_OK);
    dial_done(&d);
    two_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_opens_channel),
        cmocka_unit_test(test_handshake_takes_any_split),
        cmocka_unit_test(test_handshake_leaves_records_alone),
        cmocka_unit_test(test_handshake_refuses_every_altered_byte),
        cmocka_unit_test(test_handshake_refuses_wrong_mesh_key),
        cmocka_unit_test(test_handshake_refuses_strangers),
        cmocka_unit_test(test_handshake_refuses_borrowed_certificates),
        cmocka_unit_test(test_handshake_refuses_unexpected_id),
        cmocka_unit_test(test_handshake_refuses_expired),
        cmocka_unit_test(test_handshake_refuses_own_id),
        cmocka_unit_test(test_handshake_refuses_replayed_dialler),
        cmocka_unit_test(test_handshake_needs_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
