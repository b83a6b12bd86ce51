/* SPDX-License-Identifier: MIT */
#include "covey/message_catalogue.h"
#include "covey/message_custody.h"
#include "covey/message_gossip.h"
#include "covey/message_train.h"
#include "covey/message_work.h"
#include "fuzz.h"

enum { OUT_MAX = 16 * 1024 };

/* What was decoded can be encoded, and what was encoded decodes to what encodes the same. */
#define AGAIN(type, decode, encode, in)                                                            \
    do {                                                                                           \
        type first, second;                                                                        \
        uint8_t out[2][OUT_MAX];                                                                   \
        size_t len[2] = {0};                                                                       \
        if (decode(in, &first) == COVEY_OK) {                                                      \
            covey_err err = encode(&first, (struct covey_buf){out[0], OUT_MAX}, &len[0]);          \
            COVEY_ASSERT(err == COVEY_OK);                                                         \
            err = decode(covey_bytes_of(out[0], len[0]), &second);                                 \
            COVEY_ASSERT(err == COVEY_OK);                                                         \
            err = encode(&second, (struct covey_buf){out[1], OUT_MAX}, &len[1]);                   \
            COVEY_ASSERT(err == COVEY_OK);                                                         \
            COVEY_ASSERT(len[0] == len[1] && memcmp(out[0], out[1], len[0]) == 0);                 \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_bytes in = covey_bytes_of(data, size);
    if (size <= OUT_MAX / 2) {
        AGAIN(struct covey_gossip_message, covey_gossip_decode, covey_gossip_encode, in);
        AGAIN(struct covey_work_message, covey_work_decode, covey_work_encode, in);
        AGAIN(struct covey_train_message, covey_train_decode, covey_train_encode, in);
        AGAIN(struct covey_custody_message, covey_custody_decode, covey_custody_encode, in);
        AGAIN(struct covey_record_body, covey_record_decode, covey_record_encode, in);
        AGAIN(struct covey_accusation, covey_accusation_decode, covey_accusation_encode, in);
        AGAIN(struct covey_claim, covey_claim_decode, covey_claim_encode, in);
        AGAIN(struct covey_catalogue_message, covey_catalogue_decode, covey_catalogue_encode, in);
        AGAIN(struct covey_catalogue_model, covey_catalogue_model_decode,
              covey_catalogue_model_encode, in);
    }
    return 0;
}
