/* SPDX-License-Identifier: MIT */
#include "fake_session.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster_state.h"
#include "fake_state.h"

void fake_fail(const struct fake *fake, unsigned node, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms, node %u: %s\n", (unsigned long long)cluster_now_ms(fake->c),
            node, what);
    exit(1);
}

uint64_t fake_compute_us(struct fake *fake, unsigned node, unsigned slots)
{
    struct fake_node *n = &fake->node[node];
    uint64_t now = cluster_now_us(fake->c);
    n->busy_us =
        (n->busy_us > now ? n->busy_us : now) + FAKE_COMPUTE_US + slots * (uint64_t)FAKE_SLOT_US;
    return n->busy_us - now;
}

void fake_send(struct fake *fake, unsigned from, const struct covey_node_id *to,
               const struct covey_work_message *message, covey_handle body)
{
    static uint8_t bytes[8192];
    size_t len = 0;
    if (covey_work_encode(message, (struct covey_buf){bytes, sizeof(bytes)}, &len) != COVEY_OK) {
        fake_fail(fake, from, "a message does not fit");
    }
    struct covey_action action = {.type = COVEY_ACTION_SEND,
                                  .peer = *to,
                                  .has_peer = true,
                                  .bytes = covey_bytes_of(bytes, len),
                                  .body = body};
    sim_action(fake->c, from, &action);
}

static void on_action(void *user, unsigned node, const struct covey_action *action)
{
    if (action->type >= COVEY_ACTION_PLAN) {
        fake_owner_action(user, node, action);
    } else {
        fake_worker_action(user, node, action);
    }
}

static void on_stop(void *user, unsigned node)
{
    fake_owner_stop(user, node);
    fake_worker_stop(user, node);
}

static void on_error(void *user, unsigned node, const struct covey_event *event, covey_err err)
{
    fake_owner_error(user, node, event, err);
}

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    for (unsigned i = 0; fake != NULL && i < CLUSTER_NODES_MAX; i++) {
        fake->node[i].cache = malloc(FAKE_CACHE * sizeof(*fake->node[i].cache));
    }
    return fake;
}

void fake_free(struct fake *fake)
{
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++) {
        free(fake->node[i].cache);
    }
    free(fake);
}

void fake_plug(struct fake *fake, struct cluster_config *config)
{
    config->user = fake;
    config->on_action = on_action;
    config->on_stop = on_stop;
    config->on_error = on_error;
}

void fake_cluster(struct fake *fake, struct cluster *c)
{
    fake->c = c;
}
