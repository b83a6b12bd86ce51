/* SPDX-License-Identifier: MIT
 *
 * ops_integer.h - integers of quantised networks.
 */
#ifndef COVEY_NN_OPS_INTEGER_H
#define COVEY_NN_OPS_INTEGER_H

#include "ops.h"

#endif
