/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* What a holder of a layer does, by the owner's clock. */
struct answer {
    double ready_us; /* its first record is at the owner */
    double whole_us; /* all of it is */
    double bytes;
    unsigned device;
};

/* The owner sends to one after the other; each computes and answers. The owner's clock goes on. */
static unsigned ask(const struct covey__team *team, const struct covey_plan_cost *cost,
                    const struct covey__hand *hand, struct answer *out, double *inout_owner_us)
{
    const struct covey__pace *owner = &team->asker;
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    bool relayed = hand->layer.relayed;
    *inout_owner_us += relayed ? 0 : owner->message_us - owner->next_us;
    double relay_us = relayed ? *inout_owner_us + covey__relay_us(team, cost, hand) : 0;
    *inout_owner_us += relayed ? covey__relay_sent_us(team, cost, hand) : 0;
    unsigned count = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        if (d == team->owner || hand->slots[d] == 0) {
            continue;
        }
        const struct covey__pace *pace = &team->pace[d];
        double begun = *inout_owner_us + owner->next_us + covey__first_record_us(owner, in);
        *inout_owner_us += relayed ? 0 : covey__input_us(team, cost, hand->fed, d, owner);
        double here = begun + pace->message_us + in * pace->body_us;
        double last = *inout_owner_us + pace->message_us + covey__first_record_us(pace, in);
        double got = (here > last ? here : last) + pace->delay_us;
        got = (hand->fed >> d & 1) != 0 ? covey__fed_us(team, cost, hand, d) : got;
        got = relayed ? relay_us : got;
        double made = got + hand->slots[d] * covey__work_us(pace, &cost->unit);
        double bytes = (double)covey__wire_bytes(team, cost->answer_bytes) * hand->slots[d];
        bool light =
            cost->apart && (uint64_t)hand->slots[d] * cost->unit_bytes <= COVEY_LIGHT_WEIGHTS;
        made += pace->message_us + (light ? pace->light_us : pace->turn_us) + pace->delay_us;
        out[count++] = (struct answer){made + covey__first_record_us(pace, bytes),
                                       made + bytes * pace->body_us, bytes, d};
    }
    return count;
}

static void sort_answers(struct answer *answer, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct answer moved = answer[i];
        unsigned j = i;
        for (; j > 0 && moved.ready_us < answer[j - 1].ready_us; j--) {
            answer[j] = answer[j - 1];
        }
        answer[j] = moved;
    }
}

/* How many answers each group still needs, after one more device's; true: none needs any. */
static bool take_answer(const struct covey__team *team, const struct covey__hand *hand,
                        unsigned device, uint8_t *open)
{
    bool done = true;
    for (unsigned g = 0; g < hand->layer.groups; g++) {
        unsigned unit, slot;
        unsigned count = covey_plan_group(&hand->layer, team->parity, g, &unit, &slot);
        for (unsigned s = 0; s < count + team->parity && open[g] > 0; s++) {
            open[g] = (uint8_t)(open[g] - (hand->layer.holder[slot + s] == device));
        }
        done = done && open[g] == 0;
    }
    return done;
}

double covey__coded_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       const struct covey__hand *hand)
{
    struct answer answer[COVEY_PLAN_DEVICES_MAX];
    uint8_t open[COVEY_LAYER_UNITS_MAX];
    double us = hand->layer.by_rows ? covey__rows_cut_us(team, cost, &hand->layer) : 0;
    unsigned count = ask(team, cost, hand, answer, &us);
    sort_answers(answer, count);
    for (unsigned g = 0; g < hand->layer.groups; g++) {
        unsigned unit, slot;
        open[g] = (uint8_t)covey_plan_group(&hand->layer, team->parity, g, &unit, &slot);
    }
    const struct covey__pace *owner = &team->asker;
    bool done = false;
    if (team->owner < team->devices && hand->slots[team->owner] > 0) {
        us += hand->slots[team->owner] * covey__work_us(owner, &cost->unit);
        done = take_answer(team, hand, team->owner, open);
    }
    /* The owner has one processor: it computes its share, then takes the answers as they come. */
    for (unsigned i = 0; i < count && !done; i++) {
        const struct answer *a = &answer[i];
        bool waits = us < a->ready_us;
        double begun = waits ? a->ready_us : us;
        double message_us = waits ? owner->message_us : owner->next_us;
        double here = begun + message_us + a->bytes * owner->body_us;
        double last = a->whole_us + message_us + covey__first_record_us(owner, a->bytes);
        us = here > last ? here : last;
        done = take_answer(team, hand, a->device, open);
    }
    /* Copied into its place, and again as the next input, which is sealed. */
    uint64_t moved = (uint64_t)cost->answer_bytes * cost->units * (3 + COVEY_LIGHT_SEALED);
    return us + covey__go_on_us(team, moved);
}

