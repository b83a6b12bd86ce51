/* SPDX-License-Identifier: MIT */
#include "custody_show.h"

#include <inttypes.h>
#include <stdio.h>

void covey__custody_id(const struct covey_control_custody *c, char out[static COVEY__CUSTODY_ID])
{
    for (size_t i = 0; i < sizeof(c->id.bytes); i++) {
        snprintf(out + 2 * i, 3, "%02x", c->id.bytes[i]);
    }
}

static const char *kept_name(const struct covey_control_custody *c)
{
    static const char *const names[] = {
        [COVEY_CONTROL_KEPT_NOT] = "not",
        [COVEY_CONTROL_KEPT] = "for another device",
        [COVEY_CONTROL_KEPT_OWNED] = "as its owner",
        [COVEY_CONTROL_KEPT_OVER] = "after its end",
        [COVEY_CONTROL_KEPT_STOPPED] = "while it is stopped",
    };
    return names[c->kept];
}

void covey__custody_json(cJSON *o, const struct covey_control_custody *c)
{
    char id[COVEY__CUSTODY_ID];
    if (c->kept == COVEY_CONTROL_KEPT_NOT) {
        return;
    }
    covey__custody_id(c, id);
    cJSON *custody = cJSON_AddObjectToObject(o, "custody");
    cJSON_AddStringToObject(custody, "kept", kept_name(c));
    cJSON_AddStringToObject(custody, "session", id);
    cJSON_AddNumberToObject(custody, "epoch", c->epoch);
    cJSON_AddStringToObject(custody, "owner", c->owner);
    cJSON_AddNumberToObject(custody, "checkpoint_step", (double)c->checkpoint);
    cJSON_AddNumberToObject(custody, "keepers", c->keepers);
    if (c->kept == COVEY_CONTROL_KEPT_OWNED) {
        cJSON_AddNumberToObject(custody, "held", c->held);
    }
    cJSON_AddBoolToObject(custody, "recoverable", c->recoverable);
}

bool covey__custody_only(const struct covey_control_session *s)
{
    return s->custody.kept == COVEY_CONTROL_KEPT ||
           (s->custody.kept != COVEY_CONTROL_KEPT_NOT && s->total == 0);
}

void covey__custody_line(const struct covey_control_session *s)
{
    if (covey__custody_only(s)) {
        printf(" owner %s, step %u, checkpoint of step %" PRIu64 " here\n",
               s->custody.owner[0] != 0 ? s->custody.owner : "none", s->answered,
               s->custody.checkpoint);
    } else {
        printf(" step %u of %u\n", s->answered, s->total);
    }
}

void covey__custody_print(const struct covey_control_session *s)
{
    const struct covey_control_custody *c = &s->custody;
    char id[COVEY__CUSTODY_ID];
    if (c->kept == COVEY_CONTROL_KEPT_NOT) {
        return;
    }
    covey__custody_id(c, id);
    printf("session %s, owner %s in epoch %u, kept here %s, checkpoint of step %" PRIu64 " here\n",
           id, c->owner[0] != 0 ? c->owner : "none", c->epoch, kept_name(c), c->checkpoint);
    if (c->kept == COVEY_CONTROL_KEPT_OVER) {
        printf("over: 'covey train --resume %s --fork' trains on from there as another session\n",
               s->name);
    } else if (c->kept == COVEY_CONTROL_KEPT_STOPPED && c->recoverable) {
        printf("stopped: 'covey train --resume %s' goes on, here or at another of the %u devices "
               "that keep it\n",
               s->name, c->keepers);
    } else if (c->kept == COVEY_CONTROL_KEPT_STOPPED) {
        printf("stopped: to go on more of the devices that keep it must be up; 'covey train "
               "--resume %s --fork' trains on from this checkpoint as another session\n",
               s->name);
    } else if (c->recoverable) {
        printf("recoverable: kept by %u devices, goes on by itself should its owner go\n",
               c->keepers);
    } else {
        printf("not recoverable now: to go on by themselves three devices must keep it, and its "
               "checkpoints\n");
    }
}
