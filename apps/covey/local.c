/* SPDX-License-Identifier: MIT */
#include "local.h"

#include "read_why.h"

/* What the commands can feed and read. */
static covey_err check_ends(const struct covey_graph *g, struct covey_nn_error *out_why)
{
    if (g->inputs != 1) {
        return covey__why(COVEY_ERR_UNSUPPORTED, out_why, "the model has %u inputs, not one",
                          g->inputs);
    }
    if (g->values[g->input[0]].type != COVEY_TYPE_F32 ||
        g->values[g->output[0]].type != COVEY_TYPE_F32) {
        return covey__why(COVEY_ERR_UNSUPPORTED, out_why,
                          "the model's input or output is not of float32");
    }
    return COVEY_OK;
}

covey_err covey__local_open(struct covey__local *l, const char *path,
                            struct covey_nn_error *out_why)
{
    struct covey__local_options options = {.batch = 1};
    return covey__local_open_with(l, path, &options, out_why);
}

covey_err covey__local_open_with(struct covey__local *l, const char *path,
                                 const struct covey__local_options *options,
                                 struct covey_nn_error *out_why)
{
    struct covey__local fresh = {.model = NULL};
    *l = fresh;
    struct covey_onnx_options import = {.batch = options->batch};
    covey_err err = covey_onnx_load(path, &import, &l->onnx, out_why);
    if (err == COVEY_OK) {
        err = check_ends(l->onnx.graph, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_graph_optimize(l->onnx.graph, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_graph_check(l->onnx.graph, options->batch, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_model_new(l->onnx.graph, &options->model, &l->model, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (!options->keep_weights) {
        covey_onnx_trim(&l->onnx, l->model);
    }
    err = covey_run_new(l->model, &l->run);
    if (err == COVEY_OK) {
        err = covey_shape_count(covey_model_input(l->model), &l->input_floats);
    }
    if (err == COVEY_OK) {
        err = covey_shape_count(covey_model_output(l->model), &l->output_floats);
    }
    return err == COVEY_OK
               ? COVEY_OK
               : covey__why(err, out_why, "%s cannot be run: %s", path, covey_strerror(err));
}

void covey__local_close(struct covey__local *l)
{
    covey_run_free(l->run);
    covey_model_free(l->model);
    covey_onnx_free(&l->onnx);
    struct covey__local empty = {.model = NULL};
    *l = empty;
}
