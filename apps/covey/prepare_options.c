/* SPDX-License-Identifier: MIT */
#include "prepare_options.h"

#include <stdlib.h>

/* "A" or "A,B,C". */
static bool parse_channels(const char *text, float out[static 3])
{
    char *end = NULL;
    for (int i = 0; i < 3; i++) {
        out[i] = strtof(text, &end);
        if (end == text) {
            return false;
        }
        if (i == 0 && *end == 0) {
            out[1] = out[2] = out[0];
            return true;
        }
        if (*end != (i < 2 ? ',' : 0)) {
            return false;
        }
        text = end + 1;
    }
    return true;
}

static bool parse_layout(const char *text, enum covey_layout *out)
{
    static const char *const names[] = {"auto", "rgb", "bgr", "gray"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum covey_layout)i;
            return true;
        }
    }
    return false;
}

bool covey__prepare_given(const struct covey__prepare_options *o)
{
    return o->mean != NULL || o->std != NULL || o->layout != NULL || o->has_scale;
}

bool covey__prepare_override(const struct covey__cli *cli, const struct covey__prepare_options *o,
                             struct covey_prepare *inout)
{
    struct covey_nn_error why = {""};
    if ((o->mean != NULL && !parse_channels(o->mean, inout->mean)) ||
        (o->std != NULL && !parse_channels(o->std, inout->std))) {
        covey__cli_usage(cli, "--mean and --std take one number or three, as in 104,117,123");
        return false;
    }
    if (o->layout != NULL && !parse_layout(o->layout, &inout->layout)) {
        covey__cli_usage(cli, "--layout is rgb, bgr or gray");
        return false;
    }
    if (o->has_scale) {
        inout->scale = (float)o->scale;
    }
    if (covey_prepare_check(inout, &why) != COVEY_OK) {
        covey__cli_usage(cli, "%s", why.text);
        return false;
    }
    return true;
}

_Static_assert((int)COVEY_LAYOUT_GRAY == (int)COVEY_NOTES_LAYOUT_MAX, "manifests name the layouts");

void covey__prepare_from_notes(struct covey_prepare *p, const struct covey_manifest_notes *notes)
{
    covey_prepare_init(p);
    if (notes->has_prepare) {
        p->scale = notes->scale;
        p->layout = (enum covey_layout)notes->layout;
        memcpy(p->mean, notes->mean, sizeof(p->mean));
        memcpy(p->std, notes->std, sizeof(p->std));
    }
}

void covey__prepare_to_notes(const struct covey_prepare *p, struct covey_manifest_notes *notes)
{
    notes->has_prepare = true;
    notes->scale = p->scale;
    notes->layout = (uint8_t)p->layout;
    memcpy(notes->mean, p->mean, sizeof(notes->mean));
    memcpy(notes->std, p->std, sizeof(notes->std));
}
