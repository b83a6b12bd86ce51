/* SPDX-License-Identifier: MIT
 *
 * training_forecast.h - what a step of a training session would take in each way, by what devices
 * measured of themselves.
 */
#ifndef COVEY_SESSION_TRAINING_FORECAST_H
#define COVEY_SESSION_TRAINING_FORECAST_H

#include "rounds_private.h"
#include "training_state.h"

struct covey__training_forecast {
    bool data;                            /* gradients of parts; else products, those that gain */
    uint32_t parts;                       /* data: each batch is cut into so many */
    double here_ms, products_ms, data_ms; /* of the products of a step; 0: it cannot be */
    uint32_t spread, products;            /* products that gain, of all */
    bool tries;                           /* steps are the same in any way, but for rounding */
    char why[200];                        /* one line, for people */
};

/* On the loop, once the session is opened. */
void covey__training_forecast(const struct covey_training *t, const struct covey__round_team *team,
                              struct covey__training_forecast *out);

/* The parts, each a whole number of samples, with which a step is predicted to take the shortest
 * time, and that; 0: spare answers leave none. */
uint32_t covey__training_parts(const struct covey_training *t, const struct covey__round_team *team,
                               double *out_us);

#endif /* COVEY_SESSION_TRAINING_FORECAST_H */
