/* SPDX-License-Identifier: MIT
 *
 * message_control.h - what `covey` and `coveyd` say to one another over the control socket.
 *
 * Each frame (runtime/io socket.h) has one of these as its CBOR header, and maybe a body. A reply
 * carries the request's id; requests may be pipelined. Schema: docs/messages.cddl.
 */
#ifndef COVEY_MESSAGE_CONTROL_H
#define COVEY_MESSAGE_CONTROL_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum covey_control_type {
    COVEY_CONTROL_NONE,
    COVEY_CONTROL_STATUS = 1,     /* -> STATUS_REPLY */
    COVEY_CONTROL_BLOB_HAVE = 2,  /* body: digests, 32 bytes each -> BLOB_HAVE_REPLY */
    COVEY_CONTROL_BLOB_PUT = 3,   /* digest; body: the blob -> DONE */
    COVEY_CONTROL_MODEL_PUT = 4,  /* body: manifest; all its blobs must be there -> DONE */
    COVEY_CONTROL_MODEL_LIST = 5, /* -> MODEL_LIST_REPLY */
    COVEY_CONTROL_INFER = 6,      /* infer; body: input, float32 -> INFER_REPLY; body: output */
    COVEY_CONTROL_PLAN = 7,       /* infer (options only) -> PLAN_REPLY */
    COVEY_CONTROL_MODEL_GET = 8,  /* digest: the id; brought here with all its blobs if need be
                                     -> MODEL_GET_REPLY; body: manifest */
    COVEY_CONTROL_BLOB_GET = 9,   /* digest; only what is here -> BLOB_GET_REPLY; body: the blob */
    COVEY_CONTROL_MODEL_REMOVE = 10, /* digest: the id -> DONE */
    COVEY_CONTROL_DETACH = 11,   /* detach; body: inputs one behind another -> DONE; its answers are
                                    kept. The same again under its name is not done twice */
    COVEY_CONTROL_SESSIONS = 12, /* -> SESSIONS_REPLY */
    COVEY_CONTROL_SESSION_GET = 13,  /* name -> SESSION_GET_REPLY; body: answers, float32; of a
                                        training session: its record (training_checkpoint.h) */
    COVEY_CONTROL_SESSION_STOP = 14, /* name -> DONE */
    COVEY_CONTROL_TRAIN = 15, /* body: a training job; all it names is there -> DONE; runs on */
    COVEY_CONTROL_TRAIN_WATCH = 16, /* name -> TRAIN_PROGRESS, again whenever it changes, until it
                                       has ended; the last one is followed by DONE, whose digest is
                                       the trained model's manifest, or by ERROR */
    COVEY_CONTROL_PRODUCT = 17,     /* body: rounds of coded products over this mesh, to be measured
                                       (runtime/session/product_bench.h) -> PRODUCT_REPLY */
    COVEY_CONTROL_TRAIN_RESUME = 18, /* name, or 8 and more digits of the id: one that was stopped,
                                        or whose owner is gone, goes on here -> DONE; runs on */
    COVEY_CONTROL_TRAIN_FORK = 19,   /* the same, as a session of its own, where too few of those
                                        who keep it can be reached */
    COVEY_CONTROL_LAB = 32,          /* lab; a node that was started for a lab only -> DONE */

    COVEY_CONTROL_DONE = 64,
    COVEY_CONTROL_ERROR = 65, /* error: code and one line */
    COVEY_CONTROL_STATUS_REPLY = 66,
    COVEY_CONTROL_BLOB_HAVE_REPLY = 67, /* body: bitmap of the missing, least bit first */
    COVEY_CONTROL_MODEL_LIST_REPLY = 68,
    COVEY_CONTROL_INFER_REPLY = 69,
    COVEY_CONTROL_PLAN_REPLY = 70,
    COVEY_CONTROL_MODEL_GET_REPLY = 71,
    COVEY_CONTROL_BLOB_GET_REPLY = 72,
    COVEY_CONTROL_SESSIONS_REPLY = 73,
    COVEY_CONTROL_SESSION_GET_REPLY = 74,
    COVEY_CONTROL_TRAIN_PROGRESS = 75, /* body: runtime/session/training_progress.h */
    COVEY_CONTROL_PRODUCT_REPLY = 76,  /* body: as PRODUCT's */
};

struct covey_control_member {
    struct covey_node_id id;
    char name[COVEY_NAME_MAX + 1];
    char address[80];    /* as people read it */
    uint8_t tier, trust; /* enum covey_tier, covey_trust */
    uint8_t state;       /* enum covey_member_state; 0xff: incompatible version */
    uint32_t rtt_us;
    uint32_t mflops;
    uint64_t memory_bytes;
    bool self, channel; /* channel: one is up and does not stand still */
    bool lied;          /* to this node, as an owner */
};

