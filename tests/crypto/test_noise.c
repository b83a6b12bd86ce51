/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

enum { LINE_MAX_BYTES = 256 };

struct pair {
    struct covey_noise initiator, responder;
    struct covey_noise_cipher send[2], receive[2]; /* 0: initiator's */
    uint8_t hash[2][32];
};

static struct covey_buf buf_of(uint8_t *ptr, size_t len)
{
    return (struct covey_buf){ptr, len};
}

static size_t from_hex(uint8_t *out, size_t cap, const char *hex)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= cap);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

static void split_both(struct pair *p)
{
    assert_int_equal(covey_noise_split(&p->initiator, &p->send[0], &p->receive[0], p->hash[0]),
                     COVEY_OK);
    assert_int_equal(covey_noise_split(&p->responder, &p->send[1], &p->receive[1], p->hash[1]),
                     COVEY_OK);
    assert_memory_equal(p->hash[0], p->hash[1], 32);
}

/* Message index of a conversation: the three of the handshake, then transport in turns. */
static size_t send_message(struct pair *p, size_t index, struct covey_bytes payload, uint8_t *wire,
                           uint8_t *opened)
{
    size_t len = 0, back = 0;
    bool initiator = index % 2 == 0;
    if (index < 3) {
        struct covey_noise *from = initiator ? &p->initiator : &p->responder;
        struct covey_noise *to = initiator ? &p->responder : &p->initiator;
        assert_int_equal(covey_noise_write(from, payload, buf_of(wire, LINE_MAX_BYTES), &len),
                         COVEY_OK);
        assert_int_equal(
            covey_noise_read(to, covey_bytes_of(wire, len), buf_of(opened, LINE_MAX_BYTES), &back),
            COVEY_OK);
        assert_int_equal(back, payload.len);
        if (index == 2) {
            split_both(p);
        }
        return len;
    }
    struct covey_bytes none = {NULL, 0};
    len = payload.len + 16;
    assert_int_equal(covey_noise_seal(&p->send[initiator ? 0 : 1], none, payload, wire), COVEY_OK);
    assert_int_equal(
        covey_noise_open(&p->receive[initiator ? 1 : 0], none, covey_bytes_of(wire, len), opened),
        COVEY_OK);
    return len;
}