/* How soon a device would be done with an even share: a fast one on a bad link is of little use. */
static double share_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       double unit_us, unsigned d)
{
    const struct covey__pace *pace = &team->pace[d];
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    return unit_us * cost->units / team->devices + in * pace->body_us +
           2 * (pace->message_us + pace->delay_us);
}

/* The best first, without the owner; ties by id. */
unsigned covey__holders_sort(const struct covey__team *team, const struct covey_plan_cost *cost,
                             const struct covey__seats *seats, unsigned *out)
{
    double us[COVEY_PLAN_DEVICES_MAX];
    unsigned count = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        us[d] = share_us(team, cost, seats->unit_us[d], d);
        if (d == team->owner) {
            continue;
        }
        unsigned at = count++;
        for (; at > 0 && us[d] < us[out[at - 1]]; at--) {
            out[at] = out[at - 1];
        }
        out[at] = d;
    }
    return count;
}

/* Rough: what each device has to do beside its units, so that whoever has much gets fewer. */
void covey__seats_base(const struct covey__team *team, const struct covey_plan_cost *cost,
                       unsigned holders, double sent, struct covey__seats *seats)
{
    double in = (double)covey__wire_bytes(team, cost->input_bytes);
    double all = (double)covey__wire_bytes(team, cost->answer_bytes) * cost->units;
    const struct covey__pace *owner = &team->asker;
    for (unsigned d = 0; d < team->devices; d++) {
        const struct covey__pace *pace = &team->pace[d];
        seats->base_us[d] =
            d == team->owner
                ? sent + covey__messages_us(owner, holders) + all * owner->body_us
                : sent / 2 + 2 * pace->message_us + in * pace->body_us + 2 * pace->delay_us;
    }
}

static bool is_even(const struct covey__team *team, const struct covey__seats *seats)
{
    double low = 0, high = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        if ((seats->mask >> d & 1) != 0) {
            low = high <= 0 || seats->unit_us[d] < low ? seats->unit_us[d] : low;
            high = seats->unit_us[d] > high ? seats->unit_us[d] : high;
        }
    }
    return high <= low;
}

/* When the last device is done: unlike covey__coded_us() nobody is too slow to be counted on. */
static double last_us(const struct covey__team *team, const struct covey__seats *seats,
                      const struct covey__hand *hand)
{
    double last = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        double us = seats->base_us[d] + hand->slots[d] * seats->unit_us[d];
        last = hand->slots[d] > 0 && us > last ? us : last;
    }
    return last;
}

struct search {
    const struct covey__deal *deal;
    const struct covey_plan_cost *cost;
    double best_us;
    struct covey__hand *best;
    bool found;
};

double covey__hand_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                      const struct covey__hand *hand)
{
    return hand->seats.all ? last_us(team, &hand->seats, hand) : covey__coded_us(team, cost, hand);
}

/* The largest groups cost least, but give all devices of a group equal shares: smaller ones are
 * tried, all of them where devices differ, else the few that leave the busy owner out of some. */
