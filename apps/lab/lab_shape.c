/* SPDX-License-Identifier: MIT
 *
 * lab_shape.c - which device each node plays, and how badly.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/limits.h"
#include "lab.h"

enum { WORD_BYTES = 32 };

static covey_err refuse(struct covey__lab *lab, const char *what, const char *word)
{
    snprintf(lab->why, sizeof(lab->why), "%s, not '%s'", what, word);
    return COVEY_ERR_RANGE;
}

bool covey__lab_parse_mode(const char *text, enum covey__lab_mode *out)
{
    static const struct {
        const char *name;
        enum covey__lab_mode mode;
    } modes[] = {
        {"auto", COVEY_LAB_AUTO}, {"netns", COVEY_LAB_NETNS}, {"loopback", COVEY_LAB_LOOPBACK}};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(text, modes[i].name) == 0) {
            *out = modes[i].mode;
            return true;
        }
    }
    return false;
}

static covey_err set_cpu(struct covey__lab *lab, unsigned index, const char *word)
{
    char *end = NULL;
    unsigned long percent = strtoul(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != 0 || percent < 1 || percent > 100) {
        return refuse(lab, "--cpu takes percent of a core, 1 to 100, one for all or one a node",
                      word);
    }
    lab->node[index].cpu = (unsigned)percent;
    return COVEY_OK;
}

static bool read_bytes(const char *word, uint64_t least, uint64_t *out)
{
    char *end = NULL;
    unsigned long long bytes = strtoull(word, &end, 10);
    bool known = word[0] >= '0' && word[0] <= '9' && *end == 0 && bytes >= least && bytes <= 1e15;
    *out = known ? bytes : 0;
    return known;
}

static covey_err set_memory(struct covey__lab *lab, unsigned index, const char *word)
{
    char what[96];
    snprintf(what, sizeof(what),
             "--memory takes bytes, at least %llu, one number for all or one a node",
             (unsigned long long)COVEY_MEMORY_MIN);
    return read_bytes(word, COVEY_MEMORY_MIN, &lab->node[index].memory_bytes)
               ? COVEY_OK
               : refuse(lab, what, word);
}

static covey_err set_store(struct covey__lab *lab, unsigned index, const char *word)
{
    return read_bytes(word, 1, &lab->node[index].store_bytes)
               ? COVEY_OK
               : refuse(lab, "--store takes bytes, one number for all or one a node", word);
}

static covey_err set_tier(struct covey__lab *lab, unsigned index, const char *word)
{
    static const char *const names[] = {"end", "edge", "cloud"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(word, names[i]) == 0) {
            lab->node[index].tier = (enum covey_tier)i;
            return COVEY_OK;
        }
    }
    return refuse(lab, "--tiers takes end, edge or cloud, one for all or one a node", word);
}

typedef covey_err (*set_fn)(struct covey__lab *lab, unsigned index, const char *word);

/* Sets one word to every node, or as many words as there are nodes to one each. */
static covey_err spread(struct covey__lab *lab, const char *list, const char *name, set_fn set)
{
    char word[WORD_BYTES] = "";
    unsigned words = 0;
    covey_err err = COVEY_OK;
    const char *at = list;
    while (err == COVEY_OK && at != NULL && words <= lab->count) {
        size_t len = strcspn(at, ",");
        if (len >= WORD_BYTES) {
            snprintf(lab->why, sizeof(lab->why), "%s: '%.*s...' is too long", name, WORD_BYTES, at);
            return COVEY_ERR_RANGE;
        }
        snprintf(word, sizeof(word), "%.*s", (int)len, at);
        err = words < lab->count ? set(lab, words, word) : COVEY_OK;
        words++;
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    if (err == COVEY_OK && words != 1 && words != lab->count) {
        snprintf(lab->why, sizeof(lab->why), "%s takes one word for all, or %u: one a node", name,
                 lab->count);
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 1; err == COVEY_OK && words == 1 && i < lab->count; i++) {
        err = set(lab, i, word);
    }
    return err;
}

/* "end=8,edge=4,cloud=1": so many of each, in this order. */
static covey_err count_tiers(struct covey__lab *lab, const char *list)
{
    char word[WORD_BYTES] = "";
    unsigned next = 0;
    for (const char *at = list; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char *end = NULL;
        size_t len = strcspn(at, "=,");
        snprintf(word, sizeof(word), "%.*s", (int)(len < WORD_BYTES ? len : WORD_BYTES - 1), at);
        unsigned long count = at[len] == '=' ? strtoul(at + len + 1, &end, 10) : 0;
        if (end == NULL || at[len + 1] < '0' || at[len + 1] > '9' || (*end != 0 && *end != ',') ||
            count > lab->count - next) {
            next = UINT_MAX;
            break;
        }
        for (unsigned long i = 0; i < count; i++) {
            covey_err err = set_tier(lab, next++, word);
            if (err != COVEY_OK) {
                return err;
            }
        }
    }
    if (next == lab->count) {
        return COVEY_OK;
    }
    snprintf(lab->why, sizeof(lab->why),
             "--tiers says how many of each, as in end=8,edge=4: here %u nodes in all", lab->count);
    return COVEY_ERR_RANGE;
}

covey_err covey__lab_parse_nodes(struct covey__lab *lab, const struct covey__lab_config *config)
{
    for (unsigned i = 0; i < lab->count; i++) {
        lab->node[i].tier = COVEY_TIER_EDGE;
    }
    covey_err err = COVEY_OK;
    if (config->cpu != NULL) {
        err = spread(lab, config->cpu, "--cpu", set_cpu);
    }
    if (err == COVEY_OK && config->memory != NULL) {
        err = spread(lab, config->memory, "--memory", set_memory);
    }
    if (err == COVEY_OK && config->store != NULL) {
        err = spread(lab, config->store, "--store", set_store);
    }
    if (err == COVEY_OK && config->tiers != NULL) {
        bool counted = strchr(config->tiers, '=') != NULL;
        err = counted ? count_tiers(lab, config->tiers)
                      : spread(lab, config->tiers, "--tiers", set_tier);
    }
    return err;
}

covey_err covey__lab_tell(struct covey__lab *lab, unsigned index)
{
    enum { NODE_DIR = 128, TIMEOUT_MS = 5000 };
    char state[NODE_DIR];
    struct covey__control c = {0};
    covey__lab_node_dir(lab, index, state, sizeof(state));
    covey_err err = covey__control_open(&c, state);
    if (err == COVEY_OK) {
        const struct covey__lab_node *node = &lab->node[index];
        c.request->lab = (struct covey_control_lab){
            .delay_ms = node->slow_ms, .lie_percent = node->lie_percent, .latency = node->latency};
        err = covey__control_call(&c, COVEY_CONTROL_LAB, covey_bytes_of(NULL, 0),
                                  COVEY_CONTROL_DONE, TIMEOUT_MS);
    }
    if (err != COVEY_OK) {
        snprintf(lab->why, sizeof(lab->why), "%s: %.200s", lab->node[index].name, c.why);
    }
    covey__control_close(&c);
    return err;
}
