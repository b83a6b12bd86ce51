/* SPDX-License-Identifier: MIT
 *
 * infer_report.h - an answer, and what many came to, as JSON and as lines for people.
 */
#ifndef COVEY_CLI_INFER_REPORT_H
#define COVEY_CLI_INFER_REPORT_H

#include "tally.h"

/* model, outputs, top (index, label, score: the output, probability), softmaxed, elapsed_ms,
 * devices, layers, recovered_dead, recovered_late, checked. */
cJSON *covey__report_answer(const struct covey__target *t, const struct covey__answer *answer);
/* One line of --stream: index, label, argmax, name (with labels), elapsed_ms, recovered_dead,
 * recovered_late, outputs. Of a batch each line has the times and the losses of its request.
 */
cJSON *covey__report_line(const struct covey__target *t, const struct covey__answer *answer,
                          size_t index, int32_t label);
cJSON *covey__report_tally(const struct covey__target *t, struct covey__tally *tally);
/* Of a trace; result NULL: none. */
cJSON *covey__report_layers(const struct covey_control_result *result);

void covey__print_answer(const struct covey__target *t, const struct covey__answer *answer);
void covey__print_tally(const struct covey__target *t, struct covey__tally *tally);

#endif /* COVEY_CLI_INFER_REPORT_H */
