/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "bench_measure.h"
#include "covey/blas.h"
#include "lab_page.h"
#include "lab_report.h"

void covey__report_path(const struct covey__report *r, const char *ending,
                        char out[static COVEY__REPORT_PATH])
{
    /* The command made sure that every ending fits. */
    snprintf(out, COVEY__REPORT_PATH, "%.400s/%s%s", r->folder, r->base, ending);
}

static const char *tier_name(uint8_t tier)
{
    static const char *const names[] = {"end", "edge", "cloud"};
    return tier < 3 ? names[tier] : "unknown";
}

static void write_setting(const struct covey__report *r, FILE *file)
{
    const struct covey__lab_shape *s = &r->lab.shape;
    fprintf(file, "%u devices %s", r->devices,
            r->lab.mode == COVEY_LAB_NETNS ? "in network namespaces" : "on the loopback interface");
    if (s->rate_mbit != 0) {
        fprintf(file, ", links of %u Mbit/s", (unsigned)s->rate_mbit);
    }
    if (s->delay_ms != 0) {
        fprintf(file, ", %u ms of delay", (unsigned)s->delay_ms);
    }
    if (s->loss_percent > 0) {
        fprintf(file, ", %g %% of the packets lost", s->loss_percent);
    }
    fprintf(file,
            ". %s asks, one request after the other, up to %u a row; layers are coded: %s. Times "
            "are those of the node, from the request's arrival to its answer.\n\n",
            r->lab.node[0].name, (unsigned)r->options.requests, r->options.coded);
}

static void write_devices(const struct covey__report *r, FILE *file)
{
    fprintf(file, "## Devices\n\n"
                  "| Device | Share of a core %% | MFLOP/s | Memory MiB | Tier | RTT ms | |\n"
                  "|---|---:|---:|---:|---|---:|---|\n");
    for (unsigned i = 0; i < r->devices; i++) {
        const struct covey__report_device *d = &r->device[i];
        fprintf(file, "| %s | %u | %u | %llu | %s | %.2f | %s |\n", d->name, d->cpu,
                (unsigned)d->mflops, (unsigned long long)(d->memory_bytes >> 20),
                tier_name(d->tier), d->rtt_us / 1000.0, d->coordinator ? "coordinates" : "");
    }
    fputc('\n', file);
}

