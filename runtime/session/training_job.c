/* SPDX-License-Identifier: MIT */
#include "training_job.h"

#include <math.h>

#include "covey/cbor.h"
#include "covey/gradient_code.h"
#include "training_checkpoint.h"

enum key {
    KEY_NAME = 1,
    KEY_MODEL_NAME,
    KEY_MODEL,
    KEY_DATA,
    KEY_TEST, /* left out: none */
    KEY_TRAIN,
    KEY_EPOCHS,
    KEY_EVERY,
    KEY_AUGMENT,
    KEY_MODE,
    KEY_STRATEGY,
};

enum {
    TRAIN_FIELDS = 16,
    AUGMENT_FIELDS = 4,
    STRATEGY_FIELDS = 10,
    BATCH_MAX = 65536, /* beyond it no gradient gets better */
};

static bool has_test(const struct covey_training_job *job)
{
    const struct covey_digest none = {.bytes = {0}};
    return !covey_digest_equal(&job->test, &none);
}

static void put_digest(struct covey_cbor_writer *w, const struct covey_digest *d)
{
    covey_cbor_put_bytes(w, covey_bytes_of(d->bytes, sizeof(d->bytes)));
}

static void put_train(struct covey_cbor_writer *w, const struct covey_train_options *o)
{
    covey_cbor_put_array(w, TRAIN_FIELDS);
    covey_cbor_put_uint(w, o->batch);
    covey_cbor_put_uint(w, o->threads);
    covey_cbor_put_uint(w, o->seed);
    covey_cbor_put_uint(w, (uint64_t)o->optimizer);
    covey_cbor_put_float(w, (double)o->lr);
    covey_cbor_put_float(w, (double)o->momentum);
    covey_cbor_put_bool(w, o->nesterov);
    covey_cbor_put_float(w, (double)o->beta2);
    covey_cbor_put_float(w, (double)o->epsilon);
    covey_cbor_put_float(w, (double)o->weight_decay);
    covey_cbor_put_float(w, (double)o->label_smoothing);
    covey_cbor_put_uint(w, (uint64_t)o->schedule);
    covey_cbor_put_uint(w, o->total_steps);
    covey_cbor_put_uint(w, o->step_every);
    covey_cbor_put_float(w, (double)o->step_factor);
    covey_cbor_put_uint(w, o->warmup_steps);
}

static void put_augment(struct covey_cbor_writer *w, const struct covey_augment *a)
{
    covey_cbor_put_array(w, AUGMENT_FIELDS);
    covey_cbor_put_bool(w, a->flip);
    covey_cbor_put_uint(w, a->shift);
    covey_cbor_put_uint(w, a->crop);
    covey_cbor_put_float(w, (double)a->warp);
}

static void put_strategy(struct covey_cbor_writer *w, const struct covey_strategy *s)
{
    covey_cbor_put_array(w, STRATEGY_FIELDS);
    covey_cbor_put_uint(w, (uint64_t)s->kind);
    covey_cbor_put_uint(w, s->blocks);
    covey_cbor_put_uint(w, s->tasks);
    covey_cbor_put_uint(w, s->masks);
    covey_cbor_put_uint(w, s->spare);
    covey_cbor_put_bool(w, s->all);
    covey_cbor_put_bool(w, s->check_all);
    covey_cbor_put_bool(w, s->any_trust);
    covey_cbor_put_bool(w, s->own_work);
    covey_cbor_put_uint(w, s->devices);
}

covey_err covey__training_job_encode(const struct covey_training_job *job, struct covey_buf out,
                                     size_t *out_len)
{
    struct covey_cbor_writer w;
    bool test = has_test(job);
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, test ? KEY_STRATEGY : KEY_STRATEGY - 1);
    covey_cbor_put_uint(&w, KEY_NAME);
    covey_cbor_put_text(&w, job->name);
    covey_cbor_put_uint(&w, KEY_MODEL_NAME);
    covey_cbor_put_text(&w, job->model_name);
    covey_cbor_put_uint(&w, KEY_MODEL);
    put_digest(&w, &job->model);
    covey_cbor_put_uint(&w, KEY_DATA);
    put_digest(&w, &job->data);
    if (test) {
        covey_cbor_put_uint(&w, KEY_TEST);
        put_digest(&w, &job->test);
    }
    covey_cbor_put_uint(&w, KEY_TRAIN);
    put_train(&w, &job->train);
    covey_cbor_put_uint(&w, KEY_EPOCHS);
    covey_cbor_put_uint(&w, job->epochs);
    covey_cbor_put_uint(&w, KEY_EVERY);
    covey_cbor_put_uint(&w, job->every);
    covey_cbor_put_uint(&w, KEY_AUGMENT);
    put_augment(&w, &job->augment);
    covey_cbor_put_uint(&w, KEY_MODE);
    covey_cbor_put_uint(&w, (uint64_t)job->mode);
    covey_cbor_put_uint(&w, KEY_STRATEGY);
    put_strategy(&w, &job->strategy);
    return covey_cbor_writer_done(&w, out_len);
}

static uint32_t get_u32(struct covey_cbor_reader *r, uint32_t max)
{
    return (uint32_t)covey_cbor_get_uint(r, max);
}

/* A float from 0 to max; what is no number is none of these. */
static float get_real(struct covey_cbor_reader *r, double max)
{
    double value = covey_cbor_get_float(r);
    if (r->err == COVEY_OK && !(value >= 0 && value <= max && (double)(float)value == value)) {
        r->err = COVEY_ERR_RANGE;
    }
    return r->err == COVEY_OK ? (float)value : 0;
}

