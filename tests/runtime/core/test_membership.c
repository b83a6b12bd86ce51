/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "membership.h"

enum { PEERS = 5, NOW_S = 1767225600 };

struct fixture {
    struct covey_identity *id[PEERS + 1];
    struct covey__membership m;
    struct covey__swim_out out;
    uint16_t peer[PEERS];
};

/* One node that knows PEERS others, all alive with incarnation 1 << 32. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
    const uint8_t key[COVEY_KEY_BYTES] = {1};
    if (f == NULL || covey_crypto_init() != COVEY_OK) {
        return -1;
    }
    covey_authority_keypair(pub, secret);
    for (int i = 0; i <= PEERS; i++) {
        assert_int_equal(covey_identity_new("n", COVEY_TIER_EDGE, COVEY_TRUST_FULL, secret, key,
                                            NOW_S, &f->id[i]),
                         COVEY_OK);
    }
    covey__membership_init(&f->m, f->id[PEERS], 1, 1000);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(covey__member_add(&f->m, f->id[PEERS], &f->id[i]->cert,
                                           covey_bytes_of(f->id[i]->cert_wire, f->id[i]->cert_len),
                                           &f->peer[i]),
                         COVEY_OK);
        assert_true(covey__membership_record(&f->m, f->peer[i], UINT64_C(1) << 32, 1000, &f->out));
    }
    memset(&f->out, 0, sizeof(f->out));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    covey__membership_done(&f->m);
    for (int i = 0; i <= PEERS; i++) {
        covey_identity_free(f->id[i]);
    }
    free(f);
    return 0;
}

static struct covey_accusation accuse(const struct fixture *f, int by, int subject, bool lost)
{
    struct covey_accusation a = {f->m.hot[f->peer[by]].id, f->m.hot[f->peer[subject]].id,
                                 UINT64_C(1) << 32, lost};
    return a;
}

/* The suspicion's time follows the formula: least 2.5 s below ten members, six times that alone. */
static void test_suspicion_times(void **state)
{
    (void)state;
    assert_int_equal(covey__suspicion_ms(2, 1, 0), 2500);
    assert_int_equal(covey__suspicion_ms(5, 1, 0), 15000);
    assert_in_range(covey__suspicion_ms(5, 2, 0), 8700, 8800);
    assert_int_equal(covey__suspicion_ms(5, 4, 0), 2500);
    assert_int_equal(covey__suspicion_ms(100, 4, 0), 5000);
    assert_int_equal(covey__suspicion_ms(100, 2, 2), 1000);
    assert_true(covey__suspicion_ms(100, 2, 1) > 5000);
}

/* Only distinct accusers count, and each makes the end come sooner. */
static void test_distinct_accusers(void **state)
{
    struct fixture *f = *state;
    struct covey_accusation first = accuse(f, 1, 0, false), second = accuse(f, 2, 0, false);
    const struct covey__member *hot = &f->m.hot[f->peer[0]];
    assert_true(covey__membership_accused(&f->m, f->peer[0], &first, 2000, &f->out));
    uint64_t alone_ms = hot->deadline_ms;
    assert_false(covey__membership_accused(&f->m, f->peer[0], &first, 2100, &f->out));
    assert_int_equal(hot->deadline_ms, alone_ms);
    assert_true(covey__membership_accused(&f->m, f->peer[0], &second, 2100, &f->out));
    assert_true(hot->deadline_ms < alone_ms);
}

/* Who is suspected and answers pings, late as it may be, is there: its refutation is on its way.
 * When it answers no more it is held for dead soon. */
