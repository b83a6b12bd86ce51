/* SPDX-License-Identifier: MIT */
#include "probe_tally.h"

enum {
    ROUNDS_MIN = 5,
    SAME_MIN = 3,
    WHOLE_MIN = 3,
    FIRST_MS = 2000,
    NEXT_MS = 1500, /* doubled after each */
    DOUBLED_MAX = 5,
};

static bool take_best(uint32_t *best, uint32_t now)
{
    bool better = now > *best;
    *best = better ? now : *best;
    return better;
}

static bool take_least(uint32_t *least, uint32_t now)
{
    bool better = now != 0 && (*least == 0 || now < *least);
    *least = better ? now : *least;
    return better;
}

static void sort_up(uint64_t *inout, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint64_t moved = inout[i];
        unsigned j = i;
        for (; j > 0 && moved < inout[j - 1]; j--) {
            inout[j] = inout[j - 1];
        }
        inout[j] = moved;
    }
}

/* The start's is the first. */
static bool take_stream(struct covey_probe_tally *t, uint32_t now)
{
    uint32_t before = t->rates.stream_mbytes;
    if (now == 0 || t->streams > COVEY__PROBE_TALLY_ROUNDS_MAX) {
        return false;
    }
    if (t->streams == 0 && before != 0) {
        t->stream[t->streams++] = before;
    }
    t->stream[t->streams++] = now;
    sort_up(t->stream, t->streams);
    t->rates.stream_mbytes = (uint32_t)t->stream[t->streams / 2];
    return t->rates.stream_mbytes != before;
}

void covey__probe_tally_begin(struct covey_probe_tally *t)
{
    t->rounds++;
    t->same++;
}

void covey__probe_tally_cut_short(struct covey_probe_tally *t)
{
    t->same -= t->same > 0;
}

bool covey__probe_tally_add(struct covey_probe_tally *t, const struct covey_rates *round)
{
    struct covey_rates *best = &t->rates;
    t->whole += t->whole < WHOLE_MIN;
    bool better = take_best(&best->mflops, round->mflops);
    better = take_stream(t, round->stream_mbytes) || better;
    better = take_best(&best->link_mbytes, round->link_mbytes) || better;
    better = take_best(&best->body_mbytes, round->body_mbytes) || better;
    better = take_least(&best->message_us, round->message_us) || better;
    better = take_least(&best->round_us, round->round_us) || better;
    t->same = better ? 0 : t->same;
    return better;
}

bool covey__probe_tally_settled(const struct covey_probe_tally *t)
{
    return t->whole == WHOLE_MIN && (t->rounds >= COVEY__PROBE_TALLY_ROUNDS_MAX ||
                                     (t->rounds >= ROUNDS_MIN && t->same >= SAME_MIN));
}

uint64_t covey__probe_tally_wait_ms(const struct covey_probe_tally *t, uint64_t random)
{
    unsigned doubled = t->rounds <= DOUBLED_MAX ? t->rounds : DOUBLED_MAX;
    uint64_t usual = t->rounds == 0 ? FIRST_MS : (uint64_t)NEXT_MS << (doubled - 1);
    return usual / 2 + random % (usual + 1);
}

uint64_t covey__probe_tally_moved_ns(const struct covey_probe_tally *t, uint64_t large_ns,
                                     uint64_t small_ns)
{
    /* Both are told rounded, by up to a fifth. */
    uint64_t before_us = t->rates.round_us + 2 * (uint64_t)t->rates.message_us;
    bool seen = t->rates.round_us != 0 && small_ns <= before_us * 1500;
    return large_ns > small_ns && (seen || large_ns / 2 > small_ns) ? large_ns - small_ns : 0;
}

uint64_t covey__probe_tally_quartile(uint64_t *inout_ns, unsigned count)
{
    sort_up(inout_ns, count);
    return inout_ns[count / 4];
}
