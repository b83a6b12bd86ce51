/* SPDX-License-Identifier: MIT */
#include "covey/gradient_code.h"

#include <math.h>
#include <string.h>

#include "covey/bytes.h"
#include "kernels/update.h"

enum { TASKS = COVEY_GRADIENT_TASKS_MAX, SPARE = COVEY_GRADIENT_SPARE_MAX, PARTS = SPARE + 1 };

/* A row of which so little is left beside the others depends on them. */
#define DEPENDENT 1e-9
/* Of a sum's weight of a part, which should be 1: more is not rounding of coefficients. */
#define OFF 1e-3

uint32_t covey_gradient_part(const struct covey_gradient_code *code, uint32_t task, uint32_t i)
{
    COVEY_ASSERT(task < code->tasks && i <= code->spare);
    if (code->kind == COVEY_GRADIENT_FRACTIONAL) {
        return task / (code->spare + 1) * (code->spare + 1) + i;
    }
    return (task + i) % code->tasks;
}

/* ---- coefficients of the cyclic code ----
 *
 * Tandon et al. 2017, section 4: with H [s x n], H 1 = 0, of which any s columns are independent,
 * the coefficients of a task are those that its s + 1 columns of H need to sum to zero. Then any
 * n - s tasks' rows of coefficients span the null space of H, and the row of ones is in it.
 *
 * They draw H at random, which for more than a dozen tasks asks for weights of thousands. Here
 *     H[r][j] = d_j (-1)^j f_r(2 pi j / n),
 * f: 1, cos x, sin x, cos 2x, ... for odd s; cos x/2, sin x/2, cos 3x/2, ... for even s. Both are
 * Chebyshev systems on the circle: any s columns are independent, as long as no d_j is 0. d is as
 * near to ones as H 1 = 0 allows (exactly ones where n + s is odd). */

static double system_value(uint32_t s, uint32_t r, double x)
{
    /* The constant of odd s is cos 0x. */
    double frequency = s % 2 == 1 ? (double)((r + 1) / 2) : (double)(r / 2) + 0.5;
    bool cosine = s % 2 == 1 ? r % 2 == 1 || r == 0 : r % 2 == 0;
    return cosine ? cos(frequency * x) : sin(frequency * x);
}

/* Solves m [rows x rows] y = b in place, with pivots; b becomes y. */
static void solve(double m[SPARE][SPARE], double b[SPARE], uint32_t rows)
{
    for (uint32_t k = 0; k < rows; k++) {
        uint32_t best = k;
        for (uint32_t i = k + 1; i < rows; i++) {
            best = fabs(m[i][k]) > fabs(m[best][k]) ? i : best;
        }
        for (uint32_t j = 0; j < rows; j++) {
            double swap = m[k][j];
            m[k][j] = m[best][j];
            m[best][j] = swap;
        }
        double swap = b[k];
        b[k] = b[best];
        b[best] = swap;
        for (uint32_t i = 0; i < rows; i++) {
            double times = i == k ? 0.0 : m[i][k] / m[k][k];
            for (uint32_t j = k; j < rows; j++) {
                m[i][j] -= times * m[k][j];
            }
            b[i] -= times * b[k];
        }
    }
    for (uint32_t k = 0; k < rows; k++) {
        b[k] /= m[k][k];
    }
}

/* d = 1 - H' (H H')^-1 H 1: the nearest to ones with H d = 0. */
static void make_system(uint32_t n, uint32_t s, double h[SPARE][TASKS])
{
    const double turn = 2.0 * acos(-1.0) / (double)n;
    double gram[SPARE][SPARE] = {{0}}, y[SPARE] = {0};
    for (uint32_t r = 0; r < s; r++) {
        for (uint32_t j = 0; j < n; j++) {
            double value = system_value(s, r, turn * (double)j);
            h[r][j] = j % 2 == 0 ? value : -value;
            y[r] += h[r][j];
        }
    }
    for (uint32_t r = 0; r < s; r++) {
        for (uint32_t q = 0; q < s; q++) {
            for (uint32_t j = 0; j < n; j++) {
                gram[r][q] += h[r][j] * h[q][j];
            }
        }
    }
    solve(gram, y, s);
    for (uint32_t j = 0; j < n; j++) {
        double d = 1.0;
        for (uint32_t r = 0; r < s; r++) {
            d -= y[r] * h[r][j];
        }
        for (uint32_t r = 0; r < s; r++) {
            h[r][j] *= d;
        }
    }
}

/* x_0 = 1, and the others so that sum_i x_i H[., task + i] = 0; the largest becomes 1. */
static void task_coefficients(const double h[SPARE][TASKS], struct covey_gradient_code *code,
                              uint32_t task)
{
    uint32_t s = code->spare;
    double m[SPARE][SPARE] = {{0}}, x[SPARE] = {0}, largest = 1.0;
    for (uint32_t r = 0; r < s; r++) {
        for (uint32_t i = 0; i < s; i++) {
            m[r][i] = h[r][covey_gradient_part(code, task, i + 1)];
        }
        x[r] = -h[r][covey_gradient_part(code, task, 0)];
    }
    solve(m, x, s);
    for (uint32_t i = 0; i < s; i++) {
        largest = fabs(x[i]) > fabs(largest) ? x[i] : largest;
    }
    code->coefficient[task][0] = (float)(1.0 / largest);
    for (uint32_t i = 0; i < s; i++) {
        code->coefficient[task][i + 1] = (float)(x[i] / largest);
    }
}

