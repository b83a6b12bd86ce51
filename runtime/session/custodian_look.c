/* SPDX-License-Identifier: MIT */
#include "custodian_state.h"

size_t covey__custodian_count(const struct covey_custodian *c)
{
    size_t count = 0;
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        count += c->entry[i].used;
    }
    return count;
}

/* Those that were touched later. */
static size_t place_of(const struct covey_custodian *c, const struct covey__custodian_entry *e)
{
    size_t place = 0;
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS; i++) {
        place += c->entry[i].used && c->entry[i].touched > e->touched;
    }
    return place;
}

void covey__custodian_get(const struct covey_custodian *c, size_t index,
                          struct covey_custodian_session *out)
{
    const struct covey__custodian_entry *e = NULL;
    for (unsigned i = 0; i < COVEY__JOURNAL_SESSIONS && e == NULL; i++) {
        e = c->entry[i].used && place_of(c, &c->entry[i]) == index ? &c->entry[i] : NULL;
    }
    COVEY_ASSERT(e != NULL);
    bool enough = e->set.count >= COVEY__CUSTODIAN_WANTED;
    *out = (struct covey_custodian_session){
        .row = e->row,
        .step = e->step,
        .newest = e->newest,
        .kept_step = e->kept_step,
        .set = e->set,
        .held = e->held,
        .lease_ms = e->lease_ms,
        .owns = e->owns,
        .recoverable = e->row.state != COVEY_JOURNAL_OVER && enough &&
                       (!e->owns || e->held > e->set.count / 2),
    };
    if (e->row.state == COVEY_JOURNAL_STOPPED) {
        out->recoverable = e->live && covey__custodian_majority(c, e);
    }
}
