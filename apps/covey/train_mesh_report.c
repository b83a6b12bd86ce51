/* SPDX-License-Identifier: MIT */
#include "train_mesh_report.h"

#include <inttypes.h>
#include <unistd.h>

#include "bench_measure.h"

enum { BAR_WIDTH = 24 };

#define LINE_NS 10000000000u /* without a terminal */

/* ---- while it runs ---- */

static void print_test(const struct covey_training_progress *p, FILE *to)
{
    if (p->test_accuracy >= 0) {
        fprintf(to, "  test %.2f %%", 100 * p->test_accuracy);
    }
}

/* What only a mesh has; nothing where there is nothing to say. */
static void print_rounds(const struct covey_training_progress *p, FILE *to)
{
    const struct covey_rounds_report *r = &p->rounds;
    if (r->rounds > 0) {
        fprintf(to, "  %u device%s", r->workers, r->workers == 1 ? "" : "s");
    }
    if (r->reissued > 0) {
        fprintf(to, "  %" PRIu64 " recovered", r->reissued);
    }
    if (r->liars > 0) {
        fprintf(to, "  %u liar%s", r->liars, r->liars == 1 ? "" : "s");
    }
    if (p->checkpoint_step > 0) {
        fprintf(to, "  kept %" PRIu64, p->checkpoint_step);
    }
}

static void print_step(const struct covey_training_progress *p, FILE *to)
{
    fprintf(to, "%u/%u  loss %.4f  train %.2f %%  %.1f steps/s", p->step, p->steps, p->loss,
            100 * p->accuracy, p->steps_s);
    print_rounds(p, to);
    if (p->state == COVEY_TRAINING_PAUSED) {
        fprintf(to, "  waits for its custodians");
    }
}

static void print_bar(const struct covey_training_progress *p)
{
    char bar[BAR_WIDTH + 1];
    size_t full = p->steps > 0 ? (size_t)((uint64_t)p->step * BAR_WIDTH / p->steps) : 0;
    for (size_t i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR_WIDTH] = 0;
    fprintf(stderr, "\repoch %u/%u [%s] ", p->epoch + 1, p->epochs, bar);
    print_step(p, stderr);
    fprintf(stderr, "\033[K");
    fflush(stderr);
}

static void print_epoch(const struct covey_training_progress *p)
{
    printf("epoch %u/%u  loss %.4f  train %.2f %%", p->epoch, p->epochs, p->loss,
           100 * p->accuracy);
    print_test(p, stdout);
    print_rounds(p, stdout);
    printf("\n");
    fflush(stdout);
}

/* Of epochs that were over at once only the last is heard of. */
void covey__train_say_progress(const struct covey__train *t, const struct covey__train_mesh *m,
                               struct covey__train_ticker *ticker)
{
    const struct covey_training_progress *p = &m->progress;
    bool terminal = isatty(STDERR_FILENO);
    uint64_t now = covey__now_ns();
    if (ticker->last_ns == 0) {
        ticker->last_ns = now;
    }
    if (p->steps == 0) {
        return; /* not opened yet */
    }
    if (!ticker->said_way && p->state == COVEY_TRAINING_RUNNING && p->why[0] != 0) {
        ticker->said_way = true;
        if (!t->cli->json) {
            covey__train_clear_bar();
            printf("%s\n", p->why);
            fflush(stdout);
        }
    }
    if (p->epoch > ticker->epoch && p->step == 0) {
        ticker->epoch = p->epoch;
        ticker->last_ns = now;
        if (!t->cli->json) {
            covey__train_clear_bar();
            print_epoch(p);
        }
        return;
    }
    if (terminal) {
        print_bar(p);
    } else if (!t->cli->json && now - ticker->last_ns >= LINE_NS) {
        ticker->last_ns = now;
        printf("epoch %u/%u  step ", p->epoch + 1, p->epochs);
        print_step(p, stdout);
        printf("\n");
        fflush(stdout);
    }
}

/* ---- the report ---- */

static const char *mode_name(enum covey_training_mode mode)
{
    static const char *const names[] = {"auto", "products", "data"};
    return (size_t)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "unknown";
}

static double codes_seconds(const struct covey_rounds_report *r)
{
    return (double)(r->encode_ns + r->decode_ns + r->check_ns) * 1e-9;
}

static void liar_name(const struct covey_rounds_report *r, uint8_t i,
                      char out[static 2 * sizeof(struct covey_node_id) + 1])
{
    covey__hex(out, r->liar[i].bytes, sizeof(r->liar[i].bytes));
}

