/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* Runs whose result goes straight to the holders of the layer behind it: each of their devices
 * sends its rows to all of them, where otherwise the owner, once it has all, sends all to one after
 * the other. */

static bool takes(const struct covey_plan_request *request, const struct covey_plan_cost *cost,
                  unsigned end)
{
    const struct covey_row_map *map = &request->cell[end - 1].map;
    return !cost->here && cost->back > 0 && end <= cost->cell && end + cost->back > cost->cell &&
           request->cell[cost->cell].map.out_rows == 0 &&
           (uint64_t)map->out_rows * map->out_row_bytes == cost->input_bytes;
}

unsigned covey__fed_layer(const struct covey_plan_request *request, unsigned end)
{
    /* What is made twice is compared before anybody goes on with it. */
    bool may = !request->half && !request->check_all && end > 0 && end < request->cells &&
               request->cell[end - 1].map.out_rows > 0;
    for (unsigned i = 0; may && i < request->layers; i++) {
        if (takes(request, &request->cost[i], end)) {
            return i;
        }
    }
    return request->layers;
}

unsigned covey__count_of(uint32_t mask)
{
    unsigned count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

/* What a message to one of several holders costs its sender: all of the input, or its own rows of
 * it. */
double covey__input_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       uint32_t fed, unsigned holder, const struct covey__pace *sender)
{
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    bool by_all = (fed >> holder & 1) != 0;
    return sender->next_us + (by_all ? in / covey__count_of(fed) : in) * sender->body_us;
}

/* Behind the owner having all rows: it takes as many messages as a holder does, at the same time.
 * What is longer is the sending, and the taking of a slower one. */
double covey__fed_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                     const struct covey__hand *hand, unsigned device)
{
    const struct covey__pace *pace = &team->pace[device], *owner = &team->asker;
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    unsigned makers = covey__count_of(hand->fed);
    double taken = covey__messages_us(pace, makers) + in * pace->body_us;
    double taken_there = covey__messages_us(owner, makers) + in * owner->body_us;
    double sent = pace->message_us - pace->next_us;
    for (unsigned d = 0; d < team->devices; d++) {
        if (d != team->owner && hand->slots[d] > 0 && (hand->fed >> d & 1) != 0) {
            sent += covey__input_us(team, cost, hand->fed, d, pace);
        }
    }
    return sent + pace->delay_us + (taken > taken_there ? taken - taken_there : 0);
}
