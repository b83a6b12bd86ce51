/* SPDX-License-Identifier: MIT
 *
 * local.h - a model of a file, run on this device alone.
 */
#ifndef COVEY_CLI_LOCAL_H
#define COVEY_CLI_LOCAL_H

#include "covey/model.h"
#include "onnx_import.h"

struct covey__local {
    struct covey_onnx onnx;
    struct covey_model *model;
    struct covey_run *run;
    size_t input_floats, output_floats;
};

struct covey__local_options {
    uint32_t batch;    /* 0: as the file declares it, 1 where that is open */
    bool keep_weights; /* also those that no run reads: the graph can be checked again */
    struct covey_model_options model;
};

/* With a batch of 1 and one thread. Safe to close whatever the result. */
covey_err covey__local_open(struct covey__local *l, const char *path,
                            struct covey_nn_error *out_why) COVEY_CHECK;
covey_err covey__local_open_with(struct covey__local *l, const char *path,
                                 const struct covey__local_options *options,
                                 struct covey_nn_error *out_why) COVEY_CHECK;
void covey__local_close(struct covey__local *l);

#endif /* COVEY_CLI_LOCAL_H */
