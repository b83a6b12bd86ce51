/* SPDX-License-Identifier: MIT
 *
 * fake_training.h - the session half of simulated training: node 0 owns rounds without end, all
 * compute. A task's answer is a number made of its round's key and its own, so that each is
 * checked.
 */
#ifndef COVEY_SIM_FAKE_TRAINING_H
#define COVEY_SIM_FAKE_TRAINING_H

#include "cluster.h"

enum { TRAINING_BESIDE = 3 }; /* rounds under way */

struct training;

struct training_counts {
    uint64_t rounds;  /* that are complete */
    uint64_t answers; /* of rounds that were not */
    uint64_t refused, hungry, lies, lost;
    unsigned workers; /* by the last TRAIN_WORKER */
};

struct training *training_new(uint64_t seed);
void training_free(struct training *t);
void training_plug(struct training *t, struct cluster_config *config);
void training_cluster(struct training *t, struct cluster *c);
void training_open(struct training *t, uint32_t epoch);
void training_close(struct training *t);
/* From now on there are always rounds under way. */
void training_run(struct training *t, bool on);
/* Some answers of this node are wrong from now on. */
void training_lie(struct training *t, unsigned node);
/* The channel between the owner and this node breaks. */
void training_break(struct training *t, unsigned node);
const struct training_counts *training_counts(const struct training *t);
unsigned training_enlisted(const struct training *t, unsigned node);
void training_print(const struct training *t);

#endif /* COVEY_SIM_FAKE_TRAINING_H */
