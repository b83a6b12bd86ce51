/* SPDX-License-Identifier: MIT
 *
 * custody_state.h - the inside of the custody machine, shared by custody*.c.
 *
 * Events and messages change a session's fields; covey__custody_settle() then puts out whatever
 * follows from them and was not put out yet. So nothing is lost when an update is full, and what
 * must be on disk before it leaves waits in one place.
 */
#ifndef COVEY_CORE_CUSTODY_STATE_H
#define COVEY_CORE_CUSTODY_STATE_H

#include "custody.h"
#include "gossip_random.h"

enum {
    /* Longer than the lease by more than two clocks, each wrong by 1 %, can make of it. */
    COVEY__PROMISE_MS = 3100,
    COVEY__AWAY_MS = 10000,    /* then a custodian is replaced */
    COVEY__SEEN_MS = 2000,     /* away no longer than this: it still counts as holding everything */
    COVEY__RESEND_MS = 2000,   /* of a deed that was not accepted yet */
    COVEY__AGAIN_MS = 250,     /* of one that somebody asks for */
    COVEY__LEARN_MS = 30000,   /* the next checkpoint waits so long for one who is to join, ... */
    COVEY__LEARN_BYTES = 2000, /* ... and a ms more for each so many bytes of the present one */
    COVEY__REFUSED_MS = 60000, /* a device that would not is asked again */
    COVEY__ORPHAN_MS = 60000,  /* without a word one who is not in the set forgets the session */
    COVEY__CLOSE_MS = 60000,   /* an end is told for so long */
    COVEY__CLOSE_AGAIN_MS = 1000,
    COVEY__DISK_AGAIN_MS = 1000,
    COVEY__REST_ASK_MS = 60000,      /* of one that was stopped: is it still kept? */
    COVEY__EPOCH_JUMP_MAX = 1 << 16, /* an epoch more than this above the own is no epoch */
    COVEY__KEEPERS_MAX = 4 * COVEY_CUSTODIANS_MAX,
    COVEY__REFUSALS_MAX = 8,
    /* Of one owner, that do not rest: others must find room too. */
    COVEY__OWNER_SESSIONS_MAX = COVEY_TRAININGS_MAX - 2,
};

enum covey__custody_role {
    COVEY__CUSTODY_FREE,      /* the entry is not used */
    COVEY__CUSTODY_CUSTODIAN, /* follows an owner, or waits for one */
    COVEY__CUSTODY_POLLING,   /* asks whether others would vote for it */
    COVEY__CUSTODY_CANDIDATE, /* has voted for itself */
    COVEY__CUSTODY_OWNER,
    COVEY__CUSTODY_CLOSING, /* ended: tells it */
    COVEY__CUSTODY_ENDING,  /* is forgotten as soon as that was put out */
};

/* What the owner knows of another device that keeps the session, or is to. One that is in neither
 * set of the deed is learning. */
struct covey__keeper {
    struct covey_node_id id;
    uint64_t granted; /* sequence of the newest lease that it granted; 0: none */
    uint64_t version; /* of this epoch's deeds that it has on disk; 0: none */
    struct covey_checkpoint_ref checkpoint; /* of that version */
    uint64_t sent_version, sent_ms;
    uint64_t away_ms; /* since then it cannot be reached; 0: it can */
    bool lost;        /* it has forgotten the session: its vote is worth nothing */
    bool ready;       /* it lacks nothing but the checkpoint */
    uint64_t ready_ms;
};

/* What is known to be on this disk. */
struct covey__custody_disk {
    uint32_t epoch;
    struct covey_node_id voted;
    uint32_t deed_epoch;
    uint64_t version;
    struct covey_checkpoint_ref checkpoint;
};

