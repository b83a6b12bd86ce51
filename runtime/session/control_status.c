/* SPDX-License-Identifier: MIT */
#include "control_private.h"

static void fill_member(const struct covey_daemon *d, const struct covey_member_info *info,
                        struct covey_control_member *m)
{
    *m = (struct covey_control_member){
        .id = info->id,
        .tier = (uint8_t)info->tier,
        .trust = (uint8_t)info->trust,
        .state = info->incompatible ? 0xff : (uint8_t)info->state,
        .rtt_us = info->rtt_us,
        .mflops = info->rates.mflops,
        .memory_bytes = info->memory_bytes,
        .self = info->self,
        .channel = info->passes,
        .lied = info->lied,
    };
    memcpy(m->name, info->name, sizeof(m->name));
    covey_addr_format(info->self ? &d->own_addr : &info->gossip_addr, m->address);
}

static void visit_session(void *user, const struct covey_fence *session)
{
    struct covey_daemon *d = user;
    d->out->status.sessions++;
    d->out->status.sessions_redundant += covey_node_is_redundant(d->node, session);
}

void covey__control_tell_status(struct covey_client *client, uint32_t id)
{
    struct covey_daemon *d = client->daemon;
    struct covey_control_status *s = &d->out->status;
    d->out->type = COVEY_CONTROL_STATUS_REPLY;
    d->out->id = id;
    *s = (struct covey_control_status){.version = COVEY_VERSION};
    s->has_coordinator = covey_node_coordinator(d->node, &s->coordinator, &s->term);
    size_t count = covey_node_members(d->node);
    for (size_t i = 0; i < count && s->member_count < COVEY_MEMBERS_MAX; i++) {
        struct covey_member_info info;
        covey_node_member(d->node, i, &info);
        fill_member(d, &info, &s->member[s->member_count++]);
    }
    covey__owner_visit(d->owner, visit_session, d);
    struct covey_fetched fetched = covey_node_fetched(d->node);
    s->fetched_owner = fetched.owner_bytes;
    s->fetched_others = fetched.others_bytes;
    covey__control_reply(client, covey_bytes_of(NULL, 0));
}
