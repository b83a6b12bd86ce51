/* SPDX-License-Identifier: MIT */
#include "stored.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/pack.h"

static covey_err put_blob(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return covey__store_put(user, digest, blob);
}

void stored_network(const struct covey_store *store, struct covey_graph *take_g,
                    struct covey_digest *out_id)
{
    struct covey_store *user = (struct covey_store *)(uintptr_t)store;
    struct covey_nn_error why = {{0}};
    uint8_t *manifest = NULL;
    size_t len = 0;
    expect_ok(covey_pack(take_g, "small", put_blob, user, &manifest, &len, out_id, &why), &why);
    assert_int_equal(covey__store_put_manifest(store, out_id, covey_bytes_of(manifest, len)),
                     COVEY_OK);
    free(manifest);
    covey_graph_free(take_g);
}
