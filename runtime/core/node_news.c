/* SPDX-License-Identifier: MIT */
#include "node_state.h"

enum {
    /* Signatures that are checked for what one member hands on: the burst is all that a newcomer
     * is told at once, the rest far more than happens, and a slow board can do it. */
    VERIFIED_BURST = 2048,
    VERIFIED_EVERY_MS = 10,
};

bool covey__node_may_cost(struct covey_node *node, uint16_t from, unsigned signatures)
{
    uint64_t *paid_ms = &node->members.cold[from].paid_ms;
    uint64_t since_ms = *paid_ms > node->now_ms ? *paid_ms : node->now_ms;
    if (since_ms - node->now_ms > VERIFIED_BURST * VERIFIED_EVERY_MS) {
        node->dropped++;
        return false;
    }
    *paid_ms = since_ms + signatures * UINT64_C(1) * VERIFIED_EVERY_MS;
    return true;
}

static const char *label_of(enum covey_statement_kind kind)
{
    switch (kind) {
    case COVEY_STATEMENT_RECORD:
        return "covey record 1";
    case COVEY_STATEMENT_SUSPECT:
        return "covey suspect 1";
    case COVEY_STATEMENT_DEAD:
        return "covey dead 1";
    case COVEY_STATEMENT_LEAVE:
        return "covey leave 1";
    case COVEY_STATEMENT_CLAIM:
        return "covey claim 1";
    case COVEY_STATEMENT_NONE:
        break;
    }
    return "covey none 1";
}

static void sign(const struct covey_node *node, enum covey_statement_kind kind, const uint8_t *body,
                 size_t len, uint8_t *out)
{
    covey_statement_sign(out, label_of(kind), &node->identity->cert.mesh, covey_bytes_of(body, len),
                         node->identity->sign_secret);
}

/* Of what the member `from` hands on. */
static bool verify(struct covey_node *node, uint16_t from, uint16_t signer,
                   const struct covey_statement *statement)
{
    return covey__node_may_cost(node, from, 1) &&
           covey_statement_verify(statement->signature.ptr, label_of(statement->kind),
                                  &node->identity->cert.mesh, statement->body,
                                  node->members.cold[signer].cert.sign_public);
}

struct covey_statement covey__node_record_of(const struct covey_node *node, uint16_t index)
{
    const struct covey__member_cold *cold = &node->members.cold[index];
    return (struct covey_statement){
        COVEY_STATEMENT_RECORD, covey_bytes_of(cold->record_wire, cold->record_len),
        covey_bytes_of(cold->record_signature, sizeof(cold->record_signature))};
}

/* Spread a statement as it came. */
static void spread(struct covey_node *node, const struct covey_statement *statement,
                   const struct covey_node_id *subject, const struct covey_node_id *signer,
                   uint64_t incarnation)
{
    struct covey__news news = {.kind = (uint8_t)statement->kind,
                               .subject = *subject,
                               .signer = *signer,
                               .incarnation = incarnation,
                               .len = statement->body.len};
    memcpy(news.body, statement->body.ptr, statement->body.len);
    memcpy(news.signature, statement->signature.ptr, sizeof(news.signature));
    covey__queue_add(&node->queue, &news);
}

covey_err covey__node_sign_record(struct covey_node *node)
{
    const struct covey__member *self = &node->members.hot[COVEY_SELF];
    struct covey__member_cold *cold = &node->members.cold[COVEY_SELF];
    struct covey_record_body record = {.node = self->id,
                                       .incarnation = self->incarnation,
                                       .cert = node->identity->cert_digest,
                                       .gossip_port = node->config.gossip_port,
                                       .channel_port = node->config.channel_port,
                                       .rates = node->config.rates,
                                       .memory_bytes = node->config.memory_bytes,
                                       .store_bytes = node->config.store_bytes,
                                       .addrs = node->config.addr_count};
    for (unsigned i = 0; i < node->config.addr_count; i++) {
        memcpy(record.addr[i], node->config.addrs[i].ip, sizeof(record.addr[i]));
    }
    size_t len = 0;
    covey_err err = covey_record_encode(
        &record, (struct covey_buf){cold->record_wire, sizeof(cold->record_wire)}, &len);
    if (err != COVEY_OK) {
        return err;
    }
    cold->record = record;
    cold->record_len = len;
    sign(node, COVEY_STATEMENT_RECORD, cold->record_wire, len, cold->record_signature);
    struct covey_statement statement = covey__node_record_of(node, COVEY_SELF);
    spread(node, &statement, &self->id, &self->id, self->incarnation);
    return COVEY_OK;
}