struct covey_control_status {
    char version[32];
    bool has_coordinator;
    struct covey_node_id coordinator;
    uint64_t term;
    /* Sessions open at this node, and those whose redundancy is complete: the active plan is that
     * of the devices now alive, and every holder is ready. */
    uint32_t sessions, sessions_redundant;
    /* Weights and data that this node fetched and kept since its start: from whom it had the work
     * that needs them, and from others. */
    uint64_t fetched_owner, fetched_others;
    uint16_t member_count;
    struct covey_control_member member[COVEY_MEMBERS_MAX];
};

struct covey_control_model {
    struct covey_digest id;
    char name[COVEY_NAME_MAX + 1];
    uint64_t bytes; /* of its blobs */
    uint8_t input_rank, output_rank;
    uint32_t input[COVEY_RANK_MAX], output[COVEY_RANK_MAX];
    char publisher[COVEY_NAME_MAX +
                   1]; /* the device that added it; its id when it has no name here */
    bool here;         /* its weights are on this device */
};

enum { COVEY_CONTROL_MODELS_MAX = 256 };

struct covey_control_models {
    uint16_t count;
    struct covey_control_model model[COVEY_CONTROL_MODELS_MAX];
};

struct covey_control_infer {
    char model[2 * 32 +
               1];       /* name, or the id in hexadecimal (64 digits or a unique prefix of >= 8) */
    uint8_t devices;     /* 0: all */
    uint8_t parity;      /* 0..COVEY_PARITY_MAX */
    bool coded_all;      /* code every layer that can be, whatever it costs */
    bool check_all;      /* all that others compute is checked, strips too */
    bool half;           /* activations travel as float16 */
    bool exact;          /* only what is bit for bit as on one device is shared out */
    bool trace;          /* report layers */
    uint32_t timeout_ms; /* 0: 30 s */
    uint16_t batch;      /* inputs in the body, one behind another, answered as one request; 0: 1 */
};
static inline uint32_t covey_control_batch(const struct covey_control_infer *infer)
{
    return infer->batch > 1 ? infer->batch : 1;
}

enum covey_control_mode {
    COVEY_CONTROL_LOCAL,
    COVEY_CONTROL_CODED,
    COVEY_CONTROL_TILES, /* a run of layers in strips; units: devices it was shared out over */
    COVEY_CONTROL_EXACT, /* coded, of integers: bit for bit what one device computes */
    COVEY_CONTROL_ROWS,  /* coded by rows of its output: units are blocks of them */
};

enum { COVEY_CONTROL_LIARS_MAX = 8 };

struct covey_control_layer {
    char name[COVEY_NAME_MAX + 1];
    uint8_t mode; /* enum covey_control_mode */
    uint16_t units, parity_units;
    uint16_t recovered_dead, recovered_late;
    uint8_t fed; /* devices that got the input from those who made it, not from the owner */
    uint32_t us, predicted_us; /* predicted 0: not known */
};

struct covey_control_result {
    uint32_t elapsed_us; /* in the daemon, from the frame's arrival to the reply */
    uint8_t devices;     /* in the plan, the owner among them */
    uint16_t recovered_dead, recovered_late;
    uint32_t plan_version;
    uint32_t predicted_us; /* what the plan expects of one request; 0: begun without a plan */
    bool checked;          /* every answer of another device that was used, by the secret vector */
    uint8_t liar_count;    /* devices whose answers were wrong */
    struct covey_node_id liar[COVEY_CONTROL_LIARS_MAX];
    uint8_t output_rank;
    uint32_t output[COVEY_RANK_MAX];
    uint16_t layer_count; /* 0 unless traced */
    struct covey_control_layer layer[COVEY_LAYERS_MAX];
};

/* A split layer: how it is carried out is an enum covey_control_mode, as in a trace. */
struct covey_control_plan_layer {
    char name[COVEY_NAME_MAX + 1];
    uint8_t mode;
    uint16_t cell, units, groups, slots; /* slots 0: not coded */
    uint32_t unit_rows, unit_bytes, input_bytes, answer_bytes;
    uint32_t predicted_us;     /* 0 within tiles */
    bool fed;                  /* by the run in front of it, or by one another */
    struct covey_bytes holder; /* one byte a slot: device index */
};

/* A segment of a tile run. */
struct covey_control_plan_segment {
    uint8_t run;
    uint16_t first_cell, cells;
    uint64_t moved_bytes; /* to the devices, before it */
    uint32_t predicted_us;
    /* Device d makes rows [rows[d], rows[d + 1]) of what comes out. */
    uint16_t rows[COVEY_PLAN_DEVICES_MAX + 1];
};

/* For one request, with all devices as they are. */
struct covey_control_plan_device {
    struct covey_node_id id;
    uint64_t weights_bytes, received_bytes, sent_bytes;
};

