/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "covey/manifest.h"

enum { BLOBS_MAX = 512 };

/* A store of blobs by digest, as the daemons have one. */
struct store {
    struct covey_digest digest[BLOBS_MAX];
    struct covey_bytes blob[BLOBS_MAX];
    size_t count, fail_at;
};

static struct covey_digest digest_of(struct covey_bytes blob)
{
    struct covey_digest d;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < blob.len; i++) {
        hash = (hash ^ blob.ptr[i]) * 1099511628211u;
    }
    for (unsigned i = 0; i < 4; i++) {
        covey_store64(d.bytes + 8 * i, hash + i);
    }
    return d;
}

static covey_err store_put(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    struct store *s = user;
    if (s->count == BLOBS_MAX) {
        return COVEY_ERR_SPACE;
    }
    uint8_t *copy = malloc(blob.len);
    assert_non_null(copy);
    memcpy(copy, blob.ptr, blob.len);
    s->digest[s->count] = *out = digest_of(blob);
    s->blob[s->count++] = covey_bytes_of(copy, blob.len);
    return COVEY_OK;
}

static covey_err store_fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    struct store *s = user;
    if (s->fail_at > 0 && --s->fail_at == 0) {
        return COVEY_ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (covey_digest_equal(&s->digest[i], digest)) {
            assert_int_equal(s->blob[i].len, len);
            memcpy(data, s->blob[i].ptr, len);
            return COVEY_OK;
        }
    }
    return COVEY_ERR_NOT_FOUND;
}

static covey_err zero_fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    (void)user;
    (void)digest;
    memset(data, 0, len);
    return COVEY_OK;
}

static void store_done(struct store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((uint8_t *)(uintptr_t)s->blob[i].ptr);
    }
}

/* Every attribute that the manifest knows, in one graph that runs. */
static struct covey_graph *odd_network(void)
{
    uint64_t seed = 3;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 4, 11, 9));
    struct covey_op_attrs a = attrs_default();
    a.kernel[0] = 3, a.kernel[1] = 2, a.stride[1] = 2, a.dilation[0] = 2, a.pads_end[0] = 1;
    a.groups = 2, a.act = COVEY_ACT_CLIP, a.low = -0.125f, a.high = 1.1f;
    uint16_t in[3] = {g->input[0], add_random(g, shape_of(4, 6, 2, 3, 2), &seed), COVEY_VALUE_NONE};
    uint16_t x = add_op(g, COVEY_OP_CONV, &a, in, 3);
    a = attrs_default();
    a.kernel[0] = a.kernel[1] = 2, a.stride[0] = 2, a.ceil_mode = a.count_include_pad = true;
    x = add_op(g, COVEY_OP_AVGPOOL, &a, &x, 1);
    a = attrs_default();
    a.size = 3, a.alpha = 1e-4f, a.beta = 0.7f, a.bias = 1.5f;
    x = add_op(g, COVEY_OP_LRN, &a, &x, 1);
    a = attrs_default();
    a.pad[3] = 2, a.pad[6] = 1, a.value = -3.5f;
    x = add_op(g, COVEY_OP_PAD, &a, &x, 1);
    a = attrs_default();
    a.shape_rank = 4, a.shape[0] = 0, a.shape[1] = 1, a.shape[2] = 3, a.shape[3] = 2;
    x = add_op(g, COVEY_OP_TRANSPOSE, &a, &x, 1);
    x = add_batchnorm(g, x, 6, &seed);
    g->nodes[g->node_count - 1].attrs.epsilon = 0.01f;
    a = attrs_default();
    a.axes = 4, a.keepdims = false;
    x = add_op(g, COVEY_OP_REDUCEMEAN, &a, &x, 1);
    x = add_unary(g, COVEY_OP_FLATTEN, x);
    a = attrs_default();
    a.axis = -1;
    add_op(g, COVEY_OP_SOFTMAX, &a, &x, 1);
    snprintf(g->nodes[0].name, sizeof(g->nodes[0].name), "conv/1 \xc3\xa9");
    return g;
}

