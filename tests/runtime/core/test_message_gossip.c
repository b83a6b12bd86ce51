/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/message_gossip.h"

static const uint8_t signature[COVEY_STATEMENT_SIGNATURE] = {9, 8, 7};
static const uint8_t drawn[COVEY_CHALLENGE_BYTES] = {6, 5}, made[COVEY_CHALLENGE_BYTES] = {4, 3};

static size_t encoded(const struct covey_gossip_message *m, uint8_t *out, size_t cap)
{
    size_t len = 0;
    assert_int_equal(covey_gossip_encode(m, (struct covey_buf){out, cap}, &len), COVEY_OK);
    return len;
}

/* Each type of message keeps its fields. */
static void test_messages_round_trip(void **state)
{
    (void)state;
    for (int type = COVEY_GOSSIP_PING; type <= COVEY_GOSSIP_CERT; type++) {
        struct covey_gossip_message m = {.type = (enum covey_gossip_type)type}, back;
        uint8_t out[2048], again[2048];
        bool numbered =
            type == COVEY_GOSSIP_PING || type == COVEY_GOSSIP_ACK || type == COVEY_GOSSIP_PING_REQ;
        m.seq = numbered ? 0xfedcba98U : 0;
        m.node.bytes[3] = type == COVEY_GOSSIP_PING || type == COVEY_GOSSIP_PING_REQ ? 5 : 0;
        m.origin.bytes[4] = type == COVEY_GOSSIP_PING ? 6 : 0;
        m.challenge = covey_bytes_of(drawn, m.node.bytes[3] != 0 ? sizeof(drawn) : 0);
        m.proof = covey_bytes_of(made, type == COVEY_GOSSIP_ACK ? sizeof(made) : 0);
        m.cert = covey_bytes_of("cert", type == COVEY_GOSSIP_CERT ? 4 : 0);
        m.digests = type == COVEY_GOSSIP_CERT_ASK ? 2 : 0;
        m.digest[1].bytes[31] = 1;
        m.statements = 1;
        m.statement[0] = (struct covey_statement){COVEY_STATEMENT_LEAVE, covey_bytes_of("body", 4),
                                                  covey_bytes_of(signature, sizeof(signature))};
        size_t len = encoded(&m, out, sizeof(out));
        assert_int_equal(covey_gossip_decode(covey_bytes_of(out, len), &back), COVEY_OK);
        assert_int_equal(back.type, type);
        assert_int_equal(back.seq, m.seq);
        assert_true(covey_node_id_equal(&back.node, &m.node));
        assert_true(covey_node_id_equal(&back.origin, &m.origin));
        assert_true(covey_bytes_equal(back.challenge, m.challenge));
        assert_true(covey_bytes_equal(back.proof, m.proof));
        assert_true(covey_bytes_equal(back.cert, m.cert));
        assert_int_equal(back.digests, m.digests);
        assert_int_equal(back.statements, 1);
        assert_int_equal(back.statement[0].kind, COVEY_STATEMENT_LEAVE);
        assert_true(covey_bytes_equal(back.statement[0].body, m.statement[0].body));
        assert_int_equal(encoded(&back, again, sizeof(again)), len);
        assert_memory_equal(out, again, len);
    }
}

/* No beginning of a message is a message. */
static void test_cut_messages_are_refused(void **state)
{
    (void)state;
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_PING, .seq = 300}, back;
    uint8_t out[64];
    size_t len = encoded(&m, out, sizeof(out));
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(covey_gossip_decode(covey_bytes_of(out, i), &back), COVEY_OK);
    }
}

/* A type without the keys it needs is malformed, an unknown one unsupported. */
static void test_keys_and_types_are_checked(void **state)
{
    (void)state;
    struct covey_gossip_message back;
    const uint8_t bare_ping[] = {0xa1, 0x00, 0x01}, unknown[] = {0xa1, 0x00, 0x18, 0x63};
    assert_int_equal(covey_gossip_decode(covey_bytes_of(bare_ping, sizeof(bare_ping)), &back),
                     COVEY_ERR_MALFORMED);
    assert_int_equal(covey_gossip_decode(covey_bytes_of(unknown, sizeof(unknown)), &back),
                     COVEY_ERR_UNSUPPORTED);
}

/* A challenge and a proof are whole or not there, and a ping says whose challenge it brings: no
 * reader sees half of one. Without them a message is as older nodes write it. */
static void test_challenges_are_whole(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 8, COVEY_CHALLENGE_BYTES - 1};
    static const enum covey_gossip_type types[] = {COVEY_GOSSIP_PING, COVEY_GOSSIP_PING_REQ,
                                                   COVEY_GOSSIP_ACK};
    struct covey_gossip_message back;
    uint8_t out[128];
    for (unsigned type = 0; type < 3; type++) {
        struct covey_gossip_message m = {.type = types[type], .seq = 300};
        size_t bare = encoded(&m, out, sizeof(out));
        assert_int_equal(covey_gossip_decode(covey_bytes_of(out, bare), &back), COVEY_OK);
        assert_true(back.challenge.len == 0 && back.proof.len == 0);
        for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            m.challenge = covey_bytes_of(drawn, lens[i]);
            m.proof = m.challenge;
            size_t len = encoded(&m, out, sizeof(out));
            assert_true(len > bare);
            assert_int_equal(covey_gossip_decode(covey_bytes_of(out, len), &back),
                             COVEY_ERR_MALFORMED);
        }
    }
    struct covey_gossip_message asked = {.type = COVEY_GOSSIP_PING_REQ,
                                         .challenge = covey_bytes_of(drawn, sizeof(drawn))};
    size_t len = encoded(&asked, out, sizeof(out));
    out[2] = COVEY_GOSSIP_PING; /* the same keys: a challenge, and nobody's */
    assert_int_equal(covey_gossip_decode(covey_bytes_of(out, len), &back), COVEY_ERR_MALFORMED);
}

