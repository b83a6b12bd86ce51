/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "covey/builder.h"
#include "covey/cost.h"
#include "dims.h"
#include "onnx_export.h"

const char covey__help_model_build[] =
    "usage: covey model build NAME --input CxHxW --classes K [--seed S] [--width W] [--depth D]\n"
    "                         [--units U] --out FILE.onnx [--json]\n"
    "Writes a well-known network with random weights drawn from the seed: mlp, lenet5, vgg8, "
    "vgg11,\n"
    "vgg16, vgg19, alexnet, squeezenet, resnet20, resnet34, resnet50, wrn, mobilenet or\n"
    "mobilenet_v2. Inputs are 1x28x28, 3x32x32, 3x224x224 or alike.\n"
    "--width multiplies the filters of mobilenet, mobilenet_v2 and wrn; --depth counts the layers\n"
    "of wrn (6 n + 4) or the hidden layers of mlp, --units the units in each of these.\n";

struct request {
    const char *name, *out;
    struct covey_build_options options;
};

static enum covey_exit write_model(struct covey__cli *cli, const struct request *r,
                                   const struct covey_graph *g)
{
    struct covey_nn_error why = {""};
    uint8_t *bytes = NULL;
    size_t len = 0;
    covey_err err = covey_onnx_encode(g, r->name, &bytes, &len, &why);
    if (err != COVEY_OK) {
        return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", why.text);
    }
    enum covey_exit code = covey__cli_write(cli, r->out, covey_bytes_of(bytes, len));
    free(bytes);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    uint64_t parameters = covey_graph_parameters(g);
    if (!cli->json) {
        printf("%s: %s, %llu parameters, %zu bytes\n", r->out, r->name,
               (unsigned long long)parameters, len);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", r->name);
    cJSON_AddStringToObject(document, "file", r->out);
    cJSON_AddNumberToObject(document, "parameters", (double)parameters);
    cJSON_AddNumberToObject(document, "file_bytes", (double)len);
    return covey__cli_print(cli, document);
}

static enum covey_exit build_and_write(struct covey__cli *cli, const struct request *r)
{
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    enum covey_exit unwritable = covey__cli_check_place(cli, r->out);
    if (unwritable != COVEY_EXIT_DONE) {
        return unwritable;
    }
    covey_err err = covey_build(r->name, &r->options, &g, &why);
    if (err != COVEY_OK) {
        return covey__cli_fail(cli, COVEY_EXIT_INPUT, "%s", why.text);
    }
    enum covey_exit code = write_model(cli, r, g);
    covey_graph_free(g);
    return code;
}

enum covey_exit covey__cmd_model_build(struct covey__cli *cli, int argc, char **argv)
{
    struct request r = {.options = {.classes = 0}};
    const char *input = NULL;
    uint32_t seed = 0, dims[3];
    double width = 0.0;
    const struct covey__option options[] = {
        {.name = "--input", .kind = COVEY__OPTION_TEXT, .value = &input},
        {.name = "--classes",
         .kind = COVEY__OPTION_NUMBER,
         .value = &r.options.classes,
         .min = 2,
         .max = 1 << 20},
        {.name = "--seed", .kind = COVEY__OPTION_NUMBER, .value = &seed, .max = UINT32_MAX},
        {.name = "--width", .kind = COVEY__OPTION_REAL, .value = &width},
        {.name = "--depth",
         .kind = COVEY__OPTION_NUMBER,
         .value = &r.options.depth,
         .min = 1,
         .max = 1000},
        {.name = "--units",
         .kind = COVEY__OPTION_NUMBER,
         .value = &r.options.units,
         .min = 1,
         .max = 1 << 20},
        {.name = "--out", .kind = COVEY__OPTION_TEXT, .value = &r.out},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2 || input == NULL || r.out == NULL || r.options.classes == 0) {
        return covey__cli_usage(
            cli, "usage: covey model build NAME --input CxHxW --classes K --out FILE.onnx");
    }
    if (!covey__dims_parse(input, dims)) {
        return covey__cli_usage(cli, "--input takes channels, height and width as in 3x224x224");
    }
    if (width < 0.0 || width > 64.0) {
        return covey__cli_usage(cli, "--width takes a number from 0 to 64");
    }
    r.name = argv[1];
    r.options.channels = dims[0];
    r.options.height = dims[1];
    r.options.width = dims[2];
    r.options.seed = seed;
    r.options.scale = (float)width;
    return build_and_write(cli, &r);
}
