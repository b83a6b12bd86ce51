/* SPDX-License-Identifier: MIT
 *
 * rounds_mesh.h - what meshes in place of the node have in common, for tests of rounds: the tasks
 * that were handed out are held until the test's `answer` answers one, and the session's thread
 * runs beside the loop. How tasks are answered is the test's.
 */
#ifndef COVEY_TESTS_ROUNDS_MESH_H
#define COVEY_TESTS_ROUNDS_MESH_H

#include "rounds_private.h"

enum { HELD_MAX = 256 };

struct held {
    uint64_t round;
    uint32_t task;
    struct covey_task_spec spec;
    struct covey_body *body;
    bool answered;
    uint8_t worker; /* the first byte of its id, from 1 on */
};

struct rounds_mesh {
    struct covey_services *services;
    struct covey_rounds *rounds;
    struct covey_fence fence;
    void *user;
    void (*answer)(void *user);       /* on the loop, once for each rounds_mesh_due() */
    covey_err (*session)(void *user); /* on the session's thread */
    struct held held[HELD_MAX];
    uint32_t count;
    bool due; /* answering is posted */
    covey_err err;
};

/* What the services call: rounds_mesh_open() makes them so. */
struct rounds_mesh_calls {
    void (*feed)(void *user, const struct covey_event *event);
    bool (*member)(void *user, const struct covey_node_id *id, struct covey_member_info *out);
    void (*tell)(void *user, const struct covey_node_id *device, const char *what);
};

/* `services`, `fence`, `user`, `answer` and `session` are set; the services have their loop. The
 * rest of `config` is the caller's. */
void rounds_mesh_open(struct rounds_mesh *m, const struct rounds_mesh_calls *calls,
                      const struct covey_enlist_spec *enlist, struct covey_rounds_config config);
/* The loop stays. */
void rounds_mesh_close(struct rounds_mesh *m);
void rounds_mesh_drop_tasks(struct rounds_mesh *m);
/* A worker comes, or goes with an error. */
void rounds_mesh_worker(struct rounds_mesh *m, uint8_t worker, covey_err err, uint32_t index);
/* Of h->worker; NULL: it refuses. */
void rounds_mesh_result(struct rounds_mesh *m, const struct held *h, struct covey_body *take_out);
/* The task of ROUND_TASK. */
void rounds_mesh_hold(struct rounds_mesh *m, const struct covey_event *event);
/* `answer` is called soon, if it is not to be already. It says so itself by clearing `due`. */
void rounds_mesh_due(struct rounds_mesh *m);
/* The session's thread runs to its end beside the loop. */
covey_err rounds_mesh_run(struct rounds_mesh *m);

#endif /* COVEY_TESTS_ROUNDS_MESH_H */