covey_err covey__node_sign_accusation(const struct covey_node *node, uint16_t subject,
                                      enum covey_statement_kind kind, struct covey__news *out)
{
    const struct covey__member *hot = &node->members.hot[subject];
    struct covey_accusation a = {.accuser = node->members.hot[COVEY_SELF].id,
                                 .subject = hot->id,
                                 .incarnation = hot->incarnation,
                                 .channel_lost = hot->channel_lost && !hot->channel};
    struct covey__news news = {.kind = (uint8_t)kind,
                               .subject = hot->id,
                               .signer = a.accuser,
                               .incarnation = hot->incarnation};
    covey_err err =
        covey_accusation_encode(&a, (struct covey_buf){news.body, sizeof(news.body)}, &news.len);
    if (err == COVEY_OK) {
        sign(node, kind, news.body, news.len, news.signature);
        *out = news;
    }
    return err;
}

void covey__node_ask(struct covey_node *node, const struct covey_digest *digest)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < COVEY_ASKED_MAX; i++) {
        if (node->asked[i].again_ms > node->now_ms &&
            covey_digest_equal(&node->asked[i].digest, digest)) {
            return;
        }
        oldest = node->asked[i].again_ms < node->asked[oldest].again_ms ? i : oldest;
    }
    if (node->asks.digests < COVEY_GOSSIP_DIGESTS_MAX) {
        node->asked[oldest].digest = *digest;
        node->asked[oldest].again_ms = node->now_ms + COVEY_ASK_MS;
        node->asks.digest[node->asks.digests++] = *digest;
    }
}

void covey__node_certificate(struct covey_node *node, uint16_t from, struct covey_bytes wire)
{
    struct covey_cert cert;
    uint16_t index;
    if (!covey__node_may_cost(node, from, 1)) {
        return;
    }
    if (covey_cert_verify(wire, node->identity->authority_public, node->wall_s, &cert) !=
            COVEY_OK ||
        covey__member_add(&node->members, node->identity, &cert, wire, &index) != COVEY_OK) {
        node->dropped++;
    }
}

/* Somebody says what is not so of this node: a higher incarnation overrides it. */
static void refute(struct covey_node *node, uint64_t incarnation)
{
    struct covey__member *self = &node->members.hot[COVEY_SELF];
    if (node->leave_ms != UINT64_MAX || incarnation == UINT64_MAX) {
        return;
    }
    self->incarnation = incarnation + 1;
    covey__membership_unwell(&node->members);
    covey_err err = covey__node_sign_record(node);
    COVEY_ASSERT(err == COVEY_OK); /* only its incarnation changed since it fitted */
}

static void on_record(struct covey_node *node, uint16_t from,
                      const struct covey_statement *statement)
{
    struct covey__membership *members = &node->members;
    struct covey_record_body record;
    if (covey_record_decode(statement->body, &record) != COVEY_OK) {
        node->dropped++;
        return;
    }
    uint16_t index = covey__member_find(members, &record.node);
    if (index == COVEY_SELF) {
        /* protocol.md, Identity: its own record with a higher incarnation: adopt that plus one. */
        if (record.incarnation > members->hot[COVEY_SELF].incarnation &&
            verify(node, from, COVEY_SELF, statement)) {
            refute(node, record.incarnation);
        }
        return;
    }
    if (index == COVEY_NOBODY) {
        covey__node_ask(node, &record.cert);
        return;
    }
    struct covey__member *hot = &members->hot[index];
    struct covey__member_cold *cold = &members->cold[index];
    if (hot->known && record.incarnation <= hot->incarnation) {
        return;
    }
    if (!covey_digest_equal(&record.cert, &cold->digest)) {
        covey__node_ask(node, &record.cert); /* a renewed one; taken if it is newer */
    }
    if (!verify(node, from, index, statement)) {
        node->dropped++;
        return;
    }
    /* Where it is now may differ from where its former boot was. */
    bool same_boot = record.incarnation >> 32 == hot->incarnation >> 32;
    cold->addr_seen = cold->addr_seen && same_boot;
    if (!same_boot && !hot->channel) {
        memset(&cold->channel_addr, 0, sizeof(cold->channel_addr));
    }
    cold->record = record;
    cold->record_len = statement->body.len;
    memcpy(cold->record_wire, statement->body.ptr, statement->body.len);
    memcpy(cold->record_signature, statement->signature.ptr, sizeof(cold->record_signature));
    covey__node_addresses(node, index);
    if (covey__membership_record(members, index, record.incarnation, node->now_ms, &node->swim)) {
        spread(node, statement, &record.node, &record.node, record.incarnation);
    }
}