covey_err covey_gradient_code_init(struct covey_gradient_code *code, uint32_t tasks, uint32_t spare)
{
    double h[SPARE][TASKS];
    if (tasks == 0 || tasks > TASKS || spare > SPARE || spare >= tasks) {
        return COVEY_ERR_RANGE;
    }
    struct covey_gradient_code fresh = {.kind = tasks % (spare + 1) == 0 ? COVEY_GRADIENT_FRACTIONAL
                                                                         : COVEY_GRADIENT_CYCLIC,
                                        .tasks = tasks,
                                        .spare = spare};
    if (fresh.kind == COVEY_GRADIENT_CYCLIC) {
        make_system(tasks, spare, h);
    }
    for (uint32_t t = 0; t < tasks; t++) {
        for (uint32_t i = 0; i <= spare; i++) {
            fresh.coefficient[t][i] = 1.0f;
        }
        if (fresh.kind == COVEY_GRADIENT_CYCLIC) {
            task_coefficients((const double(*)[TASKS])h, &fresh, t);
        }
    }
    *code = fresh;
    return COVEY_OK;
}

/* ---- weights of answers ---- */

/* One answer of each group. */
static bool fractional_weights(const struct covey_gradient_code *code, const bool *answered,
                               float *out)
{
    uint32_t group = code->spare + 1;
    for (uint32_t first = 0; first < code->tasks; first += group) {
        uint32_t t = first;
        while (t < first + group && !answered[t]) {
            t++;
        }
        if (t == first + group) {
            return false;
        }
        out[t] = 1.0f;
    }
    return true;
}

/* Rows of coefficients of answered tasks, made orthonormal one after the other: row k of the code
 * is sum_j r[k][j] q[j]. */
struct rows {
    double q[TASKS][TASKS], r[TASKS][TASKS];
    uint32_t task[TASKS];
    uint32_t count;
};

static double dot(const double *a, const double *b, uint32_t n)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Gram and Schmidt, twice, so that nothing is left of the rows before. */
static void add_row(struct rows *rows, const struct covey_gradient_code *code, uint32_t task)
{
    uint32_t k = rows->count, n = code->tasks;
    double *q = rows->q[k];
    memset(q, 0, n * sizeof(*q));
    memset(rows->r[k], 0, sizeof(rows->r[k]));
    for (uint32_t i = 0; i <= code->spare; i++) {
        q[covey_gradient_part(code, task, i)] = (double)code->coefficient[task][i];
    }
    double before = sqrt(dot(q, q, n));
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t j = 0; j < k; j++) {
            double times = dot(q, rows->q[j], n);
            rows->r[k][j] += times;
            for (uint32_t i = 0; i < n; i++) {
                q[i] -= times * rows->q[j][i];
            }
        }
    }
    double left = sqrt(dot(q, q, n));
    if (left <= DEPENDENT * before) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        q[i] /= left;
    }
    rows->r[k][k] = left;
    rows->task[k] = task;
    rows->count++;
}

/* Least squares: what the rows span comes as near to a row of ones as it can. More rows than
 * tasks - spare are no use: they depend on the others but for rounding. */
static bool cyclic_weights(const struct covey_gradient_code *code, const bool *answered, float *out)
{
    struct rows rows = {.count = 0};
    double want[TASKS], weight[TASKS];
    uint32_t n = code->tasks, needed = n - code->spare;
    for (uint32_t t = 0; t < n && rows.count < needed; t++) {
        if (answered[t]) {
            add_row(&rows, code, t);
        }
    }
    if (rows.count < needed) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        want[i] = 1.0;
    }
    for (uint32_t j = 0; j < needed; j++) {
        weight[j] = dot(want, rows.q[j], n);
        for (uint32_t i = 0; i < n; i++) {
            want[i] -= weight[j] * rows.q[j][i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (fabs(want[i]) > OFF) {
            return false;
        }
    }
    for (uint32_t j = needed; j-- > 0;) {
        weight[j] /= rows.r[j][j];
        out[rows.task[j]] = (float)weight[j];
        for (uint32_t i = 0; i < j; i++) {
            weight[i] -= weight[j] * rows.r[j][i];
        }
    }
    return true;
}

bool covey_gradient_weights(const struct covey_gradient_code *code, const bool *answered,
                            float *out_weight)
{
    memset(out_weight, 0, code->tasks * sizeof(*out_weight));
    return code->kind == COVEY_GRADIENT_FRACTIONAL ? fractional_weights(code, answered, out_weight)
                                                   : cyclic_weights(code, answered, out_weight);
}

void covey_gradient_add(float *to, const float *from, size_t count, float weight, bool first)
{
    if (!first) {
        covey__update_axpy(weight, from, to, count, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = weight * from[i];
    }
}

void covey_gradient_add_back(float *to, const float *from, size_t count, float weight, bool first)
{
    const float *last = from + count;
    for (size_t i = 0; i < count && first; i++) {
        to[i] = weight * last[-1 - (ptrdiff_t)i];
    }
    for (size_t i = 0; i < count && !first; i++) {
        to[i] += weight * last[-1 - (ptrdiff_t)i];
    }
}
