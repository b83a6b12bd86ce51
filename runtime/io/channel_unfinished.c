/* SPDX-License-Identifier: MIT
 *
 * channel_unfinished.c - what bodies that are not whole yet hold, for how long, and whose channel
 * ends for it. A slow link holds little and is served in turn; who lets bodies lie holds much, and
 * waits longest.
 */
#include "channels_internal.h"

static void end(struct covey__stream *s, struct covey_seldom *line, const char *what, covey_err err)
{
    if (covey_seldom_due(line, covey_loop_now_ms(s->owner->loop))) {
        covey__channels_log(s->owner, s, what, err);
    }
    covey__stream_close(s, COVEY_ERR_CLOSED);
}

void covey__unfinished_forget(struct covey__stream *s)
{
    s->owner->unfinished -= s->unfinished;
    s->unfinished = 0;
}

/* Of a stream whose records a worker opens now, something goes on. */
static uint64_t waits_since_ms(const struct covey__stream *s, uint64_t now_ms)
{
    return s->opening ? now_ms : covey__receiver_waits_since_ms(&s->receiver, now_ms);
}

/* Of those with more than an equal share the one that has waited longest, or else holds most. */
static struct covey__stream *whose_turn(const struct covey_channels *c)
{
    uint64_t now_ms = covey_loop_now_ms(c->loop), since_ms = 0;
    struct covey__stream *found = NULL;
    size_t holding = 0;
    for (const struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        holding += s->unfinished > 0;
    }
    for (struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        uint64_t since = waits_since_ms(s, now_ms);
        if (s->unfinished > c->config.unfinished_bytes / holding &&
            (found == NULL || since < since_ms ||
             (since == since_ms && s->unfinished > found->unfinished))) {
            found = s;
            since_ms = since;
        }
    }
    return found;
}

void covey__unfinished_count(struct covey__stream *s)
{
    struct covey_channels *c = s->owner;
    if (s->state == COVEY__STREAM_CLOSING) {
        return;
    }
    if (s->receiver.left_out &&
        covey_seldom_due(&c->long_line, covey_loop_now_ms(s->owner->loop))) {
        covey__channels_log(c, s, "message without its body, which is too long for this node",
                            COVEY_ERR_LIMIT);
    }
    s->receiver.left_out = false;
    covey__unfinished_forget(s);
    s->unfinished = s->receiver.held_bytes + s->held_bytes;
    c->unfinished += s->unfinished;
    if (c->config.unfinished_bytes != 0 && c->unfinished > c->config.unfinished_bytes) {
        end(whose_turn(c), &c->share_line, "channel ended, its unfinished messages hold too much",
            COVEY_ERR_LIMIT);
    }
}

void covey__unfinished_look(struct covey_channels *c, uint64_t now_ms)
{
    for (struct covey__stream *s = c->streams; s != NULL; s = s->next) {
        if (s->state == COVEY__STREAM_OPEN && now_ms - waits_since_ms(s, now_ms) > COVEY__WAIT_MS) {
            end(s, &c->wait_line, "channel ended, an unfinished message stood still",
                COVEY_ERR_TIMEOUT);
        }
    }
}
