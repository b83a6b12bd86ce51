/* SPDX-License-Identifier: MIT */
#include "training_trial.h"

enum {
    TRY_STEPS = 4,       /* the first one warms up */
    SETTLED_STEPS = 400, /* then the other way is tried again: a hundredth of the time */
};

/* The way that was taken must be that much slower before it is left: times vary. */
#define LEAVE 1.05

bool covey__trial_next(const struct covey__trial *t)
{
    return t->mesh;
}

static void begin(struct covey__trial *t, bool mesh, bool settled)
{
    t->mesh = mesh;
    t->settled = settled;
    t->done = 0;
    t->sum_ns = 0;
}

static bool settle(struct covey__trial *t, bool before)
{
    bool mesh = before ? t->ns[1] < LEAVE * t->ns[0] : LEAVE * t->ns[1] < t->ns[0];
    begin(t, mesh, true);
    return true;
}

void covey__trial_again(struct covey__trial *t)
{
    if (t->settled) {
        begin(t, !t->mesh, false);
    }
}

bool covey__trial_took(struct covey__trial *t, uint64_t ns)
{
    unsigned way = t->mesh ? 1 : 0;
    t->done++;
    if (t->settled) {
        t->ns[way] += ((double)ns - t->ns[way]) / 16;
        if (t->done >= SETTLED_STEPS) {
            covey__trial_again(t);
        }
        return false;
    }
    t->sum_ns += t->done > 1 ? (double)ns : 0;
    if (t->done < TRY_STEPS) {
        return false;
    }
    t->ns[way] = t->sum_ns / (TRY_STEPS - 1);
    t->tried |= 1u << way;
    if (t->tried != 3) {
        begin(t, !t->mesh, false);
        return false;
    }
    return settle(t, !t->mesh);
}