enum { COVEY_CONTROL_SEGMENTS_MAX = COVEY_TILE_RUNS_MAX * COVEY_TILE_SEGMENTS_MAX };

struct covey_control_plan {
    uint64_t term;
    bool has_coordinator;
    struct covey_node_id coordinator;
    uint8_t parity;
    bool half;
    uint32_t predicted_us, local_us;
    uint8_t devices;
    struct covey_control_plan_device device[COVEY_PLAN_DEVICES_MAX];
    uint16_t layer_count;
    struct covey_control_plan_layer layer[COVEY_LAYERS_MAX];
    uint8_t runs;
    uint32_t run_us[COVEY_TILE_RUNS_MAX]; /* predicted, cutting to joining */
    uint16_t segment_count;
    struct covey_control_plan_segment segment[COVEY_CONTROL_SEGMENTS_MAX];
};

/* What a device keeps of a training session. */
enum covey_control_kept {
    COVEY_CONTROL_KEPT_NOT,     /* nothing */
    COVEY_CONTROL_KEPT,         /* all of it; another device owns it, or nobody does */
    COVEY_CONTROL_KEPT_OWNED,   /* this device owns it */
    COVEY_CONTROL_KEPT_OVER,    /* it has ended; its last checkpoint may be here */
    COVEY_CONTROL_KEPT_STOPPED, /* all of it; nobody owns it until it goes on by hand */
};
struct covey_control_custody {
    uint8_t kept; /* enum covey_control_kept; of NOT nothing else is told */
    struct covey_session_id id;
    uint32_t epoch;                 /* goes up with each owner */
    char owner[COVEY_NAME_MAX + 1]; /* a device's name, or its id; the last one known */
    uint64_t checkpoint;            /* step of the newest one on this device; 0: none */
    uint8_t keepers, held;          /* devices that keep it; at the owner: those that hold it all */
    bool recoverable;               /* it goes on by itself should the owner go; STOPPED: it can
                                       go on by hand now */
};

/* A session that is open, work whose answers are kept, or a training session. */
struct covey_control_session {
    char name[COVEY_NAME_MAX + 1];
    char model[COVEY_NAME_MAX + 1];
    bool detached, training, running;
    /* Inputs; of a session: those under way, none, none; of a training session: steps. */
    uint32_t total, answered, lost;
    uint32_t median_us;
    uint8_t output_rank; /* of one answer */
    uint32_t output[COVEY_RANK_MAX];
    struct covey_control_custody custody;
};

enum { COVEY_CONTROL_SESSIONS_MAX = 64 };

struct covey_control_sessions {
    uint16_t count;
    struct covey_control_session session[COVEY_CONTROL_SESSIONS_MAX];
};

/* How long a worker sleeps over each task of a round (covey/latency.h): UNIFORM between a and b,
 * NORMAL with mean a and standard deviation b, cut at 0, EXPONENTIAL with mean a. */
enum covey_latency_kind {
    COVEY_LATENCY_NONE,
    COVEY_LATENCY_UNIFORM,
    COVEY_LATENCY_NORMAL,
    COVEY_LATENCY_EXPONENTIAL,
};
struct covey_latency {
    enum covey_latency_kind kind;
    uint32_t a_us, b_us;
    uint32_t device; /* among those of one seed, each of which draws its own */
    uint64_t seed;
};

/* What a node of a lab is told to do wrongly. */
struct covey_control_lab {
    uint32_t delay_ms;            /* each answer of a task leaves so much later */
    uint8_t lie_percent;          /* of the answers hold wrong numbers; 0: it is honest */
    struct covey_latency latency; /* of coded training's tasks, besides */
};

struct covey_control_error {
    covey_err code;
    char text[256];
};

/* Large: allocate it, do not put it on the stack. */
struct covey_control {
    enum covey_control_type type;
    uint32_t id;
    struct covey_digest digest; /* BLOB_*, MODEL_*; DONE of a MODEL_PUT: the model's id */
    uint32_t wait_ms;           /* MODEL_GET: for more of it, while nothing comes; 0: 30 s */
    struct covey_control_infer infer;
    struct covey_control_error error;
    struct covey_control_status status;
    struct covey_control_models models;
    struct covey_control_result result;
    struct covey_control_plan plan;
    struct covey_control_lab lab;
    char name[COVEY_NAME_MAX + 1]; /* DETACH, SESSION_*, TRAIN_*: 1 to 63 bytes */
    struct covey_control_sessions sessions;
};

/* Only what belongs to the type is written and read. */
covey_err covey_control_encode(const struct covey_control *message, struct covey_buf out,
                               size_t *out_len) COVEY_CHECK;
covey_err covey_control_decode(struct covey_bytes in, struct covey_control *out) COVEY_CHECK;

enum { COVEY_CONTROL_FRAME_HEADER_MAX = 128 * 1024 };

#endif /* COVEY_MESSAGE_CONTROL_H */
