/* SPDX-License-Identifier: MIT
 *
 * infer_target.h - where inputs are answered: by this process, or by the mesh.
 */
#ifndef COVEY_CLI_INFER_TARGET_H
#define COVEY_CLI_INFER_TARGET_H

#include "control.h"
#include "local.h"
#include "upload.h"

struct covey__target {
    bool is_local;
    char name[COVEY_NAME_MAX + 1];
    struct covey_shape input, output;
    size_t input_floats, output_floats;
    struct covey__local local;
    struct covey__control control;
    struct covey__notes notes;        /* of the model; those of a file: none */
    struct covey_control_infer infer; /* of the mesh: what each request asks for, of a batch too */
    float *out;                       /* of the local engine */
    struct covey_nn_error why;
};

/* Borrowed until the next question. */
struct covey__answer {
    const float *output; /* of a batch: one behind another */
    size_t row;          /* of a batch: which this is, once they are taken apart */
    struct covey_shape shape;
    double elapsed_ms;
    const struct covey_control_result *result; /* NULL: local */
};

/* model: a file, or the name of one. infer's model is filled in. A file is given to the node first,
 * as far as it lacks it. Safe to close whatever the result; why says what is wrong. */
covey_err covey__target_open(struct covey__target *t, const char *state, const char *model,
                             const struct covey_control_infer *infer) COVEY_CHECK;
/* Without an end where infer has no time-out. One at a time in a process, which has one alarm. */
covey_err covey__target_open_local(struct covey__target *t, const char *model,
                                   const struct covey_control_infer *infer) COVEY_CHECK;
/* input: as many as infer says, one behind another; here one. */
covey_err covey__target_ask(struct covey__target *t, const float *input,
                            struct covey__answer *out) COVEY_CHECK;
/* The two halves over the mesh. */
covey_err covey__target_send(struct covey__target *t, const float *input) COVEY_CHECK;
covey_err covey__target_receive(struct covey__target *t, struct covey__answer *out) COVEY_CHECK;
void covey__target_close(struct covey__target *t);

#endif /* COVEY_CLI_INFER_TARGET_H */
