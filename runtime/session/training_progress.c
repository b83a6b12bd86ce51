/* SPDX-License-Identifier: MIT */
#include "training_progress.h"

#include <math.h>

#include "covey/cbor.h"
#include "covey/text.h"

enum {
    FIELDS = 15,
    REPORT_FIELDS = 14,
    LIARS_MAX = sizeof(((struct covey_rounds_report *)NULL)->liar) / sizeof(struct covey_node_id),
};

const char *covey__training_state_name(enum covey_training_state state)
{
    static const char *const names[] = {
        [COVEY_TRAINING_OPENING] = "opening", [COVEY_TRAINING_RUNNING] = "running",
        [COVEY_TRAINING_PAUSED] = "paused",   [COVEY_TRAINING_DONE] = "done",
        [COVEY_TRAINING_FAILED] = "failed",   [COVEY_TRAINING_STOPPED] = "stopped",
    };
    return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void put_report(struct covey_cbor_writer *w, const struct covey_rounds_report *r)
{
    const uint64_t counts[] = {r->rounds,  r->tasks,   r->answers,   r->late,      r->reissued,
                               r->refused, r->rough,   r->encode_ns, r->decode_ns, r->check_ns,
                               r->wall_ns, r->workers, r->lost};
    covey_cbor_put_array(w, REPORT_FIELDS);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        covey_cbor_put_uint(w, counts[i]);
    }
    covey_cbor_put_bytes(w, covey_bytes_of(r->liar, r->liars * sizeof(r->liar[0])));
}

covey_err covey__training_progress_encode(const struct covey_training_progress *p,
                                          struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    COVEY_ASSERT(p->rounds.liars <= LIARS_MAX);
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_array(&w, FIELDS);
    covey_cbor_put_uint(&w, (uint64_t)p->state);
    covey_cbor_put_uint(&w, p->epoch);
    covey_cbor_put_uint(&w, p->step);
    covey_cbor_put_uint(&w, p->epochs);
    covey_cbor_put_uint(&w, p->steps);
    covey_cbor_put_uint(&w, p->total_steps);
    covey_cbor_put_float(&w, p->loss);
    covey_cbor_put_float(&w, p->accuracy);
    covey_cbor_put_float(&w, p->test_accuracy);
    covey_cbor_put_float(&w, p->steps_s);
    covey_cbor_put_uint(&w, p->checkpoint_step);
    covey_cbor_put_uint(&w, p->custodians);
    covey_cbor_put_uint(&w, p->custodians_wanted);
    put_report(&w, &p->rounds);
    covey_cbor_put_text(&w, p->why);
    return covey_cbor_writer_done(&w, out_len);
}

static void enter(struct covey_cbor_reader *r, size_t fields)
{
    if (covey_cbor_enter_array(r, fields) != fields && r->err == COVEY_OK) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static double get_real(struct covey_cbor_reader *r)
{
    double value = covey_cbor_get_float(r);
    if (r->err == COVEY_OK && !isfinite(value)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    return value;
}

static uint32_t get_u32(struct covey_cbor_reader *r)
{
    return (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
}

static void get_report(struct covey_cbor_reader *r, struct covey_rounds_report *out)
{
    uint64_t *const counts[] = {&out->rounds,    &out->tasks,    &out->answers, &out->late,
                                &out->reissued,  &out->refused,  &out->rough,   &out->encode_ns,
                                &out->decode_ns, &out->check_ns, &out->wall_ns};
    enter(r, REPORT_FIELDS);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        *counts[i] = covey_cbor_get_uint(r, UINT64_MAX);
    }
    out->workers = get_u32(r);
    out->lost = get_u32(r);
    struct covey_bytes liars = covey_cbor_get_bytes(r, sizeof(out->liar));
    if (r->err == COVEY_OK && liars.len % sizeof(out->liar[0]) != 0) {
        r->err = COVEY_ERR_MALFORMED;
    }
    if (r->err == COVEY_OK && liars.len > 0) {
        memcpy(out->liar, liars.ptr, liars.len);
        out->liars = (uint8_t)(liars.len / sizeof(out->liar[0]));
    }
    covey_cbor_leave(r);
}

/* Text that people read; it may be empty. */
static void get_line(struct covey_cbor_reader *r, char *out, size_t cap)
{
    struct covey_bytes text = covey_cbor_get_text(r, cap - 1);
    if (r->err == COVEY_OK && !covey_text_is_plain(text)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    if (r->err == COVEY_OK && text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
}

covey_err covey__training_progress_decode(struct covey_bytes in,
                                          struct covey_training_progress *out)
{
    struct covey_training_progress p = {.why = ""};
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    enter(&r, FIELDS);
    p.state = (enum covey_training_state)covey_cbor_get_uint(&r, COVEY_TRAINING_STOPPED);
    p.epoch = get_u32(&r);
    p.step = get_u32(&r);
    p.epochs = get_u32(&r);
    p.steps = get_u32(&r);
    p.total_steps = covey_cbor_get_uint(&r, UINT64_MAX);
    p.loss = get_real(&r);
    p.accuracy = get_real(&r);
    p.test_accuracy = get_real(&r);
    p.steps_s = get_real(&r);
    p.checkpoint_step = covey_cbor_get_uint(&r, UINT64_MAX);
    p.custodians = (uint8_t)covey_cbor_get_uint(&r, COVEY_CUSTODIANS_MAX);
    p.custodians_wanted = (uint8_t)covey_cbor_get_uint(&r, COVEY_CUSTODIANS_MAX);
    get_report(&r, &p.rounds);
    get_line(&r, p.why, sizeof(p.why));
    covey_cbor_leave(&r);
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        *out = p;
    }
    return err;
}