static void test_who_answers_is_not_buried(void **state)
{
    struct fixture *f = *state;
    struct covey_accusation a = accuse(f, 1, 0, false);
    const uint16_t peer = f->peer[0];
    assert_true(covey__membership_accused(&f->m, peer, &a, 2000, &f->out));
    uint64_t end_ms = f->m.hot[peer].deadline_ms, late_ms = end_ms + 10000;
    for (uint64_t at_ms = end_ms - 100; at_ms < late_ms; at_ms += COVEY_HEARD_MS / 2) {
        covey__membership_answered(&f->m, peer, at_ms);
        covey__membership_bury(&f->m, at_ms + COVEY_HEARD_MS - 1, &f->out);
        assert_true(covey__member_is(&f->m, peer, COVEY_MEMBER_SUSPECT));
        assert_true(f->m.hot[peer].deadline_ms <= at_ms + COVEY_HEARD_MS);
    }
    covey__membership_bury(&f->m, late_ms + COVEY_HEARD_MS, &f->out);
    assert_true(covey__member_is(&f->m, peer, COVEY_MEMBER_DEAD));
    a = accuse(f, 1, 2, false);
    covey__membership_answered(&f->m, f->peer[2], 1900); /* before, which says nothing */
    assert_true(covey__membership_accused(&f->m, f->peer[2], &a, 2000, &f->out));
    covey__membership_bury(&f->m, f->m.hot[f->peer[2]].deadline_ms, &f->out);
    assert_true(covey__member_is(&f->m, f->peer[2], COVEY_MEMBER_DEAD));
}

/* An accusation of an older incarnation says nothing, nor does one of an incarnation that nobody
 * has seen: it could not be refuted. A higher incarnation refutes. */
static void test_incarnations(void **state)
{
    struct fixture *f = *state;
    struct covey_accusation a = accuse(f, 1, 0, false);
    a.incarnation--;
    assert_false(covey__membership_accused(&f->m, f->peer[0], &a, 2000, &f->out));
    a.incarnation += 2;
    assert_false(covey__membership_accused(&f->m, f->peer[0], &a, 2000, &f->out));
    a.incarnation--;
    assert_true(covey__membership_accused(&f->m, f->peer[0], &a, 2000, &f->out));
    assert_false(covey__membership_record(&f->m, f->peer[0], a.incarnation, 2100, &f->out));
    assert_true(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_SUSPECT));
    assert_true(covey__membership_record(&f->m, f->peer[0], a.incarnation + 1, 2100, &f->out));
    assert_true(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_ALIVE));
}

/* How often this one's suspicion of peer 0 counts that is refuted each time. */
static unsigned times_believed(struct fixture *f, int by, unsigned times, uint64_t now_ms)
{
    unsigned believed = 0;
    for (unsigned i = 0; i < times; i++) {
        struct covey_accusation a = accuse(f, by, 0, false);
        a.incarnation = f->m.hot[f->peer[0]].incarnation;
        believed += covey__membership_accused(&f->m, f->peer[0], &a, now_ms, &f->out);
        assert_true(
            covey__membership_record(&f->m, f->peer[0], a.incarnation + 1, now_ms, &f->out));
    }
    return believed;
}

/* Who suspects again and again, always wrongly, is not heard for a while; others are, and so is one
 * whose suspicion was of an earlier boot. */
static void test_wrong_accusers_are_not_heard(void **state)
{
    enum { TIMES = 1000, BORNE = 31, REFUTED_MS = 2000 };
    struct fixture *f = *state;
    assert_int_equal(times_believed(f, 1, TIMES, 1000), BORNE);
    assert_int_equal(times_believed(f, 2, 1, 1000), 1);
    assert_int_equal(times_believed(f, 1, TIMES, 1000), 0);
    covey__membership_gap(&f->m, 1000 + REFUTED_MS);
    assert_int_equal(times_believed(f, 1, TIMES, 1000 + REFUTED_MS), 1);
    for (unsigned boot = 2; boot < TIMES; boot++) {
        struct covey_accusation a = accuse(f, 3, 0, false);
        a.incarnation = f->m.hot[f->peer[0]].incarnation;
        assert_true(covey__membership_accused(&f->m, f->peer[0], &a, 1000, &f->out));
        assert_true(
            covey__membership_record(&f->m, f->peer[0], (uint64_t)boot << 32, 1000, &f->out));
    }
}

/* Two that lost their channel to it bury it within a second. */
static void test_lost_channels(void **state)
{
    struct fixture *f = *state;
    struct covey_accusation first = accuse(f, 1, 0, true), second = accuse(f, 2, 0, true);
    assert_true(covey__membership_accused(&f->m, f->peer[0], &first, 1500, &f->out));
    assert_true(covey__membership_accused(&f->m, f->peer[0], &second, 1500, &f->out));
    for (uint64_t now_ms = 1500; now_ms < 2500; now_ms += 100) {
        f->out.sends = 0;
        covey__membership_tick(&f->m, now_ms, &f->out);
        assert_false(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_DEAD));
    }
    covey__membership_tick(&f->m, 2500, &f->out);
    assert_true(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_DEAD));
}

