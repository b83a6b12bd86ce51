/* SPDX-License-Identifier: MIT
 *
 * search_code.c - how the wide table of parity coefficients (nn/codes/table.c) was found.
 *
 *   search_code SEED TRIALS   hill climbing on how often a random loss magnifies rounding too much,
 *                             over the sizes below; prints the table
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16, COLUMNS = 32, UNIT = 256, PATTERNS = 300, SLOTS = ROWS + COLUMNS };

/* Growth from here on is what another answer is awaited for. */
#define BAD 80.0
/* A lone loss is magnified by about the root of the blocks over its coefficient. */
#define SMALL (1.0 / 16)

static const unsigned sizes[][2] = {{10, 10}, {10, 5}, {10, 6},  {12, 8},  {16, 8},
                                    {20, 4},  {20, 5}, {20, 10}, {24, 4},  {28, 4},
                                    {32, 3},  {32, 2}, {16, 16}, {32, 16}, {32, 1}};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* Which blocks are lost and which parities they are solved with. */
struct pattern {
    unsigned blocks, size;
    unsigned column[ROWS], row[ROWS];
    double cost;
};

struct search {
    double at[ROWS][COLUMNS];
    struct pattern pattern[SIZES][PATTERNS];
    uint64_t state;
};

static double draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) * 0x1p-53;
}

static double draw_normal(uint64_t *state)
{
    double sum = -6;
    for (unsigned i = 0; i < 12; i++) {
        sum += draw(state);
    }
    return sum;
}

static double draw_coefficient(uint64_t *state)
{
    double c = draw_normal(state);
    while (fabs(c) < SMALL) {
        c = draw_normal(state);
    }
    return c;
}

static void draw_pattern(uint64_t *state, unsigned blocks, unsigned parities, struct pattern *out)
{
    unsigned slot[SLOTS];
    bool lost[SLOTS] = {false};
    *out = (struct pattern){.blocks = blocks};
    for (unsigned i = 0; i < blocks + parities; i++) {
        slot[i] = i;
    }
    for (unsigned i = 0; i < parities; i++) {
        unsigned j = i + (unsigned)(draw(state) * (double)(blocks + parities - i));
        unsigned kept = slot[i];
        slot[i] = slot[j];
        slot[j] = kept;
        lost[slot[i]] = true;
    }
    for (unsigned j = 0; j < blocks; j++) {
        if (lost[j]) {
            out->column[out->size++] = j;
        }
    }
    for (unsigned t = 0, used = 0; t < parities && used < out->size; t++) {
        if (!lost[blocks + t]) {
            out->row[used++] = t;
        }
    }
}

struct system {
    double at[ROWS][2 * ROWS];
};

static bool eliminate(unsigned size, unsigned c, struct system *s)
{
    unsigned pivot = c;
    for (unsigned i = c + 1; i < size; i++) {
        pivot = fabs(s->at[i][c]) > fabs(s->at[pivot][c]) ? i : pivot;
    }
    if (fabs(s->at[pivot][c]) < 1e-9) {
        return false;
    }
    for (unsigned j = 0; j < 2 * size; j++) {
        double kept = s->at[pivot][j];
        s->at[pivot][j] = s->at[c][j];
        s->at[c][j] = kept;
    }
    double scale = 1 / s->at[c][c];
    for (unsigned j = 0; j < 2 * size; j++) {
        s->at[c][j] *= scale;
    }
    for (unsigned i = 0; i < size; i++) {
        double times = i == c ? 0 : s->at[i][c];
        for (unsigned j = 0; j < 2 * size; j++) {
            s->at[i][j] -= times * s->at[c][j];
        }
    }
    return true;
}

/* Recovered block i is sum_t inv(A)_it (P_t - sum over the others of g_tj Y_j): the square of its
 * rounding in units of an answer's own. */