static void write_rows(const struct covey__report *r, FILE *file, enum covey__report_phase_id first,
                       enum covey__report_phase_id last)
{
    fprintf(file,
            "| | Requests | Lost | Wrong | Recovered (dead, late) | Mean ms | p50 | p95 | p99 "
            "| Worst |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    bool short_of = false;
    for (unsigned i = first; i <= last; i++) {
        const struct covey__report_phase *p = &r->phase[i];
        fprintf(
            file, "| %s | %zu%s | %zu | %zu | %llu, %llu | %.2f | %.2f | %.2f | %.2f | %.2f |\n",
            covey__report_about[i].title, p->asked, p->out_of_time ? "*" : "", p->lost, p->wrong,
            (unsigned long long)p->recovered_dead, (unsigned long long)p->recovered_late,
            p->mean_ms, p->p50_ms, p->p95_ms, p->p99_ms, p->max_ms);
        short_of = short_of || p->out_of_time;
    }
    if (short_of) {
        fprintf(file, "\n\\* no more within %u s.\n", (unsigned)r->options.timeout_s);
    }
    fputc('\n', file);
}

static void write_latency(const struct covey__report *r, FILE *file)
{
    fprintf(file, "## Latency\n\n");
    write_rows(r, file, COVEY__REPORT_ALONE, COVEY__REPORT_PARITY2);
    double alone = r->phase[COVEY__REPORT_ALONE].p50_ms,
           mesh = r->phase[COVEY__REPORT_PARITY1].p50_ms;
    if (alone > 0 && mesh > 0) {
        bool gains = alone >= mesh;
        fprintf(file,
                "By the medians the mesh with parity 1 is %.2f times %s than one device%s.\n\n",
                gains ? alone / mesh : mesh / alone, gains ? "faster" : "slower",
                gains ? "" : ": this model is too small for these devices and links");
    }
    fprintf(file,
            "The rows took turns. Wrong: further than 1e-4, relative, from the answer of the "
            "device alone. The histogram ends a little above the largest 99th percentile; what "
            "took longer is in its last bin.\n\n![Distribution](%s-cdf.png)\n\n"
            "![Histogram](%s-histogram.png)\n\n",
            r->base, r->base);
}

static void write_plans(const struct covey__report *r, FILE *file)
{
    fprintf(file, "## Plans\n\n"
                  "| | Parity | Devices | Coded layers | Tile runs | Most weights KiB | Most "
                  "received KiB | Predicted ms | Measured p50 | Measured / predicted |\n"
                  "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for (unsigned i = COVEY__REPORT_ALONE; i <= COVEY__REPORT_PARITY2; i++) {
        const struct covey__report_plan *p = &r->plan[i];
        double measured = r->phase[i].p50_ms;
        fprintf(file, "| %s | %u | %u | %u | %u | %.1f | %.1f | %.2f | %.2f | %.2f |\n",
                covey__report_about[i].title, p->parity, p->devices, p->coded, p->tiles,
                (double)p->weights_bytes / 1024, (double)p->received_bytes / 1024, p->predicted_ms,
                measured, p->predicted_ms > 0 ? measured / p->predicted_ms : 0);
    }
    fprintf(file, "\nMost: of the device with most, a request.\n\n");
}

static void write_kills(const struct covey__report *r, FILE *file)
{
    double steady = r->steady_ms;
    double median = covey__percentile(r->hit_ms, r->hits, 0.5);
    double worst = covey__percentile(r->hit_ms, r->hits, 1);
    fprintf(file, "## Devices killed\n\n");
    write_rows(r, file, COVEY__REPORT_KILLS, COVEY__REPORT_KILLS);
    fprintf(
        file,
        "%zu times a device was killed (SIGKILL) at a random moment of a request and started "
        "again some requests later; before the next one the mesh had come over it (that time is "
        "not in the plot). Hit: the request in flight at the kill. Recovered: parts of layers that "
        "did "
        "not come from their device, which was dead, or later than the others.\n\n"
        "| Requests hit | Steady median ms | Median of the hit | Worst of the hit | Median / "
        "steady | Worst / steady |\n|---:|---:|---:|---:|---:|---:|\n"
        "| %zu | %.2f | %.2f | %.2f | %.2f | %.2f |\n\n"
        "![Latency over time](%s-kills.png)\n\n",
        r->kills, r->hits, steady, median, worst, steady > 0 ? median / steady : 0,
        steady > 0 ? worst / steady : 0, r->base);
}

static void write_change(FILE *file, const char *what, double without, double with)
{
    double lower = covey__report_percent_lower(without, with);
    fprintf(file, "%s %.1f %% %s", what, fabs(lower), lower < 0 ? "higher" : "lower");
}

static void write_straggler(const struct covey__report *r, FILE *file)
{
    const struct covey__report_phase *with = &r->phase[COVEY__REPORT_SLOW_PARITY1];
    const struct covey__report_phase *without = &r->phase[COVEY__REPORT_SLOW_PARITY0];
    fprintf(file, "## A straggler\n\n%s gave the answer of each of its tasks %u ms late.\n\n",
            r->lab.node[r->straggler].name, (unsigned)r->options.slow_ms);
    write_rows(r, file, COVEY__REPORT_SLOW_PARITY1, COVEY__REPORT_SLOW_PARITY0);
    fprintf(file,
            "Without parity a late part is awaited until its deadline, and then the asking device "
            "computes it itself; a device that was late may be left out for a while. To wait for "
            "every answer, however late, would take about %u ms (%u coded layers). With parity 1, "
            "against no parity: ",
            r->plan[COVEY__REPORT_PARITY0].coded * (unsigned)r->options.slow_ms,
            r->plan[COVEY__REPORT_PARITY0].coded);
    write_change(file, "mean", without->mean_ms, with->mean_ms);
    write_change(file, ", p50", without->p50_ms, with->p50_ms);
    write_change(file, ", p95", without->p95_ms, with->p95_ms);
    write_change(file, ", p99", without->p99_ms, with->p99_ms);
    fprintf(file, ". The rows took turns.\n\n![Straggler](%s-straggler.png)\n\n", r->base);
}

static void write_again(const struct covey__report *r, FILE *file)
{
    struct utsname machine;
    fprintf(file, "## Again\n\n    %s\n\ncovey %s, OpenBLAS for %s", r->command, r->version,
            covey_blas_core());
    if (uname(&machine) == 0) {
        fprintf(file, ", Linux %s on %s", machine.release, machine.machine);
    }
    fprintf(file, ". All numbers: `%s.json`; each time: `%s.dat`; the pictures: `gnuplot %s.gp`.\n",
            r->base, r->base, r->base);
    if (!r->own_lab) {
        fprintf(file, "\nThe lab was running already; `covey lab up` made it.\n");
    }
}

static void write_page(const void *user, FILE *file)
{
    const struct covey__report *r = user;
    fprintf(file, "# %s over a mesh\n\n", r->target.name);
    write_setting(r, file);
    write_devices(r, file);
    write_latency(r, file);
    write_plans(r, file);
    write_kills(r, file);
    write_straggler(r, file);
    write_again(r, file);
}

covey_err covey__report_write(struct covey__report *r)
{
    char path[COVEY__REPORT_PATH];
    covey__report_path(r, ".json", path);
    covey_err err = covey__lab_page_write_json(path, covey__report_json(r));
    if (err == COVEY_OK) {
        covey__report_path(r, ".md", path);
        err = covey__lab_page_write(path, write_page, r);
    }
    return err == COVEY_OK ? err
                           : covey__report_refuse(r, err, "%s cannot be written: %s", path,
                                                  covey_strerror(err));
}
