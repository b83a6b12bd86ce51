/* SPDX-License-Identifier: MIT
 *
 * Linked into coveyd in place of the planner (off_loop.sh): says where plans are made, and ends the
 * node that makes one on its loop's thread, which is its first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "covey/plan.h"

covey_err __real_covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out);
covey_err __wrap_covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out);

covey_err __wrap_covey_plan_make(const struct covey_plan_request *request, struct covey_plan *out)
{
    if (syscall(SYS_gettid) == getpid()) {
        fprintf(stderr, "a plan on the loop's thread\n");
        abort();
    }
    fprintf(stderr, "a plan beside the loop\n");
    return __real_covey_plan_make(request, out);
}
