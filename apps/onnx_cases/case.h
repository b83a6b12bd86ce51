/* SPDX-License-Identifier: MIT
 *
 * case.h - one conformance case: a model, its inputs, what must come out.
 */
#ifndef COVEY_ONNX_CASE_H
#define COVEY_ONNX_CASE_H

#include "onnx_import.h"

enum case_status { CASE_PASS, CASE_FAIL, CASE_UNSUPPORTED };

/* Where the tensors of a case are. */
struct case_files {
    const char *model;  /* path */
    const char *folder; /* of test_data_set_N, or NULL: input is arange(n) / n */
    const char *output; /* without folder: path of the expected output 0 */
};

/* What came of it; the reason is "" for a pass. */
struct case_result {
    enum case_status status;
    struct covey_nn_error reason;
};

/* Runs every data set of the case. */
void case_run(const struct case_files *files, struct case_result *out);

/* compare.c. numpy.allclose with the official rtol and atol; integers and bools exactly; NaN equals
 * NaN. Type and shape must be the same. */
bool case_close(const struct covey_tensor *got, const struct covey_tensor *expected, double atol,
                struct covey_nn_error *why);

#endif /* COVEY_ONNX_CASE_H */
