/* SPDX-License-Identifier: MIT */
#include "infer_report.h"

#include <math.h>
#include <stdio.h>

enum { TOP = 5 };

/* Finite numbers only: JSON has no others. */
static cJSON *number(double value)
{
    return isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull();
}

static cJSON *outputs(const float *values, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = count; i-- > 0;) {
        cJSON_InsertItemInArray(list, 0, number((double)values[i]));
    }
    return list;
}

/* Indices of the greatest values, in order. */
static size_t top_of(const float *values, size_t count, size_t top[static TOP])
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = used;
        while (at > 0 && values[top[at - 1]] < values[i]) {
            at--;
        }
        if (at >= TOP) {
            continue;
        }
        used = used < TOP ? used + 1 : TOP;
        for (size_t k = used - 1; k > at; k--) {
            top[k] = top[k - 1];
        }
        top[at] = i;
    }
    return used;
}

/* How sure a model is of its outputs: themselves where they are probabilities, else their softmax,
 * exp(x_i) / sum_j exp(x_j). */
struct sureness {
    bool is_softmax;
    double max, sum;
};

static struct sureness sureness_of(const float *values, size_t count)
{
    const double tolerance = 1e-3;
    struct sureness s = {.max = -INFINITY};
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)values[i];
        s.is_softmax = s.is_softmax || !(x >= 0 && x <= 1 + tolerance);
        s.max = x > s.max ? x : s.max;
        sum += x;
    }
    s.is_softmax = s.is_softmax || !(fabs(sum - 1) <= tolerance);
    for (size_t i = 0; i < count; i++) {
        s.sum += exp((double)values[i] - s.max);
    }
    return s;
}

static double sure_of(const struct sureness *s, float value)
{
    return s->is_softmax ? exp((double)value - s->max) / s->sum : (double)value;
}

static cJSON *top_json(const struct covey__target *t, const float *values, size_t count)
{
    struct sureness s = sureness_of(values, count);
    size_t top[TOP];
    size_t used = top_of(values, count, top);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < used; i++) {
        char label[24];
        const char *name = covey__labels_name(&t->notes.labels, top[i]);
        snprintf(label, sizeof(label), "%zu", top[i]);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "index", (double)top[i]);
        cJSON_AddStringToObject(o, "label", name != NULL ? name : label);
        cJSON_AddItemToObject(o, "score", number((double)values[top[i]]));
        cJSON_AddItemToObject(o, "probability", number(sure_of(&s, values[top[i]])));
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static const char *mode_name(const struct covey_control_layer *l)
{
    static const char *const names[] = {"local", "coded", "tiles", "exact", "rows"};
    return names[l->mode <= COVEY_CONTROL_ROWS ? l->mode : COVEY_CONTROL_LOCAL];
}

