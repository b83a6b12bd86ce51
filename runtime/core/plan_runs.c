/* SPDX-License-Identifier: MIT */
#include "plan_private.h"

/* ---- sharing ---- */

/* Each row goes to whoever would be done with it first: no other sharing ends sooner, and nobody
 * gets less than their share rounded down. Ties: who comes first. */
void covey__rows_share(unsigned out_rows, unsigned devices, const uint64_t *rate,
                       uint16_t *out_rows_of)
{
    uint32_t count[COVEY_PLAN_DEVICES_MAX];
    uint64_t sum = 0;
    unsigned given = 0;
    for (unsigned d = 0; d < devices; d++) {
        sum += rate[d];
    }
    for (unsigned d = 0; d < devices; d++) {
        count[d] = (uint32_t)(out_rows * rate[d] / sum);
        given += count[d];
    }
    for (; given < out_rows; given++) {
        unsigned best = devices;
        for (unsigned d = 0; d < devices; d++) {
            if (rate[d] > 0 &&
                (best == devices || (count[d] + 1) * rate[best] < (count[best] + 1) * rate[d])) {
                best = d;
            }
        }
        count[best]++;
    }
    out_rows_of[0] = 0;
    for (unsigned d = 0; d < devices; d++) {
        out_rows_of[d + 1] = (uint16_t)(out_rows_of[d] + count[d]);
    }
}

bool covey_plan_share(struct covey_plan_run *inout_run, unsigned devices, uint32_t mask,
                      const uint32_t rate[static COVEY_PLAN_DEVICES_MAX])
{
    uint64_t share[COVEY_PLAN_DEVICES_MAX] = {0};
    bool any = false;
    COVEY_ASSERT(devices <= COVEY_PLAN_DEVICES_MAX);
    for (unsigned d = 0; d < devices; d++) {
        if ((mask >> d & 1) != 0) {
            share[d] = rate[d] == 0 ? 1 : rate[d];
            any = true;
        }
    }
    if (any && inout_run->twice) {
        uint64_t twin[COVEY_PLAN_DEVICES_MAX];
        if ((mask & (mask - 1)) == 0) {
            return false;
        }
        covey__twins_part(devices, share, twin);
        covey__rows_share(inout_run->segment[0].map.out_rows, devices, twin, inout_run->twin);
    }
    for (unsigned s = 0; any && s < inout_run->segments; s++) {
        struct covey_plan_segment *segment = &inout_run->segment[s];
        covey__rows_share(segment->map.out_rows, devices, share, segment->rows);
    }
    return any;
}

/* The fastest that is left goes where less is: what one half has more is less than one device. */
void covey__twins_part(unsigned devices, uint64_t *inout_rate, uint64_t *out_twin)
{
    uint64_t rate[COVEY_PLAN_DEVICES_MAX];
    uint64_t first = 0, second = 0;
    memcpy(rate, inout_rate, devices * sizeof(rate[0]));
    memset(inout_rate, 0, devices * sizeof(inout_rate[0]));
    memset(out_twin, 0, devices * sizeof(out_twin[0]));
    for (unsigned given = 0; given < devices; given++) {
        unsigned best = 0;
        for (unsigned d = 1; d < devices; d++) {
            best = rate[d] > rate[best] ? d : best;
        }
        if (rate[best] == 0) {
            return;
        }
        uint64_t *half = second < first ? out_twin : inout_rate;
        first += half == inout_rate ? rate[best] : 0;
        second += half == out_twin ? rate[best] : 0;
        half[best] = rate[best];
        rate[best] = 0;
    }
}

bool covey__twins_hold(const struct covey_plan_run *run, unsigned devices)
{
    const struct covey_plan_segment *segment = &run->segment[0];
    bool holds =
        run->segments == 1 && run->twin[0] == 0 && run->twin[devices] == segment->map.out_rows;
    for (unsigned d = 0; d < devices && holds; d++) {
        holds = run->twin[d] <= run->twin[d + 1] &&
                (run->twin[d] == run->twin[d + 1] || segment->rows[d] == segment->rows[d + 1]);
    }
    return holds;
}

