/* SPDX-License-Identifier: MIT
 *
 * job_state.h - what the files of the job machine share.
 *
 * Events and messages only change the state below; whatever that makes due is put into the update
 * by the pumps, which run at the end of each call. So an update that is full loses nothing: the
 * next pump goes on where this one stopped.
 */
#ifndef COVEY_CORE_JOB_STATE_H
#define COVEY_CORE_JOB_STATE_H

#include "job.h"
#include "plan_codec.h"

enum {
    COVEY__JOB_VERSIONS = 3, /* one active, one being made, one still used by requests */
    COVEY__JOB_PEERS = COVEY_MEMBERS_MAX,
    COVEY__JOB_NO_PEER = UINT16_MAX,
    COVEY__JOB_NO_DEVICE = UINT8_MAX,
    COVEY__JOB_TIMES = 15,       /* of a layer or a run: what a deadline looks back on */
    COVEY__JOB_TIMES_MIN = 4,    /* before, it has nothing to adapt to */
    COVEY__JOB_BEHIND_MS = 1000, /* then one more: what was cancelled is never answered */
    COVEY__JOB_BEHIND = 4,       /* unanswered executes of layers gone by: more only fill buffers */
    COVEY__JOB_DOUBT_MS = 1000,  /* so long who was late is not counted on, ... */
    COVEY__JOB_DOUBT = 8,        /* or so many layers, where that is longer */
    COVEY__JOB_PLACE_MS = 200,   /* protocol.md: no request ever waits for an election */
    COVEY__JOB_ASSIGN_FIRST_MS = 5000,
    COVEY__JOB_ASSIGN_NEXT_MS = 2000,
    COVEY__JOB_ASSIGN_BYTES_MS = 20000, /* and so many more bytes of weights a millisecond */
    COVEY__JOB_ASSIGN_SHARE = 8,        /* of it where requests go on: they take most of the time */
    COVEY__JOB_DEBOUNCE_MS = 150,
    COVEY__JOB_REPLAN_MS = 1000,  /* after a plan that could not be used as it is */
    COVEY__JOB_DIAL_MS = 100,     /* after a channel's end */
    COVEY__JOB_RETRY_MS = 500,    /* dialling and assigning again */
    COVEY__JOB_AVOID_MS = 30000,  /* a device that could not be made ready is tried again */
    COVEY__JOB_BOUND_MS = 300000, /* one that refused may have more room: it is asked again */
    COVEY__JOB_REFUSALS = 3, /* of what it has room for, if what it had before is not gone yet */
    COVEY__JOB_OVERDUE_MS = 250,      /* by prediction alone, at least */
    COVEY__JOB_OVERDUE_MAX_MS = 5000, /* the same, at most */
    COVEY__JOB_OVERDUE_MIN_MS = 30,
    COVEY__JOB_HELD_UP_MS = 2, /* who looks at a deadline this late was busy meanwhile */
    COVEY__JOB_LOOKS_MAX = 3,
    COVEY__JOB_RESCUE_MS = 3,  /* one more task here, and what clocks of whole milliseconds miss */
    COVEY__JOB_DEVIATIONS = 6, /* median deviations above the median that are still in time */
    /* tile runs */
    COVEY__JOB_ATTEMPTS = 6,         /* at one run; then it is computed here */
    COVEY__JOB_GRACE_MS = 5,         /* what belongs together comes together */
    COVEY__JOB_STALL_MIN_MS = 20,    /* that one segment's rows are waited for at least */
    COVEY__JOB_TILE_AVOID_MS = 3000, /* the first time, then twice as long each time */
    COVEY__JOB_TILE_AVOIDS = 4,      /* doublings */
};

