/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* Coded layers whose input leaves the owner once, in pieces, one to each holder, who gives it to
 * the others. Each link then carries about all of the input both ways at the same time; sent by the
 * owner alone it goes through one link as many times as there are holders. But everybody has
 * messages with everybody. */

/* Chosen only where it is clearly sooner: an exchange among many hangs on the slowest of them. */
static const double worth = 0.85;

/* Shorter inputs are messages more than bytes, of which this would make many more. */
enum { LEAST_BYTES = 32 * 1024 };

static bool is_holder(const struct covey__team *team, const struct covey__hand *hand, unsigned d)
{
    return d != team->owner && hand->slots[d] > 0;
}

static unsigned count_holders(const struct covey__team *team, const struct covey__hand *hand)
{
    unsigned count = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        count += is_holder(team, hand, d);
    }
    return count;
}

double covey__relay_sent_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                            const struct covey__hand *hand)
{
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    const struct covey__pace *owner = &team->asker;
    return covey__messages_us(owner, count_holders(team, hand)) + in * owner->body_us;
}

/* One device gives its piece to all others and takes theirs: its link does both at the same time,
 * its processor one after the other. */
static double exchange_us(const struct covey__pace *pace, double in, unsigned holders)
{
    double others = holders > 1 ? holders - 1 : 0;
    double bytes = in * others / holders;
    double link = bytes * pace->body_us, processor = 2 * bytes * pace->seal_us;
    /* They come one by one: it wakes up for each. */
    return others * (pace->message_us + pace->light_us) + (link > processor ? link : processor);
}

double covey__relay_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       const struct covey__hand *hand)
{
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    unsigned holders = count_holders(team, hand);
    double longest = 0, delay = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        const struct covey__pace *pace = &team->pace[d];
        if (is_holder(team, hand, d)) {
            double us = pace->message_us + covey__first_record_us(pace, in / holders) +
                        exchange_us(pace, in, holders);
            longest = us > longest ? us : longest;
            delay = pace->delay_us > delay ? pace->delay_us : delay;
        }
    }
    return covey__relay_sent_us(team, cost, hand) + longest + 2 * delay;
}

double covey__relay_least_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                             unsigned holders, double sent_us)
{
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    double us = covey__messages_us(&team->asker, holders) + in * team->asker.body_us;
    bool sooner = in >= LEAST_BYTES && holders > 1 &&
                  us + exchange_us(&team->asker, in, holders) < sent_us * worth;
    return sooner ? us : sent_us;
}

double covey__relay_try(const struct covey__team *team, const struct covey_plan_cost *cost,
                        struct covey__hand *hand)
{
    hand->layer.relayed = false;
    double us = covey__coded_us(team, cost, hand);
    if (hand->layer.by_rows || hand->fed != 0 ||
        covey__wire_bytes(team, cost->input_bytes) < LEAST_BYTES || count_holders(team, hand) < 2) {
        return us;
    }
    hand->layer.relayed = true;
    double relayed_us = covey__coded_us(team, cost, hand);
    hand->layer.relayed = relayed_us < us * worth;
    return hand->layer.relayed ? relayed_us : us;
}
