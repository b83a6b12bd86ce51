/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "read_decode.h"

/* Data sets of any bytes, as CSV digits, as CIFAR records, and as IDX cut in two, are taken with
 * values in range or refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_nn_error why = {""};
    struct covey_bytes in = covey_bytes_of(data, size);
    struct covey_dataset d = {.count = 0};
    covey_err err = covey__decode_digits(in, &d, &why);
    for (size_t i = 0; err == COVEY_OK && i < d.count; i++) {
        COVEY_ASSERT(d.labels[i] <= 9 && d.pixels[i * 64 + 63] <= 16);
    }
    COVEY_ASSERT(err == COVEY_OK || (d.pixels == NULL && why.text[0] != '\0'));
    covey__dataset_done(&d);
    err = covey__decode_cifar(in, 2, 100, &d, &why);
    COVEY_ASSERT((err == COVEY_OK) == (d.count > 0));
    covey__dataset_done(&d);
    size_t cut = size < 10 ? 0 : size - 10; /* two labels behind the images */
    err = covey__decode_idx(covey_bytes_of(data, cut), covey_bytes_of(data + cut, size - cut), &d,
                            &why);
    COVEY_ASSERT((err == COVEY_OK) == (d.count > 0));
    covey__dataset_done(&d);
    return 0;
}
