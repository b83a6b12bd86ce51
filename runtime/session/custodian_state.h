/* SPDX-License-Identifier: MIT
 *
 * custodian_state.h - the inside of the custodian, shared by custodian*.c.
 */
#ifndef COVEY_SESSION_CUSTODIAN_STATE_H
#define COVEY_SESSION_CUSTODIAN_STATE_H

#include "custodian.h"
#include "custodian_disk.h"
#include "custodian_gather.h"

enum {
    COVEY__CUSTODIAN_WANTED = 3,        /* devices, the owner among them */
    COVEY__CUSTODIAN_RETRY_MS = 1000,   /* what could not be had for going on */
    COVEY__CUSTODIAN_RESUME_MS = 20000, /* who asked to go on is answered by then */
};

/* Why all of a session is brought here. */
enum covey__gather_kind {
    COVEY__GATHER_HOLD,       /* another device appointed this one */
    COVEY__GATHER_CHECKPOINT, /* a newer one */
    COVEY__GATHER_PIN,        /* this device has it already */
    COVEY__GATHER_LEAD,       /* goes on here */
    COVEY__GATHER_FORK,       /* the same, by hand, as a session of its own */
};

/* One session that this device knows of. */
struct covey__custodian_entry {
    bool used;
    uint64_t touched; /* grows with each change */
    struct covey_journal_session row;
    uint64_t step, kept_step;
    struct covey_checkpoint_ref newest;
    struct covey_custodians set;
    uint8_t held;
    struct covey_gather_pins pins;
    /* Of this device as its owner, in row.epoch. */
    bool live;       /* the custody machine knows it */
    bool owns, runs; /* runs: the trainings know of it */
    bool stopping;   /* they have stopped it, the machine hears of it soon */
    uint64_t lease_ms;
    uint64_t made_step;                     /* of the last checkpoint made here */
    struct covey_checkpoint_ref from;       /* where it goes on; digest zero: at the beginning */
    uint64_t retry_ms;                      /* 0: nothing to retry */
    struct covey_custodian_resumed resumed; /* who asked */
    uint64_t resumed_ms;                    /* to be answered by then; 0: nobody asked */
};

struct covey_custodian {
    struct covey_custodian_config config;
    struct covey_training_keeper keeper;
    struct covey_journal *journal;
    struct covey_gatherer *gatherer;
    uint64_t touched;
    bool stopping;
    struct covey__chore_task *first, *last; /* chores of checkpoints, the first is under way */
    struct covey__custodian_entry entry[COVEY__JOURNAL_SESSIONS];
};

/* custodian_chores.c: what is written, in this order; but those of checkpoints, in their own order,
 * take many steps where they are large, and what else there is goes on in between. */
enum covey__chore_kind {
    COVEY__CHORE_PERSIST, /* -> PERSISTED */
    COVEY__CHORE_NOTE,    /* the session's row */
    COVEY__CHORE_STEP,
    COVEY__CHORE_WRITE, /* a checkpoint -> event */
    COVEY__CHORE_MARK,  /* a majority has it */
    COVEY__CHORE_ERASE, /* all its checkpoints */
    COVEY__CHORE_PIN,   /* all its checkpoints, at the start */
    COVEY__CHORE_FIND,  /* the newest that can be read -> covey__custodian_found() */
};
struct covey__chore {
    enum covey__chore_kind kind;
    struct covey_fence fence;
    uint32_t index;                   /* PERSIST */
    struct covey_bytes bytes;         /* PERSIST; copied */
    struct covey_journal_session row; /* NOTE */
    uint64_t step;                    /* STEP */
    struct covey_checkpoint_ref ref;  /* WRITE, MARK */
    enum covey_event_type event;      /* WRITE, NOTE: fed with fence, checkpoint and err, but of a
                                         NOTE, that is done in any case; TICK: nothing */
    struct covey_gather_pins pins;    /* WRITE: taken, unpinned at its end */
};
void covey__custodian_chore(struct covey_custodian *c, const struct covey__chore *chore);

/* custodian.c */
struct covey__custodian_entry *covey__custodian_find(struct covey_custodian *c,
                                                     const struct covey_session_id *id);
/* LIMIT: NULL. */
struct covey__custodian_entry *covey__custodian_entry(struct covey_custodian *c,
                                                      const struct covey_session_id *id);
void covey__custodian_note(struct covey_custodian *c, struct covey__custodian_entry *e);
void covey__custodian_log(struct covey_custodian *c, const struct covey__custodian_entry *e,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));
/* It is on this disk. */
void covey__custodian_written(struct covey_custodian *c, const struct covey_fence *fence,
                              const struct covey_checkpoint_ref *ref);
bool covey__custodian_none(const struct covey_checkpoint_ref *ref);

/* custodian_lead.c: sessions that go on here. */
void covey__custodian_lead(struct covey_custodian *c, const struct covey_action *action);
void covey__custodian_led(struct covey_custodian *c, const struct covey_gathered *gathered);

/* custodian_keeper.c */
void covey__custodian_keeper_init(struct covey_custodian *c);

/* custodian_hand.c: what a person asks for. */
void covey__custodian_found(struct covey_custodian *c, const struct covey_fence *fence,
                            covey_err err, const struct covey_checkpoint_ref *ref);
/* All that a fork needs is here, or cannot be had. */
void covey__custodian_forked(struct covey_custodian *c, const struct covey_gathered *gathered);
/* A stop is in the journal: the machine is told. */
void covey__custodian_stopped(struct covey_custodian *c, const struct covey_fence *fence);
/* Who asked to go on is told, if somebody did. */
void covey__custodian_resumed(struct covey_custodian *c, struct covey__custodian_entry *e,
                              covey_err err, const char *why);
void covey__custodian_refused(struct covey_custodian *c, const struct covey_action *action);
void covey__custodian_hand_tick(struct covey_custodian *c, struct covey__custodian_entry *e);
/* Of those who keep it more than half are up. */
bool covey__custodian_majority(const struct covey_custodian *c,
                               const struct covey__custodian_entry *e);

#endif /* COVEY_SESSION_CUSTODIAN_STATE_H */