static void enter(struct covey_cbor_reader *r, size_t fields)
{
    if (covey_cbor_enter_array(r, fields) != fields && r->err == COVEY_OK) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static void get_train(struct covey_cbor_reader *r, struct covey_train_options *o)
{
    enter(r, TRAIN_FIELDS);
    o->batch = get_u32(r, BATCH_MAX);
    o->threads = get_u32(r, COVEY_THREADS_MAX);
    o->seed = covey_cbor_get_uint(r, UINT64_MAX);
    o->optimizer = (enum covey_optimizer)get_u32(r, COVEY_OPTIMIZER_ADAM);
    o->lr = get_real(r, 1e3);
    o->momentum = get_real(r, 1);
    o->nesterov = covey_cbor_get_bool(r);
    o->beta2 = get_real(r, 1);
    o->epsilon = get_real(r, 1);
    o->weight_decay = get_real(r, 1);
    o->label_smoothing = get_real(r, 1);
    o->schedule = (enum covey_schedule)get_u32(r, COVEY_SCHEDULE_COSINE);
    o->total_steps = covey_cbor_get_uint(r, UINT64_MAX);
    o->step_every = covey_cbor_get_uint(r, UINT64_MAX);
    o->step_factor = get_real(r, 1);
    o->warmup_steps = covey_cbor_get_uint(r, UINT64_MAX);
    covey_cbor_leave(r);
}

static void get_augment(struct covey_cbor_reader *r, struct covey_augment *a)
{
    enter(r, AUGMENT_FIELDS);
    a->flip = covey_cbor_get_bool(r);
    a->shift = get_u32(r, COVEY_AUGMENT_MOVE_MAX);
    a->crop = get_u32(r, COVEY_AUGMENT_MOVE_MAX);
    a->warp = get_real(r, 1);
    covey_cbor_leave(r);
}

static void get_strategy(struct covey_cbor_reader *r, struct covey_strategy *s)
{
    enter(r, STRATEGY_FIELDS);
    s->kind = (enum covey_code_kind)get_u32(r, COVEY_CODE_KINDS - 1);
    s->blocks = get_u32(r, COVEY_CODE_BLOCKS_MAX);
    s->tasks = get_u32(r, COVEY_ROUND_TASKS_MAX);
    s->masks = get_u32(r, COVEY_WORKERS_MAX);
    s->spare = get_u32(r, COVEY_GRADIENT_SPARE_MAX);
    s->all = covey_cbor_get_bool(r);
    s->check_all = covey_cbor_get_bool(r);
    s->any_trust = covey_cbor_get_bool(r);
    s->own_work = covey_cbor_get_bool(r);
    s->devices = (uint8_t)get_u32(r, COVEY_WORKERS_MAX);
    covey_cbor_leave(r);
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_training_job *out)
{
    switch (key) {
    case KEY_NAME:
        covey_cbor_get_string(r, out->name, sizeof(out->name));
        break;
    case KEY_MODEL_NAME:
        covey_cbor_get_string(r, out->model_name, sizeof(out->model_name));
        break;
    case KEY_MODEL:
        covey_cbor_get_fixed(r, out->model.bytes, sizeof(out->model.bytes));
        break;
    case KEY_DATA:
        covey_cbor_get_fixed(r, out->data.bytes, sizeof(out->data.bytes));
        break;
    case KEY_TEST:
        covey_cbor_get_fixed(r, out->test.bytes, sizeof(out->test.bytes));
        break;
    case KEY_TRAIN:
        get_train(r, &out->train);
        break;
    case KEY_EPOCHS:
        out->epochs = get_u32(r, COVEY_TRAINING_EPOCHS_MAX);
        break;
    case KEY_EVERY:
        out->every = get_u32(r, UINT32_MAX);
        break;
    case KEY_AUGMENT:
        get_augment(r, &out->augment);
        break;
    case KEY_MODE:
        out->mode = (enum covey_training_mode)get_u32(r, COVEY_TRAINING_DATA);
        break;
    case KEY_STRATEGY:
        get_strategy(r, &out->strategy);
        break;
    default:
        r->err = COVEY_ERR_MALFORMED;
    }
}

/* What is promised to be private never leaves in another way. */
static bool fits(const struct covey_training_job *job)
{
    const struct covey_strategy *s = &job->strategy;
    bool masked = s->kind == COVEY_CODE_PRIVATE || s->kind == COVEY_CODE_PRIVATE_INPUTS;
    return job->train.batch > 0 && job->epochs > 0 && masked == (s->masks > 0) &&
           (!masked || job->mode != COVEY_TRAINING_DATA);
}

covey_err covey__training_job_decode(struct covey_bytes in, struct covey_training_job *out)
{
    struct covey_training_job job = {.epochs = 0};
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    const unsigned all = (2u << KEY_STRATEGY) - 2, test = 1u << KEY_TEST;
    if (in.len > COVEY_TRAINING_JOB_MAX) {
        return COVEY_ERR_LIMIT;
    }
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, KEY_STRATEGY);
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, &job);
        seen |= key <= KEY_STRATEGY ? 1u << key : 0;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        return err;
    }
    if ((seen | test) != all || ((seen & test) != 0) != has_test(&job)) {
        return COVEY_ERR_MALFORMED;
    }
    if (!fits(&job)) {
        return COVEY_ERR_RANGE;
    }
    *out = job;
    return COVEY_OK;
}
