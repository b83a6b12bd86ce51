/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "channel_receive.h"
#include "covey/crypto.h"

enum { OP = 5, RAW = 4 };

/* A member's end of a channel: it seals what it likes. */
struct world {
    struct covey_sealer sealer;
    struct covey__receiver receiver;
    uint8_t wire[COVEY_RECORD_MAX + COVEY_RECORD_OVERHEAD];
};

static void look(struct covey__receiver *r)
{
    struct covey__in_message *m;
    size_t open = 0, held = 0;
    for (size_t i = 0; i < COVEY__FRAME_STREAMS_MAX; i++) {
        const struct covey__in_stream *s = &r->streams[i];
        COVEY_ASSERT(!s->open || s->message->body->len < s->body_len);
        open += s->open ? s->body_len : 0;
        held += s->open ? s->message->body->len : 0;
    }
    COVEY_ASSERT(open == r->open_bytes && open <= COVEY__FRAME_OPEN_MAX);
    COVEY_ASSERT(held == r->held_bytes);
    while ((m = covey__receiver_take(r)) != NULL) {
        COVEY_ASSERT(m->control_len <= COVEY_CONTROL_MAX);
        COVEY_ASSERT(m->body == NULL || m->body->len <= COVEY_BODY_MAX);
        covey__in_message_free(m);
    }
}

/* A record of this kind; RAW: bytes as they are. Its length on the wire. */
static size_t write_record(struct world *w, unsigned kind, uint16_t stream,
                           struct covey_bytes plain)
{
    struct covey_buf room = {w->wire, sizeof(w->wire)};
    size_t len = 0;
    covey_err err = COVEY_OK;
    if (kind == RAW) {
        memcpy(w->wire, plain.ptr, plain.len);
        return plain.len;
    }
    if (kind == COVEY_RECORD_SHARED) {
        err = covey_record_wrap(&w->sealer, stream, plain, room, &len);
    } else {
        err = covey_record_seal(&w->sealer, kind, stream, plain, room, &len);
    }
    COVEY_ASSERT(err == COVEY_OK);
    return len;
}

/* Records one after the other: kind, stream, length, plaintext. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.receiver = {.first = NULL}};
    covey_err err = covey_crypto_init();
    COVEY_ASSERT(err == COVEY_OK);
    while (err == COVEY_OK && size >= OP) {
        size_t len = covey_load16(data + 3), used = 0;
        len = len > size - OP ? size - OP : len;
        len = len > COVEY_RECORD_MAX ? COVEY_RECORD_MAX : len;
        size_t on_wire = write_record(&w, data[0] % RAW + 1, covey_load16(data + 1),
                                      covey_bytes_of(data + OP, len));
        err = covey__receiver_feed(&w.receiver, covey_bytes_of(w.wire, on_wire), &used);
        COVEY_ASSERT(err != COVEY_OK || used <= on_wire);
        look(&w.receiver);
        data += OP + len;
        size -= OP + len;
    }
    covey__receiver_done(&w.receiver);
    return 0;
}