static void on_accusation(struct covey_node *node, uint16_t from,
                          const struct covey_statement *statement)
{
    struct covey__membership *members = &node->members;
    struct covey_accusation a;
    if (covey_accusation_decode(statement->body, &a) != COVEY_OK) {
        node->dropped++;
        return;
    }
    uint16_t accuser = covey__member_find(members, &a.accuser);
    uint16_t subject = covey__member_find(members, &a.subject);
    if (accuser == COVEY_NOBODY || accuser == COVEY_SELF || subject == COVEY_NOBODY) {
        return; /* only verified accusers count; one's own words echo */
    }
    if (statement->kind == COVEY_STATEMENT_LEAVE) {
        bool gone = covey__member_is(members, subject, COVEY_MEMBER_LEFT);
        if (accuser == subject && !gone && verify(node, from, accuser, statement) &&
            covey__membership_left(members, subject, a.incarnation, node->now_ms, &node->swim)) {
            spread(node, statement, &a.subject, &a.accuser, a.incarnation);
        }
        return;
    }
    if (subject == COVEY_SELF) {
        /* Nobody honest knows a higher one, but for my own record, which says so itself. */
        if (a.incarnation == members->hot[COVEY_SELF].incarnation &&
            verify(node, from, accuser, statement)) {
            refute(node, a.incarnation);
        }
        return;
    }
    if (a.incarnation > members->hot[subject].incarnation) {
        covey__node_ask(node, &members->cold[subject].digest); /* brings the record too */
        return;
    }
    /* Another's "dead" is a suspicion: both kinds count alike. */
    if (covey__membership_news_wanted(members, subject, &a) &&
        verify(node, from, accuser, statement) &&
        covey__membership_accused(members, subject, &a, node->now_ms, &node->swim)) {
        spread(node, statement, &a.subject, &a.accuser, a.incarnation);
    }
}

static void tell_claim(struct covey_node *node, uint16_t to)
{
    struct covey__member_cold *cold = &node->members.cold[to];
    if (node->election.has && node->claim.used && node->now_ms >= cold->nudge_ms) {
        struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
        cold->nudge_ms = node->now_ms + COVEY_REPLY_MS;
        m.statement[m.statements++] = covey__news_view(&node->claim);
        covey__node_send_gossip(node, to, &m);
    }
}

static void on_claim(struct covey_node *node, uint16_t from,
                     const struct covey_statement *statement)
{
    struct covey_claim claim;
    struct covey__election_out done = {0};
    if (covey_claim_decode(statement->body, &claim) != COVEY_OK) {
        node->dropped++;
        return;
    }
    uint16_t index = covey__member_find(&node->members, &claim.coordinator);
    if (index == COVEY_NOBODY || !covey__member_present(&node->members, index) ||
        node->members.cold[index].cert.trust != COVEY_TRUST_FULL) {
        return; /* protocol.md, Coordinator: trust none never claims */
    }
    enum covey__claim_verdict verdict =
        covey__election_judge(&node->election, &claim, node->now_ms);
    if (verdict == COVEY_CLAIM_IGNORED || !verify(node, from, index, statement)) {
        return;
    }
    if (verdict == COVEY_CLAIM_YIELDS) {
        tell_claim(node, from);
        return;
    }
    covey__election_claim(&node->election, &claim, node->now_ms, &done);
    node->claim = (struct covey__news){.used = true,
                                       .kind = COVEY_STATEMENT_CLAIM,
                                       .subject = claim.coordinator,
                                       .signer = claim.coordinator,
                                       .len = statement->body.len};
    memcpy(node->claim.body, statement->body.ptr, statement->body.len);
    memcpy(node->claim.signature, statement->signature.ptr, sizeof(node->claim.signature));
    if (verdict == COVEY_CLAIM_TAKES_OVER || node->members.alive > COVEY_BEAT_MEMBERS) {
        covey__queue_add(&node->queue, &node->claim);
    }
    covey__node_election_done(node, &done);
}

void covey__node_statement(struct covey_node *node, uint16_t from,
                           const struct covey_statement *statement)
{
    switch (statement->kind) {
    case COVEY_STATEMENT_RECORD:
        on_record(node, from, statement);
        break;
    case COVEY_STATEMENT_SUSPECT:
    case COVEY_STATEMENT_DEAD:
    case COVEY_STATEMENT_LEAVE:
        on_accusation(node, from, statement);
        break;
    case COVEY_STATEMENT_CLAIM:
        on_claim(node, from, statement);
        break;
    case COVEY_STATEMENT_NONE:
        break;
    }
}

