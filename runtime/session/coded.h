/* SPDX-License-Identifier: MIT
 *
 * coded.h - what the versions of one session share of their coded layers: digests of parities, own
 * products, secret vectors. A changed plan moves units without making again what did not change.
 *
 * Used in the background while a version is made, one version at a time.
 */
#ifndef COVEY_SESSION_CODED_H
#define COVEY_SESSION_CODED_H

#include "model_file.h"

struct covey_coded;

/* Slots of one layer with one device, known by the digests of their weights. Constant once made. */
struct covey_own {
    struct covey_product *product;
    size_t slots;
};
struct covey_secret {
    float *s; /* [slots x unit_rows] */
    float *c; /* [covey_check_floats()] */
    size_t slots;
};

/* file and store outlive it. */
covey_err covey__coded_new(const struct covey_model_file *file, const struct covey_store *store,
                           struct covey_coded **out) COVEY_CHECK;
/* After all versions. */
void covey__coded_free(struct covey_coded *coded);
void covey__coded_lock(struct covey_coded *coded);
/* Drops what no version uses any more, and unlocks. */
void covey__coded_unlock(struct covey_coded *coded);

/* Bytes of the own products that there are, as they count in the file's account. Any thread. */
uint64_t covey__coded_own_bytes(const struct covey_coded *coded);

/* The same where no version is being made; its end does it otherwise. */
void covey__coded_tidy(struct covey_coded *coded);

/* A group of a layer: units first .. first + count - 1. */
struct covey_coded_group {
    uint16_t layer, first, count;
};
/* The digest of parity t, which is in the store then, where that has room. */
covey_err covey__coded_parity(struct covey_coded *coded, const struct covey_coded_group *group,
                              unsigned t, struct covey_digest *out) COVEY_CHECK;
/* The parity of this digest made anew, if it ever was made. NOT_FOUND. Any thread. */
covey_err covey__coded_again(struct covey_coded *coded, const struct covey_digest *digest,
                             struct covey_body **out) COVEY_CHECK;
/* Weights of parity t, anew. */
covey_err covey__coded_encode(const struct covey_model_file *file,
                              const struct covey_coded_group *group, unsigned t,
                              float *out) COVEY_CHECK;

/* Fills out with the weights of entry i of what is to be made: room is as large as a unit. */
typedef covey_err (*covey_weights_fn)(const void *user, size_t index, float *room,
                                      const float **out);
struct covey_coded_slots {
    size_t layer, count;
    const struct covey_layer *shape;    /* what the product computes */
    const struct covey_digest *digests; /* of the slots, in order */
    covey_weights_fn weights;
    const void *user;
};
/* With a reference each, given back by the functions below. LIMIT: the file's account has no room
 * for it. */
covey_err covey__coded_own(struct covey_coded *coded, const struct covey_coded_slots *slots,
                           const struct covey_own **out) COVEY_CHECK;
covey_err covey__coded_secret(struct covey_coded *coded, const struct covey_node_id *device,
                              const struct covey_coded_slots *slots,
                              const struct covey_secret **out) COVEY_CHECK;
/* Any thread; NULL is a no-op. */
void covey__own_unref(const struct covey_own *own);
void covey__secret_unref(const struct covey_secret *secret);

#endif /* COVEY_SESSION_CODED_H */