struct covey__custody_session {
    enum covey__custody_role role;
    struct covey_session_id id;
    /* written to disk */
    uint32_t epoch; /* highest that it voted in or heard an owner of */
    struct covey_node_id voted;
    struct covey_custody_deed deed; /* version 0: none yet */
    struct covey__custody_disk disk, writing;
    uint32_t write; /* index of the PERSIST under way; 0: none */
    bool dirty;
    uint64_t write_ms; /* not before */
    /* as a custodian */
    bool has_owner;
    struct covey_node_id owner;
    uint64_t promise_ms; /* until then it votes for nobody */
    uint64_t wait_ms;    /* from then on it canvasses */
    uint64_t heard_ms;
    struct covey_node_id yes[COVEY__KEEPERS_MAX], absent[COVEY__KEEPERS_MAX];
    uint8_t yes_count, absent_count;
    bool fetching, has_target, job_held;
    struct covey_custody_deed fetch, target; /* under way; the newest, to be fetched then */
    struct covey_digest job;                 /* held */
    struct covey_node_id source;
    uint64_t resume_ms; /* until then it goes on by hand; 0: it does not */
    bool owes_vote, owes_accept, owes_canvass, owes_ready, owes_refusal;
    covey_err why_refused;
    struct covey_node_id vote_to;
    uint64_t owes_grant; /* sequence; 0: none */
    /* as the owner */
    uint32_t owned;           /* epoch; also of a past ownership that has to be ended */
    uint64_t config;          /* version with which the present sets began */
    uint64_t offered;         /* version with which the present checkpoint began */
    uint64_t both_ms;         /* the next set could grant a lease then */
    uint64_t asked_ms, asked; /* sequence of the last LEASE; 0: none */
    uint64_t lease_ms, told_lease_ms;
    bool restarts; /* it was stopped: no lease before a majority knows that it goes on */
    struct covey__keeper keeper[COVEY__KEEPERS_MAX];
    uint8_t keepers;
    struct {
        struct covey_node_id id;
        uint64_t until_ms;
    } refusal[COVEY__REFUSALS_MAX];
    uint8_t refusals;
    uint64_t close_ms, close_until_ms;
    /* to be told to session */
    bool owes_lead, owes_loss, owes_end, owes_erase, owes_news;
    covey_err end; /* TIMEOUT: only that no owner was heard of; LIMIT: its place is needed */
    uint8_t news_held;
    uint32_t news_number;
    uint64_t news_settled; /* the value of `offered` that was said to be settled */
    struct covey_checkpoint_ref news_kept;
};

struct covey_custody {
    struct covey_node_id self;
    uint64_t rng;
    uint32_t write;                        /* the last index of a PERSIST */
    const struct covey_custody_view *view; /* of the running step */
    struct covey_update *out;
    struct covey__custody_session session[COVEY_TRAININGS_MAX];
};

/* custody.c */
struct covey__custody_session *covey__custody_find(struct covey_custody *c,
                                                   const struct covey_session_id *id);
struct covey__custody_session *covey__custody_add(struct covey_custody *c,
                                                  const struct covey_session_id *id);
bool covey__custodians_have(const struct covey_custodians *set, const struct covey_node_id *id);
void covey__custodians_add(struct covey_custodians *set, const struct covey_node_id *id);
/* It is in a set of the deed. */
bool covey__custody_has(const struct covey__custody_session *s, const struct covey_node_id *id);
/* Oneself is. */
bool covey__custody_member(const struct covey_custody *c, const struct covey__custody_session *s);
/* By (epoch, version), as memcmp() tells. */
int covey__deed_compare(uint32_t a_epoch, uint64_t a_version, uint32_t b_epoch, uint64_t b_version);

/* custody_out.c: what follows from a session's fields. */
bool covey__custody_here(const struct covey_custody *c, const struct covey_node_id *id);
bool covey__custody_send(struct covey_custody *c, const struct covey_node_id *to,
                         const struct covey_custody_message *message);
/* A message without more than an epoch. */
void covey__custody_say(struct covey_custody *c, const struct covey__custody_session *s,
                        const struct covey_node_id *to, enum covey_custody_type type);
void covey__custody_settle(struct covey_custody *c, struct covey__custody_session *s);

/* custody_keep.c: a custodian's side. */
void covey__custody_appoint(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from,
                            const struct covey_custody_message *m);
void covey__custody_lease(struct covey_custody *c, struct covey__custody_session *s,
                          const struct covey_node_id *from, const struct covey_custody_message *m);
void covey__custody_close(struct covey_custody *c, struct covey__custody_session *s,
                          const struct covey_node_id *from, const struct covey_custody_message *m);
/* HELD, STORED. */
void covey__custody_fetched(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_event *event);
/* Takes or begins to fetch the deed it was told. */
void covey__custody_fetch(struct covey_custody *c, struct covey__custody_session *s);
/* A higher epoch, in which it voted for `voted` (NULL: for nobody). */
void covey__custody_enter(struct covey_custody *c, struct covey__custody_session *s, uint32_t epoch,
                          const struct covey_node_id *voted);
