/* SPDX-License-Identifier: MIT */
#include "rate.h"

#include "covey/loop.h"
#include "covey/measure.h"
#include "covey/pace.h"

uint32_t covey__rate_round(uint64_t value)
{
    /* 2^(i/4), and the bounds between them 2^((2i+1)/8), in thousandths. */
    static const uint16_t step[5] = {1000, 1189, 1414, 1682, 2000};
    static const uint16_t bound[4] = {1091, 1297, 1542, 1834};
    uint64_t power = 1;
    unsigned i = 0;
    value = value < UINT32_MAX / 2 ? value : UINT32_MAX / 2;
    while (power * 2 <= value) {
        power *= 2;
    }
    while (i < 4 && value * 1000 >= power * bound[i]) {
        i++;
    }
    return (uint32_t)((power * step[i] + 500) / 1000);
}

void covey__measure_rates(struct covey_rates *out)
{
    struct covey_rates measured = {.mflops = 1, .stream_mbytes = 1};
    uint64_t percent = covey_pace_percent();
    if (covey_measure_rates(covey_thread_cpu_ns, &measured) != COVEY_OK) {
        percent = 100;
    }
    out->mflops = covey__rate_round(measured.mflops * percent / 100);
    out->stream_mbytes = covey__rate_round(measured.stream_mbytes * percent / 100);
}
