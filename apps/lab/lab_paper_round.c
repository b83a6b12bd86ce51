/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "lab_paper.h"

/* LT: as many sums as the mesh makes at most. */
enum { LT_TASKS_A_BLOCK = 16 };

struct covey__paper_sim {
    struct covey_code code;
    struct covey_decoder *decoder;
    uint32_t next; /* task of the pool */
    struct {
        bool busy;
        uint32_t task;
        double due_ms;
    } worker[COVEY__PAPER_WORKERS_MAX];
};

covey_err covey__paper_sim_new(enum covey_code_kind kind, uint32_t n, uint32_t m,
                               struct covey__paper_sim **out)
{
    uint32_t tasks = kind == COVEY_CODE_UNCODED       ? n
                     : kind == COVEY_CODE_REPLICATION ? n * (m / n)
                     : kind == COVEY_CODE_LT          ? n * LT_TASKS_A_BLOCK
                                                      : m;
    struct covey__paper_sim *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return COVEY_ERR_NOMEM;
    }
    s->code = (struct covey_code){.kind = kind,
                                  .n = n,
                                  .m = tasks < COVEY_CODE_TASKS_MAX ? tasks : COVEY_CODE_TASKS_MAX,
                                  .rows = n,
                                  .a = {1, 1},
                                  .c = {1, 1}};
    covey_err err = covey_decoder_new(&s->code, &s->decoder);
    if (err != COVEY_OK) {
        free(s);
        return err;
    }
    *out = s;
    return COVEY_OK;
}

void covey__paper_sim_free(struct covey__paper_sim *s)
{
    if (s != NULL) {
        covey_decoder_free(s->decoder);
        free(s);
    }
}

/* False: the pool is empty. */
static bool pull(struct covey__paper_sim *s, uint32_t w, double now_ms, double task_ms)
{
    uint32_t task = covey_decoder_next(s->decoder, s->next);
    s->worker[w].busy = task < s->code.m;
    if (s->worker[w].busy) {
        s->worker[w].task = task;
        s->next = task + 1;
        s->worker[w].due_ms = now_ms + task_ms;
    }
    return s->worker[w].busy;
}

/* Who is done first; workers: nobody works. */
static uint32_t first_done(const struct covey__paper_sim *s, uint32_t workers)
{
    uint32_t first = workers;
    for (uint32_t w = 0; w < workers; w++) {
        if (s->worker[w].busy &&
            (first == workers || s->worker[w].due_ms < s->worker[first].due_ms)) {
            first = w;
        }
    }
    return first;
}

covey_err covey__paper_sim_run(struct covey__paper_sim *s, const double *task_ms, uint32_t workers,
                               uint64_t seed, struct covey__paper_round *out)
{
    *out = (struct covey__paper_round){.failed = true};
    s->next = 0;
    covey_decoder_start(s->decoder, NULL, seed);
    for (uint32_t w = 0; w < workers; w++) {
        out->tasks += pull(s, w, 0, task_ms[w]);
    }
    uint32_t w;
    while ((w = first_done(s, workers)) < workers) {
        enum covey_answer_use use;
        covey_err err = covey_decoder_add(s->decoder, s->worker[w].task, NULL, &use);
        if (err != COVEY_OK) {
            return err;
        }
        enum covey_decoder_state state = covey_decoder_state(s->decoder);
        out->ms = s->worker[w].due_ms;
        out->failed = state == COVEY_DECODER_SHORT;
        if (state == COVEY_DECODER_READY) {
            break;
        }
        out->tasks += pull(s, w, out->ms, task_ms[w]);
    }
    out->answers = covey_decoder_answers(s->decoder);
    return COVEY_OK;
}
