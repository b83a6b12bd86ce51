/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "covey/spatial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { R = 2 };

/* kernel, stride, dilation, pads above and below; other sizes are fixed. */
struct geometry {
    uint32_t kernel, stride, dilation, above, below, height;
};

static struct covey_layer layer_of(struct geometry g)
{
    uint32_t out = (g.height + g.above + g.below - (g.kernel - 1) * g.dilation - 1) / g.stride + 1;
    struct covey_layer l = {.kind = COVEY_LAYER_CONV,
                            .m = 70,
                            .k = 4 * g.kernel * 3,
                            .channels = 4,
                            .height = g.height,
                            .width = 11,
                            .kernel = {g.kernel, 3},
                            .stride = {g.stride, 1},
                            .dilation = {g.dilation, 1},
                            .pads = {g.above, 1, g.below, 1},
                            .out_height = out,
                            .out_width = 11,
                            .batch = 2};
    covey_layer_cut(l.m, &l.unit_rows, &l.units);
    return l;
}

static float *floats(size_t count)
{
    float *p = malloc((count + 1) * sizeof(float));
    assert_non_null(p);
    return p;
}

static void multiply(const struct covey_layer *l, const float *weights, const float *input,
                     float *answer)
{
    struct covey_product *p = NULL;
    assert_int_equal(covey_product_new(l, weights, l->units, &p), COVEY_OK);
    void *scratch = malloc(covey_product_scratch(p) + 1);
    assert_int_equal(covey_product_run(p, input, scratch, answer), COVEY_OK);
    free(scratch);
    covey_product_free(p);
}

/* Inputs and answers of the blocks and of R parities. */
struct split {
    struct covey_layer block;
    unsigned blocks;
    size_t in, out;
    float *input, *answer;
};

static void open_split(struct split *s, const struct covey_layer *l, const float *weights,
                       const float *input)
{
    const float *cut[COVEY_GROUP_UNITS_MAX];
    s->in = covey_layer_input_floats(&s->block);
    s->out = l->units * covey_layer_answer_floats(&s->block);
    s->input = floats((s->blocks + R) * s->in);
    s->answer = floats((s->blocks + R) * s->out);
    for (unsigned i = 0; i < s->blocks; i++) {
        covey_spatial_cut(l, &s->block, i, input, s->input + i * s->in);
        cut[i] = s->input + i * s->in;
    }
    for (unsigned t = 0; t < R; t++) {
        float *parity = s->input + (s->blocks + t) * s->in;
        assert_int_equal(covey_split_encode(t, s->blocks, cut, s->in, parity), COVEY_OK);
    }
    for (unsigned i = 0; i < s->blocks + R; i++) {
        multiply(&s->block, weights, s->input + i * s->in, s->answer + i * s->out);
    }
}

/* Answers a and b (which may be one) are lost; the joined rest is the whole output. */
static void lose(const struct split *s, const struct covey_layer *l, const unsigned lost[2],
                 const float *expected)
{
    size_t count = l->units * covey_layer_answer_floats(l);
    const float *answers[COVEY_GROUP_UNITS_MAX + R];
    float *out[COVEY_GROUP_UNITS_MAX], *rebuilt = floats(s->blocks * s->out);
    float *joined = floats(count);
    for (unsigned i = 0; i < s->blocks + R; i++) {
        answers[i] = i == lost[0] || i == lost[1] ? NULL : s->answer + i * s->out;
    }
    for (unsigned i = 0; i < s->blocks; i++) {
        out[i] = rebuilt + i * s->out;
    }
    assert_int_equal(covey_split_rebuild(s->blocks, R, answers, out, s->out), COVEY_OK);
    memset(joined, 0xff, count * sizeof(*joined)); /* NaN: every row must be written */
    for (unsigned i = 0; i < s->blocks; i++) {
        covey_spatial_join(l, &s->block, i, out[i], joined);
    }
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        off += pow((double)joined[i] - (double)expected[i], 2);
        all += pow((double)expected[i], 2);
    }
    if (!(sqrt(off / all) < 1e-4)) {
        fail_msg("%u blocks, lost %u and %u: error %g", s->blocks, lost[0], lost[1],
                 sqrt(off / all));
    }
    free(rebuilt);
    free(joined);
}

static void check(struct geometry g)
{
    uint64_t seed = g.kernel;
    struct covey_layer l = layer_of(g);
    assert_int_equal(covey_layer_check(&l), COVEY_OK);
    float *weights = random_floats(&seed, l.units * covey_layer_unit_floats(&l));
    float *input = random_floats(&seed, covey_layer_input_floats(&l));
    float *expected = floats(l.units * covey_layer_answer_floats(&l));
    multiply(&l, weights, input, expected);
    for (unsigned blocks = 1; blocks <= 8; blocks++) {
        struct split s = {.blocks = blocks};
        if (covey_spatial_block(&l, blocks, &s.block) != COVEY_OK) {
            continue; /* the last would be empty */
        }
        open_split(&s, &l, weights, input);
        for (unsigned i = 0; i < (blocks + R) * (blocks + R); i++) {
            lose(&s, &l, (const unsigned[2]){i / (blocks + R), i % (blocks + R)}, expected);
        }
        free(s.input);
        free(s.answer);
    }
    free(weights);
    free(input);
    free(expected);
}

/* Whichever one or two answers of N + 2 are lost, the output is that of the whole convolution:
 * with padding, strides, dilation, blocks that are not whole. */
static void test_spatial_any_losses(void **state)
{
    (void)state;
    static const struct geometry cases[] = {
        {3, 1, 1, 1, 1, 14}, {5, 2, 1, 2, 1, 17}, {3, 1, 2, 2, 2, 9}, {1, 1, 1, 0, 0, 8}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(cases[i]);
    }
}

/* Blocks that would be empty, and layers that are no convolution, are refused. */
static void test_spatial_refuses(void **state)
{
    (void)state;
    struct covey_layer block, l = layer_of((struct geometry){3, 1, 1, 1, 1, 6});
    assert_int_equal(covey_spatial_block(&l, 3, &block), COVEY_OK);
    assert_int_equal(block.height, 4);
    assert_int_equal(covey_spatial_block(&l, 0, &block), COVEY_ERR_RANGE);
    assert_int_equal(covey_spatial_block(&l, 4, &block), COVEY_ERR_RANGE);
    assert_int_equal(covey_spatial_block(&l, 7, &block), COVEY_ERR_RANGE);
    assert_int_equal(covey_spatial_block(&l, 17, &block), COVEY_ERR_RANGE);
    l.batch = 0;
    assert_int_equal(covey_spatial_block(&l, 2, &block), COVEY_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spatial_any_losses),
        cmocka_unit_test(test_spatial_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
