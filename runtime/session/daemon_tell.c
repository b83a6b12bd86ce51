/* SPDX-License-Identifier: MIT
 *
 * daemon_tell.c - what the log says of members: who is there, who coordinates, whose channel ended.
 */
#include "daemon_state.h"

enum { LINES_AT_ONCE = 16 };

/* Whether a line about the member is due; its name in *out then. */
static bool due(struct covey_daemon *d, const struct covey_node_id *id,
                struct covey_member_info *out)
{
    return covey_node_find(d->node, id, out) &&
           covey_seldom_some(&d->member_lines[id->bytes[0]], covey_loop_now_ms(d->loop),
                             LINES_AT_ONCE);
}

void covey__daemon_tell_member(struct covey_daemon *d, const struct covey_node_id *id)
{
    static const char *const states[] = {"alive", "suspect", "dead", "left"};
    struct covey_member_info info;
    if (due(d, id, &info)) {
        covey__daemon_log(d, "%s is %s", info.name, states[info.state]);
    }
}

void covey__daemon_tell_coordinator(struct covey_daemon *d)
{
    struct covey_node_id id;
    uint64_t term;
    struct covey_member_info info;
    if (covey_node_coordinator(d->node, &id, &term) && due(d, &id, &info)) {
        covey__daemon_log(d, "%s coordinates, term %llu", info.name, (unsigned long long)term);
    }
}

void covey__daemon_tell_down(struct covey_daemon *d, const struct covey_node_id *id, covey_err why)
{
    struct covey_member_info info;
    if (due(d, id, &info)) {
        covey__daemon_log(d, "channel to %s ended: %s", info.name, covey_strerror(why));
    }
}
