/* SPDX-License-Identifier: MIT
 *
 * fetch_state.h - what fetch.c (jobs and blobs), fetch_source.c (whom to ask) and fetch_serve.c
 * (who is waiting for what) share.
 */
#ifndef COVEY_CORE_FETCH_STATE_H
#define COVEY_CORE_FETCH_STATE_H

#include "fetch.h"

enum {
    COVEY__FETCH_JOBS = 64,    /* one bit each of a blob's `jobs` */
    COVEY__FETCH_SOURCES = 64, /* one bit each of a blob's `tried` */
    COVEY__FETCH_BLOBS = 8192, /* of all jobs; what does not fit is named again later */
    COVEY__FETCH_BUCKETS = 4096,
    COVEY__FETCH_NONE = UINT16_MAX,
    /* Bytes asked of one source and not here yet: doubles from one to the other as blobs come, so
     * that a slow source keeps few back from the others. */
    COVEY__FETCH_WINDOW_MIN = 1 << 20,
    COVEY__FETCH_WINDOW_MAX = 4 << 20,
    COVEY__FETCH_STORING_MAX = 2 << 20, /* while so much is being kept, no more is asked for */
    /* Silence after which a source is passed over: adapts between the two. */
    COVEY__FETCH_SILENCE_MS = 5000,
    COVEY__FETCH_SILENCE_MAX_MS = 60000,
    /* Bytes a millisecond: a source that gives no whole blob is no silent one as long as it may
     * give all that it was asked for at this rate, and bodies of it grow. */
    COVEY__FETCH_SLOWEST = 4,
    /* The same for blobs that it should have, while the owner could be asked: a plan waits. */
    COVEY__FETCH_LENT_MS = 1500,
    COVEY__FETCH_DIAL_MS = 2000,  /* for a channel to come up */
    COVEY__FETCH_ROUND_MS = 1000, /* after all sources were asked in vain, once more */
    COVEY__FETCH_ROUNDS = 8,      /* then the blob cannot be had */
    COVEY__FETCH_LIES = 2,        /* wrong blobs after which a source is not asked any more */
    COVEY__FETCH_LEN = 64 * 1024, /* what a blob of unknown length counts for */
    COVEY__FETCH_HELP_MS = 300,   /* then an idle owner is asked for what waits for others */
    /* Kept back for others: in all, for one of them, and for how long. */
    COVEY__FETCH_PARKED = 4096,
    COVEY__FETCH_PARKED_PEER = 1024,
    COVEY__FETCH_PARK_MS = 10000,
    COVEY__FETCH_PARK_SOON_MS = 700, /* what this device does not fetch: its ASSIGN may be late */
};

enum covey__blob_state {
    COVEY__BLOB_FREE,
    COVEY__BLOB_QUEUED,  /* in its source's queue */
    COVEY__BLOB_ASKED,   /* in its source's list of what it was asked for */
    COVEY__BLOB_STORING, /* session verifies it */
    COVEY__BLOB_LATER,   /* nobody had it */
};

struct covey__fetch_blob {
    struct covey_digest digest;
    uint64_t jobs, tried;
    uint64_t among; /* sources that hold it, or are about to, beside the owner */
    uint64_t later_ms;
    uint32_t len;
    uint32_t storing;    /* bytes that came */
    uint16_t prev, next; /* in the list of its state */
    uint16_t chain;      /* of its bucket, or of the free ones */
    uint8_t state, source, rounds;
    uint8_t primary; /* of `among`; COVEY__FETCH_SOURCES: oneself, or none */
    bool lent;       /* those of `among` do not wait for it themselves: they should have it */
};

struct covey__fetch_list {
    uint16_t first, last;
};