/* Peer 0 is this node: always up. An entry stays while a plan names it or its channel is up. */
struct covey__job_peer_entry {
    bool used;
    enum covey_peer_state state;
    uint16_t plans;
    struct covey_node_id id;
    uint32_t work;           /* the last number given */
    uint32_t late;           /* executes unanswered when their layer ended, since one in time */
    uint64_t heard_ms;       /* its last answer, or when it first fell late */
    uint64_t asked_ms;       /* its last execute */
    uint64_t due_ms;         /* when what that is part of is usually over */
    uint64_t doubt_ms;       /* until then it can be doubted: it was counted on, and late */
    uint64_t dial_ms;        /* not dialled again before */
    uint64_t avoid_ms;       /* not planned with before */
    uint64_t tile_avoid_ms;  /* gets no strip before */
    uint64_t relay_avoid_ms; /* gives nobody pieces of inputs before */
    uint64_t relay_late_ms;  /* its piece was late last, though it had answered */
    uint64_t anew_ms;        /* until then its share of new plans is used up, less the burst */
    uint8_t stalls;          /* strips that held others up, one after another */
    bool lied;               /* gets no more work, whatever happens */
};

enum covey__version_state {
    COVEY__VERSION_FREE,
    COVEY__VERSION_PLACING,
    COVEY__VERSION_PLANNING,
    COVEY__VERSION_PREPARING,
    COVEY__VERSION_ASSIGNING,
    COVEY__VERSION_ACTIVE,
    COVEY__VERSION_RETIRING, /* until no request uses it */
};

enum covey__holder_state {
    COVEY__HOLDER_NONE, /* no slot is its own */
    COVEY__HOLDER_IDLE,
    COVEY__HOLDER_ASSIGNED,
    COVEY__HOLDER_READY,
    COVEY__HOLDER_MOVED,   /* it gave up what it held, since a newer version needs the room */
    COVEY__HOLDER_REFUSED, /* it told so: never asked for this version again */
};

/* The last times of one kind of work. */
struct covey__times {
    uint32_t ms[COVEY__JOB_TIMES];
    uint8_t count, next;
};

/* At most one version of a session is ACTIVE, at most one PLACING, PLANNING, PREPARING or
 * ASSIGNING. While it is PLANNING session's costs are what it is planned with. */
struct covey__version {
    enum covey__version_state state;
    uint32_t number;
    uint16_t requests;
    bool ask;  /* PLACING: PLACE is not sent yet; PLANNING: PLAN is not told yet */
    bool tell; /* PREPARE or ACTIVE is not told yet */
    bool told; /* PREPARE was: FORGET must follow */
    bool kept; /* its peers are counted */
    uint16_t asked;
    uint64_t deadline_ms;
    uint8_t self; /* this node's place in the plan */
    uint16_t peer[COVEY_PLAN_DEVICES_MAX];
    enum covey__holder_state holder[COVEY_PLAN_DEVICES_MAX];
    uint64_t retry_ms[COVEY_PLAN_DEVICES_MAX]; /* IDLE: not assigned to before */
    uint64_t due_ms[COVEY_PLAN_DEVICES_MAX];   /* ASSIGNED: while ACTIVE not waited for after */
    uint8_t refusals[COVEY_PLAN_DEVICES_MAX];
    struct covey_plan plan;
};

/* What a device that refused its part has room for, of this session. */
struct covey__bound {
    struct covey_node_id device;
    uint64_t bytes;
    uint64_t offered_bytes; /* by its record then */
    uint64_t until_ms;
};

struct covey__session {
    bool used, closing;
    bool alone; /* the next plan has no layers: this one could not be prepared */
    /* Holders have parts of a version that was given up. They are told of retired versions up to
     * one only, so that lasts until a later one is active: the next plan is carried out, or, if it
     * does not gain, the active one once more. */
    bool stray;
    bool distrust; /* the next plan is made here: the coordinator's left devices out */
    struct covey_session_id id;
    uint32_t epoch;
    uint32_t versions; /* made so far */
    uint32_t generation;
    uint64_t replan_ms;
    uint64_t touched[COVEY__JOB_PEERS / 64]; /* peers that got an assignment */
    uint64_t retire[COVEY__JOB_PEERS / 64];  /* of these: must still hear of retired_version */
    uint32_t retired_version;
    struct covey_plan_request costs;
    struct covey_plan_held held; /* by whoever was ready once */
    unsigned bounds;
    struct covey__bound bound[COVEY_PLAN_DEVICES_MAX];
    struct covey__times layer_times[COVEY_LAYERS_MAX];
    struct covey__times relay_times[COVEY_LAYERS_MAX]; /* where their inputs were relayed */
    struct covey__times run_times[COVEY_TILE_RUNS_MAX];
    struct covey__times fed_times[COVEY_TILE_RUNS_MAX]; /* of the layer that the run fed */
    struct covey__times answer_times;                   /* to ASK, of devices that live */
    uint32_t fed_wrong; /* the version whose runs feed no more: something was wrong once */
    struct covey__version version[COVEY__JOB_VERSIONS];
};