cJSON *covey__report_layers(const struct covey_control_result *r)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; r != NULL && i < r->layer_count; i++) {
        const struct covey_control_layer *l = &r->layer[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", l->name);
        cJSON_AddStringToObject(o, "mode", mode_name(l));
        cJSON_AddNumberToObject(o, "units", l->units);
        cJSON_AddNumberToObject(o, "parity", l->parity_units);
        cJSON_AddNumberToObject(o, "recovered_dead", l->recovered_dead);
        cJSON_AddNumberToObject(o, "recovered_late", l->recovered_late);
        cJSON_AddNumberToObject(o, "fed", l->fed);
        cJSON_AddNumberToObject(o, "ms", l->us / 1000.0);
        if (l->predicted_us != 0) {
            cJSON_AddNumberToObject(o, "predicted_ms", l->predicted_us / 1000.0);
        }
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

/* Where there was a plan. */
static void add_predicted(cJSON *o, const struct covey__answer *answer)
{
    if (answer->result != NULL && answer->result->predicted_us != 0) {
        cJSON_AddNumberToObject(o, "predicted_ms", answer->result->predicted_us / 1000.0);
    }
}

static void add_recovered(cJSON *o, const struct covey__answer *answer)
{
    const struct covey_control_result *r = answer->result;
    cJSON_AddNumberToObject(o, "recovered_dead", r != NULL ? r->recovered_dead : 0);
    cJSON_AddNumberToObject(o, "recovered_late", r != NULL ? r->recovered_late : 0);
}

/* Ids as `covey peers` shows them. */
static void add_liars(cJSON *o, bool checked, const struct covey_node_id *liar, size_t count)
{
    cJSON_AddBoolToObject(o, "checked", checked);
    cJSON *list = cJSON_AddArrayToObject(o, "wrong");
    for (size_t i = 0; i < count; i++) {
        char text[2 * sizeof(liar[i]) + 1];
        covey__hex(text, liar[i].bytes, sizeof(liar[i].bytes));
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

static void print_liars(const struct covey_node_id *liar, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[2 * sizeof(liar[i]) + 1];
        covey__hex(text, liar[i].bytes, sizeof(liar[i].bytes));
        printf("returned wrong numbers and was left out: %s\n", text);
    }
}

void covey__report_answer(cJSON *o, const struct covey__target *t,
                          const struct covey__answer *answer)
{
    cJSON_AddItemToObject(o, "outputs", outputs(answer->output, t->output_floats));
    cJSON_AddItemToObject(o, "top", top_json(t, answer->output, t->output_floats));
    cJSON_AddBoolToObject(o, "softmaxed", sureness_of(answer->output, t->output_floats).is_softmax);
    cJSON_AddNumberToObject(o, "elapsed_ms", answer->elapsed_ms);
    add_predicted(o, answer);
}

cJSON *covey__report_line(const struct covey__target *t, const struct covey__answer *answer,
                          size_t index, int32_t label)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "index", (double)index);
    if (label >= 0) {
        cJSON_AddNumberToObject(o, "label", label);
    } else {
        cJSON_AddNullToObject(o, "label");
    }
    size_t argmax = covey__argmax(answer->output, t->output_floats);
    const char *name = covey__labels_name(&t->notes.labels, argmax);
    cJSON_AddNumberToObject(o, "argmax", (double)argmax);
    cJSON_AddItemToObject(o, "name", name != NULL ? cJSON_CreateString(name) : cJSON_CreateNull());
    cJSON_AddNumberToObject(o, "elapsed_ms", answer->elapsed_ms);
    add_predicted(o, answer);
    add_recovered(o, answer);
    if (answer->result != NULL && answer->result->layer_count > 0) {
        cJSON_AddItemToObject(o, "layers", covey__report_layers(answer->result));
    }
    cJSON_AddItemToObject(o, "outputs", outputs(answer->output, t->output_floats));
    return o;
}

void covey__report_tally(cJSON *o, struct covey__tally *tally)
{
    cJSON_AddNumberToObject(o, "answers", (double)tally->count);
    cJSON_AddNumberToObject(o, "lost", (double)tally->lost);
    if (tally->labelled > 0 && !tally->unmatched) {
        cJSON_AddNumberToObject(o, "accuracy", covey__tally_accuracy(tally));
    } else {
        cJSON_AddNullToObject(o, "accuracy");
    }
    cJSON_AddNumberToObject(o, "median_ms", covey__tally_median_ms(tally));
    cJSON_AddNumberToObject(o, "max_ms", covey__tally_max_ms(tally));
    cJSON_AddNumberToObject(o, "devices", tally->devices);
    cJSON_AddNumberToObject(o, "recovered_dead", (double)tally->recovered_dead);
    cJSON_AddNumberToObject(o, "recovered_late", (double)tally->recovered_late);
    add_liars(o, covey__tally_checked(tally), tally->liar, tally->liars);
}

/* Without names: the outputs as they are. */
static void print_top(const struct covey__target *t, const float *values)
{
    size_t top[TOP];
    size_t used = top_of(values, t->output_floats, top);
    struct sureness s = sureness_of(values, t->output_floats);
    for (size_t i = 0; i < used; i++) {
        const char *name = covey__labels_name(&t->notes.labels, top[i]);
        if (t->notes.labels.count == 0) {
            printf("%8zu  %g\n", top[i], (double)values[top[i]]);
        } else {
            printf("%8zu  %6.2f %%  %s\n", top[i], 100 * sure_of(&s, values[top[i]]),
                   name != NULL ? name : "(no name)");
        }
    }
    if (t->notes.labels.count > 0) {
        printf("%s\n", s.is_softmax ? "percentages: softmax of the outputs"
                                    : "percentages: the outputs, which are probabilities");
    }
}

void covey__print_answer(const struct covey__target *t, const struct covey__answer *answer)
{
    print_top(t, answer->output);
    const struct covey_control_result *r = answer->result;
    if (r == NULL) {
        printf("%.2f ms on this device alone\n", answer->elapsed_ms);
        return;
    }
    for (size_t i = 0; i < r->layer_count; i++) {
        const struct covey_control_layer *l = &r->layer[i];
        printf("%-24s %-6s %3u units + %u parity, recovered %u dead %u late, %.2f ms", l->name,
               mode_name(l), l->units, l->parity_units, l->recovered_dead, l->recovered_late,
               l->us / 1000.0);
        if (l->predicted_us != 0) {
            printf(" (predicted %.2f)", l->predicted_us / 1000.0);
        }
        if (l->fed != 0) {
            printf(", input of %u from others", l->fed);
        }
        putchar('\n');
    }
    printf("%.2f ms", answer->elapsed_ms);
    if (r->layer_count > 0 && r->predicted_us != 0) {
        printf(" (predicted %.2f)", r->predicted_us / 1000.0);
    }
    printf(" on %u device%s; units recovered: %u of dead devices, %u that were late\n", r->devices,
           r->devices == 1 ? "" : "s", r->recovered_dead, r->recovered_late);
    print_liars(r->liar, r->liar_count);
}

void covey__print_tally(const struct covey__target *t, struct covey__tally *tally)
{
    printf("%s: %zu answers", t->name, tally->count);
    if (tally->unmatched) {
        printf(", accuracy unknown (the folder's names are not those of the model's classes)");
    } else if (tally->labelled > 0) {
        printf(", accuracy %.2f %%", 100 * covey__tally_accuracy(tally));
    }
    printf(", median %.2f ms, worst %.2f ms, %u device%s; units recovered: %llu of dead devices, "
           "%llu that were late\n",
           covey__tally_median_ms(tally), covey__tally_max_ms(tally), tally->devices,
           tally->devices == 1 ? "" : "s", (unsigned long long)tally->recovered_dead,
           (unsigned long long)tally->recovered_late);
    print_liars(tally->liar, tally->liars);
}
