/* SPDX-License-Identifier: MIT */
#include "fake_model.h"

static const uint16_t layer_units[FAKE_LAYERS] = {12, 9, 16, 5};

unsigned fake_model_units(unsigned layer)
{
    return layer_units[layer];
}

unsigned fake_model_inputs(unsigned layer)
{
    return layer == 0 ? 8 : layer_units[layer - 1] * (unsigned)FAKE_ROWS;
}

static uint32_t mix(uint32_t v)
{
    v = (v ^ (v >> 16)) * 0x7feb352dU;
    v = (v ^ (v >> 15)) * 0x846ca68bU;
    return v ^ (v >> 16);
}

void fake_model_unit(unsigned layer, unsigned unit, uint32_t *out)
{
    unsigned count = FAKE_ROWS * fake_model_inputs(layer);
    for (unsigned i = 0; i < count; i++) {
        out[i] = mix((layer << 24) + (unit << 12) + i + 1);
    }
}

void fake_model_slot(const struct covey_plan *plan, unsigned layer, unsigned slot, uint32_t *out)
{
    const struct covey_plan_layer *l = &plan->layer[layer];
    unsigned count = FAKE_ROWS * fake_model_inputs(layer);
    for (unsigned g = 0; g < l->groups; g++) {
        unsigned first_unit, first_slot;
        unsigned units = covey_plan_group(l, plan->parity, g, &first_unit, &first_slot);
        if (slot < first_slot || slot >= first_slot + units + plan->parity) {
            continue;
        }
        if (slot < first_slot + units) {
            fake_model_unit(layer, first_unit + slot - first_slot, out);
            return;
        }
        memset(out, 0, count * sizeof(*out));
        for (unsigned u = 0; u < units; u++) {
            uint32_t unit[FAKE_WEIGHTS_MAX];
            fake_model_unit(layer, first_unit + u, unit);
            for (unsigned i = 0; i < count; i++) {
                out[i] += unit[i];
            }
        }
    }
}

void fake_model_product(unsigned layer, const uint32_t *weights, const uint32_t *input,
                        uint32_t *out)
{
    unsigned inputs = fake_model_inputs(layer);
    for (unsigned row = 0; row < FAKE_ROWS; row++) {
        out[row] = 0;
        for (unsigned k = 0; k < inputs; k++) {
            out[row] += weights[row * inputs + k] * input[k];
        }
    }
}

void fake_model_activate(unsigned layer, const uint32_t *answers, uint32_t *out)
{
    for (unsigned i = 0; i < layer_units[layer] * (unsigned)FAKE_ROWS; i++) {
        out[i] = mix(answers[i]);
    }
}

void fake_model_expect(const uint32_t *input, unsigned layers, uint32_t *out)
{
    uint32_t values[FAKE_INPUT_MAX], answers[FAKE_INPUT_MAX];
    memcpy(values, input, fake_model_inputs(0) * sizeof(*input));
    for (unsigned layer = 0; layer < layers; layer++) {
        for (unsigned u = 0; u < layer_units[layer]; u++) {
            uint32_t unit[FAKE_WEIGHTS_MAX];
            fake_model_unit(layer, u, unit);
            fake_model_product(layer, unit, values, answers + (size_t)u * FAKE_ROWS);
        }
        fake_model_activate(layer, answers, values);
    }
    memcpy(out, values, layer_units[layers - 1] * FAKE_ROWS * sizeof(*out));
}

void fake_model_digest(const uint32_t *weights, size_t count, struct covey_digest *out)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ weights[i]) * UINT64_C(1099511628211);
    }
    for (unsigned i = 0; i < 4; i++) {
        covey_store64(out->bytes + i * (size_t)8, hash + i);
    }
}