enum covey__out_state {
    COVEY__OUT_NONE, /* holds no slot of the layer, or the layer is over */
    COVEY__OUT_TO_ASK,
    COVEY__OUT_ASKED,
    COVEY__OUT_ANSWERED,
    COVEY__OUT_FAILED, /* gone, refused, behind or not ready: nothing will come */
};

enum covey__local_state {
    COVEY__LOCAL_NONE,
    COVEY__LOCAL_WANTED,
    COVEY__LOCAL_ASKED,
    COVEY__LOCAL_DONE,
};

struct covey__out {
    enum covey__out_state state;
    bool dead;    /* FAILED because there was no channel, whatever came later */
    bool doubted; /* asked, but owes an answer of before: not counted on until it comes */
    uint32_t work;
    covey_handle answer; /* ANSWERED: owned until LAYER_DONE */
};

enum covey__tiles_state {
    COVEY__TILES_NONE,
    COVEY__TILES_TO_SHARE, /* gives back what the attempt before left, then chooses a layout */
    COVEY__TILES_TO_CUT,
    COVEY__TILES_CUTTING,
    COVEY__TILES_TO_START,
    COVEY__TILES_WAITING,
    COVEY__TILES_COMPLETE,
    COVEY__TILES_TO_COMPUTE, /* nobody is left: session computes the run here */
};

/* One tile run of a request. Masks: bit d is device d of the plan. */
struct covey__tiles {
    enum covey__tiles_state state;
    uint8_t run, attempt;
    uint8_t tries;       /* attempts at this run */
    bool again;          /* CUTTING: the layout is of no use any more */
    bool patient;        /* WAITING: more time was given */
    uint8_t looks;       /* at a verdict that came late */
    uint32_t used;       /* devices of the layout */
    uint32_t tell;       /* START is due */
    uint32_t told;       /* START was sent */
    uint32_t drop;       /* DROP is due */
    uint32_t lost;       /* get no strip of this run any more */
    uint32_t unable;     /* cannot go on, or are why others cannot */
    uint32_t complained; /* waited for rows too long, where they are */
    uint32_t parted;     /* wait for one another's rows, in this attempt or one before */
    uint32_t ask;        /* ASK is due */
    uint32_t asked;      /* ASK was sent, and nothing heard since */
    uint64_t reached_ms; /* the run, by the request */
    uint64_t began_ms, overdue_ms;
    uint64_t late_ms;                       /* when the usual time is over; 0: nobody knows */
    uint64_t grace_ms;                      /* of those unable or parted; 0: nobody is */
    uint64_t verdict_ms;                    /* on those that were asked; 0: nobody was */
    uint64_t asked_ms;                      /* when they were, last */
    uint32_t waits[COVEY_PLAN_DEVICES_MAX]; /* for whom each waits, as it said last */
    uint8_t at[COVEY_PLAN_DEVICES_MAX];     /* the segment where it was then */
    uint8_t owes[COVEY_PLAN_DEVICES_MAX];   /* ASKs of this attempt that it has not answered */
    /* When it said so, and complained last. */
    uint64_t said_ms[COVEY_PLAN_DEVICES_MAX], complained_ms[COVEY_PLAN_DEVICES_MAX];
    /* How much longer those of the layout take than all. */
    uint32_t more_permille;
    struct covey_tile_layout layout;
    struct covey_tile_layout twin;               /* segments 0: rows are made once */
    covey_handle cut[COVEY_PLAN_DEVICES_MAX];    /* until START is sent */
    covey_handle answer[COVEY_PLAN_DEVICES_MAX]; /* until TILES_DONE */
};

