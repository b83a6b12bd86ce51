/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "covey/identity.h"
#include "lab.h"

enum { PATH_BYTES = 128 };

static void new_id(struct covey__lab *lab)
{
    uint8_t random[2];
    covey_random(random, sizeof(random));
    covey__hex(lab->id, random, sizeof(random));
}

static covey_err enrol(struct covey__lab *lab)
{
    char authority[PATH_BYTES], state[PATH_BYTES];
    struct covey_identity_error why = {""};
    snprintf(authority, sizeof(authority), "%s/authority", lab->dir);
    covey_err err = covey_authority_create(authority, "lab", &why);
    for (unsigned i = 0; i < lab->count && err == COVEY_OK; i++) {
        covey__lab_node_dir(lab, i, state, sizeof(state));
        struct covey_enrol_config config = {.authority_dir = authority,
                                            .device_name = lab->node[i].name,
                                            .tier = lab->node[i].tier,
                                            .trust = COVEY_TRUST_FULL,
                                            .valid_days = 30,
                                            .state_dir = state,
                                            .now_s = (uint64_t)time(NULL)};
        err = covey_enrol(&config, &why);
    }
    if (err != COVEY_OK) {
        snprintf(lab->why, sizeof(lab->why), "%s", why.text);
    }
    return err;
}

static covey_err make_network(struct covey__lab *lab, enum covey__lab_mode wanted)
{
    lab->mode = COVEY_LAB_LOOPBACK;
    if (wanted == COVEY_LAB_LOOPBACK || (wanted == COVEY_LAB_AUTO && geteuid() != 0)) {
        return COVEY_OK;
    }
    if (geteuid() != 0) {
        snprintf(lab->why, sizeof(lab->why), "network namespaces need root: use --mode loopback");
        return COVEY_ERR_DENIED;
    }
    lab->mode = COVEY_LAB_NETNS;
    covey_err err = covey__lab_save(lab); /* so that 'lab down' finds what is being made */
    if (err == COVEY_OK) {
        err = covey__lab_netns_up(lab);
    }
    if (err != COVEY_OK && wanted == COVEY_LAB_AUTO) {
        covey__lab_netns_down(lab);
        lab->mode = COVEY_LAB_LOOPBACK;
        return COVEY_OK;
    }
    return err;
}

static covey_err start_all(struct covey__lab *lab)
{
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < lab->count && err == COVEY_OK; i++) {
        err = covey__lab_start(lab, i);
    }
    return err;
}

static bool all_run(const struct covey__lab *lab)
{
    unsigned running = 0;
    for (unsigned i = 0; i < lab->count; i++) {
        running += covey__lab_running(&lab->node[i]);
    }
    return running == lab->count;
}

/* A node that ended at once left its reason in its log: its last line. */
static void explain(struct covey__lab *lab)
{
    for (unsigned i = 0; i < lab->count; i++) {
        if (lab->node[i].pid == 0 || covey__lab_running(&lab->node[i])) {
            continue;
        }
        char path[PATH_BYTES], line[160] = "", last[160] = "";
        snprintf(path, sizeof(path), "%s/%s.log", lab->dir, lab->node[i].name);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\n")] = 0;
            snprintf(last, sizeof(last), "%s", line);
        }
        if (file != NULL) {
            fclose(file);
        }
        snprintf(lab->why, sizeof(lab->why), "%s ended: %s", lab->node[i].name, last);
        return;
    }
}

covey_err covey__lab_up(struct covey__lab *lab, const struct covey__lab_config *config)
{
    struct covey__lab fresh = {.count = config->devices,
                               .shape = config->shape,
                               .die_with_parent = config->die_with_parent};
    *lab = fresh;
    new_id(lab);
    for (unsigned i = 0; i < lab->count; i++) {
        snprintf(lab->node[i].name, sizeof(lab->node[i].name), "node%u", i + 1);
    }
    covey_err err = covey__lab_parse_nodes(lab, config);
    if (err == COVEY_OK) {
        err = covey__lab_name(lab, config->dir);
    }
    if (err == COVEY_OK) {
        err = covey__lab_make_dir(lab);
    }
    if (err != COVEY_OK) {
        return err;
    }
    err = make_network(lab, config->mode);
    if (err == COVEY_OK) {
        err = covey__lab_save(lab);
    }
    if (err == COVEY_OK && lab->mode == COVEY_LAB_NETNS) {
        err = covey__lab_netns_shape(lab);
    } else if (err == COVEY_OK && lab->shape.rate_mbit != 0) {
        snprintf(lab->why, sizeof(lab->why), "--rate needs root and network namespaces");
        err = COVEY_ERR_DENIED;
    }
    if (err == COVEY_OK) {
        err = enrol(lab);
    }
    if (err == COVEY_OK) {
        err = start_all(lab);
    }
    if (err == COVEY_OK) {
        err = covey__lab_wait_mesh(lab, config->wait_ms);
    }
    if (err == COVEY_OK && !all_run(lab)) { /* the others may have found one another */
        err = COVEY_ERR_IO;
        explain(lab);
    }
    if (err != COVEY_OK) {
        if (err == COVEY_ERR_TIMEOUT) {
            explain(lab);
        }
        covey__lab_down(lab);
    }
    return err;
}

void covey__lab_down(struct covey__lab *lab)
{
    for (unsigned i = 0; i < lab->count; i++) {
        covey__lab_signal(&lab->node[i], SIGKILL); /* all at once, then wait for each */
    }
    for (unsigned i = 0; i < lab->count; i++) {
        covey__lab_kill(&lab->node[i]);
    }
    if (lab->mode == COVEY_LAB_NETNS) {
        covey__lab_netns_down(lab);
    }
    covey__lab_remove_dir(lab);
}
