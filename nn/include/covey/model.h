/* SPDX-License-Identifier: MIT
 *
 * model.h - a checked graph made ready to run: memory planned once, nothing allocated while
 * running.
 *
 * A run either computes everything here, or stops in front of every split layer and takes its
 * answer from elsewhere.
 */
#ifndef COVEY_MODEL_H
#define COVEY_MODEL_H

#include "covey/split.h"

struct covey_model; /* borrows the graph, which must outlive it and stay unchanged */

struct covey_model_options {
    unsigned threads; /* of each run, 1..COVEY_THREADS_MAX; 0: 1. Results do not depend on it. */
    bool small;       /* weights stay as they are: slower, but nothing is held twice */
    bool plan_only;   /* layers and memory only: it can not be run */
};

/* Plans for the shapes that covey_graph_check() found, and lays constant weights out for the
 * kernels that will run. Layers that can be split (CONV in 2-D with groups == 1 and DENSE, constant
 * weights, m >= 2) are numbered in running order. options NULL: all zero. */
covey_err covey_model_new(const struct covey_graph *g, const struct covey_model_options *options,
                          struct covey_model **out, struct covey_nn_error *out_why) COVEY_CHECK;
void covey_model_free(struct covey_model *m);

size_t covey_model_layers(const struct covey_model *m);
const struct covey_layer *covey_model_layer(const struct covey_model *m, size_t layer);
const char *covey_model_layer_name(const struct covey_model *m, size_t layer);
/* Value index of the layer's constant weights [m x k] in the graph. */
uint16_t covey_model_layer_weights(const struct covey_model *m, size_t layer);
const struct covey_shape *covey_model_input(const struct covey_model *m);
const struct covey_shape *covey_model_output(const struct covey_model *m);
size_t covey_model_memory(const struct covey_model *m); /* bytes of one run */
size_t covey_model_state(const struct covey_model *m);  /* bytes of weights laid out anew */
/* Whether a run reads this constant's data: false once it is laid out anew for every user. Who owns
 * the data may then give it back (a mesh that splits layers still needs it). */
bool covey_model_reads(const struct covey_model *m, uint16_t value);
/* What runs node `node` of the graph, for tables; "" when there is but one way. */
const char *covey_model_kernel(const struct covey_model *m, size_t node);

/* One request's memory and position; several runs of one model may be open on different threads. */
struct covey_run;
covey_err covey_run_new(const struct covey_model *m, struct covey_run **out) COVEY_CHECK;
void covey_run_free(struct covey_run *r);

/* Starts with all inputs, in the graph's order, in their own types (copied). */
void covey_run_start(struct covey_run *r, const void *const *inputs);
/* Runs up to the next split layer or to the end. True: stopped at *out_layer, whose raw input is at
 * *out_input (valid until resume). False: done, see covey_run_result(). */
bool covey_run_next(struct covey_run *r, size_t *out_layer, const float **out_input);
/* Room for the layer's product [units x unit_rows x n] as computed by workers. */
float *covey_run_answer(struct covey_run *r);
/* The product at covey_run_answer() is complete: adds bias, activation, puts it where the layer's
 * output belongs; the next covey_run_next() goes on behind it. */
void covey_run_resume(struct covey_run *r);
/* Computes the layer it stopped at here, instead of answer and resume. */
void covey_run_local(struct covey_run *r);
/* Output i, valid until the next start; its type and shape are those of the graph's value. */
const void *covey_run_result(const struct covey_run *r, unsigned i);

/* All of it here: one input, output 0 [shape of output]. */
void covey_run_all(struct covey_run *r, const void *input, void *output);
/* All of it here; results by covey_run_result(). */
void covey_run_inputs(struct covey_run *r, const void *const *inputs);

/* From now on adds each node's time by clock (nanoseconds, monotonic) to node_ns [node_count of the
 * graph]; node_ns NULL: no more. */
typedef uint64_t (*covey_clock_fn)(void);
void covey_run_profile(struct covey_run *r, covey_clock_fn clock, uint64_t *node_ns);

#endif /* COVEY_MODEL_H */
