/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "fuzz.h"
#include "read_set.h"

/* Two IDX files of any bytes (the first two bytes say where the first ends) are taken with finite
 * values and labels below the classes, or refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_dataset d = {.count = 0};
    size_t bad = 0;
    if (size < 2) {
        return 0;
    }
    size_t cut = covey_load16(data);
    cut = cut > size - 2 ? size - 2 : cut;
    const struct covey_bytes files[2] = {covey_bytes_of(data + 2, cut),
                                         covey_bytes_of(data + 2 + cut, size - 2 - cut)};
    covey_err err = covey__decode_idx(files, &d, &bad, &why);
    COVEY_ASSERT((err == COVEY_OK) == (d.count > 0) && bad < 2);
    COVEY_ASSERT(err == COVEY_OK || why.text[0] != '\0');
    for (size_t i = 0; i < d.count; i++) {
        COVEY_ASSERT(d.labels[i] < d.classes);
    }
    for (size_t i = 0; d.floats && i < d.count * covey_dataset_values(&d); i++) {
        COVEY_ASSERT(isfinite(d.floats[i]));
    }
    covey_dataset_done(&d);
    return 0;
}
