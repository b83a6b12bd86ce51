/* SPDX-License-Identifier: MIT */
#include "membership.h"

#include <math.h>

enum {
    /* So long a suspicion that was refuted tells against its accuser, and so much of it is borne:
     * half a minute of a bad link to everybody. */
    REFUTED_MS = 2000,
    REFUTED_MAX = 30,
};

/* Of this boot, and known to nobody else. */
static void number_key(uint8_t out[static COVEY_KEY_BYTES], const struct covey_identity *identity)
{
    static const char label[] = "covey probe 1";
    struct covey_hasher hasher;
    struct covey_digest key;
    covey_hasher_init(&hasher);
    covey_hasher_update(&hasher, covey_bytes_of(label, sizeof(label) - 1));
    covey_hasher_update(&hasher, covey_bytes_of(identity->gossip_secret, COVEY_KEY_BYTES));
    covey_hasher_update(&hasher, covey_bytes_of(identity->boot_nonce, COVEY_NONCE_BYTES));
    covey_hasher_final(&hasher, &key);
    memcpy(out, key.bytes, COVEY_KEY_BYTES);
    covey_wipe(&hasher, sizeof(hasher));
    covey_wipe(&key, sizeof(key));
}

void covey__membership_init(struct covey__membership *m, const struct covey_identity *identity,
                            uint64_t seed, uint64_t now_ms)
{
    memset(m, 0, sizeof(*m));
    struct covey__member *self = &m->hot[COVEY_SELF];
    struct covey__member_cold *cold = &m->cold[COVEY_SELF];
    self->id = identity->cert.node;
    self->used = true;
    self->known = true;
    self->state = COVEY_MEMBER_ALIVE;
    self->since_ms = now_ms;
    self->incarnation = identity->boot_counter << 32;
    cold->cert = identity->cert;
    cold->digest = identity->cert_digest;
    memcpy(cold->cert_wire, identity->cert_wire, identity->cert_len);
    cold->cert_len = identity->cert_len;
    m->used = 1;
    m->alive = 1;
    m->rng = seed;
    number_key(m->number_key, identity);
    m->last_ms = now_ms;
    m->probe_ms = now_ms + covey__random_below(&m->rng, COVEY_PROBE_INTERVAL_MS);
    m->dead_ping_ms = now_ms + COVEY_DEAD_PING_MS;
}

void covey__membership_done(struct covey__membership *m)
{
    for (uint16_t i = 0; i < m->used; i++) {
        if (m->cold[i].session_ready) {
            covey_gossip_session_done(&m->cold[i].session);
        }
    }
    covey_wipe(m->number_key, sizeof(m->number_key));
}

uint16_t covey__member_find(const struct covey__membership *m, const struct covey_node_id *id)
{
    for (uint16_t i = 0; i < m->used; i++) {
        if (m->hot[i].used && covey_node_id_equal(&m->hot[i].id, id)) {
            return i;
        }
    }
    return COVEY_NOBODY;
}

bool covey__member_is(const struct covey__membership *m, uint16_t index,
                      enum covey_member_state state)
{
    const struct covey__member *hot = &m->hot[index];
    return hot->used && hot->known && hot->state == state;
}

bool covey__member_present(const struct covey__membership *m, uint16_t index)
{
    return index != COVEY_SELF && (covey__member_is(m, index, COVEY_MEMBER_ALIVE) ||
                                   covey__member_is(m, index, COVEY_MEMBER_SUSPECT));
}

/* A free entry, else the one that is gone longest. */
static uint16_t room(const struct covey__membership *m)
{
    uint16_t best = COVEY_NOBODY;
    for (uint16_t i = 1; i < COVEY_MEMBERS_MAX; i++) {
        const struct covey__member *hot = &m->hot[i];
        if (!hot->used) {
            return i;
        }
        if (!covey__member_present(m, i) && !hot->channel &&
            (best == COVEY_NOBODY || hot->since_ms < m->hot[best].since_ms)) {
            best = i;
        }
    }
    return best;
}

