/* SPDX-License-Identifier: MIT
 *
 * daemon_channels.c - channels that come up, stand still and end, told to the node.
 */
#include "daemon_state.h"
#include "probe.h"

void covey__daemon_up(void *user, const struct covey_cert *peer, struct covey_bytes cert_wire,
                      const struct covey_addr *from)
{
    struct covey_event event = {
        .type = COVEY_EVENT_CHANNEL_UP, .peer = peer->node, .bytes = cert_wire, .addr = *from};
    struct covey_daemon *d = user;
    d->services.feed(d, &event);
    covey__probe_up(d->probe, &peer->node);
}

void covey__daemon_down(void *user, const struct covey_node_id *peer, covey_err why)
{
    struct covey_daemon *d = user;
    if (!d->closing && why != COVEY_ERR_CLOSED) {
        covey__daemon_tell_down(d, peer, why);
    }
    struct covey_event event = {.type = COVEY_EVENT_CHANNEL_DOWN, .peer = *peer};
    d->services.feed(d, &event);
    covey__probe_down(d->probe, peer);
}

void covey__daemon_stalled(void *user, const struct covey_node_id *peer)
{
    struct covey_daemon *d = user;
    struct covey_event event = {.type = COVEY_EVENT_CHANNEL_STALLED, .peer = *peer};
    d->services.feed(d, &event);
}

void covey__daemon_growing(void *user, const struct covey_node_id *peer)
{
    struct covey_daemon *d = user;
    struct covey_event event = {.type = COVEY_EVENT_GROWING, .peer = *peer};
    d->services.feed(d, &event);
}

void covey__daemon_dial_failed(void *user, const struct covey_addr *to, covey_err why)
{
    (void)why;
    struct covey_daemon *d = user;
    struct covey_event event = {.type = COVEY_EVENT_DIAL_FAILED, .addr = *to};
    d->services.feed(d, &event);
}