void covey__custody_forget(struct covey__custody_session *s);

/* custody_vote.c */
bool covey__custody_epoch_sane(const struct covey__custody_session *s, uint32_t epoch);
/* Nobody else can own it now: oneself does under a lease, or one was granted that may hold. */
bool covey__custody_promised(const struct covey_custody *c, const struct covey__custody_session *s);
void covey__custody_canvass(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from,
                            const struct covey_custody_message *m);
void covey__custody_vote(struct covey_custody *c, struct covey__custody_session *s,
                         const struct covey_node_id *from, const struct covey_custody_message *m);
void covey__custody_absent(struct covey_custody *c, struct covey__custody_session *s,
                           const struct covey_node_id *from, const struct covey_custody_message *m);
/* Its own vote is on disk. */
void covey__custody_own_vote(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_vote_tick(struct covey_custody *c, struct covey__custody_session *s);
/* Of all in the sets: would they vote for it, or, binding, do they? */
void covey__custody_ask(struct covey_custody *c, const struct covey__custody_session *s,
                        bool binding);
uint64_t covey__custody_jitter(struct covey_custody *c);

/* custody_owner.c */
covey_err covey__custody_open(struct covey_custody *c, const struct covey_event *event) COVEY_CHECK;
void covey__custody_win(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_step_down(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_checkpoint(struct covey__custody_session *s,
                               const struct covey_checkpoint_ref *checkpoint);
bool covey__custody_settled(const struct covey_custody *c, const struct covey__custody_session *s);
void covey__custody_end(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_granted(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from,
                            const struct covey_custody_message *m);
void covey__custody_accepted(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from,
                             const struct covey_custody_message *m);
struct covey__keeper *covey__custody_keeper(struct covey__custody_session *s,
                                            const struct covey_node_id *id);
void covey__custody_drop_keeper(struct covey__custody_session *s, struct covey__keeper *k);
/* Neither in a set nor learning: it is told, once no older set can matter any more. */
void covey__custody_stranger(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from);
/* The same at a custodian, to one who asks for votes. */
void covey__custody_replaced(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from,
                             const struct covey_custody_message *m);
void covey__custody_owner_tick(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_closing_tick(struct covey_custody *c, struct covey__custody_session *s);
/* Version that majorities have on disk; 0: none of this epoch's. */
uint64_t covey__custody_committed(const struct covey_custody *c,
                                  const struct covey__custody_session *s);
uint64_t covey__custody_lease_of(const struct covey_custody *c,
                                 const struct covey__custody_session *s,
                                 const struct covey_custodians *set);

/* custody_stop.c: sessions that were stopped by hand, and go on by hand. */
covey_err covey__custody_stop(const struct covey_custody *c,
                              struct covey__custody_session *s) COVEY_CHECK;
covey_err covey__custody_resume(struct covey_custody *c,
                                struct covey__custody_session *s) COVEY_CHECK;
/* It goes on by hand no more. */
void covey__custody_refuse(struct covey__custody_session *s, covey_err why);
/* Of a session that was stopped: an end that all are told, said by any of them. */
void covey__custody_end_stopped(struct covey_custody *c, struct covey__custody_session *s);
/* It waits for a hand, and does nothing by itself. */
bool covey__custody_rests(const struct covey__custody_session *s);
/* Its owner has told all who keep it, and is one of them from now on. */
void covey__custody_retire(struct covey_custody *c, struct covey__custody_session *s);
/* It may have ended while this device was away. */
void covey__custody_rest_tick(struct covey_custody *c, struct covey__custody_session *s);
/* A session that runs finds a place: of those that rest the oldest is forgotten here. */
void covey__custody_make_room(struct covey_custody *c);

/* custody_set.c: who shall keep the session. */
/* All in the sets are known, also to an owner that was just elected. */
void covey__custody_know_members(struct covey_custody *c, struct covey__custody_session *s);
void covey__custody_sets(struct covey_custody *c, struct covey__custody_session *s);
bool covey__custody_gone(const struct covey_custody *c, const struct covey__keeper *k);

#endif /* COVEY_CORE_CUSTODY_STATE_H */
