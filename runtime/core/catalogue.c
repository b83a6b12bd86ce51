/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include "job.h"

static const char LABEL[] = "covey model 1";

struct entry {
    struct covey_digest id;
    uint64_t sequence;
    uint8_t publisher; /* index */
    bool removed;
    uint16_t body_len;
    uint8_t body[COVEY_CATALOGUE_BODY_MAX];
    uint8_t signature[COVEY_CATALOGUE_SIGNATURE];
};

struct publisher {
    struct covey_node_id id;
    uint16_t cert_len;
    uint16_t entries;
    uint8_t cert[COVEY_CERT_MAX];
    uint8_t sign_public[COVEY_SIGN_PUBLIC_BYTES];
};

struct peer {
    struct covey_node_id id;
    bool up;
    uint64_t tell[COVEY__CATALOGUE_MAX / 64]; /* entries that it has not been sent */
};

struct covey_catalogue {
    const struct covey_identity *identity;
    uint64_t published; /* in this boot */
    bool changed;       /* since session was told */
    uint16_t peers;     /* slots that were ever used */
    uint16_t untold;    /* peers with something to tell, at least */
    size_t publishers, count;
    struct peer peer[COVEY_MEMBERS_MAX];
    struct publisher publisher[COVEY__CATALOGUE_PUBLISHERS];
    struct entry entry[COVEY__CATALOGUE_MAX];
};

size_t covey__catalogue_size(void)
{
    return sizeof(struct covey_catalogue);
}

void covey__catalogue_init(struct covey_catalogue *c, const struct covey_identity *identity)
{
    /* The tables are not touched before they are used. */
    c->identity = identity;
    c->published = 0;
    c->changed = false;
    c->peers = c->untold = 0;
    c->publishers = c->count = 0;
}

/* ---- entries ---- */

static struct publisher *find_publisher(struct covey_catalogue *c, const struct covey_node_id *id)
{
    for (size_t i = 0; i < c->publishers; i++) {
        if (covey_node_id_equal(&c->publisher[i].id, id)) {
            return &c->publisher[i];
        }
    }
    return NULL;
}

/* Its certificate is verified. */
static struct publisher *use_publisher(struct covey_catalogue *c, const struct covey_cert *cert,
                                       struct covey_bytes wire)
{
    struct publisher *p = find_publisher(c, &cert->node);
    if (p == NULL && c->publishers < COVEY__CATALOGUE_PUBLISHERS) {
        p = &c->publisher[c->publishers++];
        p->id = cert->node;
        p->entries = 0;
    }
    if (p != NULL && wire.len <= sizeof(p->cert)) {
        memcpy(p->cert, wire.ptr, wire.len);
        p->cert_len = (uint16_t)wire.len;
        memcpy(p->sign_public, cert->sign_public, sizeof(p->sign_public));
    }
    return p;
}

static struct entry *find_entry(struct covey_catalogue *c, const struct publisher *p,
                                const struct covey_digest *id)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->entry[i].publisher == p - c->publisher && covey_digest_equal(&c->entry[i].id, id)) {
            return &c->entry[i];
        }
    }
    return NULL;
}

static struct entry *oldest_removal(struct covey_catalogue *c, const struct publisher *p)
{
    struct entry *oldest = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct entry *e = &c->entry[i];
        if (e->publisher == p - c->publisher && e->removed &&
            (oldest == NULL || e->sequence < oldest->sequence)) {
            oldest = e;
        }
    }
    return oldest;
}

/* Room for one more: a new place, that of the publisher's oldest removal, or, since removals of
 * some would else leave no place for others, that of whoever has the most entries. The removal of
 * what is not known here takes no other's place: two would take it from one another for ever. */
static struct entry *new_entry(struct covey_catalogue *c, struct publisher *p, bool removed)
{
    bool fewer = p->entries < COVEY__CATALOGUE_PUBLISHER_MAX;
    if (fewer && c->count < COVEY__CATALOGUE_MAX) {
        p->entries++;
        return &c->entry[c->count++];
    }
    if (removed) {
        return NULL;
    }
    struct entry *oldest = oldest_removal(c, p);
    struct publisher *most = NULL;
    for (size_t i = 0; oldest == NULL && fewer && i < c->publishers; i++) {
        struct publisher *other = &c->publisher[i];
        if ((most == NULL || other->entries > most->entries) && oldest_removal(c, other) != NULL) {
            most = other;
        }
    }
    if (most != NULL) {
        oldest = oldest_removal(c, most);
        most->entries--;
        p->entries++;
    }
    return oldest;
}

