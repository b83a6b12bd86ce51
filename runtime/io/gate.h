/* SPDX-License-Identifier: MIT
 *
 * gate.h - a bucket of tokens per source address, in a table of fixed size.
 *
 * A flood from many addresses recycles the fullest buckets, never grows the table.
 */
#ifndef COVEY_GATE_H
#define COVEY_GATE_H

#include "covey/ids.h"

enum { COVEY__GATE_SOURCES = 256 };

struct covey__gate {
    uint32_t per_s, burst;
    struct {
        uint8_t ip[16];
        uint64_t milli; /* thousandths of a token */
        uint64_t at_ms;
        bool used;
    } sources[COVEY__GATE_SOURCES];
};

void covey__gate_init(struct covey__gate *g, uint32_t per_s, uint32_t burst);
/* Takes a token of the address (of its /64 for IPv6); false when there is none. */
bool covey__gate_pass(struct covey__gate *g, const struct covey_addr *from, uint64_t now_ms);
/* Gives one back: the source proved honest. */
void covey__gate_refund(struct covey__gate *g, const struct covey_addr *from, uint64_t now_ms);

#endif /* COVEY_GATE_H */