/* One that stood still gives the suspected as much time again. */
static void test_gap_buries_nobody(void **state)
{
    struct fixture *f = *state;
    struct covey_accusation a = accuse(f, 1, 0, false);
    assert_true(covey__membership_accused(&f->m, f->peer[0], &a, 1000, &f->out));
    covey__membership_tick(&f->m, 100000, &f->out);
    assert_true(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_SUSPECT));
    assert_int_equal(f->m.health, 1);
}

/* A lost channel is looked at at once: three pings, three helpers, then suspicion. */
static void test_probe_of_lost_channel(void **state)
{
    struct fixture *f = *state;
    unsigned pings = 0, helpers = 0;
    covey__membership_channel(&f->m, f->peer[0], true);
    covey__membership_channel(&f->m, f->peer[0], false);
    for (uint64_t now_ms = 1000; now_ms <= 1600; now_ms += 10) {
        f->out.sends = 0;
        covey__membership_tick(&f->m, now_ms, &f->out);
        for (size_t i = 0; i < f->out.sends; i++) {
            const struct covey__swim_send *send = &f->out.send[i];
            pings += send->type == COVEY_GOSSIP_PING && send->to == f->peer[0];
            helpers += send->type == COVEY_GOSSIP_PING_REQ && send->about == f->peer[0];
        }
    }
    assert_true(pings >= 3);
    assert_int_equal(helpers, 3);
    assert_true(covey__member_is(&f->m, f->peer[0], COVEY_MEMBER_SUSPECT));
}

static void acknowledge(struct fixture *f, uint16_t from, uint32_t seq, uint64_t now_ms,
                        const uint8_t *proof)
{
    struct covey_gossip_message ack = {.type = COVEY_GOSSIP_ACK, .seq = seq};
    ack.proof = covey_bytes_of(proof, proof == NULL ? 0 : COVEY_MAC_BYTES);
    covey__membership_ack(&f->m, from, &ack, now_ms, &f->out);
}

/* An answer to the ping ends the probe; one from somebody else does not. */
static void test_answers(void **state)
{
    struct fixture *f = *state;
    covey__membership_channel(&f->m, f->peer[0], true);
    covey__membership_channel(&f->m, f->peer[0], false);
    covey__membership_tick(&f->m, 1000, &f->out);
    assert_true(f->out.sends > 0 && f->m.probe[0].active);
    assert_int_equal(f->m.probe[0].index, f->peer[0]);
    uint32_t seq = f->m.probe[0].seq;
    acknowledge(f, f->peer[1], seq, 1010, NULL);
    assert_true(f->m.probe[0].active);
    acknowledge(f, f->peer[0], seq, 1010, NULL);
    assert_false(f->m.probe[0].active);
    assert_int_equal(f->m.hot[f->peer[0]].rtt_us, 10000);
}

struct question {
    uint32_t seq;
    uint8_t challenge[COVEY_CHALLENGE_BYTES];
};

/* Runs the machine until it has asked helpers for the first peer; which, and what. The others
 * answer their pings. */
static unsigned asked_helpers(struct fixture *f, uint64_t from_ms, uint16_t *helper,
                              struct question *asked)
{
    unsigned count = 0;
    for (uint64_t now_ms = from_ms; count == 0 && now_ms < from_ms + 400; now_ms += 10) {
        f->out.sends = 0;
        covey__membership_tick(&f->m, now_ms, &f->out);
        for (size_t i = 0; i < f->out.sends; i++) {
            const struct covey__swim_send send = f->out.send[i];
            if (send.type == COVEY_GOSSIP_PING_REQ && send.about == f->peer[0]) {
                helper[count++] = send.to;
                asked->seq = send.seq;
                assert_int_equal(send.challenge.len, sizeof(asked->challenge));
                memcpy(asked->challenge, send.challenge.ptr, sizeof(asked->challenge));
            } else if (send.type == COVEY_GOSSIP_PING && send.to != f->peer[0]) {
                acknowledge(f, send.to, send.seq, now_ms, NULL);
            }
        }
    }
    return count;
}

