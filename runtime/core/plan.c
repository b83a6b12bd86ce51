/* SPDX-License-Identifier: MIT */
#include "covey/plan.h"

#include "plan_private.h"

static bool all_coded(const struct covey__team *team, const struct covey_plan_request *request,
                      struct covey_plan *out)
{
    struct covey__deal deal = {.team = team};
    for (unsigned i = 0; i < request->layers; i++) {
        struct covey__hand hand;
        if (!covey__deal_all(&deal, &request->cost[i], &hand)) {
            return false;
        }
        covey__deal_take(&deal, &request->cost[i], &hand);
        out->layer[i] = hand.layer;
    }
    out->layers = request->layers;
    return true;
}

static void begin(const struct covey__team *team, const struct covey_plan_request *request,
                  struct covey_plan *out)
{
    memset(out, 0, sizeof(*out));
    out->parity = request->parity;
    out->half = request->half;
    out->devices = (uint8_t)team->devices;
    memcpy(out->device, team->id, team->devices * sizeof(out->device[0]));
}

static void alone(const struct covey_plan_request *request, struct covey_plan *out)
{
    memset(out, 0, sizeof(*out));
    out->parity = request->parity;
    out->half = request->half;
}

covey_err covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out)
{
    struct covey__team team;
    covey_err err = covey__plan_request_check(request);
    if (err != COVEY_OK) {
        return err;
    }
    covey__team_choose(request, &team);
    begin(&team, request, out);
    /* A single device gains nothing from units and parities of its own. */
    if (team.devices < 2 || team.devices < request->parity + 1U ||
        !all_coded(&team, request, out)) {
        alone(request, out);
    }
    return COVEY_OK;
}
