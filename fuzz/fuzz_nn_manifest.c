/* SPDX-License-Identifier: MIT */
#include "covey/manifest.h"
#include "fuzz.h"

enum { BOUND_BYTES_MAX = 1 << 20 };

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    (void)user;
    (void)digest;
    memset(data, 0, len);
    return COVEY_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_manifest *mf = NULL;
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    struct covey_nn_error why;
    uint64_t total = 0;
    if (covey_manifest_decode(covey_bytes_of(data, size), &mf, &why) != COVEY_OK) {
        return 0;
    }
    if (covey_manifest_reserve(mf, 2, fetch, NULL, &g, &why) == COVEY_OK) {
        const struct covey_model_options plan_only = {.plan_only = true};
        if (covey_model_new(g, &plan_only, &m, &why) == COVEY_OK) {
            covey_model_free(m);
            m = NULL;
        }
    }
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        total += covey_manifest_blob(mf, i)->len;
    }
    if (total <= BOUND_BYTES_MAX && covey_manifest_bind(mf, 2, fetch, NULL, &g, &why) == COVEY_OK &&
        covey_model_new(g, NULL, &m, &why) == COVEY_OK) {
        covey_model_free(m);
    }
    covey_manifest_free(mf);
    return 0;
}