/* Which of the crew's shares is that of this height. */
static unsigned crew_share(const struct covey__team *team, struct covey__crew *crew,
                           unsigned out_rows)
{
    for (unsigned i = 0; i < crew->kept; i++) {
        if (crew->share[i][team->devices] == out_rows) {
            return i;
        }
    }
    unsigned made = crew->next;
    covey__rows_share(out_rows, team->devices, crew->rate, crew->share[made]);
    if (crew->twice) {
        covey__rows_share(out_rows, team->devices, crew->twin, crew->twin_share[made]);
    }
    crew->next = (crew->next + 1) % COVEY__SHARES_KEPT;
    crew->kept += crew->kept < COVEY__SHARES_KEPT;
    return made;
}

static const uint16_t *crew_rows(const struct covey__team *team, struct covey__crew *crew,
                                 unsigned out_rows)
{
    return crew->share[crew_share(team, crew, out_rows)];
}

/* What each makes of an output of this height, the first time or the second. */
static void crew_made(const struct covey__team *team, struct covey__crew *crew, unsigned out_rows,
                      struct covey_rows out[static COVEY_PLAN_DEVICES_MAX])
{
    unsigned share = crew_share(team, crew, out_rows);
    for (unsigned d = 0; d < team->devices; d++) {
        const uint16_t *rows =
            crew->twice && crew->twin[d] > 0 ? crew->twin_share[share] : crew->share[share];
        out[d] = (struct covey_rows){rows[d], rows[d + 1]};
    }
}

uint32_t covey__run_holders(const struct covey_plan_run *run, unsigned devices)
{
    uint32_t mask = 0;
    for (unsigned s = 0; s < run->segments; s++) {
        for (unsigned d = 0; d < devices; d++) {
            bool has = run->segment[s].rows[d + 1] > run->segment[s].rows[d] ||
                       (run->twice && run->twin[d + 1] > run->twin[d]);
            mask |= (uint32_t)has << d;
        }
    }
    return mask;
}

uint64_t covey__run_bytes(const struct covey_plan_request *request,
                          const struct covey_plan_run *run)
{
    uint64_t sum = 0;
    for (unsigned c = run->first_cell; c < run->first_cell + (unsigned)run->cells; c++) {
        uint64_t bytes = request->cell[c].weight_bytes;
        sum = bytes > UINT64_MAX - sum ? UINT64_MAX : sum + bytes;
    }
    return covey__laid_out(sum);
}

/* ---- crews ---- */

uint64_t covey__laid_out(uint64_t weight_bytes)
{
    uint64_t more = weight_bytes / 5; /* rows padded to whole panels, transformed filters */
    return weight_bytes > UINT64_MAX - more ? UINT64_MAX : weight_bytes + more;
}

/* The work of all that can be cut says how fast a device is with it. */
static void tile_rates(const struct covey__table *t, uint64_t *out)
{
    double us[COVEY_PLAN_DEVICES_MAX];
    double least = 0;
    for (unsigned d = 0; d < t->team->devices; d++) {
        us[d] = t->team->pace[d].flop_us; /* work of nothing is still shared */
        for (unsigned c = 0; c < t->request->cells; c++) {
            const struct covey_plan_cell *cell = &t->request->cell[c];
            us[d] += covey__work_us(&t->team->pace[d], &cell->row) * cell->map.out_rows;
        }
        least = d == 0 || us[d] < least ? us[d] : least;
    }
    for (unsigned d = 0; d < t->team->devices; d++) {
        double rate = least / us[d] * (1 << 30);
        out[d] = rate < 1 ? 1 : (uint64_t)rate;
    }
}

/* Roughly how long each is busy with its part of everything, computing and exchanging: a fast
 * device on a bad link is of little use. */
