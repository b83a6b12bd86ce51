/* SPDX-License-Identifier: MIT
 *
 * covey - what a person types on any device of the mesh.
 */
#include <stdio.h>
#include <stdlib.h>

#include "blas_core.h"
#include "commands.h"
#include "covey/crypto.h"
#include "standard_files.h"

static const struct covey__cli_command commands[] = {
    {"mesh", "make a mesh authority, enrol devices", NULL, covey__cmd_mesh},
    {"peers", "devices of the mesh, who coordinates",
     "usage: covey peers [--json]\n"
     "Lists the devices that this node knows: name, id, address, tier, trust, state, round trip,\n"
     "measured rate, memory; who coordinates, and in which term.\n",
     covey__cmd_peers},
    {"model", "add models to the mesh, list them", NULL, covey__cmd_model},
    {"infer", "run a model on inputs, over the mesh or here", covey__help_infer, covey__cmd_infer},
    {"sessions", "sessions that are open, detached work, trainings",
     "usage: covey sessions [--json]\n"
     "Lists the sessions that are open at this node, the work that 'covey infer --detach' gave it\n"
     "(id, model, state, answers, lost ones, median time), and training sessions: those that it\n"
     "runs, those that it keeps for others, those that are over.\n",
     covey__cmd_sessions},
    {"session", "show, get or stop one of them", NULL, covey__cmd_session},
    {"plan", "which device would hold what",
     "usage: covey plan MODEL [--devices N] [--parity 0..4] [--coded auto|all]\n"
     "                        [--check all|untrusted] [--half] [--exact] [--batch N]\n"
     "                        [--timeout S] [--json]\n"
     "Shows which device would do what of each layer, how much travels, and how long it should\n"
     "take. The options are those of 'covey infer'; --timeout: seconds for the plan (120): a slow\n"
     "device reads a large model for some time first.\n"
     "MODEL is the name or id of a model that was added.\n",
     covey__cmd_plan},
    {"train", "train a network, with the mesh or here", covey__help_train, covey__cmd_train},
    {"lab", "a mesh on this machine, for trying and testing", NULL, covey__cmd_lab},
    {"bench", "time models and this machine", NULL, covey__cmd_bench},
    {"version", "versions of this program and of the node",
     "usage: covey version [--json]\n"
     "Prints the version of covey, and that of the node where one runs.\n",
     covey__cmd_version},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    covey__standard_files_hold();
    covey__blas_core_correct(argv);
    struct covey__cli cli = {.state = getenv("COVEY_STATE")};
    if (cli.state == NULL || cli.state[0] == 0) {
        cli.state = "/var/lib/covey";
    }
    /* Global options may stand in front of the command. */
    while (argc >= 2 && argv[1][0] == '-' && strcmp(argv[1], "--help") != 0) {
        if (strcmp(argv[1], "--json") == 0) {
            cli.json = true;
        } else if (strcmp(argv[1], "--version") == 0) {
            argv[1] = "version";
            break;
        } else if (strncmp(argv[1], "--state=", 8) == 0) {
            cli.state = argv[1] + 8;
        } else if (strcmp(argv[1], "--state") == 0) {
            if (argc < 3) {
                return covey__cli_usage(&cli, "--state needs a value");
            }
            cli.state = argv[2];
            argv++;
            argc--;
        } else {
            return covey__cli_usage(&cli, "unknown option '%s': see 'covey --help'", argv[1]);
        }
        argv++;
        argc--;
    }
    if (covey_crypto_init() != COVEY_OK) {
        return covey__cli_fail(&cli, COVEY_EXIT_MISSING, "no source of randomness on this machine");
    }
    enum covey_exit code = covey__cli_dispatch(&cli, "covey", commands, argc, argv);
    if (fflush(stdout) != 0 && code == COVEY_EXIT_DONE) {
        fprintf(stderr, "covey: standard output cannot be written\n");
        code = COVEY_EXIT_FAILED;
    }
    return code;
}