static void beat(struct covey_node *node)
{
    const struct covey__election *e = &node->election;
    struct covey_claim claim = {e->self, e->term, e->beat};
    struct covey__news *news = &node->claim;
    *news = (struct covey__news){
        .used = true, .kind = COVEY_STATEMENT_CLAIM, .subject = e->self, .signer = e->self};
    covey_err err =
        covey_claim_encode(&claim, (struct covey_buf){news->body, sizeof(news->body)}, &news->len);
    COVEY_ASSERT(err == COVEY_OK); /* 16 bytes and two numbers always fit */
    sign(node, COVEY_STATEMENT_CLAIM, news->body, news->len, news->signature);
    if (e->beat == 1 || node->members.alive > COVEY_BEAT_MEMBERS) {
        covey__queue_add(&node->queue, news);
    }
    unsigned told = 0;
    uint16_t used = node->members.used;
    uint16_t start = (uint16_t)covey__random_below(&node->rng, used);
    for (uint16_t i = 0; i < used && told < COVEY_BEAT_MEMBERS; i++) {
        uint16_t index = (uint16_t)((start + i) % used);
        if (covey__member_present(&node->members, index)) {
            struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
            m.statement[m.statements++] = covey__news_view(news);
            covey__node_send_gossip(node, index, &m);
            told++;
        }
    }
}

void covey__node_election_done(struct covey_node *node, const struct covey__election_out *done)
{
    if (done->beat) {
        beat(node);
    }
    if (done->ask) {
        covey__node_ask_claim(node);
    }
    if (done->changed) {
        struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_COORDINATOR);
        if (action != NULL && node->election.has) {
            action->peer = node->election.coordinator;
            action->has_peer = true;
        }
    }
}

/* Of its state only: a record that says other things is nothing to write down each time. */
static void tell_member(struct covey_node *node, uint16_t index)
{
    const struct covey__member *hot = &node->members.hot[index];
    struct covey__member_cold *cold = &node->members.cold[index];
    struct covey_action *action = NULL;
    if (!cold->told || cold->told_state != hot->state) {
        action = covey__update_add(node->out, COVEY_ACTION_MEMBER);
    }
    if (action != NULL) {
        action->peer = hot->id;
        action->has_peer = true;
        cold->told = true;
        cold->told_state = hot->state;
    }
}

static void member_changed(struct covey_node *node, uint16_t index)
{
    struct covey__membership *members = &node->members;
    const struct covey__member *hot = &members->hot[index];
    struct covey__election_out done = {0};
    tell_member(node, index);
    node->view_stale = true;
    node->custody_stale = true;
    if (covey__member_is(members, index, COVEY_MEMBER_ALIVE)) {
        struct covey__member_cold *cold = &members->cold[index];
        covey__discovery_known(&node->discovery, &hot->id);
        if (!hot->channel && cold->dials == 0) {
            bool lesser = covey_node_id_compare(&members->hot[COVEY_SELF].id, &hot->id) < 0;
            cold->dial_ms = node->now_ms + (lesser ? 0 : COVEY_DIAL_GREATER_MS);
        }
        if (!cold->boot_known) { /* exchange boot nonces before they are needed */
            struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
            covey__node_send_gossip(node, index, &m);
        }
    } else if (!covey__member_present(members, index)) {
        covey__election_lost(&node->election, &hot->id, node->now_ms, &done);
        covey__node_election_done(node, &done);
        covey__discovery_hasten(&node->discovery, node->now_ms);
        covey__node_drop(node, index);
    }
    covey__node_job_peer(node, index);
}

void covey__node_swim_done(struct covey_node *node)
{
    struct covey__swim_out *swim = &node->swim;
    for (size_t i = 0; i < swim->changes; i++) {
        uint16_t index = swim->change[i].index;
        struct covey__news news;
        if (swim->change[i].accuse) {
            enum covey_statement_kind kind =
                covey__member_is(&node->members, index, COVEY_MEMBER_DEAD)
                    ? COVEY_STATEMENT_DEAD
                    : COVEY_STATEMENT_SUSPECT;
            if (covey__node_sign_accusation(node, index, kind, &news) == COVEY_OK) {
                covey__queue_add(&node->queue, &news);
            }
        }
        member_changed(node, index);
    }
    for (size_t i = 0; i < swim->sends; i++) {
        const struct covey__swim_send *send = &swim->send[i];
        struct covey_gossip_message m = {.type = send->type,
                                         .seq = send->seq,
                                         .node = node->members.hot[send->about].id,
                                         .origin = node->members.hot[send->origin].id,
                                         .challenge = send->challenge,
                                         .proof = send->proof};
        covey__node_send_gossip(node, send->to, &m);
    }
    swim->changes = 0;
    swim->sends = 0;
}