static struct covey_bytes encode(struct covey_graph *g, struct store *s)
{
    struct covey_nn_error why = {""};
    struct covey_model *m = NULL;
    uint8_t *out = NULL;
    size_t len = 0;
    expect_ok(covey_graph_check(g, 0, &why), &why);
    expect_ok(covey_model_new(g, NULL, &m, &why), &why);
    expect_ok(covey_manifest_encode(g, m, "small-1", store_put, s, &out, &len), NULL);
    covey_model_free(m);
    return covey_bytes_of(out, len);
}

static void free_bytes(struct covey_bytes b)
{
    free((uint8_t *)(uintptr_t)b.ptr);
}

static struct covey_graph *optimised_network(void)
{
    struct covey_graph *g = small_network(5);
    expect_ok(covey_graph_optimize(g, NULL), NULL);
    return g;
}

static void check_round_trip(struct covey_graph *g)
{
    static struct store first, second;
    struct covey_nn_error why = {""};
    struct covey_manifest *mf = NULL;
    struct covey_graph *bound = NULL;
    uint64_t seed = 8;
    size_t count, again;
    first.count = second.count = 0;
    struct covey_bytes bytes = encode(g, &first);
    expect_ok(covey_manifest_decode(bytes, &mf, &why), &why);
    assert_string_equal(covey_manifest_name(mf), "small-1");
    expect_ok(covey_manifest_bind(mf, 0, store_fetch, &first, &bound, &why), &why);
    struct covey_bytes same = encode(bound, &second);
    assert_true(covey_bytes_equal(bytes, same));
    float *input = random_floats(&seed, floats_of(&g->values[g->input[0]].shape));
    float *expected = run_graph(g, 0, input, &count);
    float *got = run_graph(bound, 0, input, &again);
    assert_int_equal(count, again);
    assert_memory_equal(got, expected, count * sizeof(*got));
    free(input);
    free(expected);
    free(got);
    free_bytes(bytes);
    free_bytes(same);
    store_done(&first);
    store_done(&second);
    covey_manifest_free(mf);
    covey_graph_free(g);
}

/* Encoded, decoded, bound and encoded again: the same bytes, the same answers. */
static void test_manifest_round_trip(void **state)
{
    (void)state;
    check_round_trip(optimised_network());
    check_round_trip(odd_network());
}

/* Each unit of a split layer has its digest: its rows, the last unit padded with zeros. */
static void test_manifest_names_units(void **state)
{
    (void)state;
    static struct store s;
    struct covey_graph *g = optimised_network();
    struct covey_manifest *mf = NULL;
    struct covey_model *m = NULL;
    struct covey_bytes bytes = encode(g, &s);
    expect_ok(covey_manifest_decode(bytes, &mf, NULL), NULL);
    expect_ok(covey_model_new(g, NULL, &m, NULL), NULL);
    assert_int_equal(covey_manifest_blobs(mf), s.count);
    for (size_t i = 0; i < s.count; i++) {
        assert_true(covey_digest_equal(&covey_manifest_blob(mf, i)->digest, &s.digest[i]));
        assert_int_equal(covey_manifest_blob(mf, i)->len, s.blob[i].len);
    }
    for (size_t i = 0; i < covey_model_layers(m); i++) {
        const struct covey_layer *l = covey_model_layer(m, i);
        const float *weights = g->values[covey_model_layer_weights(m, i)].data;
        size_t floats = covey_layer_unit_floats(l), total = (size_t)l->m * l->k;
        float *unit = malloc(floats * sizeof(float));
        for (size_t u = 0; u < l->units; u++) {
            size_t left = total - u * floats, count = left < floats ? left : floats;
            memset(unit, 0, floats * sizeof(float));
            memcpy(unit, weights + u * floats, count * sizeof(float));
            struct covey_digest d = digest_of(covey_bytes_of(unit, floats * sizeof(float)));
            assert_true(covey_digest_equal(covey_manifest_unit(mf, i, u), &d));
        }
        free(unit);
    }
    covey_model_free(m);
    covey_manifest_free(mf);
    covey_graph_free(g);
    free_bytes(bytes);
    store_done(&s);
}

