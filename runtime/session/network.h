/* SPDX-License-Identifier: MIT
 *
 * network.h - what this device has of one model for tile runs: manifest, graph, cells, laid-out
 * weights, models of strips and the memory they run in. Shared by all assignments of the model: a
 * new version of a plan takes memory and time only for what is new to this device.
 *
 * Order: get -> manifest -> open on the storage thread, then strips of it (strips.h).
 */
#ifndef COVEY_SESSION_NETWORK_H
#define COVEY_SESSION_NETWORK_H

#include <pthread.h>
#include <stdatomic.h>

#include "covey/layouts.h"
#include "covey/manifest.h"
#include "covey/tile.h"
#include "covey/tiles.h"

enum {
    STRIP_MODELS = 128,   /* segments of the plans' own rows, and of some shared out anew */
    STRIP_IDLE_RUNS = 4,  /* of each model: requests in flight; without their room */
    STRIP_IDLE_ROOMS = 2, /* each is as large as the strip that needs most */
};

/* The model of one strip of one segment. */
struct strip_model {
    unsigned first_cell, cells;
    struct covey_rows in, out;
    struct covey_graph *graph;
    struct covey_model *model; /* NULL: vacant */
    uint64_t table_bytes;      /* of both, without weights */
    uint64_t run_bytes;        /* of a run without its room */
    uint64_t used_at;
    unsigned users; /* runs that are out */
    unsigned idle_count;
    struct strip_run *idle;
};

/* Where a run has its values: as large as the largest strip so far needs it. */
struct strip_room {
    struct strip_room *next;
    void *data;
    size_t bytes;
};

/* A run that is out: being computed. */
struct strip_run {
    struct strip_model *model;
    struct covey_run *run;
    struct strip_room *room;
    struct strip_run *next;
};

struct covey_network_table;

/* Layouts and strips are those of requests of so many inputs. */
struct covey_network_id {
    struct covey_digest model;
    uint32_t batch;
};

struct covey_network {
    struct covey_network_table *table; /* NULL: shared with nobody */
    struct covey_network *next;
    uint32_t refs; /* under the table's lock */
    struct covey_network_id id;
    /* Storage thread, then constant. */
    struct covey_manifest *manifest;
    struct covey_graph *graph; /* the manifest's */
    struct covey_cell *cell;
    size_t cells;
    _Atomic bool *filled; /* by value: laid out, or read where it is */
    pthread_mutex_t filling;
    struct covey_layouts *layouts; /* made under filling, once */
    uint64_t weight_bytes;         /* under filling */
    _Atomic uint64_t *used_bytes;  /* all that is held is added to it */
    uint64_t limit;
    _Atomic uint64_t bytes; /* added to *used_bytes */
    struct covey_session_id session;
    bool shared;          /* under the table's lock: other sessions have had it too */
    pthread_mutex_t lock; /* of what follows */
    uint64_t used_at;
    struct strip_model model[STRIP_MODELS];
    struct strip_room *rooms; /* idle */
    unsigned room_count;
    size_t room_bytes; /* the largest need so far */
};

/* One holder's. */
struct covey_network_table {
    pthread_mutex_t lock;
    struct covey_network *first;
};
covey_err covey__network_table_init(struct covey_network_table *table) COVEY_CHECK;
/* After all networks. */
void covey__network_table_done(struct covey_network_table *table);

/* What a network's bytes count against: at most limit in *used_bytes, which outlives it; and for
 * whom. */
struct covey_budget {
    _Atomic uint64_t *used_bytes;
    uint64_t limit;
    struct covey_session_id session;
};
/* One reference to the model's, empty at first. table may be NULL. RANGE: no batch. */
covey_err covey__network_get(struct covey_network_table *table, const struct covey_network_id *id,
                             const struct covey_budget *budget,
                             struct covey_network **out) COVEY_CHECK;
void covey__network_unref(struct covey_network *n); /* NULL is a no-op */
/* Bytes of what no other session has had. Any thread. */
uint64_t covey__network_of(struct covey_network_table *table,
                           const struct covey_session_id *session);

/* Once; whose bytes have the digest. */
covey_err covey__network_manifest(struct covey_network *n, struct covey_bytes bytes) COVEY_CHECK;
/* Once: shapes and cells are known then; fetch is asked for small constants. */
covey_err covey__network_open(struct covey_network *n, covey_fetch_fn fetch,
                              void *user) COVEY_CHECK;

/* Makes the model of these cells and rows, so that no request waits for it. */
covey_err covey__network_model(struct covey_network *n, const struct strip_model *like) COVEY_CHECK;
/* Lets rooms be large enough for this strip too, which may come, where that is at most half of the
 * memory that is left. */
void covey__network_reserve(struct covey_network *n, const struct strip_model *like);
/* Has a room for runs whose pages are there, where memory is left: getting them from the system
 * takes longer than the first strip itself. On the storage thread, behind the models. */
void covey__network_warm(struct covey_network *n);
/* A run of the model of these cells and rows (first_cell, cells, in, out of like), with room. */
covey_err covey__network_take(struct covey_network *n, const struct strip_model *like,
                              struct strip_run **out) COVEY_CHECK;
void covey__network_give_back(struct covey_network *n, struct strip_run *run);
/* The graph of these cells and rows. */
covey_err covey__network_graph(const struct covey_network *n, const struct strip_model *like,
                               struct covey_graph **out) COVEY_CHECK;
void covey__network_held(struct covey_network *n, uint64_t bytes);
void covey__network_given_back(struct covey_network *n, uint64_t bytes);

#endif /* COVEY_SESSION_NETWORK_H */
