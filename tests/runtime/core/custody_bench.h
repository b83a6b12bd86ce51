/* SPDX-License-Identifier: MIT
 *
 * custody_bench.h - one custody machine that is told everything by hand, for tests.
 */
#ifndef COVEY_TEST_CUSTODY_BENCH_H
#define COVEY_TEST_CUSTODY_BENCH_H

#include "custody_state.h"

/* One machine, device 1, that is told everything by hand; devices 2 to 4 are seen. */
struct bench {
    struct covey_custody machine;
    struct covey_custody_view view;
    struct covey_update update;
    /* seen in the last step */
    struct covey_custody_message sent[64];
    unsigned sent_to[64], sends;
    uint32_t write; /* of the last PERSIST; 0: none */
    uint8_t state[COVEY__CUSTODY_STATE_MAX];
    size_t state_len;
    bool leads, over, leased, refused, stopped;
    covey_err refused_err;
    covey_err over_err;
    uint64_t lease_ms;
    unsigned appointed, keeps;
    struct covey_checkpoint_ref kept, kept_ref; /* by a majority; of the last KEEP */
    bool settled;
    uint32_t held;
    struct covey_checkpoint_ref led;
};

struct covey_node_id id_of(unsigned device);
struct covey_session_id the_session(void);
struct covey_checkpoint_ref checkpoint_of(uint64_t step);
covey_err event(struct bench *b, struct covey_event *e);
void message(struct bench *b, unsigned from, struct covey_custody_message m);
void pass(struct bench *b, uint64_t ms);
void persisted(struct bench *b);
/* The first message of that type to that device in the last step; NULL: none. */
const struct covey_custody_message *sent(const struct bench *b, unsigned to,
                                         enum covey_custody_type type);
struct bench *new_bench(void);
struct covey_custodians set_of(unsigned first, unsigned count);
/* A deed of devices 1 to 3. */
struct covey_custody_message appoint(uint32_t epoch, uint64_t version, uint64_t step);
struct covey_custody_message canvass(uint32_t epoch, bool binding, uint32_t deed_epoch,
                                     uint64_t version);
covey_err stored(struct bench *b, uint64_t step, covey_err err);
/* All that the job names, and then the checkpoint of that step. */
void held(struct bench *b, uint64_t step);
/* Device 1 keeps the session of device 2, deed (1, 5), step 20. */
struct bench *custodian(void);
struct covey_custody_message acceptance(uint32_t epoch, uint64_t version, uint64_t step);

#endif /* COVEY_TEST_CUSTODY_BENCH_H */