/* Binding for another batch, and again after a blob that could not be fetched. */
static void test_manifest_bind_can_be_retried(void **state)
{
    (void)state;
    static struct store s;
    struct covey_graph *g = optimised_network(), *bound = NULL;
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why = {""};
    struct covey_bytes bytes = encode(g, &s);
    expect_ok(covey_manifest_decode(bytes, &mf, &why), &why);
    s.fail_at = 3;
    assert_int_equal(covey_manifest_bind(mf, 2, store_fetch, &s, &bound, &why),
                     COVEY_ERR_NOT_FOUND);
    assert_null(bound);
    expect_ok(covey_manifest_bind(mf, 2, store_fetch, &s, &bound, &why), &why);
    assert_int_equal(bound->values[bound->output[0]].shape.dims[0], 2);
    covey_manifest_free(mf);
    covey_manifest_free(NULL);
    covey_graph_free(g);
    free_bytes(bytes);
    store_done(&s);
}

/* Decodes and, where it is small, binds and plans: whatever it says, it must not crash. */
static bool try_decode(struct covey_bytes in)
{
    struct covey_manifest *mf = NULL;
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    struct covey_nn_error why = {""};
    size_t total = 0;
    if (covey_manifest_decode(in, &mf, &why) != COVEY_OK) {
        assert_true(why.text[0] != '\0');
        return false;
    }
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        total += covey_manifest_blob(mf, i)->len;
    }
    if (covey_manifest_reserve(mf, 0, zero_fetch, NULL, &g, &why) == COVEY_OK) {
        const struct covey_model_options plan_only = {.plan_only = true};
        assert_true(covey_model_new(g, &plan_only, &m, &why) != COVEY_OK || m != NULL);
        covey_model_free(m);
        m = NULL;
    }
    if (total < 1 << 22 && covey_manifest_bind(mf, 0, zero_fetch, NULL, &g, &why) == COVEY_OK &&
        covey_model_new(g, NULL, &m, &why) == COVEY_OK) {
        covey_model_free(m);
    }
    covey_manifest_free(mf);
    return true;
}

/* Resident pages of a constant. */
static size_t resident(const struct covey_graph *g, uint16_t value)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    size_t bytes = floats_of(&g->values[value].shape) * sizeof(float);
    union {
        const void *in;
        void *data;
    } at = {.in = g->values[value].data};
    unsigned char pages[256];
    assert_true(bytes / page < 255 && (uintptr_t)at.data % page == 0);
    assert_int_equal(mincore(at.data, bytes, pages), 0);
    for (size_t i = 0; i * page < bytes; i++) {
        count += pages[i] & 1;
    }
    return count;
}

/* A dense network with weights of 150 x 300 and 7 x 150, the second in units that need padding. */
static struct covey_graph *dense_network(void)
{
    uint64_t seed = 5;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 300, 0, 0));
    struct covey_op_attrs a = attrs_default();
    uint16_t in[2] = {g->input[0], add_random(g, shape_of(2, 150, 300, 0, 0), &seed)};
    in[0] = add_op(g, COVEY_OP_DENSE, &a, in, 2);
    in[1] = add_random(g, shape_of(2, 7, 150, 0, 0), &seed);
    add_op(g, COVEY_OP_DENSE, &a, in, 2);
    return g;
}

static bool is_lazy(const struct covey_graph *g, size_t value)
{
    return g->values[value].constant &&
           floats_of(&g->values[value].shape) * sizeof(float) > COVEY_MANIFEST_SMALL;
}

/* Reserving takes no memory for large constants, planning touches none, loading and unloading bring
 * and give back one constant each, and with all of them loaded the answers are those of a bound
 * manifest. */