/* A layer's input on its way by its holders; of the last layer it is, until the next. */
struct covey__relay {
    uint32_t members; /* who has a piece of it, and gives it to the others; 0: it goes as ever */
    uint32_t bytes;   /* all of it, as it travels */
    uint8_t attempt;
    uint16_t reached; /* behind the last layer of the request that it was done for */
    /* by device: pieces of others that it is to get from here, or got, and those that it missed
     * while whoever had them was there */
    uint32_t owed[COVEY_PLAN_DEVICES_MAX], given[COVEY_PLAN_DEVICES_MAX];
    uint32_t missed[COVEY_PLAN_DEVICES_MAX];
};

struct covey__request {
    bool used, ending;
    bool running;  /* in a layer */
    bool complete; /* LAYER_DONE is due */
    bool overdue;
    bool rescued; /* units were computed here: its time says nothing of the devices */
    bool leaving; /* the layer was asked for, and it has not left this device yet */
    uint64_t id;
    uint8_t session, version;
    uint16_t layer;
    covey_handle input;                        /* borrowed from session until LAYER_DONE */
    covey_handle part[COVEY_PLAN_DEVICES_MAX]; /* the same, of a layer by rows: by device */
    uint64_t began_ms;
    uint64_t look_ms; /* the last look at a layer whose deadline has come */
    uint8_t looks;
    /* Of the layer, from its beginning: when nothing is late yet, and when all is that is missing;
     * and what one unit takes here. */
    uint64_t usual_ms, latest_ms, unit_us;
    uint16_t beside; /* most requests in flight during its layer or run, itself among them */
    /* Devices that get the input of `layer` from those who make it; feeding: before the layer, they
     * are asked in out already. */
    uint32_t fed;
    bool feeding;
    uint8_t fed_runs; /* bit r: run r fed once */
    struct covey__out out[COVEY_PLAN_DEVICES_MAX];
    /* By device: the work that its layer ended without, 0: none. What is asked next of the same
     * request cancels it at the holder; what is left at the request's end is cancelled then. */
    uint32_t stale[COVEY_PLAN_DEVICES_MAX];
    enum covey__local_state local;
    covey_handle local_body;
    covey_handle dropped; /* to RELEASE */
    uint64_t local_slots[COVEY_LAYER_SLOTS_MAX / 64];
    uint8_t attempts; /* at tile runs and at relaying, all together */
    struct covey__relay relay;
    struct covey__tiles tiles;
};

struct covey_job {
    uint64_t deadline_ms;
    uint64_t seed;
    struct covey__job_peer_entry peer[COVEY__JOB_PEERS];
    struct covey__request request[COVEY_REQUESTS_MAX];
    struct covey__session session[COVEY_SESSIONS_MAX];
    /* None is used from here on: every message comes past, and the places are far apart. */
    unsigned request_end, session_end;
    uint8_t scratch[COVEY__PLAN_REQUEST_MAX];
};

/* One call: what each helper needs. */
struct covey__turn {
    struct covey_job *job;
    const struct covey_job_view *view;
    struct covey_update *out;
    uint64_t now_ms;
};

/* job.c */
void covey__job_wake(struct covey_job *job, uint64_t at_ms);
uint16_t covey__job_peer_find(const struct covey_job *job, const struct covey_node_id *id);
uint16_t covey__peer_keep(struct covey_job *job, const struct covey_node_id *id);
enum covey_peer_state covey__peer_state(const struct covey_job *job, uint16_t peer);
/* False: the update is full. */
bool covey__peer_dial(struct covey__turn *turn, uint16_t peer);
bool covey__job_release(struct covey__turn *turn, covey_handle body);
/* Alive, not suspected, not gone, and never caught lying. */
bool covey__peer_is_there(const struct covey__turn *turn, uint16_t peer);
struct covey_fence covey__job_fence(const struct covey__session *session,
                                    const struct covey__version *version);

/* job_session.c: sessions, and what their peers say */
struct covey__session *covey__session_find(struct covey_job *job, const struct covey_fence *fence);
struct covey__version *covey__version_find(struct covey_job *job, const struct covey_fence *fence);
struct covey__version *covey__version_active(struct covey__session *session);
struct covey__version *covey__version_in_making(struct covey__session *session);
uint8_t covey__version_device(const struct covey_job *job, const struct covey__version *version,
                              const struct covey_node_id *id);
covey_err covey__session_open(struct covey__turn *turn,
                              const struct covey_event *event) COVEY_CHECK;
