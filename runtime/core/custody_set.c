/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

/* Changes of the set by joint consensus (Ongaro and Ousterhout 2014, "In Search of an
 * Understandable Consensus Algorithm", section 6). While the deed names a next set, leases, votes
 * and checkpoints need a majority of each; the next set takes over once such majorities have that
 * deed on disk. A device learns all there is to hold before it is in any set, so nobody waits for
 * its data. */

bool covey__custody_gone(const struct covey_custody *c, const struct covey__keeper *k)
{
    return k->lost || (k->away_ms != 0 && c->view->now_ms >= k->away_ms + COVEY__AWAY_MS);
}

static bool member(const struct covey__custody_session *s, const struct covey_node_id *id)
{
    return covey__custodians_have(&s->deed.set, id) || covey__custodians_have(&s->deed.next, id);
}

static struct covey__keeper *add_keeper(struct covey_custody *c, struct covey__custody_session *s,
                                        const struct covey_node_id *id)
{
    if (s->keepers == COVEY__KEEPERS_MAX) {
        return NULL;
    }
    struct covey__keeper *k = &s->keeper[s->keepers++];
    memset(k, 0, sizeof(*k));
    k->id = *id;
    uint64_t now_ms = c->view->now_ms > 0 ? c->view->now_ms : 1;
    k->away_ms = covey__custody_here(c, id) ? 0 : now_ms;
    return k;
}

void covey__custody_know_members(struct covey_custody *c, struct covey__custody_session *s)
{
    const struct covey_custodians *sets[] = {&s->deed.set, &s->deed.next};
    for (unsigned n = 0; n < 2; n++) {
        for (unsigned i = 0; i < sets[n]->count; i++) {
            const struct covey_node_id *id = &sets[n]->id[i];
            if (!covey_node_id_equal(id, &c->self) && covey__custody_keeper(s, id) == NULL) {
                (void)add_keeper(c, s, id);
            }
        }
    }
}

static void write_sets(struct covey_custody *c, struct covey__custody_session *s)
{
    s->deed.version++;
    s->config = s->deed.version;
    s->dirty = true;
    s->both_ms = c->view->now_ms;
    s->asked_ms = 0; /* leases of the changed set, at once */
}

/* Tells it and knows it no more. */
static void dismiss(struct covey_custody *c, struct covey__custody_session *s,
                    struct covey__keeper *k)
{
    if (covey__custody_here(c, &k->id)) {
        covey__custody_say(c, s, &k->id, COVEY_CUSTODY_CLOSE);
    }
    covey__custody_drop_keeper(s, k);
}

static void conclude(struct covey_custody *c, struct covey__custody_session *s)
{
    s->deed.set = s->deed.next;
    memset(&s->deed.next, 0, sizeof(s->deed.next));
    write_sets(c, s);
}

static void give_up(struct covey_custody *c, struct covey__custody_session *s)
{
    memset(&s->deed.next, 0, sizeof(s->deed.next));
    write_sets(c, s);
}

/* Members that are still good; oneself is always. */
static struct covey_custodians staying(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_custodians set = {.number = s->deed.set.number + 1};
    for (unsigned i = 0; i < s->deed.set.count; i++) {
        const struct covey__keeper *k = covey__custody_keeper(s, &s->deed.set.id[i]);
        if (k == NULL || !covey__custody_gone(c, k)) {
            covey__custodians_add(&set, &s->deed.set.id[i]);
        }
    }
    return set;
}

static bool refused(const struct covey_custody *c, const struct covey__custody_session *s,
                    const struct covey_node_id *id)
{
    for (unsigned i = 0; i < s->refusals; i++) {
        if (covey_node_id_equal(&s->refusal[i].id, id) &&
            c->view->now_ms < s->refusal[i].until_ms) {
            return true;
        }
    }
    return false;
}

/* As many learn as are wanted; who is gone or too many is dismissed, but nobody of an older set
 * before a majority of the present one knows that it is: until then both decide. */
static void choose_learners(struct covey_custody *c, struct covey__custody_session *s,
                            unsigned wanted)
{
    unsigned learning = 0;
    bool sure = covey__custody_committed(c, s) >= s->config;
    for (unsigned i = s->keepers; i-- > 0;) {
        struct covey__keeper *k = &s->keeper[i];
        bool many = sure && learning >= wanted;
        if (!member(s, &k->id) && (many || covey__custody_gone(c, k))) {
            dismiss(c, s, k);
        } else {
            learning += !member(s, &k->id);
        }
    }
    for (unsigned i = 0; i < c->view->count && learning < wanted; i++) {
        const struct covey_node_id *id = &c->view->device[i];
        if (!covey_node_id_equal(id, &c->self) && covey__custody_keeper(s, id) == NULL &&
            !refused(c, s, id)) {
            learning += add_keeper(c, s, id) != NULL;
        }
    }
}

/* A set of those that stay and of learners that hold everything; count 0: not yet. */
static struct covey_custodians wished(struct covey__custody_session *s,
                                      const struct covey_custodians *stay)
{
    struct covey_custodians set = *stay;
    for (unsigned i = 0; i < s->keepers && set.count < COVEY__CUSTODIANS; i++) {
        const struct covey__keeper *k = &s->keeper[i];
        if (!member(s, &k->id) && k->version != 0 && k->away_ms == 0) {
            covey__custodians_add(&set, &k->id);
        }
    }
    set.count = set.count < COVEY__CUSTODIANS ? 0 : set.count;
    return set;
}

static void change(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_custodians stay = staying(c, s);
    unsigned wanted = stay.count < COVEY__CUSTODIANS ? COVEY__CUSTODIANS - stay.count : 0;
    choose_learners(c, s, wanted);
    if (wanted == 0 || covey__custody_committed(c, s) < s->config) {
        return;
    }
    struct covey_custodians next = wished(s, &stay);
    if (next.count == 0 || covey__custody_lease_of(c, s, &s->deed.set) == 0 ||
        covey__custody_lease_of(c, s, &next) == 0) {
        return; /* the owner must not have to stop for it */
    }
    s->deed.next = next;
    write_sets(c, s);
}

void covey__custody_sets(struct covey_custody *c, struct covey__custody_session *s)
{
    covey__custody_know_members(c, s);
    if (s->deed.next.count == 0) {
        change(c, s);
    } else if (covey__custody_committed(c, s) >= s->config) {
        conclude(c, s);
    } else if (c->view->now_ms >= s->both_ms + COVEY__AWAY_MS &&
               (s->deed.stopped || covey__custody_lease_of(c, s, &s->deed.set) != 0)) {
        give_up(c, s); /* the next set is not there: the old one goes on */
    }
}
