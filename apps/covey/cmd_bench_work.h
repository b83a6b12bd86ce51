/* SPDX-License-Identifier: MIT
 *
 * cmd_bench_work.h - 'covey bench nn --work': predicted beside measured times.
 */
#ifndef COVEY_CLI_CMD_BENCH_WORK_H
#define COVEY_CLI_CMD_BENCH_WORK_H

#include "cli.h"

struct covey__work_options {
    uint32_t runs, batch; /* runs 0: as many as usual */
    bool small, verbose;
};
enum covey_exit covey__bench_work(struct covey__cli *cli, const struct covey__work_options *options,
                                  int count, char **paths);

#endif /* COVEY_CLI_CMD_BENCH_WORK_H */