covey_err covey__session_close(struct covey__turn *turn,
                               const struct covey_event *event) COVEY_CHECK;
covey_err covey__session_planned(struct covey__turn *turn,
                                 const struct covey_event *event) COVEY_CHECK;
covey_err covey__session_prepared(struct covey__turn *turn,
                                  const struct covey_event *event) COVEY_CHECK;
void covey__session_message(struct covey__turn *turn, const struct covey_incoming *in);
void covey__session_peer(struct covey_job *job, uint16_t peer);
bool covey__session_pump(struct covey__turn *turn, struct covey__session *session);

/* job_place.c: where a version's plan comes from */
/* Fills costs.device with the members of now, without those that lied or could not be made ready
 * lately, and with the bounds of those that refused; true: that is all of them, as their records
 * have them. *out_again_ms: when to try those again that are left out. */
bool covey__session_devices(const struct covey__turn *turn, struct covey__session *session,
                            uint64_t *out_again_ms);
/* It is planned here, with the devices of now. */
void covey__version_plan(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version);
/* What came of that; NULL: none could be made. */
void covey__version_planned(struct covey__turn *turn, struct covey__session *session,
                            struct covey__version *version, const struct covey_plan *plan);
bool covey__version_pump_placing(struct covey__turn *turn, struct covey__session *session,
                                 struct covey__version *version);
bool covey__version_pump_planning(struct covey__turn *turn, const struct covey__session *session,
                                  struct covey__version *version);

/* job_version.c: one plan from placing to retiring */
void covey__version_start(struct covey__turn *turn, struct covey__session *session);
/* version->plan is what it is going to be. */
void covey__version_adopt(struct covey__turn *turn, struct covey__session *session,
                          struct covey__version *version);
/* FORGET follows, and the holders are told, when no request uses it. */
void covey__version_retire(struct covey__version *version);
/* The same of one in the making, which another one must follow if holders were asked. */
void covey__version_give_up(struct covey__session *session, struct covey__version *version);
/* Whether each group has N holders that are ready, or (hope) that may become so. */
bool covey__version_has_enough(const struct covey__turn *turn, const struct covey__version *version,
                               bool hope);
/* Whether nothing of its redundancy is lost. */
bool covey__version_is_whole(const struct covey__version *version);
/* Whether the active version's devices are those that are there again, all of them ready, so that
 * what is being made for others would only move weights. */
bool covey__version_is_needless(const struct covey__turn *turn, const struct covey__version *making,
                                const struct covey__version *active);
bool covey__version_pump(struct covey__turn *turn, struct covey__session *session,
                         struct covey__version *version);

/* job_move.c: from the active version to the next */
/* Whether there is reason to leave the active version, if any, for the plan. */
bool covey__move_is_worth(struct covey__session *session, const struct covey_plan *plan);
/* Before the device gets its part of the version: where it has no room for that beside what it has
 * of older ones, it is told to give those up. False: the update is full. */
bool covey__move_make_room(struct covey__turn *turn, struct covey__session *session,
                           const struct covey__version *version, unsigned device);
/* Where nothing is coming after the active version, who gave up its part gets it again. */
void covey__move_take_back(const struct covey__turn *turn, struct covey__session *session,
                           struct covey__version *active);

/* job_refuse.c: holders that do not take what a plan gives them */
void covey__refuse_take(struct covey__turn *turn, const struct covey_incoming *in);
/* The owner has no room for its own units of the version. False: it was given none, or no fewer can
 * be asked for. */
bool covey__refuse_own(struct covey__turn *turn, struct covey__session *session,
                       const struct covey__version *version, uint64_t room_bytes);
/* What a plan may give it: its record's bytes, or less. */
uint64_t covey__refuse_bound(struct covey__session *session,
                             const struct covey_plan_device *device);
/* Whether any device of the version refused its part. */
bool covey__refuse_holds(const struct covey__version *version);
/* A new plan is due when a bound's time is over. */
void covey__refuse_watch(struct covey__turn *turn, struct covey__session *session);
/* The device may be another than before: no session's bound of it counts any more. */
void covey__refuse_forget(struct covey__turn *turn, uint16_t peer);
/* A session of this owner has ended, and devices have more room for the others. */
void covey__refuse_try_again(struct covey__turn *turn);

