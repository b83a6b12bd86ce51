/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "covey/cbor.h"

struct sealed {
    struct mesh mesh;
    struct covey_identity *a, *b; /* a says hello to b */
    struct covey_hello hello;
    uint8_t wire[COVEY_HELLO_MAX];
    size_t len;
};

static struct covey_bytes wire_of(const struct sealed *s)
{
    return covey_bytes_of(s->wire, s->len);
}

static void seal(struct sealed *s)
{
    assert_int_equal(
        covey_hello_seal(&s->hello, s->a, (struct covey_buf){s->wire, sizeof(s->wire)}, &s->len),
        COVEY_OK);
}

static void make(struct sealed *s)
{
    mesh_init(&s->mesh);
    s->a = mesh_device(&s->mesh, "a");
    s->b = mesh_device(&s->mesh, "b");
    s->hello = (struct covey_hello){.version_min = 1,
                                    .version_max = 255,
                                    .node = s->a->cert.node,
                                    .cert = s->a->cert_digest,
                                    .gossip_port = 65535,
                                    .channel_port = 5684,
                                    .boot_counter = UINT64_MAX,
                                    .sequence = 77,
                                    .reply = true};
    seal(s);
}

static void done(struct sealed *s)
{
    covey_identity_free(s->a);
    covey_identity_free(s->b);
}

/* A hello comes back as it was said, and fits its limit with the greatest numbers. */
static void test_hello_round_trip(void **state)
{
    (void)state;
    struct sealed s;
    struct covey_hello back;
    make(&s);
    s.hello.sequence = UINT64_MAX;
    seal(&s);
    assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_OK);
    assert_true(covey_node_id_equal(&back.node, &s.a->cert.node));
    assert_true(covey_digest_equal(&back.cert, &s.a->cert_digest));
    assert_int_equal(back.version_min, 1);
    assert_int_equal(back.version_max, 255);
    assert_int_equal(back.gossip_port, 65535);
    assert_int_equal(back.channel_port, 5684);
    assert_true(back.boot_counter == UINT64_MAX && back.sequence == UINT64_MAX && back.reply);
    assert_true(covey_hello_verify(wire_of(&s), s.b, s.a->cert.sign_public));
    done(&s);
}

/* Whatever it says it has as many bytes: no answer is larger than what was asked. */
static void test_hellos_are_equally_long(void **state)
{
    (void)state;
    const uint64_t number[] = {0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, UINT64_MAX};
    struct sealed s;
    struct covey_hello back;
    make(&s);
    for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
        s.hello.version_min = 0;
        s.hello.version_max = (uint8_t)number[i];
        s.hello.gossip_port = s.hello.channel_port = (uint16_t)number[i];
        s.hello.boot_counter = s.hello.sequence = number[i];
        s.hello.reply = i % 2 == 0;
        seal(&s);
        assert_int_equal(s.len, COVEY_HELLO_BYTES);
        assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_OK);
        assert_true(back.sequence == number[i]);
    }
    s.hello.version_min = 255;
    seal(&s);
    assert_int_equal(s.len, COVEY_HELLO_BYTES);
    done(&s);
}

/* Each flipped bit, and each byte missing, fails at the MAC. */
static void test_hello_refuses_flipped_bits(void **state)
{
    (void)state;
    struct sealed s;
    struct covey_hello back;
    make(&s);
    for (size_t bit = 0; bit < 8 * s.len; bit++) {
        s.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_ERR_AUTH);
        assert_false(covey_hello_verify(wire_of(&s), s.b, s.a->cert.sign_public));
        s.wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (s.len--; s.len > 0; s.len--) {
        assert_int_not_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_OK);
    }
    done(&s);
}

/* Without the mesh key no hello is believed. */
static void test_hello_refuses_strangers(void **state)
{
    (void)state;
    struct sealed s;
    struct covey_hello back;
    make(&s);
    s.b->mesh_key[0] ^= 1;
    assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_ERR_AUTH);
    done(&s);
}

/* A member cannot say hello for another: the MAC holds, the signature does not. */
static void test_hello_refuses_forged_sender(void **state)
{
    (void)state;
    struct sealed s;
    struct covey_hello back;
    make(&s);
    struct covey_identity *forger = mesh_device(&s.mesh, "forger");
    struct covey_buf space = {s.wire, sizeof(s.wire)};
    assert_int_equal(covey_hello_seal(&s.hello, forger, space, &s.len), COVEY_OK);
    assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_OK);
    assert_false(covey_hello_verify(wire_of(&s), s.b, s.a->cert.sign_public));
    assert_false(covey_hello_verify(wire_of(&s), s.b, forger->cert.sign_public));
    covey_identity_free(forger);
    done(&s);
}

/* A signed and sealed hello that lacks keys, or has an empty version range, is malformed. */
static void test_hello_refuses_sealed_nonsense(void **state)
{
    (void)state;
    struct sealed s;
    struct covey_hello back;
    struct covey_cbor_writer w;
    size_t len;
    make(&s);
    covey_cbor_writer_init(&w, (struct covey_buf){s.wire, sizeof(s.wire)});
    covey_cbor_put_map(&w, 1);
    covey_cbor_put_uint(&w, 1);
    covey_cbor_put_uint(&w, 1);
    assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
    len += COVEY_SIGNATURE_BYTES;
    covey_mac(s.wire + len, s.a->mesh_key, "covey hello 1", covey_bytes_of(s.wire, len));
    s.len = len + COVEY_MAC_BYTES;
    assert_int_equal(covey_hello_open(wire_of(&s), s.b, &back), COVEY_ERR_MALFORMED);
    s.hello.version_min = 3;
    s.hello.version_max = 2;
    assert_int_equal(
        covey_hello_seal(&s.hello, s.a, (struct covey_buf){s.wire, sizeof(s.wire)}, &s.len),
        COVEY_ERR_RANGE);
    s.hello.version_max = 3;
    assert_int_equal(covey_hello_seal(&s.hello, s.a, (struct covey_buf){s.wire, 100}, &s.len),
                     COVEY_ERR_SPACE);
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_round_trip),
        cmocka_unit_test(test_hellos_are_equally_long),
        cmocka_unit_test(test_hello_refuses_flipped_bits),
        cmocka_unit_test(test_hello_refuses_strangers),
        cmocka_unit_test(test_hello_refuses_forged_sender),
        cmocka_unit_test(test_hello_refuses_sealed_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
