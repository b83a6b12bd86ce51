/* SPDX-License-Identifier: MIT */
#include "lab_stream.h"

#include <math.h>
#include <poll.h>
#include <time.h>

bool covey__lab_kill_in_flight(struct covey__target *target, const struct covey__lab_node *victim,
                               double after_ms)
{
    struct pollfd fd = {.fd = target->control.fd, .events = POLLIN};
    double seconds = floor(after_ms / 1000);
    struct timespec wait = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((after_ms - seconds * 1000) * 1e6)};
    return ppoll(&fd, 1, &wait, NULL) == 0 && covey__lab_signal(victim, SIGKILL);
}

double covey__lab_difference(const float *output, const float *reference, size_t count)
{
    double worst = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)output[i] - (double)reference[i]);
        worst = isnan(d) || d > worst ? d : worst;
        scale = fmax(scale, fabs((double)reference[i]));
    }
    return scale > 0 ? worst / scale : worst;
}

bool covey__lab_stream_broken(covey_err err)
{
    return err == COVEY_ERR_CLOSED || err == COVEY_ERR_IO || err == COVEY_ERR_NOMEM;
}
