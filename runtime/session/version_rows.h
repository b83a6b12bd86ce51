/* SPDX-License-Identifier: MIT
 *
 * version_rows.h - the mathematics of a layer that is split by rows of its output, as version.h has
 * them (covey/spatial.h): every device has all filters, and its own part of the input.
 */
#ifndef COVEY_SESSION_VERSION_ROWS_H
#define COVEY_SESSION_VERSION_ROWS_H

#include "version.h"

covey_err covey__rows_compute(const struct covey_version *v, const struct covey_version_work *work,
                              struct covey_scratch *scratch, struct covey_body **out) COVEY_CHECK;
covey_err covey__rows_check(const struct covey_version *v, size_t layer,
                            const struct covey_answers *answers, struct covey_scratch *scratch,
                            uint32_t *out_wrong) COVEY_CHECK;
covey_err covey__rows_combine(const struct covey_version *v, size_t layer,
                              const struct covey_answers *answers, float *product) COVEY_CHECK;

#endif /* COVEY_SESSION_VERSION_ROWS_H */
