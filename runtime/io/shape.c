/* SPDX-License-Identifier: MIT */
#include "shape.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "covey/crypto.h"

#define NS_PER_S UINT64_C(1000000000)
#define ALL_DATAGRAMS 4294967296.0

static void arm(const struct covey__shape *s)
{
    struct itimerspec t = {.it_value.tv_sec = 0};
    if (s->first != NULL) {
        t.it_value.tv_sec = (time_t)(s->first->at_ns / NS_PER_S);
        t.it_value.tv_nsec = (long)(s->first->at_ns % NS_PER_S);
    }
    int rc = timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &t, NULL);
    COVEY_ASSERT(rc == 0);
}

static struct covey__waiting *take_first(struct covey__shape *s)
{
    struct covey__waiting *w = s->first;
    s->first = w->next;
    if (s->first == NULL) {
        s->last = NULL;
    }
    return w;
}

static void on_due(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct covey__shape *s = poll->data;
    uint64_t expirations;
    ssize_t ignored = read(s->timer, &expirations, sizeof(expirations));
    (void)ignored; /* it is looked at what is due */
    while (s->first != NULL && s->first->at_ns <= uv_hrtime()) {
        struct covey__waiting *w = take_first(s);
        w->leave(w, false);
    }
    arm(s);
}

covey_err covey__shape_open(struct covey__shape *s, uv_loop_t *uv, uint32_t delay_ms,
                            double loss_percent)
{
    COVEY_ASSERT(loss_percent >= 0 && loss_percent <= 100);
    s->loss = (uint64_t)(loss_percent / 100 * ALL_DATAGRAMS);
    if (delay_ms == 0) {
        return COVEY_OK;
    }
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->timer < 0) {
        return COVEY_ERR_IO;
    }
    if (uv_poll_init(uv, &s->poll, s->timer) != 0) {
        close(s->timer);
        return COVEY_ERR_IO;
    }
    s->poll.data = s;
    s->delay_ns = (uint64_t)delay_ms * 1000000;
    int rc = uv_poll_start(&s->poll, UV_READABLE, on_due);
    COVEY_ASSERT(rc == 0);
    uv_unref((uv_handle_t *)&s->poll);
    return COVEY_OK;
}

static void on_closed(uv_handle_t *handle)
{
    const struct covey__shape *s = handle->data;
    close(s->timer);
}

void covey__shape_close(struct covey__shape *s)
{
    if (s->delay_ns == 0) {
        return;
    }
    s->delay_ns = 0;
    while (s->first != NULL) {
        struct covey__waiting *w = take_first(s);
        w->leave(w, true);
    }
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

void covey__shape_wait(struct covey__shape *s, struct covey__waiting *w)
{
    w->at_ns = uv_hrtime() + s->delay_ns;
    w->next = NULL;
    if (s->last != NULL) {
        s->last->next = w;
        s->last = w;
        return;
    }
    s->first = s->last = w;
    arm(s);
}

void covey__shape_forget(struct covey__shape *s, const void *owner)
{
    struct covey__waiting *w = s->first;
    s->first = s->last = NULL;
    while (w != NULL) {
        struct covey__waiting *next = w->next;
        w->next = NULL;
        if (w->owner == owner) {
            w->leave(w, true);
        } else if (s->last != NULL) {
            s->last->next = w;
            s->last = w;
        } else {
            s->first = s->last = w;
        }
        w = next;
    }
}

bool covey__shape_loses(const struct covey__shape *s)
{
    uint32_t dice = 0;
    if (s->loss == 0) {
        return false;
    }
    covey_random(&dice, sizeof(dice));
    return dice < s->loss;
}
