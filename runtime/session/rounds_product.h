/* SPDX-License-Identifier: MIT
 *
 * rounds_product.h - one coded product as a round: what it is made of, from its call to the
 * decoded result. On the session's thread only.
 */
#ifndef COVEY_SESSION_ROUNDS_PRODUCT_H
#define COVEY_SESSION_ROUNDS_PRODUCT_H

#include "covey/private.h"
#include "rounds_private.h"

/* Memory that exact products of all sizes use one after the other: grows to the largest. */
enum { COVEY__ROOM_PARTS = 9 };
struct covey__product_room {
    bool used;
    void *part[COVEY__ROOM_PARTS];
    size_t bytes[COVEY__ROOM_PARTS];
};

/* What an exact kind needs beside, in a room: integers of the field, and masks. */
struct covey__product_field {
    struct covey__product_room *room; /* NULL: none */
    float *a, *b, *c;                 /* integers: A, B, and what is decoded */
    float *mask_a, *mask_b;
    float *row_e, *row_c, *row_u; /* of the check: a row of E, of an answer, and what they are
                                     summed with */
    void *scratch;
    double scale; /* of the product */
};

/* One prime's round of one product. Kept for the next one of the same sizes. */
struct covey__product {
    struct covey__product *next;
    struct covey_train_product sizes;
    uint8_t key[COVEY_TRAIN_PRODUCT_BYTES];
    struct covey_code code;
    struct covey_decoder *decoder;
    struct covey_code_check *check; /* NULL: of an exact kind */
    struct covey_body **task;       /* [m], of exact kinds: what was sent, for the check */
    struct covey_body **kept;       /* [m], answers that are read again */
    bool *came;                     /* [m] */
    struct covey__product_field field;

    /* the round */
    bool busy, over, decoded, begun, checking, rough;
    uint64_t round;
    const float *a, *b;             /* as they are encoded */
    float *c;                       /* where it is decoded to */
    uint32_t made, answers, wanted; /* tasks: posted, answered, to be posted so far */
    uint32_t unused;                /* the first that was neither posted nor left out */
    uint32_t refused;
    uint32_t team, lost_before; /* workers at the beginning, and those lost until then */
};

enum {
    COVEY__SPARES = 128,
    COVEY__SPARE_BYTES = 64 * 1024 * 1024, /* of bodies that are used again, at most */
    COVEY__SPARE_SHARE = 16,               /* and of the memory of the node */
};

/* What rounds are made of, for the next ones: products, and bodies of tasks. Fresh memory costs
 * more than what is encoded into it. */
struct covey__product_cache {
    struct covey__product *first;
    uint32_t count;
    struct covey_body *spare[COVEY__SPARES]; /* one reference to each that was given out */
    uint32_t spares;
    size_t spare_bytes, spare_most;
    struct covey__product_room room[COVEY_ROUNDS_MAX];
};

/* rounds_bodies.c. One reference; with whatever was in it. */
covey_err covey__product_body(struct covey__product_cache *c, size_t len,
                              struct covey_body **out) COVEY_CHECK;
void covey__product_bodies_free(struct covey__product_cache *c);

bool covey__product_is_exact(enum covey_code_kind kind);

/* rounds_plan.c: the code that a product of these sizes gets from so many workers; false: it stays
 * here, since that is faster, or nothing can be gained, or bodies would be too large. */
bool covey__product_plan(struct covey_rounds *r, const struct covey_train_product *p,
                         struct covey_code *out);

/* The same of any team: what it would take, microseconds; as here where it is not spread. */
struct covey__product_forecast {
    double here_us, us;
    bool spread;
};
struct covey__product_forecast covey__product_forecast(const struct covey_strategy *s,
                                                       const struct covey__round_team *team,
                                                       const struct covey_train_product *p);

/* rounds_coded.c. A product for one prime that is not busy; made if there is none. */
covey_err covey__product_open(struct covey_rounds *r, const struct covey_train_product *p,
                              const struct covey_code *code,
                              struct covey__product **out) COVEY_CHECK;
/* a, b, c of it are set: its round begins, with the body of B and the first tasks. */
covey_err covey__product_begin(struct covey_rounds *r, struct covey__product *p) COVEY_CHECK;
/* Makes some of the tasks that are wanted and not made. */
bool covey__product_has_more(const struct covey__product *p);
covey_err covey__product_more(struct covey_rounds *r, struct covey__product *p) COVEY_CHECK;
/* Workers are there that could be sent so many tasks more, beside those of which answers came; 0:
 * nobody waits now. */
void covey__product_hungry(struct covey_rounds *r, struct covey__product *p, uint32_t credit);
/* An answer; its body is taken. */
covey_err covey__product_answer(struct covey_rounds *r, struct covey__product *p,
                                const struct covey__round_news *news) COVEY_CHECK;
/* Nothing more comes: decodes if it can. */
void covey__product_settle(struct covey_rounds *r, struct covey__product *p);
/* Ends its round and lets bodies go; decoded says whether c is there. */
void covey__product_end(struct covey_rounds *r, struct covey__product *p);

/* rounds_field.c */
covey_err covey__product_field_open(struct covey__product_cache *cache,
                                    struct covey__product *p) COVEY_CHECK;
void covey__product_field_close(struct covey__product *p);
void covey__product_rooms_free(struct covey__product_cache *cache);
/* Integers of a and b, by these scales, and new masks. RANGE. */
covey_err covey__product_field_load(struct covey__product *p, const struct covey_product_call *call,
                                    double scale_a, double scale_b) COVEY_CHECK;
/* Whether an answer is of the field, and, if wanted, the product of what was sent. */
bool covey__product_field_right(struct covey__product *p, uint32_t task,
                                const struct covey_body *answer, bool check);
/* E (and B) of tasks first, .. into their bodies. */
void covey__product_field_encode(const struct covey__product *p, uint32_t first, uint32_t count,
                                 float *const *out);
/* The same product computed here, exactly as the round would have. */
void covey__product_field_compute(struct covey__product *p);

#endif /* COVEY_SESSION_ROUNDS_PRODUCT_H */