static void tell_all(struct covey_catalogue *c, const struct entry *e)
{
    size_t index = (size_t)(e - c->entry);
    for (uint16_t i = 0; i < c->peers; i++) {
        c->peer[i].tell[index / 64] |= c->peer[i].up ? 1ull << (index % 64) : 0;
    }
    c->untold = c->peers;
    c->changed = true;
}

/* Takes an entry whose signature is good, or is one's own. */
static covey_err take(struct covey_catalogue *c, struct publisher *p,
                      const struct covey_catalogue_model *model,
                      const struct covey_catalogue_signed *wire)
{
    struct entry *e = find_entry(c, p, &model->id);
    e = e != NULL ? e : new_entry(c, p, model->removed);
    if (e == NULL) {
        return model->removed ? COVEY_OK : COVEY_ERR_LIMIT;
    }
    e->id = model->id;
    e->sequence = model->sequence;
    e->publisher = (uint8_t)(p - c->publisher);
    e->removed = model->removed;
    e->body_len = (uint16_t)wire->body.len;
    memcpy(e->body, wire->body.ptr, wire->body.len);
    memcpy(e->signature, wire->signature.ptr, sizeof(e->signature));
    tell_all(c, e);
    return COVEY_OK;
}

/* ---- in ---- */

covey_err covey__catalogue_publish(struct covey_catalogue *c,
                                   const struct covey_catalogue_model *model)
{
    const struct covey_identity *self = c->identity;
    uint8_t body[COVEY_CATALOGUE_BODY_MAX], signature[COVEY_CATALOGUE_SIGNATURE];
    size_t len = 0;
    struct covey_catalogue_model m = *model;
    if (self->cert.trust != COVEY_TRUST_FULL) {
        return COVEY_ERR_DENIED;
    }
    struct publisher *p =
        use_publisher(c, &self->cert, covey_bytes_of(self->cert_wire, self->cert_len));
    if (p == NULL) {
        return COVEY_ERR_LIMIT;
    }
    const struct entry *known = find_entry(c, p, &model->id);
    if (known != NULL ? known->removed == model->removed : model->removed) {
        return COVEY_OK;
    }
    m.publisher = self->cert.node;
    m.sequence = self->boot_counter << 32 | ++c->published;
    covey_err err = covey_catalogue_model_encode(&m, (struct covey_buf){body, sizeof(body)}, &len);
    if (err != COVEY_OK) {
        return err;
    }
    covey_statement_sign(signature, LABEL, &self->cert.mesh, covey_bytes_of(body, len),
                         self->sign_secret);
    const struct covey_catalogue_signed wire = {covey_bytes_of(body, len),
                                                covey_bytes_of(signature, sizeof(signature))};
    return take(c, p, &m, &wire);
}

/* False: it is bad. One that is known, or older than what is known, is neither. */
static bool hear(struct covey_catalogue *c, const struct covey_cert *cert, struct covey_bytes wire,
                 const struct covey_catalogue_signed *in)
{
    struct covey_catalogue_model m;
    if (covey_catalogue_model_decode(in->body, &m) != COVEY_OK ||
        !covey_node_id_equal(&m.publisher, &cert->node)) {
        return false;
    }
    struct publisher *p = find_publisher(c, &cert->node);
    const struct entry *known = p != NULL ? find_entry(c, p, &m.id) : NULL;
    if (known != NULL && known->sequence >= m.sequence) {
        return true;
    }
    if (!covey_statement_verify(in->signature.ptr, LABEL, &c->identity->cert.mesh, in->body,
                                cert->sign_public)) {
        return false;
    }
    p = use_publisher(c, cert, wire);
    return p != NULL && take(c, p, &m, in) == COVEY_OK;
}

unsigned covey__catalogue_message(struct covey_catalogue *c, struct covey_bytes bytes,
                                  uint64_t wall_s)
{
    struct covey_catalogue_message m;
    struct covey_cert cert;
    unsigned bad = 0;
    if (covey_catalogue_decode(bytes, &m) != COVEY_OK ||
        covey_cert_verify(m.cert, c->identity->authority_public, wall_s, &cert) != COVEY_OK ||
        cert.trust != COVEY_TRUST_FULL) {
        return 1;
    }
    for (size_t i = 0; i < m.count; i++) {
        bad += !hear(c, &cert, m.cert, &m.entry[i]);
    }
    return bad;
}

/* ---- out ---- */