static bool is_probed(const struct fixture *f, uint16_t index)
{
    bool found = false;
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        found = found || (f->m.probe[i].active && f->m.probe[i].index == index);
    }
    return found;
}

/* What this peer makes of a challenge of the node's. */
static void prove(const struct fixture *f, int by, const struct question *asked,
                  uint8_t proof[static COVEY_MAC_BYTES])
{
    struct covey_gossip_session session;
    assert_int_equal(covey_gossip_session_init(&session, f->id[by], &f->id[PEERS]->cert), COVEY_OK);
    covey_gossip_proof(proof, &session, true, asked->challenge);
    covey_gossip_session_done(&session);
}

/* Whatever its helpers say: the peer's answer to an earlier question, their own to this one, the
 * prober's own back, nothing, and the numbers round the last one. */
static void lie(struct fixture *f, const uint16_t *helper, const struct question *before,
                const struct question *asked, uint64_t now_ms)
{
    uint8_t proof[4][COVEY_MAC_BYTES] = {{0}};
    prove(f, 0, before, proof[0]);
    prove(f, 1, asked, proof[1]);
    covey_gossip_proof(proof[2], &f->m.cold[f->peer[0]].session, true, asked->challenge);
    for (unsigned i = 0; i < COVEY_PROBE_HELPERS; i++) {
        for (unsigned k = 0; k < 4; k++) {
            acknowledge(f, helper[i], asked->seq, now_ms, proof[k]);
        }
        acknowledge(f, helper[i], asked->seq, now_ms, NULL);
    }
    for (uint32_t guess = before->seq - 64; guess != before->seq + 64; guess++) {
        acknowledge(f, helper[0], guess, now_ms, proof[0]);
        acknowledge(f, f->peer[0], guess, now_ms, NULL);
    }
}

/* That a member answered is believed of it, with the number that came with the question, and of who
 * shows what it alone could make of the challenge: not of a helper's word. */
static void test_helpers_show_proof(void **state)
{
    struct fixture *f = *state;
    struct question asked = {0}, before = {0};
    for (unsigned round = 0; round < 8; round++) {
        uint16_t helper[COVEY_PROBE_HELPERS] = {0};
        uint8_t proof[COVEY_MAC_BYTES];
        covey__membership_channel(&f->m, f->peer[0], true);
        covey__membership_channel(&f->m, f->peer[0], false);
        uint64_t now_ms = 1000 + 400 * round;
        assert_int_equal(asked_helpers(f, now_ms, helper, &asked), COVEY_PROBE_HELPERS);
        assert_memory_not_equal(asked.challenge, before.challenge, sizeof(asked.challenge));
        lie(f, helper, &before, &asked, now_ms + 300);
        assert_true(is_probed(f, f->peer[0]));
        prove(f, 0, &asked, proof);
        acknowledge(f, helper[round % COVEY_PROBE_HELPERS], asked.seq, now_ms + 300, proof);
        assert_false(is_probed(f, f->peer[0]));
        before = asked;
    }
}

/* A helper carries the challenge there and the answer back; who was asked proves it to whose it is,
 * and to nobody that it does not know. */