/* The table's other parts name members by index: nothing of the former one may stay. */
static void forget(struct covey__membership *m, uint16_t index)
{
    for (unsigned i = 0; i < COVEY_PROBES_MAX; i++) {
        m->probe[i].active = m->probe[i].active && m->probe[i].index != index;
    }
    for (unsigned i = 0; i < COVEY_RELAYS_MAX; i++) {
        struct covey__relay *relay = &m->relay[i];
        relay->active = relay->active && relay->origin != index && relay->target != index;
    }
    if (m->cold[index].session_ready) {
        covey_gossip_session_done(&m->cold[index].session);
    }
    memset(&m->hot[index], 0, sizeof(m->hot[index]));
    memset(&m->cold[index], 0, sizeof(m->cold[index]));
}

covey_err covey__member_add(struct covey__membership *m, const struct covey_identity *identity,
                            const struct covey_cert *cert, struct covey_bytes wire,
                            uint16_t *out_index)
{
    uint16_t index = covey__member_find(m, &cert->node);
    if (index == COVEY_SELF || wire.len > COVEY_CERT_MAX) {
        return COVEY_ERR_DENIED;
    }
    if (index != COVEY_NOBODY && cert->serial <= m->cold[index].cert.serial) {
        *out_index = index; /* the same, or an older one: the newest counts */
        return COVEY_OK;
    }
    bool renewed = index != COVEY_NOBODY;
    bool same_keys = renewed && memcmp(m->cold[index].cert.gossip_public, cert->gossip_public,
                                       COVEY_KEY_BYTES) == 0;
    struct covey_gossip_session session = {0};
    if (!same_keys) {
        covey_err err = covey_gossip_session_init(&session, identity, cert);
        if (err != COVEY_OK) {
            return err;
        }
    }
    if (!renewed) {
        index = room(m);
        if (index == COVEY_NOBODY) {
            covey_gossip_session_done(&session);
            return COVEY_ERR_LIMIT;
        }
        forget(m, index);
        m->hot[index].id = cert->node;
        m->hot[index].used = true;
    }
    struct covey__member_cold *cold = &m->cold[index];
    if (!same_keys) {
        cold->session = session;
        cold->session_ready = true;
        cold->boot_known = false;
        covey_gossip_session_done(&session);
    }
    cold->cert = *cert;
    memcpy(cold->cert_wire, wire.ptr, wire.len);
    cold->cert_len = wire.len;
    covey_cert_digest(&cold->digest, wire);
    m->used = index >= m->used ? (uint16_t)(index + 1) : m->used;
    *out_index = index;
    return COVEY_OK;
}

static void tell(struct covey__swim_out *out, uint16_t index, bool accuse)
{
    for (size_t i = 0; i < out->changes; i++) {
        if (out->change[i].index == index) {
            out->change[i].accuse = out->change[i].accuse || accuse;
            return;
        }
    }
    out->change[out->changes].index = index; /* one entry a member: it cannot overflow */
    out->change[out->changes++].accuse = accuse;
}

static void move(struct covey__membership *m, uint16_t index, enum covey_member_state state,
                 uint64_t now_ms)
{
    struct covey__member *hot = &m->hot[index];
    bool before = covey__member_present(m, index);
    hot->known = true;
    hot->state = (uint8_t)state;
    hot->since_ms = now_ms;
    hot->accusers = 0;
    hot->accusers_lost = 0;
    hot->deadline_ms = UINT64_MAX;
    bool after = covey__member_present(m, index);
    m->alive = (uint16_t)(m->alive + after - before);
}

/* Its accusers were wrong. */
static void tell_against(struct covey__membership *m, uint16_t index, uint64_t now_ms)
{
    for (unsigned i = 0; i < m->hot[index].accusers; i++) {
        uint16_t accuser = covey__member_find(m, &m->cold[index].accuser[i]);
        if (accuser != COVEY_NOBODY) {
            uint64_t *until_ms = &m->cold[accuser].refuted_ms;
            *until_ms = (*until_ms > now_ms ? *until_ms : now_ms) + REFUTED_MS;
        }
    }
}