static void test_manifest_loads_lazily(void **state)
{
    (void)state;
    static struct store s;
    s.count = 0;
    struct covey_graph *g = dense_network(), *lazy = NULL;
    struct covey_manifest *mf = NULL;
    struct covey_model *m = NULL;
    struct covey_nn_error why = {""};
    const struct covey_model_options plan_only = {.plan_only = true};
    struct covey_bytes bytes = encode(g, &s);
    expect_ok(covey_manifest_decode(bytes, &mf, &why), &why);
    expect_ok(covey_manifest_reserve(mf, 0, store_fetch, &s, &lazy, &why), &why);
    assert_int_equal(lazy->value_count, g->value_count);
    expect_ok(covey_model_new(lazy, &plan_only, &m, &why), &why);
    assert_int_equal(covey_model_layers(m), 2);
    covey_model_free(m);
    size_t seen = 0;
    for (uint16_t i = 0; i < lazy->value_count; i++) {
        assert_int_equal(covey_manifest_loaded(mf, i),
                         lazy->values[i].constant && !is_lazy(lazy, i));
        if (!is_lazy(lazy, i)) {
            continue;
        }
        const void *at = lazy->values[i].data;
        assert_int_equal(resident(lazy, i), 0);
        s.fail_at = 2; /* of several units */
        assert_int_equal(covey_manifest_load(mf, i, store_fetch, &s), COVEY_ERR_NOT_FOUND);
        s.fail_at = 0;
        assert_false(covey_manifest_loaded(mf, i));
        expect_ok(covey_manifest_load(mf, i, store_fetch, &s), NULL);
        assert_true(covey_manifest_loaded(mf, i) && resident(lazy, i) > 0);
        covey_manifest_unload(mf, i);
        assert_false(covey_manifest_loaded(mf, i));
        assert_int_equal(resident(lazy, i), 0);
        assert_ptr_equal(lazy->values[i].data, at);
        expect_ok(covey_manifest_load(mf, i, store_fetch, &s), NULL);
        assert_memory_equal(at, g->values[i].data, floats_of(&g->values[i].shape) * sizeof(float));
        seen++;
    }
    assert_int_equal(seen, 2);
    uint64_t seed = 8;
    size_t count, again;
    float *input = random_floats(&seed, floats_of(&g->values[g->input[0]].shape));
    float *expected = run_graph(g, 0, input, &count), *got = run_graph(lazy, 0, input, &again);
    assert_memory_equal(got, expected, count * sizeof(*got));
    free(input);
    free(expected);
    free(got);
    free_bytes(bytes);
    store_done(&s);
    covey_manifest_free(mf);
    covey_graph_free(g);
}

/* A value's blobs are those of its constant, in order; other values have none and cannot be
 * loaded; a bind after a reserve loads what is missing. */
static void test_manifest_values_have_blobs(void **state)
{
    (void)state;
    static struct store s;
    s.count = 0;
    struct covey_graph *g = dense_network(), *lazy = NULL;
    struct covey_manifest *mf = NULL;
    size_t first = 7, count = 7, next = 0;
    struct covey_bytes bytes = encode(g, &s);
    expect_ok(covey_manifest_decode(bytes, &mf, NULL), NULL);
    for (uint16_t i = 0; i < g->value_count; i++) {
        covey_manifest_value_blobs(mf, i, &first, &count);
        assert_int_equal(count > 0, g->values[i].constant);
        assert_true(count == 0 || first == next);
        next += count;
    }
    assert_int_equal(next, covey_manifest_blobs(mf));
    covey_manifest_value_blobs(mf, COVEY_VALUE_NONE, &first, &count);
    assert_int_equal(count, 0);
    uint16_t lazy_value = 0;
    while (!is_lazy(g, lazy_value)) {
        lazy_value++;
    }
    assert_int_equal(covey_manifest_load(mf, lazy_value, store_fetch, &s), COVEY_ERR_STATE);
    expect_ok(covey_manifest_reserve(mf, 0, store_fetch, &s, &lazy, NULL), NULL);
    assert_int_equal(covey_manifest_load(mf, g->input[0], store_fetch, &s), COVEY_ERR_RANGE);
    assert_int_equal(covey_manifest_load(mf, COVEY_VALUE_NONE, store_fetch, &s), COVEY_ERR_RANGE);
    expect_ok(covey_manifest_bind(mf, 0, store_fetch, &s, &lazy, NULL), NULL);
    for (uint16_t i = 0; i < lazy->value_count; i++) {
        assert_int_equal(covey_manifest_loaded(mf, i), lazy->values[i].constant);
    }
    free_bytes(bytes);
    store_done(&s);
    covey_manifest_free(mf);
    covey_graph_free(g);
}