/* job_request.c: requests, and the answers that come */
struct covey__request *covey__request_find(struct covey_job *job, uint64_t id);
/* Whether more requests are in flight than were beside this one so far; now they are counted. */
bool covey__request_beside(const struct covey_job *job, struct covey__request *request);
covey_err covey__request_begin(struct covey__turn *turn,
                               const struct covey_event *event) COVEY_CHECK;
covey_err covey__request_end(struct covey__turn *turn, const struct covey_event *event) COVEY_CHECK;
covey_err covey__request_computed(struct covey__turn *turn,
                                  const struct covey_event *event) COVEY_CHECK;
void covey__request_answer(struct covey__turn *turn, const struct covey_incoming *in);
void covey__request_peer(struct covey_job *job, uint16_t peer);

/* job_layer.c: one layer of a request, from asking to LAYER_DONE */
struct covey__session *covey__request_session(struct covey_job *job,
                                              const struct covey__request *request);
struct covey__version *covey__request_version(struct covey_job *job,
                                              const struct covey__request *request);
void covey__layer_slots(const struct covey_plan_layer *layer, unsigned device,
                        uint64_t out[static COVEY_LAYER_SLOTS_MAX / 64]);
covey_err covey__request_layer(struct covey__turn *turn,
                               const struct covey_event *event) COVEY_CHECK;
covey_err covey__request_lied(struct covey__turn *turn,
                              const struct covey_event *event) COVEY_CHECK;
bool covey__request_pump(struct covey__turn *turn, struct covey__request *request);
bool covey__request_may_ask(const struct covey__turn *turn, const struct covey__request *request,
                            unsigned device);

/* job_feed.c: holders of a layer that get its input from those who make it */
/* A run is shared out: who is fed, if anybody. */
void covey__feed_begin(struct covey__turn *turn, struct covey__request *request);
/* What START says of it, and once it is sent. */
void covey__feed_start(struct covey__turn *turn, struct covey__request *request, unsigned device,
                       struct covey_work_tile *out);
void covey__feed_started(struct covey__turn *turn, struct covey__request *request, unsigned device);
/* Before the layer: forgets who was asked. False: the update is full. */
bool covey__feed_give_up(struct covey__turn *turn, struct covey__request *request);
/* The layer begins. True: those who were fed are asked already. */
bool covey__feed_layer(struct covey__turn *turn, struct covey__request *request, unsigned layer);
/* What this device answered is of no use: it gets the whole input. False: it was not fed. */
bool covey__feed_refused(struct covey__request *request, unsigned device);
/* False: it is a stall of the run. */
bool covey__feed_stalled(struct covey__turn *turn, struct covey__request *request, unsigned device,
                         const struct covey_work_tile *said);
/* What the request's layer is measured by. */
struct covey__times *covey__request_times(struct covey__session *session,
                                          const struct covey__request *request);

/* job_relay.c: holders of a layer that give one another its input */
/* The layer begins, and who is to be asked is known: whether so, and by whom. */
void covey__relay_begin(struct covey__turn *turn, struct covey__request *request,
                        size_t input_bytes);
/* Instead of EXECUTE, for who is fed. False: the update is full. */
bool covey__relay_ask(struct covey__turn *turn, struct covey__request *request, unsigned device);
bool covey__relay_pump(struct covey__turn *turn, struct covey__request *request);
/* It could not compute with what others gave. */
void covey__relay_refused(struct covey__turn *turn, const struct covey__request *request,
                          unsigned device);
/* What the device has not given will not come. */
void covey__relay_lost(struct covey__request *request, unsigned device);
void covey__relay_stalled(struct covey__turn *turn, const struct covey_incoming *in);

/* job_times.c */
void covey__times_add(struct covey__times *times, uint64_t ms);
/* Of work that had its share of devices which so many requests kept busy: at least its part of the
 * time is its own, and no more than was usual unless that part is. */
void covey__times_add_beside(struct covey__times *times, uint64_t ms, unsigned beside);
/* The middle one; 0 while there are too few to tell. */
uint32_t covey__times_median(const struct covey__times *times);
/* Of a layer, relayed or not: the longer. */
uint32_t covey__layer_median_ms(const struct covey__session *session, unsigned layer);
/* What a layer has taken so far; of one that is relayed no more, before that is known, what it took
 * when it was, as often as its input goes through one link now. If it were not waited for that long
 * it would never be known: what is computed here meanwhile does not count. */
