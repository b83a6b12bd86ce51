/* SPDX-License-Identifier: MIT
 *
 * store_models.h - what store.c and store_models.c share: the names of files, and at the start the
 * blobs that stay.
 */
#ifndef COVEY_SESSION_STORE_MODELS_H
#define COVEY_SESSION_STORE_MODELS_H

#include "store.h"

enum { COVEY__STORE_PATH_LEN = 700 };

bool covey__digest_of_hex(const char *text, struct covey_digest *out);
void covey__manifest_path(const struct covey_store *store, const struct covey_digest *id,
                          char path[static COVEY__STORE_PATH_LEN]);
/* Those of all manifests that there are. */
covey_err covey__store_keep_models(const struct covey_store *store) COVEY_CHECK;

#endif /* COVEY_SESSION_STORE_MODELS_H */
