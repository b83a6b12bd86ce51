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

static covey_err lead(void *user, const struct covey_training_start *start)
{
    struct covey_daemon *d = user;
    return covey__trainings_start(d->trainings, start);
}

static bool done(void *user, const struct covey_session_id *session)
{
    struct covey_daemon *d = user;
    return covey__trainings_done(d->trainings, session);
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

static void settled(void *user, const struct covey_fence *fence, uint64_t step)
{
    struct covey_daemon *d = user;
    covey__trainings_settled(d->trainings, fence, step);
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
        /* What is asked for is good: it is the store here that is full. */
        covey__control_error(client, r->tag, r->err == COVEY_ERR_LIMIT ? COVEY_ERR_SPACE : r->err,
                             r->why);
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
                                                  .done = done,
                                                  .lease = lease,
                                                  .lost = lost,
                                                  .news = news,
                                                  .kept = kept,
                                                  .settled = settled,
                                                  .resumed = resumed};
    covey_err err = covey__custodian_new(&config, &d->custodian, out_why);
    if (err == COVEY_OK && out_why[0] != 0) {
        covey__daemon_log(d, "%s", out_why); /* it goes on all the same */
        out_why[0] = 0;
    }
    return err;
}

/* ---- what is asked ---- */

static struct covey_control_session *shown_as(struct covey_control_sessions *list,
                                              const struct covey_custodian_session *s)
{
    for (size_t i = 0; i < list->count; i++) {
        struct covey_control_session *shown = &list->session[i];
        if (shown->training && shown->custody.kept == COVEY_CONTROL_KEPT_NOT &&
            strcmp(shown->name, s->row.name) == 0) {
            return shown;
        }
    }
    return NULL;
}

/* Its owner knows that nobody has a checkpoint of it. */
static bool unkept(const struct covey_daemon *d, const struct covey_custodian_session *s)
{
    struct covey_training_progress progress;
    size_t index = 0;
    if (!s->owns || !covey__trainings_find(d->trainings, s->row.name, &index)) {
        return false;
    }
    covey__trainings_get(d->trainings, index, &progress);
    return progress.unkept;
}

/* Of others' that are over nothing is left to show. */
static struct covey_control_session *add(struct covey_daemon *d,
                                         struct covey_control_sessions *list,
                                         const struct covey_custodian_session *s)
{
    bool own = covey_node_id_equal(&s->row.owner, &d->identity->cert.node);
    if (s->row.name[0] == 0 || list->count == COVEY_CONTROL_SESSIONS_MAX ||
        (s->row.state == COVEY_JOURNAL_OVER && !own)) {
        return NULL;
    }
    struct covey_control_session *shown = &list->session[list->count++];
    *shown = (struct covey_control_session){.training = true};
    shown->running = s->row.state != COVEY_JOURNAL_OVER && s->row.state != COVEY_JOURNAL_STOPPED;
    shown->answered = s->step < UINT32_MAX ? (uint32_t)s->step : UINT32_MAX;
    memcpy(shown->name, s->row.name, sizeof(shown->name));
    return shown;
}

static enum covey_control_kept kept_as(const struct covey_custodian_session *s)
{
    return s->row.state == COVEY_JOURNAL_STOPPED ? COVEY_CONTROL_KEPT_STOPPED
           : s->owns                             ? COVEY_CONTROL_KEPT_OWNED
           : s->row.state == COVEY_JOURNAL_OVER  ? COVEY_CONTROL_KEPT_OVER
                                                 : COVEY_CONTROL_KEPT;
}

void covey__control_custody_list(struct covey_daemon *d, struct covey_control_sessions *list)
{
    static const struct covey_node_id nobody;
    size_t count = covey__custodian_count(d->custodian);
    for (size_t i = 0; i < count; i++) {
        struct covey_custodian_session s;
        covey__custodian_get(d->custodian, i, &s);
        struct covey_control_session *shown = shown_as(list, &s);
        shown = shown != NULL ? shown : add(d, list, &s);
        if (shown == NULL) {
            continue;
        }
        shown->custody = (struct covey_control_custody){
            .kept = kept_as(&s),
            .id = s.row.id,
            .epoch = s.row.epoch,
            .checkpoint = s.newest.step,
            .keepers = s.set.count,
            .held = s.held,
            .recoverable = s.recoverable && !unkept(d, &s),
        };
        if (!covey_node_id_equal(&s.row.owner, &nobody)) {
            covey__models_device(d, &s.row.owner, shown->custody.owner);
        }
    }
}

void covey__control_custody_resume(struct covey_client *client, const struct covey_control *in)
{
    const struct covey_digest none = {.bytes = {0}};
    const bool fork = in->type == COVEY_CONTROL_TRAIN_FORK;
    const struct covey_custodian_resumed ask = {
        .client = client->serial, .tag = in->id, .fork = fork};
    char why[256];
    covey_err err = covey__custodian_resume(client->daemon->custodian, in->name, ask, why);
    if (err == COVEY_ERR_EXISTS && !fork) {
        covey__control_done(client, in->id, &none); /* it goes on here: that is what was asked */
    } else if (err != COVEY_OK) {
        covey__control_error(client, in->id, err, why);
    }
}
