/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "control.h"
#include "covey/node.h"

enum { TIMEOUT_MS = 5000, STATE_INCOMPATIBLE = 0xff };

static const char *tier_name(uint8_t tier)
{
    static const char *const names[] = {"end", "edge", "cloud"};
    return tier < 3 ? names[tier] : "unknown";
}

static const char *state_name(uint8_t state)
{
    switch (state) {
    case COVEY_MEMBER_ALIVE:
        return "alive";
    case COVEY_MEMBER_SUSPECT:
        return "suspect";
    case COVEY_MEMBER_DEAD:
        return "dead";
    case COVEY_MEMBER_LEFT:
        return "left";
    case STATE_INCOMPATIBLE:
        return "incompatible";
    default:
        return "unknown";
    }
}

static const char *trust_name(uint8_t trust)
{
    return trust == COVEY_TRUST_FULL ? "full" : "none";
}

static bool coordinates(const struct covey_control_status *s, const struct covey_control_member *m)
{
    return s->has_coordinator && covey_node_id_equal(&s->coordinator, &m->id);
}

static cJSON *member_json(const struct covey_control_status *s,
                          const struct covey_control_member *m)
{
    char id[33];
    covey__hex(id, m->id.bytes, sizeof(m->id.bytes));
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", m->name);
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "address", m->address);
    cJSON_AddStringToObject(o, "tier", tier_name(m->tier));
    cJSON_AddStringToObject(o, "trust", trust_name(m->trust));
    cJSON_AddStringToObject(o, "state", state_name(m->state));
    cJSON_AddNumberToObject(o, "rtt_ms", m->rtt_us / 1000.0);
    cJSON_AddNumberToObject(o, "mflops", m->mflops);
    cJSON_AddNumberToObject(o, "memory_bytes", (double)m->memory_bytes);
    cJSON_AddBoolToObject(o, "self", m->self);
    cJSON_AddBoolToObject(o, "channel", m->channel);
    cJSON_AddBoolToObject(o, "lied", m->lied);
    cJSON_AddBoolToObject(o, "coordinator", coordinates(s, m));
    return o;
}

static cJSON *status_json(const struct covey_control_status *s)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "version", s->version);
    cJSON_AddNullToObject(document, "coordinator");
    cJSON_AddNumberToObject(document, "term", (double)s->term);
    cJSON_AddNumberToObject(document, "sessions", s->sessions);
    cJSON_AddNumberToObject(document, "sessions_redundant", s->sessions_redundant);
    cJSON_AddNumberToObject(document, "fetched_from_owners", (double)s->fetched_owner);
    cJSON_AddNumberToObject(document, "fetched_from_others", (double)s->fetched_others);
    cJSON *peers = cJSON_AddArrayToObject(document, "peers");
    for (size_t i = 0; i < s->member_count; i++) {
        cJSON_AddItemToArray(peers, member_json(s, &s->member[i]));
        if (coordinates(s, &s->member[i])) {
            cJSON_ReplaceItemInObject(document, "coordinator",
                                      cJSON_CreateString(s->member[i].name));
        }
    }
    return document;
}

/* Of a column with a text of each member in it. */
static int width(const struct covey_control_status *s, size_t offset, int least)
{
    int most = least;
    for (size_t i = 0; i < s->member_count; i++) {
        int len = (int)strlen((const char *)&s->member[i] + offset);
        most = len > most ? len : most;
    }
    return most;
}

static void print_table(const struct covey_control_status *s)
{
    int name = width(s, offsetof(struct covey_control_member, name), 16);
    int address = width(s, offsetof(struct covey_control_member, address), 28);
    printf("%-*s %-8s %-*s %-5s %-5s %-12s %8s %8s %8s  %s\n", name, "NAME", "ID", address,
           "ADDRESS", "TIER", "TRUST", "STATE", "RTT ms", "GFLOPS", "MEM MiB", "");
    for (size_t i = 0; i < s->member_count; i++) {
        const struct covey_control_member *m = &s->member[i];
        char id[9];
        covey__hex(id, m->id.bytes, 4);
        printf("%-*s %-8s %-*s %-5s %-5s %-12s %8.2f %8.2f %8llu  %s%s%s\n", name, m->name, id,
               address, m->address, tier_name(m->tier), trust_name(m->trust), state_name(m->state),
               m->rtt_us / 1000.0, m->mflops / 1000.0,
               (unsigned long long)(m->memory_bytes / (1024 * 1024)), m->self ? "self " : "",
               coordinates(s, m) ? "coordinator " : "", m->lied ? "returned wrong numbers" : "");
    }
    if (s->has_coordinator) {
        printf("term %llu\n", (unsigned long long)s->term);
    } else {
        printf("no coordinator yet\n");
    }
}

enum covey_exit covey__cmd_peers(struct covey__cli *cli, int argc, char **argv)
{
    if (!covey__cli_options(cli, NULL, 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'peers' takes no argument '%s'", argv[1]);
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey_err err = covey__control_status(&c, TIMEOUT_MS);
    if (err != COVEY_OK) {
        code = covey__cli_fail_call(cli, &c, err);
    } else if (cli->json) {
        code = covey__cli_print(cli, status_json(&c.reply->status));
    } else {
        print_table(&c.reply->status);
    }
    covey__control_close(&c);
    return code;
}