static void tile_busy(const struct covey__table *t, const uint64_t *rate, double *out)
{
    double bytes = 0, cells = 0, all_us = 0;
    for (unsigned c = 0; c < t->request->cells; c++) {
        const struct covey_plan_cell *cell = &t->request->cell[c];
        const struct covey_row_map *map = &cell->map;
        if (map->out_rows > 0) {
            bytes += 2.0 * (map->before + map->after) * map->in_row_bytes;
            cells += 1;
            all_us += covey__work_us(&t->team->asker, &cell->whole);
        }
    }
    double sum = 0;
    for (unsigned d = 0; d < t->team->devices; d++) {
        sum += (double)rate[d];
    }
    for (unsigned d = 0; d < t->team->devices; d++) {
        const struct covey__pace *pace = &t->team->pace[d];
        out[d] = all_us / t->team->devices * (sum / t->team->devices) / (double)rate[d] +
                 bytes * pace->body_us + cells * (4 * pace->message_us + pace->delay_us);
    }
}

static bool goes_before(const struct covey__team *team, const double *busy, unsigned a, unsigned b)
{
    if (busy[a] < busy[b] || busy[b] < busy[a]) {
        return busy[a] < busy[b];
    }
    /* To the owner nothing has to be sent. */
    return a == team->owner || (b != team->owner && a < b);
}

