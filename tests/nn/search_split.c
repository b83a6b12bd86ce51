/* SPDX-License-Identifier: MIT
 *
 * search_split.c - how the pinned table of parity coefficients was found, and what it is worth.
 *
 *   search_split              the worst square parts of the committed table, for docs/coding.md
 *   search_split SEED TRIALS  a new table: simulated annealing on the condition numbers of every
 *                             square part, then an order of columns that favours small groups
 */
#include "split_condition.h"
#include "split_trial.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Coefficients are multiples of 1 / UNIT, so that they are the same floats everywhere. */
enum { UNIT = 256, STARTS = 200, REFRESH = 2000, LOSSES_MAX = 4845 }; /* 4 of 20 */

static double random_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) * 0x1p-53;
}

/* Eighth powers, so that the worst counts most. A part of one is never ill-conditioned, but a small
 * coefficient makes rounding grow all the same. */
static double part_cost(const struct split_table *t, const struct split_part *p)
{
    double v =
        p->size == 1 ? 20 / (fabs(t->at[p->row[0]][p->column[0]]) + 1e-6) : split_condition(t, p);
    v = v / 100;
    v *= v;
    v *= v;
    return v * v;
}

static bool has(const unsigned *choice, unsigned size, unsigned column)
{
    for (unsigned i = 0; i < size; i++) {
        if (choice[i] == column) {
            return true;
        }
    }
    return false;
}

/* Of all square parts among the first count columns, or of those with one column. */
static double table_cost(const struct split_table *t, unsigned count, unsigned column)
{
    double sum = 0;
    struct split_part p;
    for (p.size = 1; p.size <= SPLIT_ROWS && p.size <= count; p.size++) {
        choice_first(p.size, p.column);
        do {
            if (column < count && !has(p.column, p.size, column)) {
                continue;
            }
            choice_first(p.size, p.row);
            do {
                sum += part_cost(t, &p);
            } while (choice_next(p.size, SPLIT_ROWS, p.row));
        } while (choice_next(p.size, count, p.column));
    }
    return sum;
}

static void random_start(uint64_t *state, struct split_table *t)
{
    double best = HUGE_VAL;
    for (unsigned i = 0; i < STARTS; i++) {
        struct split_table tried;
        for (unsigned j = 0; j < SPLIT_COLUMNS; j++) {
            tried.at[0][j] = 1;
            for (unsigned r = 1; r < SPLIT_ROWS; r++) {
                tried.at[r][j] = 3 * random_number(state) - 1.5;
            }
        }
        double cost = table_cost(&tried, SPLIT_COLUMNS, SPLIT_COLUMNS);
        if (cost < best) {
            best = cost;
            *t = tried;
        }
    }
}

static void nudge(uint64_t *state, double step, unsigned column, struct split_table *t)
{
    unsigned times = random_number(state) < 0.5 ? 1 : 2;
    while (times-- > 0) {
        unsigned row = 1 + (unsigned)(random_number(state) * (SPLIT_ROWS - 1));
        double sum = random_number(state) + random_number(state) + random_number(state);
        t->at[row][column] += step * (sum - 1.5);
    }
}

/* One column is nudged at a time; what makes the cost greater is kept at first now and then. */
static void anneal(uint64_t *state, unsigned long trials, struct split_table *t)
{
    struct split_table best = *t;
    double cost = table_cost(t, SPLIT_COLUMNS, SPLIT_COLUMNS), least = cost;
    for (unsigned long i = 0; i < trials; i++) {
        double left = 1 - (double)i / (double)trials, cool = left * left;
        unsigned column = (unsigned)(random_number(state) * SPLIT_COLUMNS);
        struct split_table before = *t;
        double old = table_cost(t, SPLIT_COLUMNS, column);
        nudge(state, 0.6 * cool + 0.002, column, t);
        double now = cost - old + table_cost(t, SPLIT_COLUMNS, column);
        double bound = -0.12 * cool * log(random_number(state) + 1e-12);
        if (now < 0 || log(now / cost) > bound) {
            *t = before;
            continue;
        }
        cost = i % REFRESH == 0 ? table_cost(t, SPLIT_COLUMNS, SPLIT_COLUMNS) : now;
        if (cost < least) {
            least = cost;
            best = *t;
        }
    }
    *t = best;
}

static void swap_columns(struct split_table *t, unsigned a, unsigned b)
{
    for (unsigned r = 0; r < SPLIT_ROWS; r++) {
        double kept = t->at[r][a];
        t->at[r][a] = t->at[r][b];
        t->at[r][b] = kept;
    }
}

