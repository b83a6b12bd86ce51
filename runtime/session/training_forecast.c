/* SPDX-License-Identifier: MIT */
#include "training_forecast.h"

#include <math.h>
#include <stdio.h>

#include "gradient_work.h"
#include "rounds_product.h"

/* What devices that have not measured themselves yet are taken for. */
enum { LINK_MBYTES = 85, MESSAGE_US = 300, STREAM_MBYTES = 1000 };
/* Devices that are waited for where none is there. */
enum { COMING = 4 };
/* Over all values, to sum up, update and send them again. */
enum { STEP_PASSES = 8 };
#define CLOSE 0.85
/* A way must promise this much before it is taken: forecasts err. */
#define GAIN 0.9

static double or_else(uint32_t rate, double other)
{
    return rate > 0 ? (double)rate : other;
}

/* Of the devices those that are to be counted on: as many of the slowest as may fail are not. */
static uint32_t steady_workers(const struct covey__round_team *team, uint32_t spare,
                               struct covey_rates out[static COVEY_WORKERS_MAX])
{
    uint32_t count = 0;
    for (uint32_t w = 0; w < team->count; w++) {
        uint32_t at = count++;
        for (; at > 0 && out[at - 1].mflops < team->worker[w].rates.mflops; at--) {
            out[at] = out[at - 1];
        }
        out[at] = team->worker[w].rates;
    }
    return count > spare ? count - spare : count < 1 ? 0 : 1;
}

/* Parameters go out to all; then each device pulls its next task when it has computed one, and its
 * answer leaves meanwhile, which takes its processor's time and the owner's. Until the answers that
 * are needed are there and the owner has made a step of them. Microseconds; bytes divided by MB/s
 * are microseconds. */
static double data_us(const struct covey_training *t, const struct covey__round_team *team,
                      uint32_t parts)
{
    const uint32_t spare = covey__gradient_spare(&t->job.strategy), needed = parts - spare;
    struct covey_rates rates[COVEY_WORKERS_MAX];
    double next[COVEY_WORKERS_MAX], each[COVEY_WORKERS_MAX], last = 0;
    uint32_t part = covey__gradient_part(t->job.train.batch, parts), count = 0;
    double share = (double)(spare + 1) * part / t->job.train.batch;
    double values = 4.0 * (double)t->values_floats;
    double samples = 4.0 * (spare + 1) * part * (double)covey_samples_values(&t->data);
    if (team->count == 0) { /* those that will come are taken for as many */
        return fabs((double)parts - COMING);
    }
    double link = or_else(team->own.link_mbytes, LINK_MBYTES);
    double stream = or_else(team->own.stream_mbytes, STREAM_MBYTES),
           out = team->count * values / link;
    count = steady_workers(team, spare, rates);
    for (uint32_t w = 0; w < count; w++) {
        double moved = (values + samples) / or_else(rates[w].link_mbytes, LINK_MBYTES);
        each[w] = share * t->products_flops / or_else(rates[w].mflops, 1) + moved +
                  2 * or_else(rates[w].message_us, MESSAGE_US);
        next[w] = out + each[w];
    }
    for (uint32_t i = 0; i < needed; i++) {
        uint32_t first = 0;
        for (uint32_t w = 1; w < count; w++) {
            first = next[w] < next[first] ? w : first;
        }
        last = next[first];
        next[first] += each[first];
    }
    double owner = out + needed * ((values + samples) / link + values / stream);
    return (owner > last ? owner : last) + STEP_PASSES * values / stream;
}

/* Fewer than devices leave some idle; more even out what is uneven, but each costs messages and an
 * answer as long as the model. Where the forecasts are close, as many as devices: what links take
 * is measured too coarsely to leave one out for it. */
