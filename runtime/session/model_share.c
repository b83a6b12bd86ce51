/* SPDX-License-Identifier: MIT */
#include "model_share.h"

#include <stdlib.h>

covey_err covey__model_table_init(struct covey_model_table *table, const struct covey_store *store)
{
    table->store = store;
    table->first = NULL;
    return pthread_mutex_init(&table->lock, NULL) == 0 ? COVEY_OK : COVEY_ERR_NOMEM;
}

void covey__model_table_done(struct covey_model_table *table)
{
    COVEY_ASSERT(table->first == NULL);
    pthread_mutex_destroy(&table->lock);
}

static bool is_same(const struct covey_model_file *file, const struct covey_model_want *want)
{
    return file->batch == (want->batch > 1 ? want->batch : 1) && file->most_bytes == want->bytes &&
           covey_digest_equal(&file->id, &want->id);
}

static struct covey_model_share *find(struct covey_model_table *table,
                                      const struct covey_model_want *want)
{
    pthread_mutex_lock(&table->lock);
    struct covey_model_share *share = table->first;
    while (share != NULL && !is_same(share->file, want)) {
        share = share->next;
    }
    if (share != NULL) {
        share->refs++;
    }
    pthread_mutex_unlock(&table->lock);
    return share;
}

static void share_free(struct covey_model_share *share)
{
    covey__coded_free(share->coded);
    covey__model_file_free(share->file);
    free(share);
}

covey_err covey__model_share_get(struct covey_model_table *table,
                                 const struct covey_model_want *want,
                                 struct covey_model_share **out, struct covey_nn_error *out_why)
{
    struct covey_model_share *share = find(table, want);
    if (share != NULL) {
        *out = share;
        return COVEY_OK;
    }
    share = calloc(1, sizeof(*share));
    if (share == NULL) {
        return COVEY_ERR_NOMEM;
    }
    share->table = table;
    share->refs = 1;
    covey_err err = covey__model_file_load_within(table->store, want, &share->file, out_why);
    if (err == COVEY_OK) {
        err = covey__coded_new(share->file, table->store, &share->coded);
    }
    if (err != COVEY_OK) {
        share_free(share);
        return err;
    }
    pthread_mutex_lock(&table->lock);
    share->next = table->first;
    table->first = share;
    pthread_mutex_unlock(&table->lock);
    *out = share;
    return COVEY_OK;
}

struct covey_model_share *covey__model_share_ref(struct covey_model_share *share)
{
    pthread_mutex_lock(&share->table->lock);
    share->refs++;
    pthread_mutex_unlock(&share->table->lock);
    return share;
}

void covey__model_share_unref(struct covey_model_share *share)
{
    if (share == NULL) {
        return;
    }
    pthread_mutex_lock(&share->table->lock);
    bool last = --share->refs == 0;
    for (struct covey_model_share **link = &share->table->first; last && *link != NULL;
         link = &(*link)->next) {
        if (*link == share) {
            *link = share->next;
            break;
        }
    }
    pthread_mutex_unlock(&share->table->lock);
    if (last) {
        share_free(share);
    }
}

/* The next behind one, which is given back. */
static struct covey_model_share *next_of(struct covey_model_table *table,
                                         struct covey_model_share *share)
{
    pthread_mutex_lock(&table->lock);
    struct covey_model_share *next = share != NULL ? share->next : table->first;
    if (next != NULL) {
        next->refs++;
    }
    pthread_mutex_unlock(&table->lock);
    covey__model_share_unref(share);
    return next;
}

covey_err covey__model_table_parity(struct covey_model_table *table,
                                    const struct covey_digest *digest, struct covey_body **out)
{
    covey_err err = COVEY_ERR_NOT_FOUND;
    struct covey_model_share *share = next_of(table, NULL);
    while (share != NULL && err == COVEY_ERR_NOT_FOUND) {
        err = covey__coded_again(share->coded, digest, out);
        share = next_of(table, share);
    }
    covey__model_share_unref(share);
    return err;
}