/* Who suspects others without end, always wrongly, would keep them from all work. */
static bool is_heard(const struct covey__membership *m, const struct covey_node_id *accuser)
{
    uint16_t index = covey__member_find(m, accuser);
    return index == COVEY_SELF || index == COVEY_NOBODY ||
           m->cold[index].refuted_ms <= m->last_ms + (uint64_t)REFUTED_MAX * REFUTED_MS;
}

bool covey__membership_record(struct covey__membership *m, uint16_t index, uint64_t incarnation,
                              uint64_t now_ms, struct covey__swim_out *out)
{
    struct covey__member *hot = &m->hot[index];
    /* SWIM 4.2: only a higher incarnation overrides what is believed of a member. */
    if (hot->known && incarnation <= hot->incarnation) {
        return false;
    }
    if (hot->known && incarnation >> 32 != hot->incarnation >> 32) {
        hot->channel_lost = false; /* that was another boot */
    } else if (covey__member_is(m, index, COVEY_MEMBER_SUSPECT)) {
        tell_against(m, index, now_ms);
    }
    hot->incarnation = incarnation;
    if (!covey__member_is(m, index, COVEY_MEMBER_ALIVE)) {
        move(m, index, COVEY_MEMBER_ALIVE, now_ms);
    }
    tell(out, index, false);
    return true;
}

uint64_t covey__suspicion_ms(unsigned members, unsigned accusers, unsigned accusers_lost)
{
    /* ln(n + 1) / ln(k + 1) in 1/1000, by k = how many could confirm, n = how many did. */
    static const unsigned shrink[4][4] = {
        {1000, 1000, 1000, 1000}, {0, 1000, 1000, 1000}, {0, 631, 1000, 1000}, {0, 500, 792, 1000}};
    if (accusers_lost >= 2) {
        return 2 * COVEY_PROBE_INTERVAL_MS;
    }
    double scale = fmax(1.0, log10((double)(members > 0 ? members : 1)));
    uint64_t min = (uint64_t)(5.0 * scale * COVEY_PROBE_INTERVAL_MS);
    uint64_t max = 6 * min;
    unsigned k = members < 3 ? 0 : members - 2 > 3 ? 3 : members - 2;
    unsigned n = accusers < 2 ? 0 : accusers - 1 > 3 ? 3 : accusers - 1;
    return max - (max - min) * shrink[k][n] / 1000;
}

static void set_deadline(struct covey__membership *m, struct covey__member *hot)
{
    hot->deadline_ms =
        hot->since_ms + covey__suspicion_ms(m->alive, hot->accusers, hot->accusers_lost);
}

bool covey__membership_news_wanted(const struct covey__membership *m, uint16_t index,
                                   const struct covey_accusation *a)
{
    const struct covey__member *hot = &m->hot[index];
    /* One of a later incarnation would hold against every refutation until there. */
    if (!covey__member_present(m, index) || a->incarnation != hot->incarnation ||
        (hot->state == COVEY_MEMBER_SUSPECT && hot->accusers >= COVEY_ACCUSERS_MAX)) {
        return false;
    }
    for (unsigned i = 0; i < hot->accusers; i++) {
        /* Only distinct accusers count. */
        if (covey_node_id_equal(&m->cold[index].accuser[i], &a->accuser)) {
            return false;
        }
    }
    return is_heard(m, &a->accuser);
}

bool covey__membership_accused(struct covey__membership *m, uint16_t index,
                               const struct covey_accusation *a, uint64_t now_ms,
                               struct covey__swim_out *out)
{
    struct covey__member *hot = &m->hot[index];
    if (!covey__membership_news_wanted(m, index, a)) {
        return false;
    }
    if (hot->state == COVEY_MEMBER_ALIVE) {
        move(m, index, COVEY_MEMBER_SUSPECT, now_ms);
        tell(out, index, false);
    }
    m->cold[index].accuser[hot->accusers++] = a->accuser;
    hot->accusers_lost = (uint8_t)(hot->accusers_lost + a->channel_lost);
    set_deadline(m, hot);
    return true;
}

