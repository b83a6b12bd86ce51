/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <sys/resource.h>

static const uint8_t abc_hash[32] = {
    0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
    0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};

/* The hash is BLAKE2b-256, at once or in pieces. */
static void test_hash_matches_blake2b(void **state)
{
    (void)state;
    struct covey_digest whole, pieces;
    struct covey_hasher h;
    covey_hash(&whole, covey_bytes_of("abc", 3));
    assert_memory_equal(whole.bytes, abc_hash, sizeof(abc_hash));
    covey_hasher_init(&h);
    covey_hasher_update(&h, covey_bytes_of("a", 1));
    covey_hasher_update(&h, covey_bytes_of(NULL, 0));
    covey_hasher_update(&h, covey_bytes_of("bc", 2));
    covey_hasher_final(&h, &pieces);
    assert_true(covey_digest_equal(&whole, &pieces));
}

/* A MAC holds for its key, label and bytes only. */
static void test_mac_separates_key_label_and_bytes(void **state)
{
    (void)state;
    uint8_t key[COVEY_KEY_BYTES], mac[COVEY_MAC_BYTES];
    covey_random(key, sizeof(key));
    covey_mac(mac, key, "label", covey_bytes_of("abc", 3));
    assert_true(covey_mac_verify(mac, key, "label", covey_bytes_of("abc", 3)));
    assert_false(covey_mac_verify(mac, key, "labe", covey_bytes_of("labc", 4)));
    assert_false(covey_mac_verify(mac, key, "label", covey_bytes_of("abd", 3)));
    mac[0] ^= 1;
    assert_false(covey_mac_verify(mac, key, "label", covey_bytes_of("abc", 3)));
    mac[0] ^= 1;
    key[31] ^= 1;
    assert_false(covey_mac_verify(mac, key, "label", covey_bytes_of("abc", 3)));
}

/* After init no memory can be dumped, through a pipe neither. */
static void test_init_turns_core_dumps_off(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_true(limit.rlim_max <= 1);
}

/* A statement holds for its label, mesh, body and signer only. */
static void test_statement_binds_label_mesh_and_body(void **state)
{
    (void)state;
    struct mesh m, other;
    struct covey_mesh_id id = {{1}}, wrong = {{2}};
    uint8_t signature[COVEY_SIGNATURE_BYTES];
    struct covey_bytes body = covey_bytes_of("body", 4);
    mesh_init(&m);
    mesh_init(&other);
    covey_statement_sign(signature, "kind", &id, body, m.authority_secret);
    const uint8_t *pub = m.authority_public;
    assert_true(covey_statement_verify(signature, "kind", &id, body, pub));
    assert_false(covey_statement_verify(signature, "other", &id, body, pub));
    assert_false(covey_statement_verify(signature, "kind", &wrong, body, pub));
    assert_false(covey_statement_verify(signature, "kind", &id, covey_bytes_of("bodx", 4), pub));
    assert_false(covey_statement_verify(signature, "kind", &id, body, other.authority_public));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_matches_blake2b),
        cmocka_unit_test(test_mac_separates_key_label_and_bytes),
        cmocka_unit_test(test_init_turns_core_dumps_off),
        cmocka_unit_test(test_statement_binds_label_mesh_and_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
