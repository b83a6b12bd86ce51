/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "lab.h"

enum covey_exit covey__cmd_lab(struct covey__cli *cli, int argc, char **argv)
{
    return covey__lab_main(cli, argc, argv);
}
