/* SPDX-License-Identifier: MIT
 *
 * commands.h - the commands of covey, one file each.
 */
#ifndef COVEY_CLI_COMMANDS_H
#define COVEY_CLI_COMMANDS_H

#include "cli.h"

enum covey_exit covey__cmd_mesh(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_peers(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_model(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_model_build(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_model_show(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_infer(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_plan(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_session(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_sessions(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_lab(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_bench(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_bench_gemm(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_bench_train(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_train(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__cmd_version(struct covey__cli *cli, int argc, char **argv);

extern const char covey__help_infer[], covey__help_model_build[], covey__help_model_show[],
    covey__help_train[];

#endif /* COVEY_CLI_COMMANDS_H */
