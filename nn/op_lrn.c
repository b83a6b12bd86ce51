/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "ops_window.h"

covey_err covey__infer_lrn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 2 || c->attrs->size == 0 || c->attrs->size > COVEY_GRAPH_NODES_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bad size of a normalisation");
    }
    out->shape = *x;
    return COVEY_OK;
}

/* Some pixels of one image, through all its channels. */
struct block {
    const struct covey__op_call *c;
    size_t first, count;     /* where its first channel's pixels are, and how many */
    size_t channels, pixels; /* pixels: from one channel to the next */
};

/* sums += sign x^2 of one channel */
static void add_squares(const struct block *b, size_t channel, double sign, double *sums)
{
    double row[COVEY__ROW];
    covey_tensor_elements(b->c->in[0], b->first + channel * b->pixels, b->count, row);
    for (size_t i = 0; i < b->count; i++) {
        sums[i] += sign * (row[i] * row[i]);
    }
}

/* v = v^-beta; the usual exponents by square roots. */
static void inverse_power(double *v, size_t count, float beta)
{
    if (beta == 0.5f) {
        for (size_t i = 0; i < count; i++) {
            v[i] = 1.0 / sqrt(v[i]);
        }
    } else if (beta == 0.75f) {
        for (size_t i = 0; i < count; i++) {
            double root = sqrt(v[i]);
            v[i] = 1.0 / (root * sqrt(root));
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            v[i] = exp(-(double)beta * log(v[i]));
        }
    }
}

/* y_c = x_c / (bias + alpha / size * sum of x^2 over the channels around c) ^ beta; the sum slides
 * along the channels, in doubles, so that what enters and leaves again cancels. */
static void run_block(const struct block *b)
{
    const struct covey_op_attrs *a = b->c->attrs;
    size_t before = (a->size - 1) / 2, after = a->size - 1 - before;
    double sums[COVEY__ROW] = {0.0}, row[COVEY__ROW], scale[COVEY__ROW];
    double factor = (double)a->alpha / (double)a->size;
    for (size_t ch = 0; ch < after && ch < b->channels; ch++) {
        add_squares(b, ch, 1.0, sums);
    }
    for (size_t ch = 0; ch < b->channels; ch++) {
        if (ch + after < b->channels) {
            add_squares(b, ch + after, 1.0, sums);
        }
        if (ch > before) {
            add_squares(b, ch - before - 1, -1.0, sums);
        }
        for (size_t i = 0; i < b->count; i++) {
            scale[i] = (double)a->bias + factor * sums[i];
        }
        inverse_power(scale, b->count, a->beta);
        size_t at = b->first + ch * b->pixels;
        covey_tensor_elements(b->c->in[0], at, b->count, row);
        for (size_t i = 0; i < b->count; i++) {
            row[i] *= scale[i];
        }
        covey__store_reals(b->c->out[0], at, b->count, row);
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    struct block b = *(const struct block *)ctx;
    size_t blocks = (b.pixels + COVEY__ROW - 1) / COVEY__ROW;
    size_t at = part % blocks * COVEY__ROW;
    b.first = part / blocks * b.channels * b.pixels + at;
    b.count = b.pixels - at < COVEY__ROW ? b.pixels - at : COVEY__ROW;
    run_block(&b);
}

void covey__op_lrn(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct block b = {.c = c, .channels = x->dims[1], .pixels = covey__shape_range(x, 2, x->rank)};
    size_t blocks = (b.pixels + COVEY__ROW - 1) / COVEY__ROW;
    covey_threads_run(c->threads, x->dims[0] * blocks, run_part, &b);
}
