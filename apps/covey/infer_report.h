/* SPDX-License-Identifier: MIT
 *
 * infer_report.h - an answer, and what many came to, as JSON and as lines for people.
 */
#ifndef COVEY_CLI_INFER_REPORT_H
#define COVEY_CLI_INFER_REPORT_H

#include "tally.h"

/* What --json has of the answer where there is but one: outputs, top (index, label, score: the
 * output, probability), softmaxed, elapsed_ms, and predicted_ms where there was a plan. */
void covey__report_answer(cJSON *document, const struct covey__target *t,
                          const struct covey__answer *answer);
/* One line of --stream, one of the results of --json: index, label, argmax, name (null without
 * labels), elapsed_ms, recovered_dead, recovered_late, outputs. Of a batch each has the times and
 * the losses of its request. */
cJSON *covey__report_line(const struct covey__target *t, const struct covey__answer *answer,
                          size_t index, int32_t label);
/* What --json has of all answers: answers, lost, accuracy, median_ms, max_ms, devices,
 * recovered_dead, recovered_late, checked, wrong. */
void covey__report_tally(cJSON *document, struct covey__tally *tally);
/* Of a trace; result NULL: none. */
cJSON *covey__report_layers(const struct covey_control_result *result);

void covey__print_answer(const struct covey__target *t, const struct covey__answer *answer);
void covey__print_tally(const struct covey__target *t, struct covey__tally *tally);

#endif /* COVEY_CLI_INFER_REPORT_H */