/* From the last place on: the column without which the others are best. */
static void order_columns(struct split_table *t)
{
    for (unsigned count = SPLIT_COLUMNS; count > 2; count--) {
        unsigned last = count - 1;
        double least = HUGE_VAL;
        for (unsigned j = 0; j < count; j++) {
            struct split_table tried = *t;
            swap_columns(&tried, j, count - 1);
            double cost = table_cost(&tried, count - 1, SPLIT_COLUMNS);
            if (cost < least) {
                least = cost;
                last = j;
            }
        }
        swap_columns(t, last, count - 1);
    }
}

static void search(uint64_t seed, unsigned long trials)
{
    struct split_table t;
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    random_start(&state, &t);
    anneal(&state, trials, &t);
    for (unsigned r = 1; r < SPLIT_ROWS; r++) {
        for (unsigned j = 0; j < SPLIT_COLUMNS; j++) {
            t.at[r][j] = round(t.at[r][j] * UNIT) / UNIT;
        }
    }
    order_columns(&t);
    printf("cost %g\n", table_cost(&t, SPLIT_COLUMNS, SPLIT_COLUMNS));
    for (unsigned r = 1; r < SPLIT_ROWS; r++) {
        for (unsigned j = 0; j < SPLIT_COLUMNS; j++) {
            printf("%d%s", (int)(t.at[r][j] * UNIT), j + 1 < SPLIT_COLUMNS ? ", " : "\n");
        }
    }
}

struct worst {
    double condition, growth;
    double plain, median, error; /* relative, of blocks as computed and as rebuilt */
};

/* Of parts of the first r rows and count columns. */
static void worst_parts(const struct split_table *t, unsigned r, unsigned count, struct worst *out)
{
    struct split_part p;
    for (p.size = 1; p.size <= r && p.size <= count; p.size++) {
        choice_first(p.size, p.column);
        do {
            choice_first(p.size, p.row);
            do {
                out->condition = fmax(out->condition, split_condition(t, &p));
                out->growth = fmax(out->growth, split_growth(t, &p, count));
            } while (choice_next(p.size, r, p.row));
        } while (choice_next(p.size, count, p.column));
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Every loss of r of the count + r answers, in one random group. */
static bool worst_errors(unsigned r, unsigned count, struct worst *out)
{
    static struct split_trial t;
    static double errors[LOSSES_MAX];
    size_t n = 0;
    unsigned lost[SPLIT_ROWS];
    if (split_trial_fill(&t, count, 1) != COVEY_OK) {
        return false;
    }
    for (unsigned j = 0; j < count; j++) {
        out->plain = fmax(out->plain, split_trial_plain(&t, j));
    }
    choice_first(r, lost);
    do {
        uint32_t mask = 0;
        for (unsigned i = 0; i < r; i++) {
            mask |= (uint32_t)1 << lost[i];
        }
        if (mask >> count << count == mask) {
            continue; /* parities only */
        }
        if (split_trial_rebuild(&t, r, mask, &errors[n]) != COVEY_OK) {
            return false;
        }
        n++;
    } while (choice_next(r, count + r, lost));
    qsort(errors, n, sizeof(errors[0]), by_size);
    out->median = errors[n / 2];
    out->error = errors[n - 1];
    return true;
}

static int report(void)
{
    static const unsigned counts[] = {2, 4, 6, 8, 10, 12, 16};
    struct split_table t;
    for (unsigned i = 0; i < SPLIT_ROWS * SPLIT_COLUMNS; i++) {
        float v = 0;
        if (covey_split_coefficient(i / SPLIT_COLUMNS, i % SPLIT_COLUMNS, &v) != COVEY_OK) {
            return EXIT_FAILURE;
        }
        t.at[i / SPLIT_COLUMNS][i % SPLIT_COLUMNS] = (double)v;
    }
    printf("| r | N | condition | growth | plain product | rebuilt, median | rebuilt, worst |\n"
           "|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < SPLIT_ROWS * sizeof(counts) / sizeof(counts[0]); i++) {
        unsigned r = 1 + i % SPLIT_ROWS, count = counts[i / SPLIT_ROWS];
        struct worst w = {0};
        worst_parts(&t, r, count, &w);
        if (!worst_errors(r, count, &w)) {
            return EXIT_FAILURE;
        }
        printf("| %u | %u | %.0f | %.0f | %.1e | %.1e | %.1e |\n", r, count, w.condition, w.growth,
               w.plain, w.median, w.error);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return report();
    }
    search(strtoull(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
    return EXIT_SUCCESS;
}