/* A signature of another length is refused, a kind that is not known is left out. */
static void test_statements_are_checked(void **state)
{
    (void)state;
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS, .statements = 1}, back;
    uint8_t out[512];
    m.statement[0] = (struct covey_statement){COVEY_STATEMENT_CLAIM, covey_bytes_of("b", 1),
                                              covey_bytes_of(signature, 63)};
    size_t len = encoded(&m, out, sizeof(out));
    assert_int_equal(covey_gossip_decode(covey_bytes_of(out, len), &back), COVEY_ERR_MALFORMED);
    m.statement[0].signature.len = 64;
    m.statement[0].kind = (enum covey_statement_kind)20;
    len = encoded(&m, out, sizeof(out));
    assert_int_equal(covey_gossip_decode(covey_bytes_of(out, len), &back), COVEY_OK);
    assert_int_equal(back.statements, 0);
}

/* The largest record fits into a statement, and comes back as it was. */
static void test_largest_record(void **state)
{
    (void)state;
    struct covey_record_body record = {.incarnation = UINT64_MAX,
                                       .gossip_port = UINT16_MAX,
                                       .channel_port = UINT16_MAX,
                                       .rates = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                                 UINT32_MAX, UINT32_MAX},
                                       .memory_bytes = UINT64_MAX,
                                       .store_bytes = UINT64_MAX,
                                       .addrs = COVEY_RECORD_ADDRS_MAX},
                             back;
    uint8_t out[COVEY_STATEMENT_MAX];
    size_t len = 0;
    record.addr[3][15] = 1;
    record.cert.bytes[0] = 2;
    assert_int_equal(covey_record_encode(&record, (struct covey_buf){out, sizeof(out)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_record_decode(covey_bytes_of(out, len), &back), COVEY_OK);
    assert_memory_equal(&back.addr, &record.addr, sizeof(record.addr));
    assert_true(back.incarnation == UINT64_MAX && back.memory_bytes == UINT64_MAX);
    assert_true(covey_digest_equal(&back.cert, &record.cert));
    assert_int_equal(back.channel_port, UINT16_MAX);
    assert_true(back.rates.body_mbytes == UINT32_MAX && back.rates.round_us == UINT32_MAX);
    assert_true(back.store_bytes == UINT64_MAX);
    assert_true(len <= 199);
    assert_int_not_equal(covey_record_decode(covey_bytes_of(out, len - 1), &back), COVEY_OK);
    /* Without its last keys, as older nodes tell it; not without those that all know. */
    static const size_t behind[] = {0, 1 + 9, 1 + 9 + 1 + 5, 1 + 9 + 2 * (1 + 5)};
    for (unsigned left = 0; left < 4; left++) {
        assert_int_equal(out[0], 0xa0 | (14 - left));
        assert_int_equal(covey_record_decode(covey_bytes_of(out, len - behind[left]), &back),
                         COVEY_OK);
        assert_true((back.store_bytes == 0) == (left > 0));
        assert_true((back.rates.round_us == 0) == (left > 1));
        assert_true((back.rates.body_mbytes == 0) == (left > 2));
        assert_true(back.rates.message_us == UINT32_MAX);
        out[0]--;
    }
    assert_int_equal(covey_record_decode(covey_bytes_of(out, len - 1 - 9 - 3 * (1 + 5)), &back),
                     COVEY_ERR_MALFORMED);
}

/* Accusations and claims keep what they say; one without a key says nothing. */
static void test_accusation_and_claim(void **state)
{
    (void)state;
    struct covey_accusation a = {.incarnation = 7, .channel_lost = true}, a_back;
    struct covey_claim c = {.term = 3, .beat = UINT64_MAX}, c_back;
    uint8_t out[128];
    size_t len = 0;
    a.accuser.bytes[0] = 1;
    a.subject.bytes[0] = 2;
    assert_int_equal(covey_accusation_encode(&a, (struct covey_buf){out, sizeof(out)}, &len),
                     COVEY_OK);
    assert_int_equal(covey_accusation_decode(covey_bytes_of(out, len), &a_back), COVEY_OK);
    assert_true(covey_node_id_equal(&a.accuser, &a_back.accuser));
    assert_true(covey_node_id_equal(&a.subject, &a_back.subject));
    assert_true(a_back.incarnation == 7 && a_back.channel_lost);
    assert_int_equal(covey_claim_decode(covey_bytes_of(out, len), &c_back), COVEY_ERR_MALFORMED);
    assert_int_equal(covey_claim_encode(&c, (struct covey_buf){out, sizeof(out)}, &len), COVEY_OK);
    assert_int_equal(covey_claim_decode(covey_bytes_of(out, len), &c_back), COVEY_OK);
    assert_true(c_back.term == 3 && c_back.beat == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_round_trip),
        cmocka_unit_test(test_cut_messages_are_refused),
        cmocka_unit_test(test_keys_and_types_are_checked),
        cmocka_unit_test(test_challenges_are_whole),
        cmocka_unit_test(test_statements_are_checked),
        cmocka_unit_test(test_largest_record),
        cmocka_unit_test(test_accusation_and_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