static void try_seats(struct search *search, struct covey__seats *seats)
{
    enum { TRIED_IF_EVEN = 3 };
    const struct covey__team *team = search->deal->team;
    unsigned devices = 0;
    if (search->cost->here) {
        return;
    }
    for (uint32_t left = seats->mask; left != 0; left &= left - 1) {
        devices++;
    }
    unsigned most = covey__group_units_max(devices, team->parity, search->cost->units);
    bool even = is_even(team, seats);
    unsigned tried = even ? TRIED_IF_EVEN : most;
    /* Where all devices shall have a part, small groups would leave most of them out. */
    unsigned least = seats->all && even ? most - most / 4 : 1;
    for (unsigned n = most; n > 0 && tried > 0 && (n >= least || !search->found); n--) {
        struct covey__hand hand;
        seats->group_units = n;
        if (!covey__deal_layer(search->deal, search->cost, seats, &hand)) {
            continue;
        }
        tried--;
        double sent_us = covey__relay_try(team, search->cost, &hand);
        double us = seats->all ? covey__hand_us(team, search->cost, &hand) : sent_us;
        if (us < search->best_us) {
            search->best_us = us;
            *search->best = hand;
            search->found = true;
        }
    }
}

void covey__seats_set(const struct covey__team *team, const struct covey_plan_cost *cost,
                      struct covey__seats *seats)
{
    for (unsigned d = 0; d < team->devices; d++) {
        double us = covey__work_us(&team->pace[d], &cost->unit);
        /* Work of nothing is still shared evenly. */
        seats->unit_us[d] = us > 0 ? us : team->pace[d].flop_us;
    }
}

bool covey__coded_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                      struct covey__hand *out)
{
    const struct covey__team *team = deal->team;
    struct search search = {.deal = deal, .cost = cost, .best_us = 1e300, .best = out};
    struct covey__seats seats = {.mask = (uint32_t)((UINT64_C(1) << team->devices) - 1),
                                 .all = true};
    covey__seats_set(team, cost, &seats);
    if (is_even(team, &seats)) {
        unsigned holders = team->devices - (team->owner < team->devices);
        double each = covey__input_us(team, cost, 0, 0, &team->asker);
        double sent = covey__relay_least_us(team, cost, holders, holders * each);
        covey__seats_base(team, cost, holders, sent, &seats);
    }
    try_seats(&search, &seats);
    return search.found;
}

bool covey__coded_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                         double limit_us, struct covey__hand *out, double *out_us)
{
    const struct covey__team *team = deal->team;
    struct search search = {.deal = deal, .cost = cost, .best_us = limit_us, .best = out};
    struct covey__seats seats = {0};
    unsigned holder[COVEY_PLAN_DEVICES_MAX];
    uint32_t owner_bit = team->owner < team->devices ? UINT32_C(1) << team->owner : 0;
    uint32_t mask = 0;
    covey__seats_set(team, cost, &seats);
    unsigned count = covey__holders_sort(team, cost, &seats, holder);
    double answers = (double)covey__wire_bytes(team, cost->answer_bytes), sent = 0;
    for (unsigned k = 1; k <= count; k++) {
        mask |= UINT32_C(1) << holder[k - 1];
        /* Each one more costs the owner a message: at some number nothing is left to gain. */
        sent += covey__input_us(team, cost, deal->fed, holder[k - 1], &team->asker);
        double least = deal->fed == 0 ? covey__relay_least_us(team, cost, k, sent) : sent;
        if (least + answers * team->asker.body_us >= search.best_us) {
            break;
        }
        covey__seats_base(team, cost, k, least, &seats);
        seats.mask = mask;
        try_seats(&search, &seats);
        if (owner_bit != 0) {
            seats.mask = mask | owner_bit;
            try_seats(&search, &seats);
        }
    }
    *out_us = search.best_us;
    return search.found;
}

bool covey__layer_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                         double limit_us, struct covey__hand *out, double *out_us)
{
    bool filters = covey__coded_choose(deal, cost, limit_us, out, out_us);
    double limit = filters ? *out_us : limit_us;
    return covey__rows_choose(deal, cost, limit, out, out_us) || filters;
}

bool covey__layer_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                      struct covey__hand *out, double *out_us)
{
    bool filters = covey__coded_all(deal, cost, out);
    double limit = filters ? covey__coded_us(deal->team, cost, out) : 1e300;
    *out_us = limit;
    return covey__rows_all(deal, cost, limit, out, out_us) || filters;
}
