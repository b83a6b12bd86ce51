/* SPDX-License-Identifier: MIT */
#include "ops_integer.h"

const struct covey__op covey__ops_integer[COVEY_OP_FAMILY] = {
    {.name = NULL},
};
