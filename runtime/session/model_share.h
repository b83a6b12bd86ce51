/* SPDX-License-Identifier: MIT
 *
 * model_share.h - models in memory, each once for all sessions that run it with the same batch,
 * with what is made of their coded layers.
 */
#ifndef COVEY_SESSION_MODEL_SHARE_H
#define COVEY_SESSION_MODEL_SHARE_H

#include <pthread.h>

#include "coded.h"

struct covey_model_table;

/* Constant while somebody refers to it, but for what coded.h locks. */
struct covey_model_share {
    struct covey_model_file *file;
    struct covey_coded *coded;
    struct covey_model_table *table;
    struct covey_model_share *next;
    uint32_t refs; /* under the table's lock */
};

struct covey_model_table {
    const struct covey_store *store;
    pthread_mutex_t lock;
    struct covey_model_share *first;
};

covey_err covey__model_table_init(struct covey_model_table *table,
                                  const struct covey_store *store) COVEY_CHECK;
/* After all references were given back. */
void covey__model_table_done(struct covey_model_table *table);

/* One reference to the model of want; read from the store when nobody has it. Blocking; one thread
 * at a time, so that none is read twice. Failures as of covey__model_file_load_within(). */
covey_err covey__model_share_get(struct covey_model_table *table,
                                 const struct covey_model_want *want,
                                 struct covey_model_share **out,
                                 struct covey_nn_error *out_why) COVEY_CHECK;
/* One more of what one has. */
struct covey_model_share *covey__model_share_ref(struct covey_model_share *share);
/* A parity of one of the models, made anew (covey__coded_again()). NOT_FOUND. Any thread. */
covey_err covey__model_table_parity(struct covey_model_table *table,
                                    const struct covey_digest *digest,
                                    struct covey_body **out) COVEY_CHECK;
/* Any thread; NULL is a no-op. */
void covey__model_share_unref(struct covey_model_share *share);

#endif /* COVEY_SESSION_MODEL_SHARE_H */
