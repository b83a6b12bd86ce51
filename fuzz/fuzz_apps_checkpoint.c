/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/crypto.h"
#include "fuzz.h"
#include "train_checkpoint.h"

/* A checkpoint of any bytes, its digest made right, is read whole or refused; what is read is
 * within its bounds and can be written again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey__train_checkpoint c;
    struct covey_digest digest;
    uint8_t *file = malloc(size + sizeof(digest.bytes)), *again = NULL;
    size_t len = 0;
    COVEY_ASSERT(file != NULL);
    memcpy(file, data, size);
    covey_hash(&digest, covey_bytes_of(data, size));
    memcpy(file + size, digest.bytes, sizeof(digest.bytes));
    struct covey_bytes whole = covey_bytes_of(file, size + sizeof(digest.bytes));
    if (covey__train_checkpoint_decode(whole, &c) == COVEY_OK) {
        COVEY_ASSERT(c.state.len < whole.len && c.progress.epoch <= COVEY_TRAINING_EPOCHS_MAX);
        COVEY_ASSERT(c.options.model == NULL || strlen(c.options.model) < size);
        COVEY_ASSERT(covey__train_checkpoint_encode(&c, &again, &len) == COVEY_OK);
        free(again);
        free(c.progress.history);
    }
    free(file);
    return 0;
}
