/* SPDX-License-Identifier: MIT */
#include "fetching.h"

#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/wants.h"

enum { ROUNDS_MAX = 64 };

covey_err covey__fetching_init(struct covey__fetching *f, struct covey_services *services)
{
    uint8_t *wants = malloc(COVEY_WANTS_BYTES_MAX);
    if (wants == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *f = (struct covey__fetching){.services = services, .fence = {.epoch = 1}, .wants = wants};
    covey_random(f->fence.session.bytes, sizeof(f->fence.session.bytes));
    return COVEY_OK;
}

void covey__fetching_done(struct covey__fetching *f)
{
    free(f->wants);
    f->wants = NULL;
}

bool covey__fetching_is(const struct covey__fetching *f, const struct covey_action *action)
{
    return covey_session_id_equal(&f->fence.session, &action->fence.session);
}

void covey__fetching_begin(struct covey__fetching *f, const struct covey_node_id *source,
                           size_t count)
{
    f->source = source[0];
    f->missing = 0;
    f->wants_len = covey_wants_begin(f->wants, source, f->widely ? (uint8_t)count : 0);
}

void covey__fetching_want(struct covey__fetching *f, const struct covey_digest *digest, size_t len)
{
    struct covey_want w = {*digest, (uint32_t)len, f->widely ? COVEY_WANTS_ALL : 0};
    f->missing++;
    if (f->wants_len + COVEY_WANTS_ENTRY_BYTES <= COVEY_WANTS_BYTES_MAX &&
        f->missing <= COVEY_WANTS_MAX) {
        f->wants_len += covey_wants_put(f->wants + f->wants_len, &w);
    }
}

bool covey__fetching_ask(struct covey__fetching *f)
{
    if (f->round == ROUNDS_MAX) {
        return false;
    }
    f->round++;
    f->fence.version++;
    struct covey_event event = {.type = COVEY_EVENT_FETCH,
                                .peer = f->source,
                                .fence = f->fence,
                                .index = f->once,
                                .bytes = covey_bytes_of(f->wants, f->wants_len)};
    f->services->feed(f->services->user, &event);
    return true;
}

bool covey__fetching_widen(struct covey__fetching *f)
{
    bool widened = !f->widely;
    f->widely = true;
    return widened;
}
