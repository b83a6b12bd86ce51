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

/* Plans for the batch that covey_graph_check() was called with. Layers that can be split (CONV with
 * groups == 1 and DENSE, constant weights, m >= 2) are numbered in running order. */
covey_err covey_model_new(const struct covey_graph *g, struct covey_model **out,
                          struct covey_nn_error *out_why) COVEY_CHECK;
void covey_model_free(struct covey_model *m);

size_t covey_model_layers(const struct covey_model *m);
const struct covey_layer *covey_model_layer(const struct covey_model *m, size_t layer);
const char *covey_model_layer_name(const struct covey_model *m, size_t layer);
/* Value index of the layer's constant weights [m x k] in the graph. */
uint16_t covey_model_layer_weights(const struct covey_model *m, size_t layer);
const struct covey_shape *covey_model_input(const struct covey_model *m);
const struct covey_shape *covey_model_output(const struct covey_model *m);
size_t covey_model_memory(const struct covey_model *m); /* bytes of one run */

/* One request's memory and position; several runs of one model may be open on different threads. */
struct covey_run;
covey_err covey_run_new(const struct covey_model *m, struct covey_run **out) COVEY_CHECK;
void covey_run_free(struct covey_run *r);

/* Starts with input (copied). */
void covey_run_start(struct covey_run *r, const float *input);
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
const float *covey_run_result(const struct covey_run *r);

/* All of it here: input [shape of input], output [shape of output]. */
void covey_run_all(struct covey_run *r, const float *input, float *output);

#endif /* COVEY_MODEL_H */
