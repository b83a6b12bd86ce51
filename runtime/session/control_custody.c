/* SPDX-License-Identifier: MIT
 *
 * control_custody.c - between the custodian and the trainings of a daemon.
 */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"

/* ---- what the custodian says ---- */

static size_t sources(void *user, struct covey_node_id *out, size_t max)
{
    const struct covey_daemon *d = user;
    size_t used = 0, count = d->closing ? 0 : covey_node_members(d->node);
    for (size_t i = 0; i < count && used < max; i++) {
        struct covey_member_info info;
        covey_node_member(d->node, i, &info);
        if (!info.self && info.channel && info.trust == COVEY_TRUST_FULL) {
            out[used++] = info.id;
        }
    }
    return used;
}

static covey_err lead(void *user, const struct covey_fence *fence, const struct covey_digest *job,
                      const struct covey_checkpoint_ref *newest)
{
    struct covey_daemon *d = user;
    return covey__trainings_start(d->trainings, fence, job, newest);
}

static void lease(void *user, const struct covey_fence *fence, uint64_t until_ms)
{
    struct covey_daemon *d = user;
    covey__trainings_lease(d->trainings, fence, until_ms);
}

static void lost(void *user, const struct covey_fence *fence)
{
    struct covey_daemon *d = user;
    covey__trainings_drop(d->trainings, fence);
}

static void news(void *user, const struct covey_fence *fence, uint8_t held, uint8_t wanted)
{
    struct covey_daemon *d = user;
    covey__trainings_custodians(d->trainings, fence, held, wanted);
}

static void kept(void *user, const struct covey_fence *fence, uint64_t step)
{
    struct covey_daemon *d = user;
    covey__trainings_kept(d->trainings, fence, step);
}

static void resumed(void *user, const struct covey_custodian_resumed *r)
{
    const struct covey_digest none = {.bytes = {0}};
    struct covey_daemon *d = user;
    struct covey_client *client = covey__control_client(d, r->client);
    if (client == NULL || d->closing) {
        return;
    }
    if (r->err == COVEY_OK) {
        covey__control_done(client, r->tag, &none);
    } else {
        covey__control_error(client, r->tag, r->err, r->why);
    }
}

/* ---- life ---- */

covey_err covey__control_custody_open(struct covey_daemon *d, const char *state_dir,
                                      char out_why[static 256])
{
    const struct covey_custodian_config config = {.services = &d->services,
                                                  .state_dir = state_dir,
                                                  .self = d->identity->cert.node,
                                                  .user = d,
                                                  .sources = sources,
                                                  .lead = lead,
                                                  .lease = lease,
                                                  .lost = lost,
                                                  .news = news,
                                                  .kept = kept,
                                                  .resumed = resumed};
    covey_err err = covey__custodian_new(&config, &d->custodian, out_why);
    if (err == COVEY_OK && out_why[0] != 0) {
        covey__daemon_log(d, "%s", out_why); /* it goes on all the same */
        out_why[0] = 0;
    }
    return err;
}