/* Jobs with their sources name them by index. */
struct covey__fetch_source {
    bool used;
    struct covey_node_id id;
    enum covey_peer_state state;
    uint16_t jobs; /* that name it */
    uint8_t lies;
    struct covey__fetch_list queue, asked;
    uint32_t asked_count;
    uint64_t asked_bytes, window;
    uint64_t progress_ms, silence_ms;
    uint64_t grown_ms;   /* more of a body came last */
    uint64_t dialled_ms; /* since when it is waited for; 0: not */
};

struct covey__fetch_job {
    bool used;
    bool once; /* who asks for it asks again itself, perhaps others */
    struct covey_node_id owner;
    struct covey_fence fence;
    uint64_t since_ms;
    uint32_t left; /* blobs */
    covey_err err;
    uint8_t owner_source; /* COVEY__FETCH_SOURCES: oneself */
    uint8_t devices;
    uint8_t device[COVEY_PLAN_DEVICES_MAX]; /* the same */
};

struct covey__parked {
    uint64_t until_ms; /* 0: free */
    struct covey_node_id peer;
    struct covey_digest digest;
};

struct covey_fetch {
    struct covey_node_id self;
    uint64_t now_ms;
    struct covey_update *out;
    unsigned jobs;
    struct covey__fetch_job job[COVEY__FETCH_JOBS];
    struct covey__fetch_source source[COVEY__FETCH_SOURCES];
    struct covey__fetch_list later;
    uint16_t bucket[COVEY__FETCH_BUCKETS];
    uint64_t storing_bytes;
    struct covey_fetched fetched;
    uint64_t most_bytes;            /* asked of all sources, and being kept */
    uint16_t blobs_used, free_blob; /* blobs beyond used were never touched */
    struct covey__fetch_blob blob[COVEY__FETCH_BLOBS];
    unsigned parked_used, parked_count;
    uint64_t parked_ms; /* the first of them ends then */
    struct covey__parked parked[COVEY__FETCH_PARKED];
};

/* fetch.c */
struct covey__fetch_blob *covey__fetch_find(struct covey_fetch *f,
                                            const struct covey_digest *digest);
/* It cannot be had: its jobs are told. */
void covey__fetch_fail(struct covey_fetch *f, struct covey__fetch_blob *blob, covey_err err);

/* fetch_source.c */
/* COVEY__FETCH_SOURCES: not known; no room. */
uint8_t covey__fetch_source_of(const struct covey_fetch *f, const struct covey_node_id *id);
uint8_t covey__fetch_source_new(struct covey_fetch *f, const struct covey_node_id *id);
void covey__fetch_list_init(struct covey__fetch_list *list);
/* Out of the list it is in. */
void covey__fetch_unlink(struct covey_fetch *f, struct covey__fetch_blob *blob);
/* To the queue of the next source that was not tried, else later, else it fails. */
void covey__fetch_route(struct covey_fetch *f, struct covey__fetch_blob *blob);
/* The source has it not, or not in time: to the next. */
void covey__fetch_pass(struct covey_fetch *f, struct covey__fetch_blob *blob, uint8_t source);
/* All that is queued with and asked of a source goes elsewhere. */
void covey__fetch_leave(struct covey_fetch *f, uint8_t source);
/* What time did: silent sources, dials, rounds. */
void covey__fetch_times(struct covey_fetch *f);
uint64_t covey__fetch_source_deadline(const struct covey_fetch *f);
/* Sends WANTs to the sources that have room. */
void covey__fetch_ask(struct covey_fetch *f);

/* fetch_serve.c */
void covey__fetch_wanted(struct covey_fetch *f, const struct covey_incoming *in);
void covey__fetch_lacked(struct covey_fetch *f, const struct covey_event *event);
/* It is here now: to all who wait for it. */
void covey__fetch_here(struct covey_fetch *f, const struct covey_digest *digest);
void covey__fetch_gone(struct covey_fetch *f, const struct covey_node_id *peer);
void covey__fetch_overdue(struct covey_fetch *f);

#endif /* COVEY_CORE_FETCH_STATE_H */
