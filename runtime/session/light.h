/* SPDX-License-Identifier: MIT
 *
 * light.h - what takes less than handing it to another thread and back, 15 to 25 us of processor
 * time, and is done on the loop's thread therefore (docs/decisions/0017).
 */
#ifndef COVEY_SESSION_LIGHT_H
#define COVEY_SESSION_LIGHT_H

#include "version.h"

/* So many slots of the layer as one product. */
bool covey__light_product(const struct covey_layer *l, size_t slots);
bool covey__light_slots(const struct covey_version *v, size_t layer,
                        const uint64_t slots[static COVEY_LAYER_SLOTS_MAX / 64]);
/* Sets light and light_start, once the version's stages are known. */
void covey__light_stages(struct covey_version *v);

#endif /* COVEY_SESSION_LIGHT_H */