/* No part of a manifest is a manifest; the input is a block of exactly that size. */
static void test_manifest_refuses_truncation(void **state)
{
    (void)state;
    static struct store s;
    struct covey_graph *g = optimised_network();
    struct covey_bytes bytes = encode(g, &s);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *part = malloc(len + (len == 0));
        memcpy(part, bytes.ptr, len);
        assert_false(try_decode(covey_bytes_of(part, len)));
        free(part);
    }
    uint8_t *more = calloc(1, bytes.len + 1);
    memcpy(more, bytes.ptr, bytes.len);
    assert_false(try_decode(covey_bytes_of(more, bytes.len + 1)));
    free(more);
    free_bytes(bytes);
    covey_graph_free(g);
    store_done(&s);
}

static void flip_bytes(struct covey_graph *g)
{
    static struct store s;
    uint64_t seed = 77;
    s.count = 0;
    struct covey_bytes bytes = encode(g, &s);
    uint8_t *copy = malloc(bytes.len);
    for (unsigned i = 0; i < 2000; i++) {
        memcpy(copy, bytes.ptr, bytes.len);
        for (unsigned j = 0; j <= i % 3; j++) {
            copy[random_below(&seed, (uint32_t)bytes.len)] = (uint8_t)random_below(&seed, 256);
        }
        try_decode(covey_bytes_of(copy, bytes.len));
    }
    free(copy);
    free_bytes(bytes);
    covey_graph_free(g);
    store_done(&s);
}

/* Flipped bytes give an error or another manifest, never a crash. */
static void test_manifest_survives_flipped_bytes(void **state)
{
    (void)state;
    flip_bytes(optimised_network());
    flip_bytes(odd_network());
}

/* The seeds of the fuzzer decode. With COVEY_WRITE_SEEDS set they are written anew. */
static void test_manifest_seeds_are_current(void **state)
{
    (void)state;
    const char *names[2] = {"network", "attributes"};
    for (unsigned i = 0; i < 2; i++) {
        static struct store s;
        char path[512];
        s.count = 0;
        struct covey_graph *g = i == 0 ? optimised_network() : odd_network();
        struct covey_bytes bytes = encode(g, &s);
        snprintf(path, sizeof(path), "%s/fuzz/seeds/nn_manifest/%s.cbor", COVEY_SOURCE_DIR,
                 names[i]);
        bool write = getenv("COVEY_WRITE_SEEDS") != NULL;
        FILE *file = fopen(path, write ? "wb" : "rb");
        assert_non_null(file);
        if (write) {
            assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
        } else {
            uint8_t *seed = malloc(bytes.len + 1);
            size_t len = fread(seed, 1, bytes.len + 1, file);
            assert_true(try_decode(covey_bytes_of(seed, len)));
            free(seed);
        }
        fclose(file);
        free_bytes(bytes);
        covey_graph_free(g);
        store_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_round_trip),
        cmocka_unit_test(test_manifest_names_units),
        cmocka_unit_test(test_manifest_bind_can_be_retried),
        cmocka_unit_test(test_manifest_loads_lazily),
        cmocka_unit_test(test_manifest_values_have_blobs),
        cmocka_unit_test(test_manifest_refuses_truncation),
        cmocka_unit_test(test_manifest_survives_flipped_bytes),
        cmocka_unit_test(test_manifest_seeds_are_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