/* The fastest so many, for several numbers, of devices that have that much memory. */
static void add_crews(struct covey__table *t, const uint64_t *rate, uint64_t memory, unsigned most)
{
    double busy[COVEY_PLAN_DEVICES_MAX];
    unsigned order[COVEY_PLAN_DEVICES_MAX];
    unsigned count = 0;
    tile_busy(t, rate, busy);
    for (unsigned d = 0; d < t->team->devices; d++) {
        if (t->team->memory[d] < memory) {
            continue;
        }
        unsigned at = count++;
        for (; at > 0 && goes_before(t->team, busy, d, order[at - 1]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = d;
    }
    for (unsigned n = count; n >= 2 && t->crews < most; n -= n < 10 ? 1 : n / 5) {
        struct covey__crew *crew = &t->crew[t->crews++];
        *crew = (struct covey__crew){.count = n, .memory = UINT64_MAX};
        for (unsigned i = 0; i < n; i++) {
            uint64_t has = t->team->memory[order[i]];
            crew->rate[order[i]] = rate[order[i]];
            crew->memory = has < crew->memory ? has : crew->memory;
        }
        if (t->request->check_all) {
            crew->twice = true;
            covey__twins_part(t->team->devices, crew->rate, crew->twin);
        }
    }
}

static void make_crews(struct covey__table *t)
{
    uint64_t rate[COVEY_PLAN_DEVICES_MAX];
    uint64_t all = 0;
    bool short_of = false;
    for (unsigned c = 0; c < t->request->cells; c++) {
        const struct covey_plan_cell *cell = &t->request->cell[c];
        uint64_t bytes = cell->map.out_rows > 0 ? cell->weight_bytes : 0;
        all = bytes > UINT64_MAX - all ? UINT64_MAX : all + bytes;
    }
    all = covey__laid_out(all);
    for (unsigned d = 0; d < t->team->devices; d++) {
        short_of = short_of || t->team->memory[d] < all;
    }
    t->crews = 0;
    if (t->team->devices < 2) {
        return;
    }
    tile_rates(t, rate);
    if (short_of) {
        add_crews(t, rate, all, COVEY__CREWS_MAX / 2);
    }
    add_crews(t, rate, 0, COVEY__CREWS_MAX);
}

/* ---- segments ---- */

/* What comes out of a's cells goes into b's. */
static bool follows(const struct covey_row_map *a, const struct covey_row_map *b)
{
    return a->out_rows > 0 && a->out_rows == b->in_rows && a->out_row_bytes == b->in_row_bytes;
}

bool covey__map_joins(const struct covey_row_map *a, const struct covey_row_map *b)
{
    uint64_t stride = (uint64_t)a->stride * b->stride;
    uint64_t before = (uint64_t)b->before * a->stride + a->before;
    uint64_t after = (uint64_t)b->after * a->stride + a->after;
    return follows(a, b) && stride <= UINT16_MAX && before <= UINT16_MAX && after <= UINT16_MAX;
}

static void improve(struct covey__mark *mark, const struct covey__mark *by)
{
    if (by->us < mark->us) {
        *mark = *by;
    }
}

static bool fits(const struct covey__crew *crew, uint64_t bytes)
{
    return bytes <= crew->memory;
}

/* Segment [from, end) as the first of a run, or after another segment. */
static void try_segment(struct covey__table *t, unsigned c, const struct covey__strip *strip)
{
    struct covey__crew *crew = &t->crew[c];
    unsigned from = strip->from, end = strip->end;
    uint64_t bytes = strip->bytes;
    const struct covey_plan_cell *first = &t->request->cell[from];
    const struct covey__mark *alone = &t->best[from], *inside = &t->run[c][from];
    struct covey__mark mark = {.from = (uint16_t)from, .crew = (uint8_t)c, .segments = 1};
    if (alone->runs < COVEY_TILE_RUNS_MAX && fits(crew, alone->run_bytes + bytes)) {
        mark.us = alone->us + covey__start_us(t->team, first, strip);
        mark.run_bytes = alone->run_bytes + bytes;
        mark.runs = (uint8_t)(alone->runs + 1);
        mark.begins = true;
        improve(&t->run[c][end], &mark);
    }
    /* What goes between neighbours nobody else sees: what is made twice comes from here. */
    if (!crew->twice && inside->segments > 0 && inside->segments < COVEY_TILE_SEGMENTS_MAX &&
        fits(crew, inside->run_bytes + bytes) && follows(&first[-1].map, &first->map)) {
        const uint16_t *made = crew_rows(t->team, crew, first->map.in_rows);
        mark.us = inside->us + covey__exchange_us(t->team, made, first->map.in_row_bytes, strip);
        mark.run_bytes = inside->run_bytes + bytes;
        mark.runs = inside->runs;
        mark.segments = (uint8_t)(inside->segments + 1);
        mark.begins = false;
        improve(&t->run[c][end], &mark);
    }
}

/* All segments that end at this boundary, the shortest first. Once the halos cost more than an
 * exchange saves, a longer one does not help either. */
static void grow_segments(struct covey__table *t, unsigned c, unsigned end)
{
    enum { WORSE_MAX = 3, CELLS_MAX = 64 };
    const uint64_t weights_max = UINT64_MAX >> 12; /* nobody has that much, and sums stay sums */
    const struct covey_plan_cell *cell = t->request->cell;
    struct covey_row_map map = cell[end - 1].map;
    struct covey__strip strip = {0};
    uint64_t weights = 0;
    unsigned worse = 0;
    crew_made(t->team, &t->crew[c], map.out_rows, strip.need);
    strip.end = end;
    for (unsigned from = end; from > 0 && end - from < CELLS_MAX && worse < WORSE_MAX; from--) {
        const struct covey_plan_cell *added = &cell[from - 1];
        if (from < end) {
            if (!covey__map_joins(&added->map, &map)) {
                return;
            }
            map = covey_row_map_join(&added->map, &map);
        }
        if (added->weight_bytes > weights_max - weights) {
            return;
        }
        weights += added->weight_bytes;
        double longest = covey__strip_grow(t->team, added, &strip);
        double so_far = t->run[c][end].us;
        strip.from = from - 1;
        /* One more: what is rounded down by segment must not be less than by run. */
        strip.bytes = covey__laid_out(weights) + 1;
        try_segment(t, c, &strip);
        double known = t->best[from - 1].us;
        if (t->run[c][from - 1].us < known) {
            known = t->run[c][from - 1].us;
        }
        worse = known + longest > so_far ? worse + 1 : 0;
    }
}

void covey__table_fill(struct covey__table *t)
{
    const double never = 1e300;
    make_crews(t);
    t->best[0] = (struct covey__mark){.crew = COVEY__NO_CREW};
    for (unsigned c = 0; c < t->crews; c++) {
        t->run[c][0] = (struct covey__mark){.us = never};
    }
    for (unsigned end = 1; end <= t->request->cells; end++) {
        const struct covey_row_map *map = &t->request->cell[end - 1].map;
        struct covey__mark *best = &t->best[end];
        *best = t->best[end - 1];
        best->us += t->cell_us[end - 1];
        best->from = (uint16_t)(end - 1);
        best->crew = COVEY__NO_CREW;
        for (unsigned c = 0; c < t->crews; c++) {
            t->run[c][end] = (struct covey__mark){.us = never};
            if (map->out_rows == 0) {
                continue;
            }
            grow_segments(t, c, end);
            struct covey__mark mark = t->run[c][end];
            struct covey_rows made[COVEY_PLAN_DEVICES_MAX];
            crew_made(t->team, &t->crew[c], map->out_rows, made);
            mark.us += covey__gather_us(t->team, made, map->out_row_bytes) - t->saved_us[end];
            improve(best, &mark);
        }
    }
}

/* ---- the run that was found ---- */

static void add_work(struct covey_plan_work *sum, const struct covey_plan_work *work,
                     uint64_t times)
{
    uint64_t most = UINT64_MAX / 8 / (times == 0 ? 1 : times);
    sum->flops += (work->flops < most ? work->flops : most) * times;
    sum->bytes += (work->bytes < most ? work->bytes : most) * times;
}

/* Of n rows of the segment's output, an inner cell makes n * stride + (before + after + 1 -
 * stride) rows, by the map of the cells after it. */
void covey__segment_join(const struct covey_plan_request *request,
                         struct covey_plan_segment *segment)
{
    unsigned end = segment->first_cell + segment->cells;
    struct covey_row_map after = {.stride = 1};
    memset(&segment->row, 0, sizeof(segment->row));
    memset(&segment->strip, 0, sizeof(segment->strip));
    for (unsigned c = end; c-- > segment->first_cell;) {
        const struct covey_plan_cell *cell = &request->cell[c];
        unsigned halo = after.before + after.after + 1U;
        add_work(&segment->row, &cell->row, after.stride);
        add_work(&segment->strip, &cell->strip, 1);
        add_work(&segment->strip, &cell->row, halo > after.stride ? halo - after.stride : 0);
        after = c + 1 == end ? cell->map : covey_row_map_join(&cell->map, &after);
    }
    segment->map = after;
}

unsigned covey__table_run(struct covey__table *t, unsigned end, struct covey_plan_run *out)
{
    unsigned crew = t->best[end].crew;
    const struct covey__mark *mark = &t->run[crew][end];
    unsigned at = end;
    memset(out, 0, sizeof(*out));
    out->segments = mark->segments;
    for (unsigned s = mark->segments; s-- > 0;) {
        struct covey_plan_segment *segment = &out->segment[s];
        mark = &t->run[crew][at];
        segment->first_cell = mark->from;
        segment->cells = (uint16_t)(at - mark->from);
        covey__segment_join(t->request, segment);
        covey__rows_share(segment->map.out_rows, t->team->devices, t->crew[crew].rate,
                          segment->rows);
        if (t->crew[crew].twice) {
            out->twice = true;
            covey__rows_share(segment->map.out_rows, t->team->devices, t->crew[crew].twin,
                              out->twin);
        }
        double before = mark->begins ? t->best[mark->from].us : t->run[crew][mark->from].us;
        segment->predicted_us = covey__round_us(mark->us - before);
        at = mark->from;
    }
    out->first_cell = (uint16_t)at;
    out->cells = (uint16_t)(end - at);
    /* What is saved is the layer's behind it. */
    out->predicted_us = covey__round_us(t->best[end].us + t->saved_us[end] - t->best[at].us);
    return at;
}
