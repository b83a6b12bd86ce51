/* SPDX-License-Identifier: MIT
 *
 * message_control_sessions.c - sessions and detached work: what `covey sessions` lists.
 */
#include "message_control_private.h"

enum { SESSION_FIELDS = 10 };

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
