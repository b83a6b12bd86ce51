/* SPDX-License-Identifier: MIT */
#include "local.h"

#include "read_why.h"

covey_err covey__local_open(struct covey__local *l, const char *path,
                            struct covey_nn_error *out_why)
{
    struct covey__local fresh = {.model = NULL};
    *l = fresh;
    covey_err err = covey_onnx_load(path, &l->onnx, out_why);
    if (err == COVEY_OK) {
        err = covey_graph_optimize(l->onnx.graph, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_graph_check(l->onnx.graph, 1, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_model_new(l->onnx.graph, NULL, &l->model, out_why);
    }
    if (err != COVEY_OK) {
        return err;
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
