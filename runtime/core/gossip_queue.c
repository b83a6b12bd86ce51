/* SPDX-License-Identifier: MIT */
#include "gossip_queue.h"

struct covey_statement covey__news_view(const struct covey__news *news)
{
    return (struct covey_statement){(enum covey_statement_kind)news->kind,
                                    covey_bytes_of(news->body, news->len),
                                    covey_bytes_of(news->signature, sizeof(news->signature))};
}

/* What the newer statement says all that the older one said, or overrides it. */
static bool supersedes(const struct covey__news *newer, const struct covey__news *older)
{
    if (newer->kind == COVEY_STATEMENT_CLAIM || older->kind == COVEY_STATEMENT_CLAIM) {
        return newer->kind == older->kind; /* one group, one claim */
    }
    if (!covey_node_id_equal(&newer->subject, &older->subject)) {
        return false;
    }
    switch ((enum covey_statement_kind)newer->kind) {
    case COVEY_STATEMENT_RECORD:
        return newer->incarnation >= older->incarnation &&
               (older->kind == COVEY_STATEMENT_RECORD || newer->incarnation > older->incarnation);
    case COVEY_STATEMENT_LEAVE:
        return newer->incarnation >= older->incarnation;
    case COVEY_STATEMENT_DEAD:
    case COVEY_STATEMENT_SUSPECT:
        return (older->kind == COVEY_STATEMENT_SUSPECT || older->kind == COVEY_STATEMENT_DEAD) &&
               covey_node_id_equal(&newer->signer, &older->signer);
    case COVEY_STATEMENT_NONE:
    case COVEY_STATEMENT_CLAIM:
        break;
    }
    return false;
}

void covey__queue_add(struct covey__gossip_queue *q, const struct covey__news *news)
{
    struct covey__news *place = NULL;
    for (unsigned i = 0; i < COVEY_NEWS_MAX; i++) {
        struct covey__news *old = &q->news[i];
        old->used = old->used && !supersedes(news, old);
        /* A free place, else the news that was told most often. */
        if (place == NULL || (place->used && (!old->used || old->sends > place->sends))) {
            place = old;
        }
    }
    *place = *news;
    place->used = true;
    place->sends = 0;
}

void covey__queue_pick(struct covey__gossip_queue *q, unsigned limit, size_t budget,
                       struct covey_gossip_message *message)
{
    bool taken[COVEY_NEWS_MAX] = {false};
    while (message->statements < COVEY_GOSSIP_STATEMENTS_MAX) {
        int best = -1;
        for (int i = 0; i < COVEY_NEWS_MAX; i++) {
            const struct covey__news *news = &q->news[i];
            if (news->used && !taken[i] && covey_statement_size(news->len) <= budget &&
                (best < 0 || news->sends < q->news[best].sends)) {
                best = i;
            }
        }
        if (best < 0) {
            return;
        }
        struct covey__news *news = &q->news[best];
        taken[best] = true;
        budget -= covey_statement_size(news->len);
        message->statement[message->statements++] = covey__news_view(news);
        news->sends++;
        news->used = news->sends < limit;
    }
}

bool covey__queue_empty(const struct covey__gossip_queue *q)
{
    for (unsigned i = 0; i < COVEY_NEWS_MAX; i++) {
        if (q->news[i].used) {
            return false;
        }
    }
    return true;
}

unsigned covey__queue_limit(unsigned members)
{
    unsigned digits = 0;
    for (unsigned power = 1; power < members + 1; power *= 10) {
        digits++;
    }
    return 4 * digits < 8 ? 8 : 4 * digits;
}
