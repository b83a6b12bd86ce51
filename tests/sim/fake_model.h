/* SPDX-License-Identifier: MIT
 *
 * fake_model.h - the mathematics of fake_session.h.
 */
#ifndef COVEY_SIM_FAKE_MODEL_H
#define COVEY_SIM_FAKE_MODEL_H

#include "covey/plan.h"
#include "fake_session.h"

enum {
    FAKE_ROWS = 2, /* numbers in a unit's answer */
    FAKE_UNITS_MAX = 16,
    FAKE_INPUT_MAX = FAKE_UNITS_MAX * FAKE_ROWS,
    FAKE_WEIGHTS_MAX = FAKE_INPUT_MAX * FAKE_ROWS,
};

unsigned fake_model_units(unsigned layer);
unsigned fake_model_inputs(unsigned layer);
/* FAKE_ROWS x inputs numbers. */
void fake_model_unit(unsigned layer, unsigned unit, uint32_t *out);
void fake_model_slot(const struct covey_plan *plan, unsigned layer, unsigned slot, uint32_t *out);
void fake_model_product(unsigned layer, const uint32_t *weights, const uint32_t *input,
                        uint32_t *out);
/* The layer's answers turned into the next layer's input. */
void fake_model_activate(unsigned layer, const uint32_t *answers, uint32_t *out);
/* Everything at once, as a single device would. */
void fake_model_expect(const uint32_t *input, unsigned layers, uint32_t *out);
void fake_model_digest(const uint32_t *weights, size_t count, struct covey_digest *out);

#endif /* COVEY_SIM_FAKE_MODEL_H */
