/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/utsname.h>

#include "bench_measure.h"
#include "covey/blas.h"
#include "lab_report.h"

double covey__report_percent_lower(double a, double b)
{
    return a > 0 ? 100 * (a - b) / a : 0;
}

size_t covey__report_lost(const struct covey__report *r)
{
    size_t lost = 0;
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        lost += r->phase[i].lost;
    }
    return lost;
}

size_t covey__report_wrong(const struct covey__report *r)
{
    size_t wrong = 0;
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        wrong += r->phase[i].wrong;
    }
    return wrong;
}

static void add(cJSON *o, const char *name, double value)
{
    cJSON_AddNumberToObject(o, name, value);
}

static void add_run(const struct covey__report *r, cJSON *document)
{
    const struct covey__report_options *o = &r->options;
    struct utsname machine;
    cJSON_AddStringToObject(document, "command", r->command);
    cJSON_AddStringToObject(document, "model", r->target.name);
    cJSON_AddStringToObject(document, "input", r->input_spec[0] != 0 ? r->input_spec : "random");
    cJSON_AddStringToObject(document, "coded", o->coded);
    add(document, "requests", o->requests);
    add(document, "seed", o->seed);
    cJSON_AddStringToObject(document, "covey", r->version);
    cJSON_AddStringToObject(document, "blas_core", covey_blas_core());
    if (uname(&machine) == 0) {
        cJSON_AddStringToObject(document, "kernel", machine.release);
        cJSON_AddStringToObject(document, "machine", machine.machine);
    }
    cJSON_AddStringToObject(document, "mode",
                            r->lab.mode == COVEY_LAB_NETNS ? "netns" : "loopback");
    add(document, "rate_mbit", r->lab.shape.rate_mbit);
    add(document, "delay_ms", r->lab.shape.delay_ms);
    add(document, "loss_percent", r->lab.shape.loss_percent);
}

static void add_devices(const struct covey__report *r, cJSON *document)
{
    cJSON *list = cJSON_AddArrayToObject(document, "devices");
    for (unsigned i = 0; i < r->devices; i++) {
        const struct covey__report_device *d = &r->device[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", d->name);
        add(o, "cpu", d->cpu);
        add(o, "mflops", d->mflops);
        add(o, "memory_bytes", (double)d->memory_bytes);
        add(o, "rtt_ms", d->rtt_us / 1000.0);
        cJSON_AddBoolToObject(o, "coordinator", d->coordinator);
        cJSON_AddItemToArray(list, o);
    }
}

static void add_phases(const struct covey__report *r, cJSON *document)
{
    cJSON *list = cJSON_AddArrayToObject(document, "phases");
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        const struct covey__report_phase *p = &r->phase[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", covey__report_about[i].name);
        add(o, "asked", (double)p->asked);
        add(o, "answers", (double)p->count);
        add(o, "lost", (double)p->lost);
        add(o, "wrong", (double)p->wrong);
        add(o, "recovered_dead", (double)p->recovered_dead);
        add(o, "recovered_late", (double)p->recovered_late);
        add(o, "devices", p->devices);
        add(o, "mean_ms", p->mean_ms);
        add(o, "min_ms", p->min_ms);
        add(o, "p50_ms", p->p50_ms);
        add(o, "p95_ms", p->p95_ms);
        add(o, "p99_ms", p->p99_ms);
        add(o, "max_ms", p->max_ms);
        cJSON_AddBoolToObject(o, "out_of_time", p->out_of_time);
        cJSON_AddItemToArray(list, o);
    }
}

static void add_plans(const struct covey__report *r, cJSON *document)
{
    cJSON *list = cJSON_AddArrayToObject(document, "plans");
    for (size_t i = COVEY__REPORT_ALONE; i <= COVEY__REPORT_PARITY2; i++) {
        const struct covey__report_plan *p = &r->plan[i];
        double measured = r->phase[i].p50_ms;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", covey__report_about[i].name);
        add(o, "parity", p->parity);
        add(o, "devices", p->devices);
        add(o, "coded_layers", p->coded);
        add(o, "local_layers", p->local);
        add(o, "tile_runs", p->tiles);
        add(o, "weights_bytes", (double)p->weights_bytes);
        add(o, "received_bytes", (double)p->received_bytes);
        add(o, "predicted_ms", p->predicted_ms);
        add(o, "measured_ms", measured);
        add(o, "measured_over_predicted", p->predicted_ms > 0 ? measured / p->predicted_ms : 0);
        cJSON_AddItemToArray(list, o);
    }
}

static void add_kills(const struct covey__report *r, cJSON *document)
{
    const struct covey__report_phase *p = &r->phase[COVEY__REPORT_KILLS];
    double steady = r->steady_ms;
    double median = covey__percentile(r->hit_ms, r->hits, 0.5);
    double worst = covey__percentile(r->hit_ms, r->hits, 1);
    cJSON *o = cJSON_AddObjectToObject(document, "kills");
    add(o, "count", (double)r->kills);
    add(o, "lost", (double)p->lost);
    add(o, "recovered_dead", (double)p->recovered_dead);
    add(o, "recovered_late", (double)p->recovered_late);
    add(o, "hit", (double)r->hits);
    add(o, "steady_median_ms", steady);
    add(o, "hit_median_ms", median);
    add(o, "hit_worst_ms", worst);
    add(o, "hit_median_ratio", steady > 0 ? median / steady : 0);
    add(o, "hit_worst_ratio", steady > 0 ? worst / steady : 0);
    cJSON *list = cJSON_AddArrayToObject(o, "events");
    for (size_t i = 0; i < r->kills; i++) {
        cJSON *event = cJSON_CreateObject();
        add(event, "at_ms", r->kill[i].at_ms);
        add(event, "request", (double)r->kill[i].request);
        cJSON_AddStringToObject(event, "node", r->lab.node[r->kill[i].node].name);
        cJSON_AddItemToArray(list, event);
    }
}

static void add_straggler(const struct covey__report *r, cJSON *document)
{
    const struct covey__report_phase *with = &r->phase[COVEY__REPORT_SLOW_PARITY1];
    const struct covey__report_phase *without = &r->phase[COVEY__REPORT_SLOW_PARITY0];
    cJSON *o = cJSON_AddObjectToObject(document, "straggler");
    cJSON_AddStringToObject(o, "node", r->lab.node[r->straggler].name);
    add(o, "slow_ms", r->options.slow_ms);
    add(o, "waiting_ms", r->plan[COVEY__REPORT_PARITY0].coded * (double)r->options.slow_ms);
    add(o, "mean_improvement_percent",
        covey__report_percent_lower(without->mean_ms, with->mean_ms));
    add(o, "p50_improvement_percent", covey__report_percent_lower(without->p50_ms, with->p50_ms));
    add(o, "p95_improvement_percent", covey__report_percent_lower(without->p95_ms, with->p95_ms));
    add(o, "p99_improvement_percent", covey__report_percent_lower(without->p99_ms, with->p99_ms));
}

cJSON *covey__report_json(const struct covey__report *r)
{
    cJSON *document = cJSON_CreateObject();
    add_run(r, document);
    double mesh = r->phase[COVEY__REPORT_PARITY1].p50_ms;
    add(document, "speedup", mesh > 0 ? r->phase[COVEY__REPORT_ALONE].p50_ms / mesh : 0);
    add(document, "lost", (double)covey__report_lost(r));
    add(document, "wrong", (double)covey__report_wrong(r));
    add_devices(r, document);
    add_phases(r, document);
    add_plans(r, document);
    add_kills(r, document);
    add_straggler(r, document);
    return document;
}
