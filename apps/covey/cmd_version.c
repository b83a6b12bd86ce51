/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "control.h"
#include "covey/blas.h"

enum { TIMEOUT_MS = 2000 };

static void show(const char *node)
{
    const char *better = covey_blas_better_core();
    printf("covey %s\n", COVEY_VERSION);
    if (node[0] != 0) {
        printf("coveyd %s\n", node);
    }
    printf("OpenBLAS for %s", covey_blas_core());
    if (better != NULL) {
        printf(" (OPENBLAS_CORETYPE=%s would be faster)", better);
    }
    printf("\n");
}

enum covey_exit covey__cmd_version(struct covey__cli *cli, int argc, char **argv)
{
    if (!covey__cli_options(cli, NULL, 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'version' takes no argument '%s'", argv[1]);
    }
    struct covey__control c = {0};
    char node[32] = "";
    if (covey__control_open(&c, cli->state) == COVEY_OK &&
        covey__control_status(&c, TIMEOUT_MS) == COVEY_OK) {
        snprintf(node, sizeof(node), "%s", c.reply->status.version);
    }
    covey__control_close(&c);
    if (!cli->json) {
        show(node);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "covey", COVEY_VERSION);
    if (node[0] != 0) {
        cJSON_AddStringToObject(document, "coveyd", node);
    }
    cJSON_AddStringToObject(document, "blas_core", covey_blas_core());
    if (covey_blas_better_core() != NULL) {
        cJSON_AddStringToObject(document, "blas_better_core", covey_blas_better_core());
    }
    return covey__cli_print(cli, document);
}
