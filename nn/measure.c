/* SPDX-License-Identifier: MIT */
#include "covey/measure.h"

#include <stdlib.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    /* A product of 256 x 256 and 256 x 400: as fast as larger ones, and it takes 1 MB while it is
     * measured, beside all that a device may hold by then. */
    CHANNELS = 256,
    SIDE = 20,
    PRODUCT_ROUNDS_MIN = 3,
    PRODUCT_ROUNDS_MAX = 24,
    COLUMNS = 2048, /* weights of 16 MiB */
    ROWS = 2048,
    STREAM_ROUNDS = 3,
};
static const uint64_t product_ns = 25000000, slow_ns = 100000000;

/* One layer without a bias over weights that are borrowed. */
struct layer {
    struct covey_graph *g;
    struct covey_model *m;
    struct covey_run *r;
    float *input;
};

static void layer_done(struct layer *l)
{
    covey_run_free(l->r);
    covey_model_free(l->m);
    covey_graph_free(l->g);
    free(l->input);
}

static covey_err add_values(struct covey_graph *g, const struct covey_shape shape[2],
                            const void *weights, uint16_t value[3])
{
    const struct covey_graph_value values[3] = {
        {.shape = shape[0]},
        {.shape = shape[1], .constant = true, .data = weights},
        {.data = NULL}};
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < 3 && err == COVEY_OK; i++) {
        err = covey_graph_add_value(g, &values[i], &value[i]);
    }
    if (err == COVEY_OK) {
        err = covey_graph_add_input(g, value[0]);
    }
    return err == COVEY_OK ? covey_graph_add_output(g, value[2]) : err;
}

static covey_err layer_open(struct layer *l, enum covey_op op, const struct covey_shape shape[2],
                            const void *weights)
{
    struct covey_graph_node node = {.op = op, .inputs = 2, .outputs = 1};
    size_t count = 0;
    uint16_t value[3] = {0};
    covey_err err = covey_shape_count(&shape[0], &count);
    if (err == COVEY_OK) {
        l->input = calloc(count, sizeof(float));
        err = l->input != NULL ? covey_graph_new(&l->g) : COVEY_ERR_NOMEM;
    }
    if (err == COVEY_OK) {
        err = add_values(l->g, shape, weights, value);
    }
    if (err == COVEY_OK) {
        covey_op_attrs_init(&node.attrs);
        node.input[0] = value[0];
        node.input[1] = value[1];
        node.output[0] = value[2];
        err = covey_graph_add_node(l->g, &node);
    }
    if (err == COVEY_OK) {
        err = covey_graph_check(l->g, 0, NULL);
    }
    if (err == COVEY_OK) {
        err = covey_model_new(l->g, NULL, &l->m, NULL);
    }
    return err == COVEY_OK ? covey_run_new(l->m, &l->r) : err;
}

static uint64_t time_run(struct layer *l, covey_clock_fn clock)
{
    const void *inputs[] = {l->input};
    const float *in;
    size_t stage;
    covey_run_start(l->r, inputs);
    uint64_t start = clock();
    while (covey_run_next(l->r, &stage, &in)) {
        covey_run_local(l->r);
    }
    return clock() - start + 1;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static covey_err measure_product(covey_clock_fn clock, uint64_t *out_best_ns)
{
    const struct covey_shape shape[2] = {{4, {1, CHANNELS, SIDE, SIDE}},
                                         {4, {CHANNELS, CHANNELS, 1, 1}}};
    struct layer l = {NULL};
    uint64_t best = UINT64_MAX, spent = 0;
    float *weights = calloc((size_t)CHANNELS * CHANNELS, sizeof(float));
    covey_err err = COVEY_ERR_NOMEM;
    if (weights != NULL) {
        err = layer_open(&l, COVEY_OP_CONV, shape, weights);
    }
    for (int i = 0; i < PRODUCT_ROUNDS_MAX && err == COVEY_OK; i++) {
        uint64_t ns = time_run(&l, clock);
        best = lesser(best, ns);
        spent += ns;
        if (spent > (i + 1 >= PRODUCT_ROUNDS_MIN ? product_ns : slow_ns)) {
            break;
        }
    }
    *out_best_ns = best;
    layer_done(&l);
    free(weights);
    return err;
}

/* Past the caches: those of a server keep 16 MiB, and tell of themselves instead of the memory. */
static void fill(float *weights, size_t floats)
{
#ifdef __SSE2__
    for (size_t i = 0; i < floats; i += 4) {
        _mm_stream_ps(weights + i, _mm_set1_ps(1.0f));
    }
    _mm_sfence();
#else
    for (size_t i = 0; i < floats; i++) {
        weights[i] = 1.0f;
    }
#endif
}

/* Weights are read once and are in no cache: so each round has a buffer of its own, whose pages are
 * there. */
static covey_err stream_round(covey_clock_fn clock, uint64_t *inout_best_ns)
{
    const struct covey_shape shape[2] = {{2, {1, COLUMNS}}, {2, {ROWS, COLUMNS}}};
    size_t floats = (size_t)ROWS * COLUMNS;
    struct layer l = {NULL};
    float *weights = mmap(NULL, floats * sizeof(float), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (weights == MAP_FAILED) {
        return COVEY_ERR_NOMEM;
    }
#ifdef MADV_HUGEPAGE
    /* As weights that are held for others lie (large.h). */
    madvise(weights, floats * sizeof(float), MADV_HUGEPAGE);
#endif
    fill(weights, floats);
    covey_err err = layer_open(&l, COVEY_OP_DENSE, shape, weights);
    if (err == COVEY_OK) {
        *inout_best_ns = lesser(*inout_best_ns, time_run(&l, clock));
    }
    layer_done(&l);
    munmap(weights, floats * sizeof(float));
    return err;
}

static uint32_t per_us(uint64_t count, uint64_t ns)
{
    uint64_t rate = count * 1000 / ns;
    return rate == 0 ? 1 : rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

covey_err covey_measure_product(covey_clock_fn clock, struct covey_rates *out)
{
    uint64_t product = UINT64_MAX;
    covey_err err = measure_product(clock, &product);
    if (err == COVEY_OK) {
        out->mflops = per_us((uint64_t)2 * CHANNELS * CHANNELS * SIDE * SIDE, product);
    }
    return err;
}

covey_err covey_measure_rates(covey_clock_fn clock, struct covey_rates *out)
{
    struct covey_rates measured = *out;
    uint64_t stream = UINT64_MAX;
    covey_err err = covey_measure_product(clock, &measured);
    for (int i = 0; i < STREAM_ROUNDS && err == COVEY_OK; i++) {
        err = stream_round(clock, &stream);
    }
    if (err == COVEY_OK) {
        measured.stream_mbytes = per_us((uint64_t)ROWS * COLUMNS * sizeof(float), stream);
        *out = measured;
    }
    return err;
}
