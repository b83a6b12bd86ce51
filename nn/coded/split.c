/* SPDX-License-Identifier: MIT */
#include "combine.h"

covey_err covey_split_init(struct covey_split *s, uint32_t units, uint32_t group_units,
                           uint32_t parity)
{
    if (units == 0 || units > COVEY_LAYER_UNITS_MAX || group_units == 0 ||
        group_units > COVEY_GROUP_UNITS_MAX || parity > COVEY_PARITY_MAX) {
        return COVEY_ERR_RANGE;
    }
    uint32_t groups = (units + group_units - 1) / group_units;
    uint32_t slots = units + groups * parity;
    if (slots > COVEY_LAYER_SLOTS_MAX) {
        return COVEY_ERR_LIMIT;
    }
    *s = (struct covey_split){.units = (uint16_t)units,
                              .groups = (uint16_t)groups,
                              .slots = (uint16_t)slots,
                              .group_units = (uint8_t)group_units,
                              .parity = (uint8_t)parity};
    return COVEY_OK;
}

unsigned covey_split_group(const struct covey_split *s, unsigned group, unsigned *out_first_unit,
                           unsigned *out_first_slot)
{
    COVEY_ASSERT(group < s->groups);
    unsigned base = s->units / s->groups, longer = s->units % s->groups;
    unsigned first = group * base + (group < longer ? group : longer);
    *out_first_unit = first;
    *out_first_slot = first + group * s->parity;
    return base + (group < longer);
}

unsigned covey_split_slot(const struct covey_split *s, unsigned slot, unsigned *out_place)
{
    COVEY_ASSERT(slot < s->slots);
    for (unsigned group = s->groups; group-- > 0;) {
        unsigned first_unit, first_slot;
        covey_split_group(s, group, &first_unit, &first_slot);
        if (slot >= first_slot) {
            *out_place = slot - first_slot;
            return group;
        }
    }
    *out_place = 0; /* not reached: the first group starts at slot 0 */
    return 0;
}

covey_err covey_split_encode(unsigned t, unsigned count, const float *const *units, size_t floats,
                             float *parity)
{
    struct covey__combine c = {.terms = count};
    if (count == 0 || count > COVEY_GROUP_UNITS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned j = 0; j < count; j++) {
        c.term[j] = units[j];
        covey_err err = covey_split_coefficient(t, j, &c.factor[j]);
        if (err != COVEY_OK) {
            return err;
        }
    }
    covey__combine(&c, floats, parity);
    return COVEY_OK;
}
