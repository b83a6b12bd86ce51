/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "read_set.h"

/* Data sets of any bytes, as CSV digits, as CIFAR records, and as a table of names, are taken with
 * values in range or refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct covey__cifar_form fine = {2, 1, 100};
    struct covey_nn_error why = {""};
    struct covey_bytes in = covey_bytes_of(data, size);
    struct covey_dataset d = {.count = 0};
    struct covey_dataset_name *names = NULL;
    covey_err err = covey__decode_digits(in, &d, &why);
    for (size_t i = 0; err == COVEY_OK && i < d.count; i++) {
        COVEY_ASSERT(d.labels[i] <= 9 && d.bytes[i * 64 + 63] <= 16);
    }
    COVEY_ASSERT(err == COVEY_OK || (d.bytes == NULL && why.text[0] != '\0'));
    covey_dataset_done(&d);
    err = covey__decode_cifar(in, &fine, &d, &why);
    COVEY_ASSERT((err == COVEY_OK) == (d.count > 0));
    for (size_t i = 0; i < d.count; i++) {
        COVEY_ASSERT(d.labels[i] < d.classes);
    }
    covey_dataset_done(&d);
    err = covey__decode_names(in, 3, &names, &why);
    COVEY_ASSERT((err == COVEY_OK) == (names != NULL));
    free(names);
    return 0;
}
