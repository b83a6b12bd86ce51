/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "covey/cbor.h"

enum { DAY_S = 24 * 60 * 60 };

struct signed_cert {
    struct mesh mesh;
    struct covey_cert cert;
    uint8_t wire[COVEY_CERT_MAX];
    size_t len;
};

static void sign(struct signed_cert *s)
{
    assert_int_equal(covey_cert_sign(&s->cert, s->mesh.authority_secret, s->wire, &s->len),
                     COVEY_OK);
}

static void make(struct signed_cert *s)
{
    mesh_init(&s->mesh);
    struct covey_identity *id = mesh_device(&s->mesh, "node-1");
    s->cert = id->cert;
    covey_identity_free(id);
    sign(s);
}

static covey_err verify_at(const struct signed_cert *s, uint64_t wall_s)
{
    struct covey_cert out;
    return covey_cert_verify(covey_bytes_of(s->wire, s->len), s->mesh.authority_public, wall_s,
                             &out);
}

/* A certificate comes back as it was signed, with the longest name too. */
static void test_cert_round_trip(void **state)
{
    (void)state;
    struct signed_cert s;
    struct covey_cert back;
    make(&s);
    memset(s.cert.name, 'n', COVEY_NAME_MAX);
    s.cert.name[COVEY_NAME_MAX] = '\0';
    s.cert.serial = UINT64_MAX;
    s.cert.not_after_s = UINT64_MAX;
    sign(&s);
    assert_int_equal(
        covey_cert_verify(covey_bytes_of(s.wire, s.len), s.mesh.authority_public, NOW_S, &back),
        COVEY_OK);
    assert_memory_equal(back.mesh.bytes, s.cert.mesh.bytes, 16);
    assert_true(covey_node_id_equal(&back.node, &s.cert.node));
    assert_memory_equal(back.sign_public, s.cert.sign_public, 32);
    assert_memory_equal(back.noise_public, s.cert.noise_public, 32);
    assert_memory_equal(back.gossip_public, s.cert.gossip_public, 32);
    assert_string_equal(back.name, s.cert.name);
    assert_int_equal(back.tier, COVEY_TIER_EDGE);
    assert_int_equal(back.trust, COVEY_TRUST_FULL);
    assert_true(back.serial == UINT64_MAX && back.not_after_s == UINT64_MAX);
    assert_true(back.not_before_s == NOW_S);
}

/* One bit flipped anywhere, or one byte missing at the end, and nothing is believed. */
static void test_cert_refuses_flipped_bits(void **state)
{
    (void)state;
    struct signed_cert s;
    make(&s);
    for (size_t bit = 0; bit < 8 * s.len; bit++) {
        s.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_AUTH);
        s.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(verify_at(&s, NOW_S), COVEY_OK);
    for (s.len--; s.len > 0; s.len--) {
        assert_int_not_equal(verify_at(&s, NOW_S), COVEY_OK);
    }
}

/* It is valid from a day before not-before to not-after, ends included. */
static void test_cert_expires_and_has_a_day_of_grace(void **state)
{
    (void)state;
    struct signed_cert s;
    make(&s);
    s.cert.not_after_s = NOW_S + 10;
    sign(&s);
    assert_int_equal(verify_at(&s, NOW_S + 10), COVEY_OK);
    assert_int_equal(verify_at(&s, NOW_S + 11), COVEY_ERR_EXPIRED);
    assert_int_equal(verify_at(&s, NOW_S - DAY_S), COVEY_OK);
    assert_int_equal(verify_at(&s, NOW_S - DAY_S - 1), COVEY_ERR_EXPIRED);
    assert_int_equal(verify_at(&s, 0), COVEY_ERR_EXPIRED); /* a board that says 1970 */
}

/* Another mesh's authority is nothing to this one. */
static void test_cert_refuses_other_authority(void **state)
{
    (void)state;
    struct signed_cert s;
    struct mesh other;
    make(&s);
    mesh_init(&other);
    memcpy(s.mesh.authority_public, other.authority_public, sizeof(other.authority_public));
    assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_AUTH);
}

/* What the right authority signed for another mesh, or for an id that is not the key's, is refused.
 */
static void test_cert_refuses_wrong_mesh_and_id(void **state)
{
    (void)state;
    struct signed_cert s;
    make(&s);
    s.cert.mesh.bytes[0] ^= 1;
    sign(&s);
    assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_AUTH);
    s.cert.mesh.bytes[0] ^= 1;
    s.cert.node.bytes[15] ^= 1;
    sign(&s);
    assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_AUTH);
}

static void sign_raw(struct signed_cert *s, size_t body_len)
{
    covey_statement_sign(s->wire + body_len, COVEY_CERT_LABEL, &s->cert.mesh,
                         covey_bytes_of(s->wire, body_len), s->mesh.authority_secret);
    s->len = body_len + COVEY_SIGNATURE_BYTES;
}

/* Signed nonsense is malformed, whichever byte of a good body is another. */
static void test_cert_refuses_signed_nonsense(void **state)
{
    (void)state;
    struct signed_cert s;
    make(&s);
    size_t body_len = s.len - COVEY_SIGNATURE_BYTES;
    for (size_t cut = 0; cut < body_len; cut++) {
        sign_raw(&s, cut);
        assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_MALFORMED);
        make(&s);
    }
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, (struct covey_buf){s.wire, sizeof(s.wire)});
    covey_cbor_put_map(&w, 1);
    covey_cbor_put_uint(&w, 11);
    covey_cbor_put_uint(&w, 7);
    assert_int_equal(covey_cbor_writer_done(&w, &body_len), COVEY_OK);
    sign_raw(&s, body_len);
    assert_int_equal(verify_at(&s, NOW_S), COVEY_ERR_MALFORMED); /* all other keys missing */
}

/* Names are 1 to 63 plain characters; nothing else is signed. */
static void test_cert_refuses_bad_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "a\n", "\xc3\xa9", "a\x7f"};
    struct signed_cert s;
    make(&s);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(s.cert.name, bad[i], strlen(bad[i]) + 1);
        assert_int_equal(covey_cert_sign(&s.cert, s.mesh.authority_secret, s.wire, &s.len),
                         COVEY_ERR_RANGE);
    }
    char longest[COVEY_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[COVEY_NAME_MAX + 1] = '\0';
    assert_false(covey_name_valid(longest));
    longest[COVEY_NAME_MAX] = '\0';
    assert_true(covey_name_valid(longest));
    assert_true(covey_name_valid("Kitchen.pi_4-b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cert_round_trip),
        cmocka_unit_test(test_cert_refuses_flipped_bits),
        cmocka_unit_test(test_cert_expires_and_has_a_day_of_grace),
        cmocka_unit_test(test_cert_refuses_other_authority),
        cmocka_unit_test(test_cert_refuses_wrong_mesh_and_id),
        cmocka_unit_test(test_cert_refuses_signed_nonsense),
        cmocka_unit_test(test_cert_refuses_bad_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