static const char *text_of(const cJSON *vector, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(vector, key);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static void init_side(struct covey_noise *n, const cJSON *vector, bool initiator)
{
    uint8_t prologue[64], secret[32], ephemeral[32], psk[32];
    const cJSON *psks = cJSON_GetObjectItem(vector, initiator ? "init_psks" : "resp_psks");
    assert_int_equal(cJSON_GetArraySize(psks), 1);
    size_t len = from_hex(prologue, sizeof(prologue),
                          text_of(vector, initiator ? "init_prologue" : "resp_prologue"));
    from_hex(secret, 32, text_of(vector, initiator ? "init_static" : "resp_static"));
    from_hex(ephemeral, 32, text_of(vector, initiator ? "init_ephemeral" : "resp_ephemeral"));
    from_hex(psk, 32, cJSON_GetArrayItem(psks, 0)->valuestring);
    covey_noise_init(n, initiator, covey_bytes_of(prologue, len), secret, psk, ephemeral);
}

static void check_vector(const cJSON *vector)
{
    struct pair p;
    uint8_t hash[32];
    init_side(&p.initiator, vector, true);
    init_side(&p.responder, vector, false);
    const cJSON *messages = cJSON_GetObjectItem(vector, "messages");
    int count = cJSON_GetArraySize(messages);
    assert_true(count >= 5);
    for (int i = 0; i < count; i++) {
        const cJSON *message = cJSON_GetArrayItem(messages, i);
        uint8_t payload[128], expected[LINE_MAX_BYTES], wire[LINE_MAX_BYTES];
        uint8_t opened[LINE_MAX_BYTES];
        size_t payload_len = from_hex(payload, sizeof(payload), text_of(message, "payload"));
        size_t expected_len = from_hex(expected, sizeof(expected), text_of(message, "ciphertext"));
        size_t len =
            send_message(&p, (size_t)i, covey_bytes_of(payload, payload_len), wire, opened);
        assert_int_equal(len, expected_len);
        assert_memory_equal(wire, expected, len);
        assert_memory_equal(opened, payload, payload_len);
    }
    from_hex(hash, 32, text_of(vector, "handshake_hash"));
    assert_memory_equal(p.hash[0], hash, 32);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    size_t cap = 1 << 20;
    char *text = calloc(1, cap);
    assert_non_null(text);
    size_t len = fread(text, 1, cap - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

/* Every message of the published vectors comes out byte for byte, and the handshake hash. */
static void test_noise_matches_published_vectors(void **state)
{
    (void)state;
    char path[1024];
    const char *data = getenv("COVEY_DATA");
    snprintf(path, sizeof(path), "%s/vectors/noise/subset-25519-chachapoly-libsodium.json",
             data != NULL ? data : COVEY_SOURCE_DIR "/../shared");
    char *text = read_text(path);
    if (text == NULL) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    int checked = 0;
    const cJSON *vector;
    cJSON_ArrayForEach(vector, cJSON_GetObjectItem(root, "vectors"))
    {
        if (strcmp(text_of(vector, "protocol_name"), "Noise_XXpsk3_25519_ChaChaPoly_SHA256") == 0) {
            check_vector(vector);
            checked++;
        }
    }
    cJSON_Delete(root);
    free(text);
    assert_true(checked >= 1);
}

static void init_pair(struct pair *p)
{
    uint8_t key[4][32], psk[32];
    for (unsigned i = 0; i < 4; i++) {
        memset(key[i], (int)(i + 1), 32);
    }
    memset(psk, 9, sizeof(psk));
    covey_noise_init(&p->initiator, true, covey_bytes_of("abc", 3), key[0], psk, key[1]);
    covey_noise_init(&p->responder, false, covey_bytes_of("abc", 3), key[2], psk, key[3]);
}

/* Fixed keys give the bytes that an independent implementation (Python's cryptography) gave. */
static void test_noise_matches_own_vector(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d595dee718334fee25d1ed0ec4960"
        "03bd2dd11817d9a3dc04",
        "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b189207e565bde20bc3f6b33c15"
        "3be8b5ee32e2cd9e1230fb54429bc17c55a01f0323bd76937b6676aa52e0b88df5e7894cbd3b37d90b16d58be0"
        "6d4c87cf2100d4587a2b4baa40",
        "e5338f250cf5c77f3f5c8ef81fa8955b969c0fba47ff0f23496ba0970301195ee609c553d2692bb36f7aecfe20"
        "f246ade4ab4cb0816d54d9fb72f043bfc5f65699d17816c276dc",
        "57302e9d849e8b916b8f750763f26c0f1a346cb1198326",
        "e44c32c6d992bd36b08b24d600eec5d2225bab2627d2bb",
    };
    static const char hash_hex[] =
        "69dd8ac207ef98eee7351b1031d5fecaed7efaaa96835615a461d744e5b3f83b";
    struct pair p;
    uint8_t wire[LINE_MAX_BYTES], opened[LINE_MAX_BYTES], bytes[LINE_MAX_BYTES];
    init_pair(&p);
    for (size_t i = 0; i < 5; i++) {
        size_t len = send_message(&p, i, covey_bytes_of("payload", 7), wire, opened);
        assert_int_equal(len, from_hex(bytes, sizeof(bytes), expected[i]));
        assert_memory_equal(wire, bytes, len);
        assert_memory_equal(opened, "payload", 7);
    }
    from_hex(bytes, sizeof(bytes), hash_hex);
    assert_memory_equal(p.hash[0], bytes, 32);
}

/* A message with any bit flipped is refused, and the handshake is dead from then on. */
static void test_noise_refuses_flipped_bits(void **state)
{
    (void)state;
    uint8_t wire[LINE_MAX_BYTES], opened[LINE_MAX_BYTES];
    size_t len, back;
    for (size_t bit = 0; bit < 8 * COVEY_NOISE_OVERHEAD_2; bit += 3) {
        struct pair p;
        init_pair(&p);
        send_message(&p, 0, covey_bytes_of(NULL, 0), wire, opened);
        assert_int_equal(covey_noise_write(&p.responder, covey_bytes_of(NULL, 0),
                                           buf_of(wire, sizeof(wire)), &len),
                         COVEY_OK);
        wire[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct covey_bytes message = covey_bytes_of(wire, len);
        assert_int_not_equal(
            covey_noise_read(&p.initiator, message, buf_of(opened, sizeof(opened)), &back),
            COVEY_OK);
        assert_int_equal(
            covey_noise_read(&p.initiator, message, buf_of(opened, sizeof(opened)), &back),
            COVEY_ERR_STATE);
    }
}

/* Steps out of turn, too short messages and too small space are refused. */
static void test_noise_refuses_wrong_turns(void **state)
{
    (void)state;
    struct pair p;
    uint8_t wire[LINE_MAX_BYTES], opened[LINE_MAX_BYTES], hash[32];
    struct covey_noise_cipher a, b;
    size_t len;
    struct covey_bytes none = {NULL, 0};
    init_pair(&p);
    assert_int_equal(covey_noise_write(&p.responder, none, buf_of(wire, sizeof(wire)), &len),
                     COVEY_ERR_STATE);
    assert_int_equal(covey_noise_split(&p.initiator, &a, &b, hash), COVEY_ERR_STATE);
    assert_int_equal(
        covey_noise_write(&p.initiator, none, buf_of(wire, COVEY_NOISE_OVERHEAD_1 - 1), &len),
        COVEY_ERR_SPACE);
    assert_int_equal(covey_noise_write(&p.initiator, none, buf_of(wire, sizeof(wire)), &len),
                     COVEY_OK);
    assert_int_equal(len, COVEY_NOISE_OVERHEAD_1);
    assert_int_equal(covey_noise_read(&p.responder, covey_bytes_of(wire, len - 1),
                                      buf_of(opened, sizeof(opened)), &len),
                     COVEY_ERR_MALFORMED);
}

/* A peer that sends a public key of small order, whose secret everyone knows, is refused. */
static void test_noise_refuses_small_order_keys(void **state)
{
    (void)state;
    struct pair p;
    uint8_t wire[LINE_MAX_BYTES] = {0}, opened[LINE_MAX_BYTES];
    size_t len;
    init_pair(&p);
    memset(p.initiator.e_public, 0, 32);
    assert_int_equal(
        covey_noise_write(&p.initiator, covey_bytes_of(NULL, 0), buf_of(wire, sizeof(wire)), &len),
        COVEY_OK);
    assert_int_equal(covey_noise_read(&p.responder, covey_bytes_of(wire, len),
                                      buf_of(opened, sizeof(opened)), &len),
                     COVEY_OK);
    assert_int_equal(
        covey_noise_write(&p.responder, covey_bytes_of(NULL, 0), buf_of(wire, sizeof(wire)), &len),
        COVEY_ERR_AUTH);
}

/* The last nonce is kept for rekeying: a cipher stops before it. */
static void test_noise_stops_at_last_nonce(void **state)
{
    (void)state;
    struct covey_noise_cipher c = {.nonce = UINT64_MAX - 1};
    uint8_t out[32];
    struct covey_bytes none = {NULL, 0};
    assert_int_equal(covey_noise_seal(&c, none, covey_bytes_of("a", 1), out), COVEY_OK);
    assert_int_equal(covey_noise_seal(&c, none, covey_bytes_of("a", 1), out), COVEY_ERR_STATE);
    assert_int_equal(covey_noise_open(&c, none, covey_bytes_of(out, 17), out), COVEY_ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_matches_published_vectors),
        cmocka_unit_test(test_noise_matches_own_vector),
        cmocka_unit_test(test_noise_refuses_flipped_bits),
        cmocka_unit_test(test_noise_refuses_wrong_turns),
        cmocka_unit_test(test_noise_refuses_small_order_keys),
        cmocka_unit_test(test_noise_stops_at_last_nonce),
    };
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