void covey__catalogue_peer(struct covey_catalogue *c, uint16_t slot,
                           const struct covey_node_id *peer, bool up)
{
    COVEY_ASSERT(slot < COVEY_MEMBERS_MAX);
    for (; c->peers <= slot; c->peers++) {
        c->peer[c->peers] = (struct peer){.up = false};
    }
    struct peer *p = &c->peer[slot];
    if (p->up == up && (!up || covey_node_id_equal(&p->id, peer))) {
        return;
    }
    *p = (struct peer){.id = *peer, .up = up};
    for (size_t i = 0; up && i < c->count; i++) {
        p->tell[i / 64] |= 1ull << (i % 64);
    }
    c->untold = c->peers;
}

static struct covey_catalogue_signed view(const struct entry *e)
{
    return (struct covey_catalogue_signed){covey_bytes_of(e->body, e->body_len),
                                           covey_bytes_of(e->signature, sizeof(e->signature))};
}

static bool untold(const struct peer *p, size_t index)
{
    return (p->tell[index / 64] >> (index % 64) & 1) != 0;
}

/* One message of one publisher's entries; what a full update does not take waits. False: nothing
 * was left to tell, or nothing more fits. */
static bool tell_one(struct covey_catalogue *c, struct peer *p, struct covey_update *out)
{
    struct covey_catalogue_message m = {.count = 0};
    size_t told[COVEY_CATALOGUE_ENTRIES_MAX];
    uint8_t publisher = 0;
    for (size_t i = 0; i < c->count && m.count < COVEY_CATALOGUE_ENTRIES_MAX; i++) {
        if (untold(p, i) && (m.count == 0 || c->entry[i].publisher == publisher)) {
            publisher = c->entry[i].publisher;
            told[m.count] = i;
            m.entry[m.count++] = view(&c->entry[i]);
        }
    }
    if (m.count == 0) {
        return false;
    }
    if (sizeof(out->arena) - out->arena_len < COVEY_CATALOGUE_MESSAGE_MAX) {
        out->more = true;
        return false;
    }
    struct covey_buf room = {out->arena + out->arena_len, COVEY_CATALOGUE_MESSAGE_MAX};
    m.cert = covey_bytes_of(c->publisher[publisher].cert, c->publisher[publisher].cert_len);
    size_t len = 0;
    covey_err err = covey_catalogue_encode(&m, room, &len);
    COVEY_ASSERT(err == COVEY_OK); /* MESSAGE_MAX holds the largest */
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_SEND);
    if (action == NULL) {
        return false;
    }
    action->peer = p->id;
    action->has_peer = true;
    action->bytes = covey_bytes_of(room.ptr, len);
    out->arena_len += len;
    for (size_t i = 0; i < m.count; i++) {
        p->tell[told[i] / 64] &= ~(1ull << (told[i] % 64));
    }
    return true;
}

static bool all_told(const struct peer *p)
{
    uint64_t left = 0;
    for (size_t i = 0; i < COVEY__CATALOGUE_MAX / 64; i++) {
        left |= p->tell[i];
    }
    return left == 0;
}

void covey__catalogue_tick(struct covey_catalogue *c, struct covey_update *out)
{
    if (c->changed) {
        c->changed = covey__update_add(out, COVEY_ACTION_CATALOGUE) == NULL;
    }
    uint16_t left = 0;
    for (uint16_t i = 0; c->untold > 0 && i < c->peers; i++) {
        struct peer *p = &c->peer[i];
        while (p->up && tell_one(c, p, out)) {
        }
        left = (uint16_t)(left + (p->up && !all_told(p)));
    }
    c->untold = left;
}

/* ---- looking in ---- */

size_t covey__catalogue_count(const struct covey_catalogue *c)
{
    return c->count;
}

void covey__catalogue_get(const struct covey_catalogue *c, size_t index,
                          struct covey_catalogue_model *out)
{
    COVEY_ASSERT(index < c->count);
    const struct entry *e = &c->entry[index];
    covey_err err = covey_catalogue_model_decode(covey_bytes_of(e->body, e->body_len), out);
    COVEY_ASSERT(err == COVEY_OK); /* it was read when it came */
}

covey_err covey__catalogue_wire(const struct covey_catalogue *c, size_t index, struct covey_buf out,
                                size_t *out_len)
{
    COVEY_ASSERT(index < c->count);
    const struct entry *e = &c->entry[index];
    const struct publisher *p = &c->publisher[e->publisher];
    const struct covey_catalogue_message m = {
        .cert = covey_bytes_of(p->cert, p->cert_len), .count = 1, .entry = {view(e)}};
    return covey_catalogue_encode(&m, out, out_len);
}
