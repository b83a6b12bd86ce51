/* SPDX-License-Identifier: MIT
 *
 * model.h - a checked graph made ready to run: memory planned once, nothing allocated while
 * running.
 *
 * A run either computes everything here, or stops in front of every stage and takes its answer from
 * elsewhere.
 */
#ifndef COVEY_MODEL_H
#define COVEY_MODEL_H

#include "covey/split.h"

struct covey_model; /* borrows the graph, which must outlive it and stay unchanged */

struct covey_model_options {
    unsigned threads; /* of each run, 1..COVEY_THREADS_MAX; 0: 1. Results do not depend on it. */
    bool small;       /* weights stay as they are: slower, but nothing is held twice */
    bool plan_only;   /* layers and memory only: it can not be run */
    /* Laid-out weights shared with other models of the same constants; NULL: the model's own. Must
     * outlive the model. */
    struct covey_layouts *layouts;
    /* [value_count] or NULL: constants whose data is not there. Nodes that lay them out do not, and
     * may only be run once the data is there. Used while the model is made. */
    const bool *absent;
};

/* Plans for the shapes that covey_graph_check() found, and lays constant weights out for the
 * kernels that will run. Layers that can be split (CONV in 2-D with groups == 1 and DENSE, and
 * their forms of integers with one zero point for all of the input; constant weights, m >= 2) are
 * numbered in running order. options NULL: all zero. */
covey_err covey_model_new(const struct covey_graph *g, const struct covey_model_options *options,
                          struct covey_model **out, struct covey_nn_error *out_why) COVEY_CHECK;
void covey_model_free(struct covey_model *m);

size_t covey_model_layers(const struct covey_model *m);
const struct covey_layer *covey_model_layer(const struct covey_model *m, size_t layer);
const char *covey_model_layer_name(const struct covey_model *m, size_t layer);
/* Value index of the layer's constant weights in the graph: [m x k], of an exact layer bytes in its
 * node's own order. */
uint16_t covey_model_layer_weights(const struct covey_model *m, size_t layer);
/* Of an exact layer: one unit of W [unit_rows x k] as floats, the last one padded with zeros. */
void covey_model_layer_unit(const struct covey_model *m, size_t layer, size_t unit, float *out);
const struct covey_shape *covey_model_input(const struct covey_model *m);
const struct covey_shape *covey_model_output(const struct covey_model *m);
size_t covey_model_memory(const struct covey_model *m); /* bytes of one run */
/* Bytes of the model itself and of its graph, without weights. */
size_t covey_model_table(const struct covey_model *m);
/* Bytes of weights laid out anew; with plan_only, but without layouts, those that there would be.
 */
size_t covey_model_state(const struct covey_model *m);
/* Whether a run reads this constant's data: false once it is laid out anew for every user. Who owns
 * the data may then give it back (a mesh that splits layers still needs it). */
bool covey_model_reads(const struct covey_model *m, uint16_t value);
/* What runs node `node` of the graph, for tables; "" when there is but one way. */
const char *covey_model_kernel(const struct covey_model *m, size_t node);

/* One request's memory and position; several runs of one model may be open on different threads. */
struct covey_run;
covey_err covey_run_new(const struct covey_model *m, struct covey_run **out) COVEY_CHECK;
void covey_run_free(struct covey_run *r);
/* Bytes of a run's values and work: nearly all of its memory. */
size_t covey_model_room(const struct covey_model *m);
/* A run without that room. covey_run_place() gives it some, 64-byte aligned, the caller's, before
 * it is used and any number of times again while it is not between a start and its results: runs
 * that are never used at the same time share it. */
covey_err covey_run_new_bare(const struct covey_model *m, struct covey_run **out);
void covey_run_place(struct covey_run *r, void *room);

/* What a run does not compute itself: one split layer (its product is the answer: bias and
 * activation are added here), or nodes [first_node, last_node) (the value `out` is the answer). */
struct covey_stage {
    bool nodes;
    uint16_t layer;
    uint32_t first_node, last_node;
    uint16_t in, out; /* values; of nodes */
};
/* In running order, apart from one another; borrowed until the next call or free. At first every
 * split layer is a stage. Only before a start. */
void covey_run_stages(struct covey_run *r, const struct covey_stage *stages, size_t count);

/* Starts with all inputs, in the graph's order, in their own types (copied). */
void covey_run_start(struct covey_run *r, const void *const *inputs);
/* Where input i goes: what is written here before a start with inputs[i] NULL is not copied. Write
 * it anew for each start: running and results use the same memory. */
void *covey_run_input(struct covey_run *r, unsigned i);
/* Runs up to the next stage or to the end. True: stopped at stage *out_stage, whose input is at
 * *out_input (valid until resume or local; of nodes only until covey_run_answer() is written).
 * Of an exact layer the input is
 * less its zero point. False: done, see covey_run_result(), or not wanted any more. */
bool covey_run_next(struct covey_run *r, size_t *out_stage, const float **out_input);
/* Room for the answer: a layer's product [units x unit_rows x n] as computed by workers (int32
 * where it is exact), or the value `out`. */
float *covey_run_answer(struct covey_run *r);
/* The answer is complete: the next covey_run_next() goes on behind the stage. */
void covey_run_resume(struct covey_run *r);
/* Computes the stage it stopped at here, instead of answer and resume. */
void covey_run_local(struct covey_run *r);
/* Output i, valid until the next start; its type and shape are those of the graph's value. */
const void *covey_run_result(const struct covey_run *r, unsigned i);

/* From now on a run is given up in front of a node once it is not wanted any more: it has no
 * results then, and is for a start or to be freed. current NULL: always wanted. */
void covey_run_wanted(struct covey_run *r, const struct covey_wanted *wanted);

/* All of it here: one input, output 0 [shape of output]. Only of a run that stays wanted. */
void covey_run_all(struct covey_run *r, const void *input, void *output);
/* All of it here; results by covey_run_result(). */
void covey_run_inputs(struct covey_run *r, const void *const *inputs);

/* From now on adds each node's time by clock (nanoseconds, monotonic) to node_ns [node_count of the
 * graph]; node_ns NULL: no more. */
typedef uint64_t (*covey_clock_fn)(void);
void covey_run_profile(struct covey_run *r, covey_clock_fn clock, uint64_t *node_ns);

#endif /* COVEY_MODEL_H */
