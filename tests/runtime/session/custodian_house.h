/* SPDX-License-Identifier: MIT
 *
 * custodian_house.h - a device with a custodian and without a node, for tests.
 */
#ifndef COVEY_TEST_CUSTODIAN_HOUSE_H
#define COVEY_TEST_CUSTODIAN_HOUSE_H

#include "custodian.h"
#include "scratch.h"

enum { EVENTS_MAX = 64, QUOTA = 1 << 20 };

/* A device with a custodian, without a node: what is fed is written down, what is fetched is copied
 * from another device's store. */
struct house {
    char dir[SCRATCH_PATH];
    struct covey_services services;
    struct covey_custodian *custodian;
    struct covey_store owners; /* the store of another device */
    bool owner_is_up;
    uint64_t quota;   /* of its store; 0: QUOTA */
    unsigned fetched; /* blobs that came */
    struct covey_timer *timer;
    struct covey_event event[EVENTS_MAX];
    uint8_t bytes[COVEY__JOURNAL_STATE_MAX]; /* of the last CUSTODY_STATE */
    unsigned events;
    enum covey_event_type wanted;
    unsigned wanted_lead, wanted_resumed;
    /* what the trainings were told */
    unsigned leads, losses, resumes;
    covey_err lead_err;
    struct covey_fence lead_fence;
    struct covey_digest lead_job;
    char lead_name[COVEY_NAME_MAX + 1];
    bool was_done; /* what leads here was done here before */
    struct covey_checkpoint_ref lead_from;
    uint64_t lease_ms, kept_step;
    uint8_t held, wanted_held;
    struct covey_custodian_resumed resumed;
    /* what the owner has */
    struct covey_digest job, model, data;
};

/* A custodian whose trainings write down what they are told. */
void house_open(struct house *h);
void house_close(struct house *h);
/* Runs until such an event is fed. */
const struct covey_event *house_await(struct house *h, enum covey_event_type type);
bool house_was_fed(const struct house *h, enum covey_event_type type, covey_err err);
/* All that the job names is in its store, whole. */
void house_expect_all_here(const struct house *h);
/* Runs until the trainings were told, which takes *left (of the house) down to 0. */
void house_await_count(struct house *h, unsigned *left);
/* A checkpoint of epoch 1 in that store. */
struct covey_checkpoint_ref house_checkpoint(const struct covey_store *store, uint64_t step);
/* A job that trains a small network on a few samples, in that store. */
void house_make_job(struct house *h, struct covey_store *to);

extern const struct covey_node_id house_self, house_owner; /* the other device */

#endif /* COVEY_TEST_CUSTODIAN_HOUSE_H */
