/* SPDX-License-Identifier: MIT
 *
 * prepare_options.h - --scale, --mean, --std, --layout: how pictures become a model's input, as
 * the model says it and as a person does.
 */
#ifndef COVEY_CLI_PREPARE_OPTIONS_H
#define COVEY_CLI_PREPARE_OPTIONS_H

#include "cli.h"
#include "covey/manifest_notes.h"
#include "read_input.h"

/* Texts as they were given; NULL: not given. */
struct covey__prepare_options {
    const char *mean, *std, *layout;
    double scale;
    bool has_scale;
};

/* For the table of a command's options. */
#define COVEY__PREPARE_OPTIONS(o)                                                                  \
    {"--mean", COVEY__OPTION_TEXT, &(o)->mean, 0, 0, NULL},                                        \
        {"--std", COVEY__OPTION_TEXT, &(o)->std, 0, 0, NULL},                                      \
        {"--scale", COVEY__OPTION_REAL, &(o)->scale, 0, 0, &(o)->has_scale},                       \
    {                                                                                              \
        "--layout", COVEY__OPTION_TEXT, &(o)->layout, 0, 0, NULL                                   \
    }

bool covey__prepare_given(const struct covey__prepare_options *o);
/* What was given replaces that part of *inout. False: said what is wrong. */
bool covey__prepare_override(const struct covey__cli *cli, const struct covey__prepare_options *o,
                             struct covey_prepare *inout);

/* Between a model's notes and what pictures are brought to. */
void covey__prepare_from_notes(struct covey_prepare *p, const struct covey_manifest_notes *notes);
void covey__prepare_to_notes(const struct covey_prepare *p, struct covey_manifest_notes *notes);

#endif /* COVEY_CLI_PREPARE_OPTIONS_H */
