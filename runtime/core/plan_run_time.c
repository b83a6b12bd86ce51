/* SPDX-License-Identifier: MIT
 *
 * plan_run_time.c - how long a tile run takes.
 */
#include "plan_private.h"

/* The caches are cold where a device has waited for others: measured, the same work in segments
 * takes 1.15 times as long as in one go on one processor, and no longer on another. */
static const double in_pieces = 1.05;

static double body(const struct covey__team *team, unsigned rows, uint32_t row_bytes)
{
    return (double)covey__wire_bytes(team, (uint64_t)rows * row_bytes);
}

static unsigned rows_in(struct covey_rows rows)
{
    return (unsigned)rows.end - rows.begin;
}

double covey__start_us(const struct covey__team *team, const struct covey_plan_cell *first,
                       const struct covey__strip *strip)
{
    const struct covey__pace *owner = &team->asker;
    double sent = owner->message_us - owner->next_us, end = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        if (rows_in(strip->need[d]) == 0 || d == team->owner) {
            continue;
        }
        double bytes = body(team, rows_in(strip->need[d]), first->map.in_row_bytes);
        sent += owner->next_us + bytes * owner->body_us;
        double done = sent + team->pace[d].delay_us + team->pace[d].message_us +
                      covey__first_record_us(&team->pace[d], bytes) + team->pace[d].turn_us +
                      strip->work_us[d];
        end = done > end ? done : end;
    }
    double own = team->owner < team->devices ? sent + strip->work_us[team->owner] : sent;
    return own > end ? own : end;
}

/* Bytes both ways: the processor has all of them to do, the link those of either way. */
static double moved_us(const struct covey__pace *pace, double in, double out)
{
    double processor = (in + out) * pace->seal_us, link = (in > out ? in : out) * pace->body_us;
    return processor > link ? processor : link;
}

double covey__exchange_us(const struct covey__team *team, const uint16_t *made, uint32_t row_bytes,
                          const struct covey__strip *strip)
{
    double busy[COVEY_PLAN_DEVICES_MAX], in[COVEY_PLAN_DEVICES_MAX] = {0};
    double out[COVEY_PLAN_DEVICES_MAX] = {0};
    double end = 0, delay = 0;
    memcpy(busy, strip->work_us, sizeof(busy));
    for (unsigned d = 0; d < team->devices; d++) {
        struct covey_rows need = strip->need[d];
        busy[d] += need.begin < need.end ? team->pace[d].turn_us : 0;
        for (unsigned e = 0; need.begin < need.end && e < team->devices && made[e] < need.end;
             e++) {
            unsigned from = made[e] > need.begin ? made[e] : need.begin;
            unsigned to = made[e + 1] < need.end ? made[e + 1] : need.end;
            if (e == d || from >= to) {
                continue;
            }
            double bytes = body(team, to - from, row_bytes);
            busy[d] += team->pace[d].message_us;
            busy[e] += team->pace[e].message_us;
            in[d] += bytes;
            out[e] += bytes;
            double links = team->pace[d].link_us + team->pace[e].link_us;
            delay = links > delay ? links : delay;
        }
    }
    for (unsigned d = 0; d < team->devices; d++) {
        double us = busy[d] + moved_us(&team->pace[d], in[d], out[d]);
        end = us > end ? us : end;
    }
    return end + delay;
}

double covey__gather_us(const struct covey__team *team, const struct covey_rows *made,
                        uint32_t row_bytes)
{
    const struct covey__pace *owner = &team->asker;
    double first = 0, all = owner->message_us - owner->next_us;
    uint64_t rows_in_all = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        unsigned rows = rows_in(made[d]);
        rows_in_all += rows;
        if (rows == 0 || d == team->owner) {
            continue;
        }
        const struct covey__pace *pace = &team->pace[d];
        double bytes = body(team, rows, row_bytes);
        double here = pace->message_us + pace->delay_us + covey__first_record_us(pace, bytes);
        double slow = here + bytes * pace->body_us;
        first = here > first ? here : first;
        all += owner->next_us + bytes * owner->body_us;
        all = all < slow - first ? slow - first : all;
    }
    /* Copied into its place, and twice as the next layer's input. */
    return first + all + covey__go_on_us(team, rows_in_all * row_bytes * 3);
}

double covey__strip_grow(const struct covey__team *team, const struct covey_plan_cell *cell,
                         struct covey__strip *inout)
{
    double longest = 0;
    for (unsigned d = 0; d < team->devices; d++) {
        unsigned rows = rows_in(inout->need[d]);
        if (rows == 0) {
            continue;
        }
        inout->work_us[d] += in_pieces * (covey__work_us(&team->pace[d], &cell->strip) +
                                          rows * covey__work_us(&team->pace[d], &cell->row));
        inout->need[d] = covey_row_map_need(&cell->map, inout->need[d]);
        longest = inout->work_us[d] > longest ? inout->work_us[d] : longest;
    }
    return longest;
}

static void made_of(const struct covey_plan_run *run, const struct covey_plan_segment *segment,
                    unsigned devices, struct covey_rows out[static COVEY_PLAN_DEVICES_MAX])
{
    for (unsigned d = 0; d < devices; d++) {
        bool second = run->twice && run->twin[d + 1] > run->twin[d];
        const uint16_t *rows = second ? run->twin : segment->rows;
        out[d] = (struct covey_rows){rows[d], rows[d + 1]};
    }
}

double covey__run_us(const struct covey_plan_request *request, const struct covey__team *team,
                     const struct covey_plan_run *run)
{
    const struct covey_plan_cell *cell = request->cell;
    struct covey_rows made[COVEY_PLAN_DEVICES_MAX] = {{0, 0}};
    double us = 0;
    for (unsigned s = 0; s < run->segments; s++) {
        const struct covey_plan_segment *segment = &run->segment[s];
        const struct covey_plan_cell *first = &cell[segment->first_cell];
        struct covey__strip strip = {0};
        made_of(run, segment, team->devices, strip.need);
        for (unsigned c = segment->cells; c-- > 0;) {
            (void)covey__strip_grow(team, &first[c], &strip);
        }
        us += s == 0 ? covey__start_us(team, first, &strip)
                     : covey__exchange_us(team, segment[-1].rows, first->map.in_row_bytes, &strip);
        made_of(run, segment, team->devices, made);
    }
    return us +
           covey__gather_us(team, made, cell[run->first_cell + run->cells - 1].map.out_row_bytes);
}
