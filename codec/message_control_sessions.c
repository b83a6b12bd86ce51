/* SPDX-License-Identifier: MIT
 *
 * message_control_sessions.c - sessions and detached work: what `covey sessions` lists.
 */
#include "message_control_private.h"

enum { SESSION_FIELDS = 11, CUSTODY_FIELDS = 8 };

static void put_custody(struct covey_cbor_writer *w, const struct covey_control_custody *c)
{
    covey_cbor_put_array(w, CUSTODY_FIELDS);
    covey_cbor_put_uint(w, c->kept);
    covey_cbor_put_bytes(w, covey_bytes_of(c->id.bytes, sizeof(c->id.bytes)));
    covey_cbor_put_uint(w, c->epoch);
    covey_cbor_put_text(w, c->owner);
    covey_cbor_put_uint(w, c->checkpoint);
    covey_cbor_put_uint(w, c->keepers);
    covey_cbor_put_uint(w, c->held);
    covey_cbor_put_bool(w, c->recoverable);
}

static void put_session(struct covey_cbor_writer *w, const struct covey_control_session *s)
{
    COVEY_ASSERT(s->output_rank <= COVEY_RANK_MAX);
    covey_cbor_put_array(w, SESSION_FIELDS);
    covey_cbor_put_text(w, s->name);
    covey_cbor_put_text(w, s->model);
    covey_cbor_put_bool(w, s->detached);
    covey_cbor_put_bool(w, s->training);
    covey_cbor_put_bool(w, s->running);
    covey_cbor_put_uint(w, s->total);
    covey_cbor_put_uint(w, s->answered);
    covey_cbor_put_uint(w, s->lost);
    covey_cbor_put_uint(w, s->median_us);
    covey_cbor_put_array(w, s->output_rank);
    for (unsigned i = 0; i < s->output_rank; i++) {
        covey_cbor_put_uint(w, s->output[i]);
    }
    put_custody(w, &s->custody);
}

void covey__control_put_sessions(struct covey_cbor_writer *w,
                                 const struct covey_control_sessions *sessions)
{
    COVEY_ASSERT(sessions->count <= COVEY_CONTROL_SESSIONS_MAX);
    covey_cbor_put_array(w, sessions->count);
    for (size_t i = 0; i < sessions->count; i++) {
        put_session(w, &sessions->session[i]);
    }
}

static uint32_t get_u32(struct covey_cbor_reader *r)
{
    return (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
}

static void get_custody(struct covey_cbor_reader *r, struct covey_control_custody *out)
{
    covey__control_enter(r, CUSTODY_FIELDS);
    out->kept = (uint8_t)covey_cbor_get_uint(r, COVEY_CONTROL_KEPT_OVER);
    covey_cbor_get_fixed(r, out->id.bytes, sizeof(out->id.bytes));
    out->epoch = get_u32(r);
    covey__control_get_line(r, out->owner, sizeof(out->owner));
    out->checkpoint = covey_cbor_get_uint(r, UINT64_MAX);
    out->keepers = (uint8_t)covey_cbor_get_uint(r, COVEY_CUSTODIANS_MAX);
    out->held = (uint8_t)covey_cbor_get_uint(r, COVEY_CUSTODIANS_MAX);
    out->recoverable = covey_cbor_get_bool(r);
    covey_cbor_leave(r);
}

static void get_session(struct covey_cbor_reader *r, struct covey_control_session *out)
{
    covey__control_enter(r, SESSION_FIELDS);
    covey__control_get_line(r, out->name, sizeof(out->name));
    covey__control_get_line(r, out->model, sizeof(out->model));
    out->detached = covey_cbor_get_bool(r);
    out->training = covey_cbor_get_bool(r);
    out->running = covey_cbor_get_bool(r);
    out->total = get_u32(r);
    out->answered = get_u32(r);
    out->lost = get_u32(r);
    out->median_us = get_u32(r);
    size_t rank = covey_cbor_enter_array(r, COVEY_RANK_MAX);
    for (size_t i = 0; i < rank && r->err == COVEY_OK; i++) {
        out->output[i] = get_u32(r);
    }
    out->output_rank = r->err == COVEY_OK ? (uint8_t)rank : 0;
    covey_cbor_leave(r);
    get_custody(r, &out->custody);
    covey_cbor_leave(r);
}

void covey__control_get_sessions(struct covey_cbor_reader *r, struct covey_control_sessions *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY_CONTROL_SESSIONS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        get_session(r, &out->session[i]);
    }
    out->count = r->err == COVEY_OK ? (uint16_t)count : 0;
    covey_cbor_leave(r);
}
