/* SPDX-License-Identifier: MIT
 *
 * lab_stream.h - requests at a node of a lab, in whose middle another node may be killed.
 */
#ifndef COVEY_LAB_STREAM_H
#define COVEY_LAB_STREAM_H

#include "infer_target.h"
#include "lab.h"

/* Sends SIGKILL after so long, if the answer to what was sent is not there yet: layers are in
 * flight. True: killed. */
bool covey__lab_kill_in_flight(struct covey__target *target, const struct covey__lab_node *victim,
                               double after_ms);

/* The largest difference, relative to the largest reference; NaN where an output is none. */
double covey__lab_difference(const float *output, const float *reference, size_t count);

/* The connection or this process is at its end; else only this request is lost. */
bool covey__lab_stream_broken(covey_err err);

#endif /* COVEY_LAB_STREAM_H */
