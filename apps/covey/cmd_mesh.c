/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "covey/identity.h"

static enum covey_exit fail(const struct covey__cli *cli, covey_err err,
                            const struct covey_identity_error *why)
{
    return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", why->text);
}

/* They are parts of paths and of certificates, which are stricter than names of models. */
static bool is_name(const struct covey__cli *cli, const char *option, const char *name)
{
    if (!covey_name_valid(name)) {
        covey__cli_usage(cli, "%s takes 1 to %d letters, digits, '.', '_' and '-', not '%s'",
                         option, COVEY_NAME_MAX, name);
        return false;
    }
    return true;
}

static enum covey_exit run_init(struct covey__cli *cli, int argc, char **argv)
{
    const char *name = NULL;
    const struct covey__option options[] = {
        {.name = "--name", .kind = COVEY__OPTION_TEXT, .value = &name},
    };
    if (!covey__cli_options(cli, options, 1, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2 || name == NULL) {
        return covey__cli_usage(cli, "usage: covey mesh init DIR --name HOME");
    }
    if (!is_name(cli, "--name", name)) {
        return COVEY_EXIT_USAGE;
    }
    struct covey_identity_error why = {""};
    covey_err err = covey_authority_create(argv[1], name, &why);
    if (err != COVEY_OK) {
        return fail(cli, err, &why);
    }
    if (!cli->json) {
        printf("mesh authority '%s' made in %s: keep it offline, it signs every device\n", name,
               argv[1]);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "mesh", name);
    cJSON_AddStringToObject(document, "dir", argv[1]);
    return covey__cli_print(cli, document);
}

/* The index of text in words, or -1. */
static int word(const char *text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static enum covey_exit enrolled(struct covey__cli *cli, const struct covey_enrol_config *config)
{
    struct covey_identity *identity = NULL;
    struct covey_identity_error why = {""};
    covey_err err = covey_identity_load(config->state_dir, false, config->now_s, &identity, &why);
    if (err != COVEY_OK) {
        return fail(cli, err, &why);
    }
    char id[33];
    covey__hex(id, identity->cert.node.bytes, sizeof(identity->cert.node.bytes));
    covey_identity_free(identity);
    if (!cli->json) {
        printf("device '%s' enrolled: id %s, state in %s\n", config->device_name, id,
               config->state_dir);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "device", config->device_name);
    cJSON_AddStringToObject(document, "id", id);
    cJSON_AddStringToObject(document, "state", config->state_dir);
    return covey__cli_print(cli, document);
}

static enum covey_exit run_enrol(struct covey__cli *cli, int argc, char **argv)
{
    static const char *const tiers[] = {"end", "edge", "cloud"};
    static const char *const trusts[] = {"none", "full"};
    const char *tier = NULL, *trust = NULL;
    uint32_t days = 0;
    struct covey_enrol_config config = {.now_s = (uint64_t)time(NULL)};
    const struct covey__option options[] = {
        {.name = "--device", .kind = COVEY__OPTION_TEXT, .value = &config.device_name},
        {.name = "--tier", .kind = COVEY__OPTION_TEXT, .value = &tier},
        {.name = "--trust", .kind = COVEY__OPTION_TEXT, .value = &trust},
        {.name = "--valid",
         .kind = COVEY__OPTION_NUMBER,
         .value = &days,
         .min = 1,
         .max = 100 * 365},
        {.name = "--out", .kind = COVEY__OPTION_TEXT, .value = &config.state_dir},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2 || config.device_name == NULL || config.state_dir == NULL || tier == NULL ||
        trust == NULL) {
        return covey__cli_usage(cli, "usage: covey mesh enrol DIR --device NAME --tier "
                                     "end|edge|cloud --trust full|none [--valid DAYS] --out STATE");
    }
    if (!is_name(cli, "--device", config.device_name)) {
        return COVEY_EXIT_USAGE;
    }
    int tier_index = word(tier, tiers, 3);
    int trust_index = word(trust, trusts, 2);
    if (tier_index < 0 || trust_index < 0) {
        return covey__cli_usage(cli, "--tier is end, edge or cloud; --trust is full or none");
    }
    config.authority_dir = argv[1];
    config.tier = (enum covey_tier)tier_index;
    config.trust = (enum covey_trust)trust_index;
    config.valid_days = days;
    struct covey_identity_error why = {""};
    covey_err err = covey_enrol(&config, &why);
    if (err == COVEY_ERR_NOT_FOUND) {
        return covey__cli_fail(cli, COVEY_EXIT_INPUT,
                               "%s: is it a mesh authority, as 'covey mesh init' makes them?",
                               why.text);
    }
    return err == COVEY_OK ? enrolled(cli, &config) : fail(cli, err, &why);
}

enum covey_exit covey__cmd_mesh(struct covey__cli *cli, int argc, char **argv)
{
    static const struct covey__cli_command table[] = {
        {"init", "make a mesh authority",
         "usage: covey mesh init DIR --name HOME [--json]\n"
         "Makes a mesh authority in DIR: the key that signs devices, owner-only. Keep it "
         "offline.\n",
         run_init},
        {"enrol", "make a device's state directory",
         "usage: covey mesh enrol DIR --device NAME --tier end|edge|cloud --trust full|none\n"
         "                        [--valid DAYS] --out STATE [--json]\n"
         "Makes the state directory of a device: its keys and its certificate, signed by the\n"
         "authority in DIR. Valid for ten years unless --valid says otherwise.\n",
         run_enrol},
        {NULL, NULL, NULL, NULL},
    };
    return covey__cli_dispatch(cli, "covey mesh", table, argc, argv);
}
