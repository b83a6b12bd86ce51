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

static uint32_t paced(uint32_t rate)
{
    return covey__rate_round((uint64_t)rate * covey_pace_percent() / 100);
}

void covey__measure_rates(struct covey_rates *out)
{
    struct covey_rates measured = {0};
    if (covey_measure_rates(covey_thread_cpu_ns, &measured) != COVEY_OK) {
        measured.mflops = measured.stream_mbytes = 0;
    }
    out->mflops = paced(measured.mflops);
    out->stream_mbytes = paced(measured.stream_mbytes);
}

void covey__measure_product(struct covey_rates *out)
{
    struct covey_rates measured = {0};
    covey_err err = covey_measure_product(covey_thread_cpu_ns, &measured);
    out->mflops = err == COVEY_OK ? paced(measured.mflops) : 1;
}