void covey__member_accuse(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                          struct covey__swim_out *out)
{
    const struct covey__member *hot = &m->hot[index];
    struct covey_accusation own = {.accuser = m->hot[COVEY_SELF].id,
                                   .subject = hot->id,
                                   .incarnation = hot->incarnation,
                                   .channel_lost = hot->channel_lost && !hot->channel};
    if (covey__membership_accused(m, index, &own, now_ms, out)) {
        tell(out, index, true);
    }
}

bool covey__membership_left(struct covey__membership *m, uint16_t index, uint64_t incarnation,
                            uint64_t now_ms, struct covey__swim_out *out)
{
    struct covey__member *hot = &m->hot[index];
    if (index == COVEY_SELF || incarnation < hot->incarnation ||
        covey__member_is(m, index, COVEY_MEMBER_LEFT)) {
        return false;
    }
    hot->incarnation = incarnation;
    move(m, index, COVEY_MEMBER_LEFT, now_ms);
    tell(out, index, false);
    return true;
}

void covey__membership_expel(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                             struct covey__swim_out *out)
{
    if (covey__member_present(m, index)) {
        move(m, index, COVEY_MEMBER_LEFT, now_ms);
        tell(out, index, false);
    }
}

void covey__membership_channel(struct covey__membership *m, uint16_t index, bool up)
{
    struct covey__member *hot = &m->hot[index];
    hot->channel_lost = hot->channel && !up;
    hot->channel = up;
    hot->urgent = hot->channel_lost; /* strong evidence: look at once */
}

void covey__membership_unwell(struct covey__membership *m)
{
    m->health = (uint8_t)(m->health < COVEY_HEALTH_MAX ? m->health + 1 : m->health);
}

static void die(struct covey__membership *m, uint16_t index, uint64_t now_ms,
                struct covey__swim_out *out)
{
    move(m, index, COVEY_MEMBER_DEAD, now_ms);
    m->hot[index].urgent = false;
    tell(out, index, true);
}

/* A process that stood still must not bury the others for its own silence. */
static void stood_still(struct covey__membership *m, uint64_t gap_ms, uint64_t now_ms)
{
    for (uint16_t i = 1; i < m->used; i++) {
        struct covey__member *hot = &m->hot[i];
        if (hot->state == COVEY_MEMBER_SUSPECT && hot->deadline_ms != UINT64_MAX) {
            hot->since_ms += gap_ms;
            hot->deadline_ms += gap_ms;
        }
    }
    memset(m->probe, 0, sizeof(m->probe));
    memset(m->relay, 0, sizeof(m->relay));
    m->probe_ms = now_ms + COVEY_PROBE_INTERVAL_MS;
    covey__membership_unwell(m);
}

void covey__membership_gap(struct covey__membership *m, uint64_t now_ms)
{
    if (now_ms > m->last_ms + COVEY_CLOCK_GAP_MS) {
        stood_still(m, now_ms - m->last_ms, now_ms);
    }
    m->last_ms = now_ms;
}

void covey__membership_answered(struct covey__membership *m, uint16_t from, uint64_t now_ms)
{
    m->hot[from].answered_ms = now_ms;
}

void covey__membership_bury(struct covey__membership *m, uint64_t now_ms,
                            struct covey__swim_out *out)
{
    for (uint16_t i = 1; i < m->used; i++) {
        struct covey__member *hot = &m->hot[i];
        if (!covey__member_is(m, i, COVEY_MEMBER_SUSPECT) || hot->deadline_ms > now_ms) {
            continue;
        }
        /* Who answered since is there, and its refutation on its way. */
        uint64_t heard_ms = hot->answered_ms + COVEY_HEARD_MS;
        if (hot->answered_ms > hot->since_ms && heard_ms > now_ms) {
            hot->deadline_ms = heard_ms;
        } else {
            die(m, i, now_ms, out);
        }
    }
}