static void test_helpers_carry_proof(void **state)
{
    struct fixture *f = *state;
    const uint8_t challenge[COVEY_CHALLENGE_BYTES] = {7};
    uint8_t proof[COVEY_MAC_BYTES], other[COVEY_MAC_BYTES];
    struct covey_gossip_message ask = {.type = COVEY_GOSSIP_PING_REQ,
                                       .seq = 5,
                                       .node = f->id[0]->cert.node,
                                       .challenge = covey_bytes_of(challenge, sizeof(challenge))};
    f->out.sends = 0;
    covey__membership_ping_req(&f->m, f->peer[1], &ask, 1000, &f->out);
    assert_int_equal(f->out.sends, 1);
    const struct covey__swim_send *ping = &f->out.send[0];
    assert_true(ping->type == COVEY_GOSSIP_PING && ping->to == f->peer[0]);
    assert_int_equal(ping->origin, f->peer[1]);
    assert_true(covey_bytes_equal(ping->challenge, ask.challenge));
    acknowledge(f, f->peer[0], ping->seq, 1010, challenge);
    assert_int_equal(f->out.sends, 2);
    const struct covey__swim_send *ack = &f->out.send[1];
    assert_true(ack->type == COVEY_GOSSIP_ACK && ack->to == f->peer[1] && ack->seq == 5);
    assert_int_equal(ack->proof.len, COVEY_MAC_BYTES);
    assert_memory_equal(ack->proof.ptr, challenge, COVEY_MAC_BYTES);

    struct covey_gossip_message of_me = {
        .type = COVEY_GOSSIP_PING, .origin = f->id[1]->cert.node, .challenge = ask.challenge};
    struct covey_gossip_session session;
    assert_int_equal(covey_gossip_session_init(&session, f->id[1], &f->id[PEERS]->cert), COVEY_OK);
    covey_gossip_proof(other, &session, false, challenge);
    covey_gossip_session_done(&session);
    assert_true(covey__membership_prove(&f->m, &of_me, proof));
    assert_memory_equal(proof, other, sizeof(proof));
    of_me.origin = f->id[PEERS]->cert.node;
    assert_false(covey__membership_prove(&f->m, &of_me, proof));
    of_me.origin.bytes[0] ^= 1;
    assert_false(covey__membership_prove(&f->m, &of_me, proof));
    of_me = (struct covey_gossip_message){.type = COVEY_GOSSIP_PING, .origin = f->id[1]->cert.node};
    assert_false(covey__membership_prove(&f->m, &of_me, proof)); /* an older helper's */
}

/* Who asks for ping after ping of others is given some a second, and leaves some to those who ask
 * beside it. */
static void test_relays_are_shared(void **state)
{
    enum { TIMES = 200, LONG_MS = 1000 };
    struct fixture *f = *state;
    f->out.sends = 0;
    struct covey_gossip_message ask = {.type = COVEY_GOSSIP_PING_REQ, .node = f->id[0]->cert.node};
    for (ask.seq = 0; ask.seq < TIMES; ask.seq++) {
        covey__membership_ping_req(&f->m, f->peer[1], &ask, 1000, &f->out);
    }
    assert_int_equal(f->out.sends, COVEY_RELAYS_ORIGIN_MAX);
    covey__membership_ping_req(&f->m, f->peer[2], &ask, 1000, &f->out);
    assert_int_equal(f->out.sends, COVEY_RELAYS_ORIGIN_MAX + 1);
    covey__membership_ping_req(&f->m, f->peer[1], &ask, 1000 + LONG_MS, &f->out);
    assert_int_equal(f->out.sends, COVEY_RELAYS_ORIGIN_MAX + 2);
}

/* Who left stays so for its incarnation, and is back with a higher one. */
static void test_leave(void **state)
{
    struct fixture *f = *state;
    uint64_t incarnation = UINT64_C(1) << 32;
    struct covey_accusation a = accuse(f, 1, 0, false);
    assert_false(covey__membership_left(&f->m, f->peer[0], incarnation - 1, 2000, &f->out));
    assert_true(covey__membership_left(&f->m, f->peer[0], incarnation, 2000, &f->out));
    assert_false(covey__membership_accused(&f->m, f->peer[0], &a, 2000, &f->out));
    assert_false(covey__membership_record(&f->m, f->peer[0], incarnation, 2000, &f->out));
    assert_int_equal(f->m.alive, PEERS);
    assert_true(covey__membership_record(&f->m, f->peer[0], incarnation * 2, 2000, &f->out));
    assert_int_equal(f->m.alive, PEERS + 1);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspicion_times),
        WITH(test_distinct_accusers),
        WITH(test_who_answers_is_not_buried),
        WITH(test_incarnations),
        WITH(test_wrong_accusers_are_not_heard),
        WITH(test_lost_channels),
        WITH(test_gap_buries_nobody),
        WITH(test_probe_of_lost_channel),
        WITH(test_answers),
        WITH(test_helpers_show_proof),
        WITH(test_helpers_carry_proof),
        WITH(test_relays_are_shared),
        WITH(test_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
