/* SPDX-License-Identifier: MIT */
#include "node_state.h"

/* Present, trusted with everything, and to be reached now. */
static bool is_keeper(const struct covey_node *node, uint16_t index)
{
    return node->members.hot[index].used && node->members.hot[index].channel &&
           covey__member_present(&node->members, index) &&
           node->members.cold[index].cert.trust == COVEY_TRUST_FULL;
}

/* Unsuspected ones first, then by certified tier, quantised speed, id. */
static bool better(const struct covey_node *node, uint16_t a, uint16_t b)
{
    const struct covey__member_cold *one = &node->members.cold[a], *two = &node->members.cold[b];
    int alive = (int)covey__member_is(&node->members, a, COVEY_MEMBER_ALIVE) -
                (int)covey__member_is(&node->members, b, COVEY_MEMBER_ALIVE);
    int tier = (int)one->cert.tier - (int)two->cert.tier;
    int rate =
        __builtin_clz(two->record.rates.mflops | 1) - __builtin_clz(one->record.rates.mflops | 1);
    int order = alive != 0 ? alive : tier != 0 ? tier : rate;
    return order != 0
               ? order > 0
               : covey_node_id_compare(&node->members.hot[a].id, &node->members.hot[b].id) < 0;
}

/* What the machine may see; a device without sessions looks at nobody. */
static const struct covey_custody_view *view(struct covey_node *node)
{
    struct covey_custody_view *v = &node->custody_view;
    uint16_t order[COVEY_MEMBERS_MAX];
    v->now_ms = node->now_ms;
    v->self = node->members.hot[COVEY_SELF].id;
    if (!node->custody_stale || covey__custody_idle(node->custody)) {
        return v;
    }
    v->count = 0;
    for (uint16_t i = 1; i < node->members.used; i++) {
        if (!is_keeper(node, i)) {
            continue;
        }
        uint16_t at = v->count++;
        for (; at > 0 && better(node, i, order[at - 1]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    for (uint16_t i = 0; i < v->count; i++) {
        v->device[i] = node->members.hot[order[i]].id;
    }
    node->custody_stale = false;
    return v;
}

covey_err covey__node_custody_event(struct covey_node *node, const struct covey_event *event)
{
    return covey__custody_event(node->custody, view(node), event, node->out);
}

covey_err covey__node_custody_message(struct covey_node *node, uint16_t from,
                                      const struct covey_custody_message *message)
{
    if (from == COVEY_SELF || node->members.cold[from].cert.trust != COVEY_TRUST_FULL) {
        node->dropped++;
        return COVEY_OK;
    }
    return covey__custody_message(node->custody, view(node), &node->members.hot[from].id, message,
                                  node->out);
}

void covey__node_custody_peer(struct covey_node *node, const struct covey_node_id *id,
                              enum covey_peer_state state)
{
    node->custody_stale = true;
    covey_err err = covey__custody_peer(node->custody, view(node), id, state, node->out);
    node->dropped += err != COVEY_OK;
}

covey_err covey__node_custody_tick(struct covey_node *node)
{
    return covey__custody_tick(node->custody, view(node), node->out);
}
