/* SPDX-License-Identifier: MIT
 *
 * bring.h - a model of the catalogue brought to this device: its manifest, then the blobs that are
 * not here, from the device that added it or whoever has them. While nobody gives any of it, those
 * who may have it are waited for and asked again, whoever they are by then; what has come is kept,
 * also when it is given up. Calls are on the loop.
 */
#ifndef COVEY_SESSION_BRING_H
#define COVEY_SESSION_BRING_H

#include "covey/manifest.h"
#include "services.h"

struct covey_bring;

/* What came of it, for each that asked. manifest: only where err is OK. */
struct covey_brought {
    const struct covey_digest *id;
    covey_err err;
    const char *why;
    const struct covey_manifest *manifest;
    uint64_t client; /* as it was asked */
    uint32_t tag;
};

struct covey_bring_config {
    struct covey_services *services;
    /* Devices that may have it, the likeliest first, whose channels are up; at most max. */
    size_t (*sources)(void *user, const struct covey_digest *id, struct covey_node_id *out,
                      size_t max);
    void (*done)(void *user, const struct covey_brought *brought);
    void *user;
};

covey_err covey__bring_new(const struct covey_bring_config *config,
                           struct covey_bring **out) COVEY_CHECK;
/* After the pools have stopped. */
void covey__bring_free(struct covey_bring *b);
/* done follows, never at once: also with CLOSED, when for so long nothing of it came (0: 30 s; the
 * longest of those who wait counts). BUSY: too many at a time. */
covey_err covey__bring_model(struct covey_bring *b, const struct covey_digest *id, uint64_t client,
                             uint32_t tag, uint32_t wait_ms) COVEY_CHECK;
/* Every tenth of a second or so. b may be NULL. */
void covey__bring_tick(struct covey_bring *b);
/* FETCHED; false: it was not asked for here. */
bool covey__bring_fetched(struct covey_bring *b, const struct covey_action *action);

#endif /* COVEY_SESSION_BRING_H */