uint32_t covey__training_parts(const struct covey_training *t, const struct covey__round_team *team,
                               double *out_us)
{
    const uint32_t spare = covey__gradient_spare(&t->job.strategy), batch = t->job.train.batch;
    uint32_t best = 0;
    const uint32_t asked = t->job.mode == COVEY_TRAINING_DATA ? t->job.strategy.blocks : 0;
    *out_us = HUGE_VAL;
    const size_t statistics = t->statistics_floats;
    /* Answers are compared within groups. */
    const uint32_t step = t->job.strategy.check_all ? spare + 1 : 1;
    if (asked > spare && asked <= COVEY_GRADIENT_TASKS_MAX && asked % step == 0 &&
        covey__gradient_parts_fit(batch, asked, statistics)) {
        *out_us = data_us(t, team, asked);
        return asked;
    }
    for (uint32_t p = spare + 1; p <= COVEY_GRADIENT_TASKS_MAX && p <= batch; p += step) {
        bool fits = covey__gradient_parts_fit(batch, p, statistics);
        double us = fits ? data_us(t, team, p) : HUGE_VAL;
        if (us < *out_us) {
            *out_us = us;
            best = p;
        }
    }
    for (uint32_t p = team->count / step * step; best > 0 && p > best; p -= step) {
        double us = p <= batch && covey__gradient_parts_fit(batch, p, statistics)
                        ? data_us(t, team, p)
                        : HUGE_VAL;
        if (us * CLOSE < *out_us) {
            *out_us = us;
            return p;
        }
    }
    return best;
}

static void forecast_products(const struct covey_training *t, const struct covey__round_team *team,
                              struct covey__training_forecast *out)
{
    for (size_t i = 0; i < t->product_count; i++) {
        struct covey__product_forecast f =
            covey__product_forecast(&t->job.strategy, team, &t->products[i]);
        out->here_ms += f.here_us / 1000;
        out->products_ms += f.us / 1000;
        out->spread += f.spread;
    }
    out->products = (uint32_t)t->product_count;
}

static void say_products(const struct covey_training *t, const struct covey__round_team *team,
                         struct covey__training_forecast *out)
{
    const char *code = covey_code_kind_name(t->job.strategy.kind);
    if (team->count == 0) {
        snprintf(out->why, sizeof(out->why),
                 "products (%s): no device can work for it now, so all of it is done here", code);
    } else if (out->spread == 0) {
        snprintf(out->why, sizeof(out->why),
                 "products (%s): with %u device%s none would be faster than here, %.1f ms a step",
                 code, team->count, team->count == 1 ? "" : "s", out->here_ms);
    } else {
        snprintf(
            out->why, sizeof(out->why),
            "products (%s): %u of %u a step go to %u device%s; %.1f ms predicted, %.1f ms here",
            code, out->spread, out->products, team->count, team->count == 1 ? "" : "s",
            out->products_ms, out->here_ms);
    }
}

static void say_data(const struct covey_training *t, const struct covey__round_team *team,
                     struct covey__training_forecast *out)
{
    snprintf(
        out->why, sizeof(out->why),
        "data: %u parts of %u samples for %u device%s, %u to spare; %.1f ms predicted, %.1f ms "
        "here",
        out->parts, covey__gradient_part(t->job.train.batch, out->parts), team->count,
        team->count == 1 ? "" : "s", covey__gradient_spare(&t->job.strategy), out->data_ms,
        out->here_ms);
}

void covey__training_forecast(const struct covey_training *t, const struct covey__round_team *team,
                              struct covey__training_forecast *out)
{
    *out = (struct covey__training_forecast){.data = false};
    bool masked = t->job.strategy.masks > 0; /* what is private stays products */
    double us = 0;
    forecast_products(t, team, out);
    out->parts = covey__training_parts(t, team, &us);
    if (out->parts > 0 && team->count > 0 && !masked) {
        out->data_ms = us / 1000;
    }
    bool asked = t->job.mode == COVEY_TRAINING_DATA && !masked && out->parts > 0;
    bool better = t->job.mode == COVEY_TRAINING_AUTO && out->data_ms > 0 &&
                  out->data_ms < GAIN * out->products_ms && out->data_ms < GAIN * out->here_ms;
    out->data = asked || better;
    out->tries = !covey__product_is_exact(t->job.strategy.kind) && (out->data || out->spread > 0);
    if (out->data) {
        say_data(t, team, out);
    } else {
        say_products(t, team, out);
    }
}
