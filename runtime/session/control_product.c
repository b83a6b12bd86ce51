/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "control_private.h"

static void product_done(void *user, uint32_t tag, covey_err err,
                         const struct covey_product_bench_result *result)
{
    struct covey_client *client = user;
    struct covey_daemon *d = client->daemon;
    size_t len = result != NULL ? covey_product_bench_result_bytes(result) : 0;
    uint8_t *bytes = len > 0 ? malloc(len) : NULL;
    if (d->closing) {
        free(bytes);
        return;
    }
    if (err == COVEY_OK && bytes == NULL) {
        err = COVEY_ERR_NOMEM;
    }
    if (err != COVEY_OK) {
        covey__control_error(client, tag, err,
                             err == COVEY_ERR_RANGE ? "the numbers do not fit the field" : NULL);
    } else {
        covey_product_bench_result_encode(result, bytes);
        d->out->type = COVEY_CONTROL_PRODUCT_REPLY;
        d->out->id = tag;
        covey__control_reply(client, covey_bytes_of(bytes, len));
    }
    free(bytes);
}

void covey__control_product(struct covey_client *client, const struct covey_control *in,
                            struct covey_body *take_body)
{
    struct covey_product_bench_config config = {
        .user = client, .tag = in->id, .done = product_done};
    const struct covey_bytes none = covey_bytes_of(NULL, 0);
    covey_err err = covey_product_bench_decode(
        take_body != NULL ? covey_bytes_of(take_body->data, take_body->len) : none, &config.bench);
    covey_body_unref(take_body);
    if (err == COVEY_OK) {
        err = covey__product_benches_start(client->daemon->benches, &config);
    }
    if (err != COVEY_OK) {
        covey__control_error(
            client, in->id, err,
            err == COVEY_ERR_BUSY ? "too many products are measured here: try again" : NULL);
    }
}
