/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "control_private.h"

/* Blobs that a client added come before the manifest that names them, and are kept from the first
 * one on. A client that goes before it sent the manifest would leave them so until the next start.
 */

struct release_task {
    struct covey_task task;
    struct covey_daemon *daemon;
    struct covey_digest *digest;
    size_t count;
};

static void release_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct release_task *t = (struct release_task *)task;
    covey_err err = covey__store_release(&t->daemon->services.store, t->digest, t->count);
    (void)err; /* out of memory: they stay until the next start */
}

static void release_done(struct covey_task *task)
{
    struct release_task *t = (struct release_task *)task;
    free(t->digest);
    free(t);
}

static void release(struct covey_daemon *d, struct covey_digest *take_digest, size_t count)
{
    struct release_task *t = count > 0 && !d->closing ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        free(take_digest);
        return;
    }
    *t = (struct release_task){.task = {.work = release_work, .done = release_done},
                               .daemon = d,
                               .digest = take_digest,
                               .count = count};
    covey__pool_submit(d->services.storage, &t->task);
}

void covey__control_added(struct covey_daemon *d, uint64_t serial, struct covey_digest *take_digest,
                          size_t count)
{
    struct covey_client *c = covey__control_client(d, serial);
    if (c == NULL) {
        release(d, take_digest, count);
        return;
    }
    size_t all = c->added_count + count;
    if (all > c->added_room) {
        struct covey_digest *grown = realloc(c->added, 2 * all * sizeof(*grown));
        if (grown == NULL) {
            release(d, take_digest, count);
            return;
        }
        c->added = grown;
        c->added_room = 2 * all;
    }
    if (count > 0) {
        memcpy(c->added + c->added_count, take_digest, count * sizeof(*take_digest));
    }
    c->added_count = all;
    free(take_digest);
}

void covey__control_added_used(struct covey_client *client)
{
    client->added_count = 0;
}

void covey__control_added_end(struct covey_client *client)
{
    release(client->daemon, client->added, client->added_count);
    client->added = NULL;
    client->added_count = client->added_room = 0;
}