const struct covey__times *covey__known_times(struct covey__session *session,
                                              const struct covey__version *version,
                                              const struct covey__request *request,
                                              unsigned *out_factor);
/* How long most take: the median, some median deviations and a quarter above; 0 while there are too
 * few to tell. */
uint32_t covey__times_usual(const struct covey__times *times);
/* Until when something that began now is not late yet: the same, but no blink of an eye. */
uint32_t covey__times_patience(const struct covey__times *times);

/* How long this attempt at a tile run may take before it is tried again, and before its holders are
 * asked whether they live (0: nobody knows); how long they may wait for one segment's rows before
 * they say so; and take to answer, half as long where answers are known to be that quick, but no
 * less than COVEY__JOB_STALL_MIN_MS / 2. Milliseconds. */
uint64_t covey__run_patience_ms(const struct covey__session *session,
                                const struct covey_plan_run *run,
                                const struct covey__request *request);
uint64_t covey__run_usual_ms(const struct covey__session *session,
                             const struct covey__request *request);
uint16_t covey__run_stall_ms(const struct covey__session *session, const struct covey_plan_run *run,
                             const struct covey__request *request);
uint64_t covey__run_answer_ms(const struct covey__session *session,
                              const struct covey_plan_run *run,
                              const struct covey__request *request);

/* How long a holder may take to get all that the plan gives it, beside requests. */
uint64_t covey__assign_again_ms(const struct covey__session *session, const struct covey_plan *plan,
                                unsigned device);
/* How long holders may take to get what the plan gives them beyond the one before (NULL: none). */
uint64_t covey__assign_ms(const struct covey__session *session, const struct covey_plan *plan,
                          const struct covey_plan *before);

/* job_tiles.c: one tile run of a request, from sharing out to TILES_DONE */
covey_err covey__job_tiles_begin(struct covey__turn *turn,
                                 const struct covey_event *event) COVEY_CHECK;
covey_err covey__job_tiles_cut(struct covey__turn *turn,
                               const struct covey_event *event) COVEY_CHECK;
/* True: the body was taken. */
bool covey__job_tiles_piece(struct covey__turn *turn, const struct covey_incoming *in);
/* Devices with rows in any segment of the run. */
uint32_t covey__job_tiles_holders(const struct covey_plan *plan, unsigned run);
bool covey__job_tiles_pump(struct covey__turn *turn, struct covey__request *request);
/* Gives everything back; false: the update is full. */
bool covey__job_tiles_end(struct covey__turn *turn, struct covey__request *request);

static inline uint32_t covey__run_bit(unsigned device)
{
    return UINT32_C(1) << device;
}
static inline const struct covey_plan_run *covey__run_of(const struct covey__turn *turn,
                                                         const struct covey__request *request)
{
    return &covey__request_version(turn->job, request)->plan.run[request->tiles.run];
}

/* job_tiles_late.c: who of a tile run is lost or late */
void covey__job_tiles_stalled(struct covey__turn *turn, const struct covey_incoming *in);
void covey__job_tiles_peer(struct covey__request *request, unsigned device);
/* They held others up: others get their rows for a while. */
void covey__run_lose_slow(struct covey__turn *turn, struct covey__request *request,
                          uint32_t devices);
/* Devices with rows in the layout. */
uint32_t covey__run_makers(const struct covey_tile_layout *layout);
/* The layout, of the two, that the device has rows in. */
const struct covey_tile_layout *covey__run_layout(const struct covey__tiles *tiles,
                                                  unsigned device);
/* Devices whose rows of the result are not here. */
uint32_t covey__run_unanswered(const struct covey__tiles *tiles);
/* WAITING: looks at the deadlines. */
void covey__run_watch(struct covey__turn *turn, struct covey__request *request);
/* Sends the questions that are due. False: the update is full. */
bool covey__run_ask(struct covey__turn *turn, struct covey__request *request);

#endif /* COVEY_CORE_JOB_STATE_H */
