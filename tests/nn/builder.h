/* SPDX-License-Identifier: MIT
 *
 * builder.h - small graphs with seeded random weights, and running them, for the tests of nn.
 */
#ifndef COVEY_TESTS_NN_BUILDER_H
#define COVEY_TESTS_NN_BUILDER_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/model.h"

uint32_t random_below(uint64_t *seed, uint32_t bound);
float random_float(uint64_t *seed); /* in [-1, 1) */
float *random_floats(uint64_t *seed, size_t count);

struct covey_shape shape_of(unsigned rank, uint32_t a, uint32_t b, uint32_t c, uint32_t d);
size_t floats_of(const struct covey_shape *s);

struct covey_graph *graph_with_input(struct covey_shape shape);
uint16_t add_constant(struct covey_graph *g, struct covey_shape shape, const float *data);
uint16_t add_random(struct covey_graph *g, struct covey_shape shape, uint64_t *seed);
struct covey_op_attrs attrs_default(void);
/* A node over `count` inputs whose output becomes the graph's output; returns it. */
uint16_t add_op(struct covey_graph *g, enum covey_op op, const struct covey_op_attrs *a,
                const uint16_t *inputs, unsigned count);
uint16_t add_unary(struct covey_graph *g, enum covey_op op, uint16_t input);
/* With random weights, with a bias, kernel k x k, padding p. */
uint16_t add_conv(struct covey_graph *g, uint16_t input, const uint32_t c_m_k_p[4], uint64_t *seed);
uint16_t add_dense(struct covey_graph *g, uint16_t input, uint32_t k, uint32_t m, uint64_t *seed);
uint16_t add_batchnorm(struct covey_graph *g, uint16_t input, uint32_t channels, uint64_t *seed);

/* All four products of integers, with zero points and scales of filters, constant and found while
 * running, between floats; input [1 3 12 12], output [1 10]. */
struct covey_graph *integer_network(uint64_t seed);
/* Convolutions with a residual, pooling, two dense layers and a softmax; input [1 3 12 12]. */
struct covey_graph *small_network(uint64_t seed);

/* Checks, plans and runs all of it; the result is freed by the caller. */
float *run_graph(struct covey_graph *g, uint32_t batch, const float *input, size_t *out_count);
/* Largest difference relative to the largest number expected. */
double relative_error(const float *got, const float *expected, size_t count);
/* Fails the test with the reason when err is not COVEY_OK. */
void expect_ok(covey_err err, const struct covey_nn_error *why);

#endif /* COVEY_TESTS_NN_BUILDER_H */
