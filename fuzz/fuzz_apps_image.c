/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "fuzz.h"
#include "read_decode.h"
#include "read_input.h"

/* A picture of any bytes is taken with values of 0..255 and can be given to a model, or refused
 * with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct covey_shape model = {4, {1, 3, 5, 7}};
    float input[3 * 5 * 7];
    struct covey_nn_error why = {""};
    struct covey_decoded out = {.data = NULL};
    struct covey_prepare p;
    covey_err err = covey__decode_picture(covey_bytes_of(data, size), &out, &why);
    COVEY_ASSERT((err == COVEY_OK) == (out.data != NULL));
    COVEY_ASSERT(err == COVEY_OK || why.text[0] != '\0');
    if (err == COVEY_OK) {
        struct covey_item item = {COVEY_ITEM_PICTURE, out.data, out.shape, -1};
        covey_prepare_init(&p);
        err = covey_prepare_item(&p, &item, &model, input, &why);
        COVEY_ASSERT(err == COVEY_OK);
        for (size_t i = 0; i < sizeof input / sizeof input[0]; i++) {
            COVEY_ASSERT(input[i] >= 0.0f && input[i] <= 65536.0f);
        }
    }
    free(out.data);
    return 0;
}
