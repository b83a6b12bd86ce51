/* SPDX-License-Identifier: MIT
 *
 * infer_classes.h - which outputs of a model the sub-folders of a folder of pictures stand for.
 */
#ifndef COVEY_CLI_INFER_CLASSES_H
#define COVEY_CLI_INFER_CLASSES_H

#include "labels.h"
#include "read_input.h"

/* The labels of in's items become outputs: those called as the sub-folders are, or whose first word
 * is; of a model without names as many sub-folders as outputs, in order. Else they are unknown, and
 * out_told is false. Inputs that are no folder stay as they are. */
covey_err covey__infer_classes(struct covey_input *in, const struct covey__labels *labels,
                               size_t outputs, bool *out_told) COVEY_CHECK;

#endif /* COVEY_CLI_INFER_CLASSES_H */
