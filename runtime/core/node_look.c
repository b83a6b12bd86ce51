/* SPDX-License-Identifier: MIT */
#include "node_state.h"

static void fill(const struct covey_node *node, uint16_t index, struct covey_member_info *out)
{
    const struct covey__member *hot = &node->members.hot[index];
    const struct covey__member_cold *cold = &node->members.cold[index];
    memset(out, 0, sizeof(*out));
    out->id = hot->id;
    memcpy(out->name, cold->cert.name, sizeof(out->name));
    out->tier = cold->cert.tier;
    out->trust = cold->cert.trust;
    out->state = (enum covey_member_state)hot->state;
    out->gossip_addr = cold->gossip_addr;
    out->channel_port = cold->record.channel_port;
    out->rtt_us = hot->rtt_us;
    out->rates = cold->record.rates;
    out->memory_bytes = cold->record.memory_bytes;
    out->store_bytes = cold->record.store_bytes;
    out->incarnation = hot->incarnation;
    out->channel = hot->channel;
    out->passes = hot->channel && !covey__node_stands_still(node, index);
    out->lied = covey__job_lied(node->job, &hot->id);
    out->self = index == COVEY_SELF;
}

static unsigned strangers(const struct covey_node *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < COVEY_STRANGERS_MAX; i++) {
        count += node->discovery.stranger[i].used;
    }
    return count;
}

/* Only those whose record was seen are members. */
static bool listed(const struct covey_node *node, uint16_t index)
{
    return node->members.hot[index].used && node->members.hot[index].known;
}

size_t covey_node_members(const struct covey_node *node)
{
    size_t count = strangers(node);
    for (uint16_t i = 0; i < node->members.used; i++) {
        count += listed(node, i);
    }
    return count;
}

void covey_node_member(const struct covey_node *node, size_t index, struct covey_member_info *out)
{
    for (uint16_t i = 0; i < node->members.used; i++) {
        if (listed(node, i) && index-- == 0) {
            fill(node, i, out);
            return;
        }
    }
    memset(out, 0, sizeof(*out));
    out->state = COVEY_MEMBER_DEAD;
    for (unsigned i = 0; i < COVEY_STRANGERS_MAX; i++) {
        if (node->discovery.stranger[i].used && index-- == 0) {
            out->id = node->discovery.stranger[i].id;
            out->gossip_addr = node->discovery.stranger[i].addr;
            out->incompatible = true;
            return;
        }
    }
}

bool covey_node_find(const struct covey_node *node, const struct covey_node_id *id,
                     struct covey_member_info *out)
{
    uint16_t index = covey__member_find(&node->members, id);
    if (index == COVEY_NOBODY || !listed(node, index)) {
        return false;
    }
    fill(node, index, out);
    return true;
}

bool covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                            uint64_t *out_term)
{
    if (!node->election.has) {
        return false;
    }
    *out_id = node->election.coordinator;
    *out_term = node->election.term;
    return true;
}

bool covey_node_is_redundant(const struct covey_node *node, const struct covey_fence *session)
{
    return covey__job_is_redundant(node->job, &node->view, session);
}

struct covey_fetched covey_node_fetched(const struct covey_node *node)
{
    return covey__fetch_fetched(node->fetch);
}

void covey_node_plan_devices(const struct covey_node *node, const struct covey_fence *session,
                             struct covey_plan_request *inout)
{
    covey__job_devices(node->job, &node->view, session, inout);
}

size_t covey_node_models(const struct covey_node *node)
{
    return covey__catalogue_count(node->catalogue);
}

void covey_node_model(const struct covey_node *node, size_t index,
                      struct covey_catalogue_model *out)
{
    covey__catalogue_get(node->catalogue, index, out);
}

covey_err covey_node_model_wire(const struct covey_node *node, size_t index, struct covey_buf out,
                                size_t *out_len)
{
    return covey__catalogue_wire(node->catalogue, index, out, out_len);
}
