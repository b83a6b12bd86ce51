/* SPDX-License-Identifier: MIT
 *
 * channel_peer.c - which of a peer's streams carries what, and what is told of it.
 *
 * Of two mutual dials the one dialled by the greater id is preferred. Once it has carried a record
 * after both were up (a PING makes sure of one), each side moves over: it drains what it had put on
 * the other stream, shuts its half, and holds back what the peer sends on the preferred one until
 * the peer's half of the other has ended. So nothing is lost and nothing overtakes.
 */
#include <stdlib.h>

#include "channels_internal.h"

struct covey__peer *covey__peer_find(struct covey_channels *c, const struct covey_node_id *id)
{
    for (struct covey__peer *p = c->peers; p != NULL; p = p->next) {
        if (covey_node_id_equal(&p->id, id)) {
            return p;
        }
    }
    return NULL;
}

static struct covey__peer *peer_get(struct covey_channels *c, const struct covey_node_id *id)
{
    struct covey__peer *p = covey__peer_find(c, id);
    if (p != NULL) {
        return p;
    }
    p = calloc(1, sizeof(*p));
    if (p != NULL) {
        p->id = *id;
        p->next = c->peers;
        c->peers = p;
    }
    return p;
}

static void peer_remove(struct covey_channels *c, struct covey__peer *gone)
{
    for (struct covey__peer **at = &c->peers; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            free(gone);
            return;
        }
    }
}

/* The peer's other open stream, dialled from the other side. */
static struct covey__stream *other_open(const struct covey__stream *s)
{
    for (struct covey__stream *t = s->owner->streams; t != NULL; t = t->next) {
        if (t != s && t->peer == s->peer && t->state == COVEY__STREAM_OPEN) {
            return t;
        }
    }
    return NULL;
}

/* Whether the greater id dialled this stream. */
static bool preferred(const struct covey__stream *s)
{
    const struct covey_node_id *self = &s->owner->config.identity->cert.node;
    return s->dialled == (covey_node_id_compare(self, &s->cert.node) > 0);
}

covey_err covey__peer_admit(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    if (c->config.admit != NULL && !c->config.admit(c->config.user, &s->cert)) {
        return COVEY_ERR_DENIED;
    }
    if (!s->dialled) {
        return COVEY_OK;
    }
    /* At most one dialled stream to a peer sends message 3, so that the acceptor may take a second
     * one from us as a sign that we have lost the first. */
    for (const struct covey__stream *t = c->streams; t != NULL; t = t->next) {
        if (t != s && t->dialled &&
            (t->state == COVEY__STREAM_UNCONFIRMED || t->state == COVEY__STREAM_OPEN) &&
            covey_node_id_equal(&t->cert.node, &s->cert.node)) {
            return COVEY_ERR_EXISTS;
        }
    }
    return COVEY_OK;
}

static void tell_down(struct covey_channels *c, struct covey__peer *p, covey_err why)
{
    if (p->up && !c->closing) {
        p->up = false;
        c->config.on_down(c->config.user, &p->id, why);
    }
}

static void tell_up(struct covey_channels *c, struct covey__peer *p, struct covey__stream *s)
{
    p->primary = s;
    if (!p->up && !c->closing) {
        p->up = true;
        c->config.on_up(c->config.user, &s->cert, covey_bytes_of(s->cert_wire, s->cert_len),
                        &s->remote);
    }
}

static void settle(struct covey__stream *kept, struct covey__stream *left)
{
    kept->peer->primary = kept;
    covey__stream_finish(left);
}

/* What the peer's earlier streams in the same direction were is over: it has lost them. */
static covey_err close_replaced(struct covey__stream *s)
{
    covey_err lost = COVEY_OK;
    for (struct covey__stream *t = s->owner->streams; t != NULL; t = t->next) {
        if (t == s || t->peer != s->peer) {
            continue;
        }
        if (t->state == COVEY__STREAM_OPEN && t->dialled == s->dialled) {
            covey__stream_close(t, COVEY_ERR_CLOSED);
        }
        if (t->state == COVEY__STREAM_CLOSING && !t->reported && t->why != COVEY_OK) {
            t->reported = true;
            lost = t->why;
        }
    }
    return lost;
}

void covey__peer_established(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    struct covey__peer *p = peer_get(c, &s->cert.node);
    if (p == NULL) {
        covey__stream_close(s, COVEY_ERR_NOMEM);
        return;
    }
    s->peer = p;
    p->streams++;
    covey_err lost = close_replaced(s);
    struct covey__stream *other = other_open(s);
    if (lost != COVEY_OK || other == NULL) {
        tell_down(c, p, lost == COVEY_OK ? COVEY_ERR_CLOSED : lost);
        /* The callback may have closed it. */
        if (s->state == COVEY__STREAM_OPEN) {
            tell_up(c, p, other != NULL && other->state == COVEY__STREAM_OPEN ? other : s);
        }
    }
    other = other_open(s);
    if (other == NULL || s->state != COVEY__STREAM_OPEN) {
        return;
    }
    struct covey__stream *kept = preferred(s) ? s : other;
    struct covey__stream *left = kept == s ? other : s;
    kept->hold = !left->eof;
    covey__stream_mark(kept, COVEY__FRAME_PING);
    if (kept == s && s->dialled && s->state == COVEY__STREAM_OPEN &&
        left->state == COVEY__STREAM_OPEN) {
        settle(kept, left); /* the acceptor's first record has just come over it */
    }
}

void covey__peer_record(struct covey__stream *s)
{
    bool alone = s->peer == NULL || s->peer->streams < 2; /* as it nearly always is */
    struct covey__stream *other = alone ? NULL : other_open(s);
    if (other != NULL && preferred(s) && !preferred(other) && !other->finishing) {
        settle(s, other);
    }
}

void covey__peer_eof(struct covey__stream *s)
{
    struct covey__stream *other = s->peer == NULL ? NULL : other_open(s);
    const struct covey__receiver *r = &s->receiver;
    bool whole = s->in_len == 0 && r->open_bytes == 0 && r->partial == NULL;
    if (other == NULL || preferred(s) || !whole) {
        covey__stream_close(s, COVEY_ERR_CLOSED);
        return;
    }
    s->eof = true;
    settle(other, s);
    covey__stream_release(other);
}

void covey__peer_closed(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    struct covey__peer *p = s->peer;
    if (p == NULL) {
        if (s->dialled && !s->silent && !c->closing) {
            c->config.on_dial_failed(c->config.user, &s->remote, s->why);
        }
        return;
    }
    struct covey__stream *other = other_open(s);
    if (other == NULL) {
        bool last = true;
        for (const struct covey__stream *t = c->streams; t != NULL; t = t->next) {
            last = last && (t == s || t->peer != p);
        }
        p->primary = p->primary == s ? NULL : p->primary;
        s->peer = NULL;
        p->streams--;
        if (last) {
            covey_err why = s->why == COVEY_OK ? COVEY_ERR_CLOSED : s->why;
            tell_down(c, p, why);
            peer_remove(c, p);
        }
        return;
    }
    s->peer = NULL;
    p->streams--;
    if (s->why != COVEY_OK && !s->reported) {
        tell_down(c, p, s->why);
        if (other->state == COVEY__STREAM_OPEN) {
            tell_up(c, p, other);
        }
    }
    if (p->primary == s) {
        p->primary = other;
    }
    if (other->state == COVEY__STREAM_OPEN) {
        covey__stream_release(other);
    }
}
