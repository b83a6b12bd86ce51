/* SPDX-License-Identifier: MIT
 *
 * gradient_mesh.h - a mesh in place of the node, for tests of rounds of gradients: three workers
 * answer the tasks of the round that goes on, one at a time, in an order drawn from the seed.
 */
#ifndef COVEY_TESTS_GRADIENT_MESH_H
#define COVEY_TESTS_GRADIENT_MESH_H

#include "gradient_scene.h"
#include "rounds_mesh.h"

enum { NEVER = 0xffff };

/* What a mesh in place of the node does with a task. */
enum fate { ANSWERED, LOST, CUT_SHORT, REFUSED };
/* What a liar makes of an answer. */
enum lie { TURNED, BIASED, NO_LOSS };
enum { WORKERS = 3 };

struct mesh {
    struct gradient_scene *scene;
    struct rounds_mesh base;
    struct covey_round_spec spec;
    struct covey_body *shared;
    uint64_t round;
    uint64_t seed;
    enum fate fate[COVEY_GRADIENT_TASKS_MAX]; /* of each task when it comes for the first time */
    uint32_t dies;                            /* all workers go after so many answers, or NEVER */
    uint32_t given, lies, ends;
    bool open, late; /* late: an answer comes when its round is over */
    enum covey_trust trust;
    uint8_t liar;    /* the worker that lies; 0: none does */
    uint8_t partner; /* another, that says the same; 0: none */
    enum lie lie;
    bool gone[WORKERS + 1];
    /* the session's thread */
    struct covey_gradient_round io;
    unsigned rounds_wanted;
};

void mesh_open(struct mesh *m, struct gradient_scene *s, uint32_t spare);
/* Doubted: its workers are of trust none. */
void mesh_open_with(struct mesh *m, struct gradient_scene *s,
                    const struct covey_strategy *strategy);
void mesh_close(struct mesh *m);
void tell_worker(struct mesh *m, uint8_t worker, covey_err err);
void tell_workers(struct mesh *m, covey_err err);
/* The session's thread runs to its end beside the loop. */
covey_err mesh_run(struct mesh *m);
/* The round's gradient, loss and hits are those of the whole batch's step. */
void expect_whole_step(const struct mesh *m);

#endif /* COVEY_TESTS_GRADIENT_MESH_H */