void covey__train_mesh_lines(const struct covey__train_mesh *m)
{
    const struct covey_rounds_report *r = &m->progress.rounds;
    char id[2 * sizeof(struct covey_node_id) + 1];
    printf("session %s: %s\n", m->name, m->progress.why);
    if (r->rounds > 0) {
        printf("%" PRIu64 " rounds, %" PRIu64 " tasks, %" PRIu64 " answers, %" PRIu64
               " late, %" PRIu64 " done again, %u devices lost; codes took %.1f s of this device's "
               "processor\n",
               r->rounds, r->tasks, r->answers, r->late, r->reissued, r->lost, codes_seconds(r));
    }
    for (uint8_t i = 0; i < r->liars; i++) {
        liar_name(r, i, id);
        printf("device %s gave wrong answers: they were not used\n", id);
    }
}

static cJSON *json_rounds(const struct covey_rounds_report *r)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"rounds", (double)r->rounds},
        {"tasks", (double)r->tasks},
        {"answers", (double)r->answers},
        {"late", (double)r->late},
        {"reissued", (double)r->reissued},
        {"refused", (double)r->refused},
        {"rough", (double)r->rough},
        {"encode_s", (double)r->encode_ns * 1e-9},
        {"decode_s", (double)r->decode_ns * 1e-9},
        {"check_s", (double)r->check_ns * 1e-9},
        {"wall_s", (double)r->wall_ns * 1e-9},
        {"lost", r->lost},
    };
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cJSON_AddNumberToObject(o, numbers[i].name, numbers[i].value);
    }
    cJSON *liars = cJSON_AddArrayToObject(o, "liars");
    for (uint8_t i = 0; i < r->liars; i++) {
        char id[2 * sizeof(struct covey_node_id) + 1];
        liar_name(r, i, id);
        cJSON_AddItemToArray(liars, cJSON_CreateString(id));
    }
    return o;
}

cJSON *covey__train_mesh_json(const struct covey__train_mesh *m)
{
    const struct covey_strategy *s = &m->job.strategy;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "session", m->name);
    cJSON_AddStringToObject(o, "mode", mode_name(m->job.mode));
    cJSON_AddStringToObject(o, "strategy", covey_code_kind_name(s->kind));
    cJSON_AddNumberToObject(o, "blocks", s->blocks);
    cJSON_AddNumberToObject(o, "tasks", s->tasks);
    cJSON_AddNumberToObject(o, "spare", s->spare);
    cJSON_AddStringToObject(o, "why", m->progress.why);
    cJSON_AddNumberToObject(o, "checkpoint_step", (double)m->progress.checkpoint_step);
    cJSON_AddNumberToObject(o, "custodians", m->progress.custodians);
    cJSON_AddItemToObject(o, "rounds", json_rounds(&m->progress.rounds));
    cJSON *curve = cJSON_AddObjectToObject(o, "curve");
    cJSON_AddNumberToObject(curve, "stride", m->record.stride);
    cJSON *points = cJSON_AddArrayToObject(curve, "loss");
    for (uint32_t i = 0; i < m->record.points; i++) {
        cJSON_AddItemToArray(points, cJSON_CreateNumber((double)m->record.curve[i]));
    }
    return o;
}

void covey__train_mesh_markdown(const struct covey__train_mesh *m, FILE *to)
{
    const struct covey_rounds_report *r = &m->progress.rounds;
    const struct covey_strategy *s = &m->job.strategy;
    fprintf(to, "| session | `%s` |\n| mode | %s: %s |\n", m->name, mode_name(m->job.mode),
            m->progress.why);
    fprintf(to, "| strategy | %s, %u blocks, %u tasks (0: as many as fit), %u spare |\n",
            covey_code_kind_name(s->kind), s->blocks, s->tasks, s->spare);
    fprintf(to, "| rounds | %" PRIu64 ", %" PRIu64 " tasks, %" PRIu64 " answers used |\n",
            r->rounds, r->tasks, r->answers);
    fprintf(to,
            "| recovered | %" PRIu64 " tasks done again, %" PRIu64 " answers too late, %u "
            "devices lost |\n",
            r->reissued, r->late, r->lost);
    fprintf(to, "| codes, on this device | encoding %.2f s, decoding %.2f s, checks %.2f s |\n",
            (double)r->encode_ns * 1e-9, (double)r->decode_ns * 1e-9, (double)r->check_ns * 1e-9);
    fprintf(to, "| wrong answers | %u device%s |\n", r->liars, r->liars == 1 ? "" : "s");
    fprintf(to, "| checkpoint kept | after step %" PRIu64 ", by %u custodian%s |\n",
            m->progress.checkpoint_step, m->progress.custodians,
            m->progress.custodians == 1 ? "" : "s");
}