static double row_growth(const struct search *s, const struct pattern *p, const double *inverse)
{
    double sum = 0;
    for (unsigned j = 0, next = 0; j < p->blocks; j++) {
        double factor = 0;
        for (unsigned t = 0; t < p->size; t++) {
            double one = inverse[t] * s->at[p->row[t]][j];
            factor += one;
            sum += one * one;
        }
        bool lost = next < p->size && p->column[next] == j;
        next += lost;
        sum += lost ? 0 : factor * factor;
    }
    return sum;
}

static double cost_of(const struct search *s, const struct pattern *p)
{
    struct system system = {0};
    double worst = 0;
    for (unsigned i = 0; i < p->size; i++) {
        for (unsigned j = 0; j < p->size; j++) {
            system.at[i][j] = s->at[p->row[i]][p->column[j]];
        }
        system.at[i][p->size + i] = 1;
    }
    for (unsigned c = 0; c < p->size; c++) {
        if (!eliminate(p->size, c, &system)) {
            return 2;
        }
    }
    for (unsigned i = 0; i < p->size; i++) {
        worst = fmax(worst, row_growth(s, p, system.at[i] + p->size));
    }
    double ratio = worst / (BAD * BAD);
    return ratio / (1 + ratio) + 0.01 * log1p(worst);
}

static bool uses(const struct pattern *p, unsigned row, unsigned column)
{
    bool found = false;
    for (unsigned i = 0; i < p->size; i++) {
        found = found || p->row[i] == row;
    }
    return found && column < p->blocks;
}

/* How much more the patterns cost that coefficient (row, column) is in. commit: remember it. */
static double change(struct search *s, unsigned row, unsigned column, bool commit)
{
    double sum = 0;
    for (unsigned i = 0; i < SIZES * PATTERNS; i++) {
        struct pattern *p = &s->pattern[i / PATTERNS][i % PATTERNS];
        if (!uses(p, row, column)) {
            continue;
        }
        double cost = cost_of(s, p);
        sum += cost - p->cost;
        p->cost = commit ? cost : p->cost;
    }
    return sum;
}

static void climb(struct search *s, unsigned long trials)
{
    for (unsigned long i = 0; i < trials; i++) {
        unsigned row = (unsigned)(draw(&s->state) * ROWS);
        unsigned column = (unsigned)(draw(&s->state) * COLUMNS);
        double before = s->at[row][column];
        s->at[row][column] =
            draw(&s->state) < 0.5 ? before + 0.2 * draw_normal(&s->state) : draw_normal(&s->state);
        bool small = fabs(s->at[row][column]) < SMALL;
        if (row == 0 || small || change(s, row, column, false) >= 0) {
            s->at[row][column] = before;
        } else {
            (void)change(s, row, column, true);
        }
    }
}

int main(int argc, char **argv)
{
    static struct search s;
    double total = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: search_code SEED TRIALS\n");
        return EXIT_FAILURE;
    }
    s.state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < ROWS * COLUMNS; i++) {
        s.at[i / COLUMNS][i % COLUMNS] = i < COLUMNS ? 1 : draw_coefficient(&s.state);
    }
    for (unsigned i = 0; i < SIZES * PATTERNS; i++) {
        struct pattern *p = &s.pattern[i / PATTERNS][i % PATTERNS];
        draw_pattern(&s.state, sizes[i / PATTERNS][0], sizes[i / PATTERNS][1], p);
        p->cost = cost_of(&s, p);
    }
    climb(&s, strtoul(argv[2], NULL, 10));
    for (unsigned i = 0; i < SIZES * PATTERNS; i++) {
        total += s.pattern[i / PATTERNS][i % PATTERNS].cost / (SIZES * PATTERNS);
    }
    printf("/* cost %g */\n", total);
    for (unsigned i = COLUMNS; i < ROWS * COLUMNS; i++) {
        printf("%d%s", (int)lround(s.at[i / COLUMNS][i % COLUMNS] * UNIT),
               (i + 1) % COLUMNS > 0 ? ", " : "\n");
    }
    return EXIT_SUCCESS;
}
