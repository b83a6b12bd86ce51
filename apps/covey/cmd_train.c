/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "train_report.h"
#include "train_session.h"

const char covey__help_train[] =
    "usage: covey train --model NAME|FILE.onnx --data SPEC --out FILE.onnx [options]\n"
    "Trains a network with the mesh of the node here, or on this device alone (--local). NAME is\n"
    "one of 'covey model build --help'; the file written takes the data set's values as they are:\n"
    "its first nodes normalise them.\n"
    "SPEC: mnist:DIR, cifar10:DIR, cifar100:DIR, digits:FILE, folder:DIR or npy:X,Y.\n"
    "  --epochs E, --batch B    rounds (10, more where that is below 3000 steps), samples of a\n"
    "                           step (50); an incomplete batch at an epoch's end is left out\n"
    "  --optimizer sgd|adam     sgd; --momentum M (0.9), --nesterov for sgd\n"
    "  --lr X                   rate at its highest (sgd 0.05, adam 0.001)\n"
    "  --schedule constant|step|cosine   of the rate (cosine, to 0); --warmup STEPS (a twentieth,\n"
    "                           at most 100),\n"
    "                           --step-epochs N (a third), --step-factor F (0.1)\n"
    "  --weight-decay W, --label-smoothing S   (0; below 10000 samples 0.002, 0.1)\n"
    "  --augment auto|none|CHANGES   some of flip,shift=PIXELS,crop=PIXELS,warp=PERCENT; auto:\n"
    "                           warp=20 below 10000 pictures, warp=8 below 100000\n"
    "  --normalise auto|on|off  auto: networks by name\n"
    "  --test SPEC|none         what accuracy is measured on (the test part of the data)\n"
    "  --seed S, --threads N    the same seed gives the same file on any number of threads (1)\n"
    "  --width W, --depth D, --units U   as for 'covey model build'\n"
    "  --every STEPS            checkpoints after every so many steps (mesh: each minute)\n"
    "  --report FILE.md         the report as Markdown\n"
    "  --json                   one JSON document\n"
    "On this device alone:\n"
    "  --checkpoint FILE        written after each epoch and when stopped (Ctrl-C)\n"
    "  --resume FILE            goes on from a checkpoint; what is not given is as it was\n"
    "With the mesh:\n"
    "  --mode auto|products|data    how the work is shared: products of layers as coded tasks, or\n"
    "                           gradients of parts of each batch (auto: what is faster; what\n"
    "                           follows implies the mode it is of)\n"
    "  --resume SESSION         goes on here with one that was stopped, or whose owner is gone:\n"
    "                           most of the devices that keep it must be up\n"
    "  --fork                   with --resume: they are not, and will not be; what goes on from "
    "the\n"
    "                           newest checkpoint on this device is a session of its own\n"
    "  --strategy uncoded|replication|mds|vandermonde|lt|field   code of products (mds)\n"
    "  --blocks N, --tasks M    a product is cut into N blocks and M tasks; about any N answers "
    "do\n"
    "  --spare S                gradients: any S answers may be missing (0)\n"
    "  --parts N                gradients: each batch is cut into N (as many as pay)\n"
    "  --private T, --private-inputs T   no T devices together learn anything of both factors of\n"
    "                           a product, or of the samples' side of it\n"
    "  --devices N              workers at most; --any-trust: also devices of trust none\n"
    "  --own-work               this device takes tasks too; --coded all: all layers are shared\n"
    "  --check all              answers of trusted devices are checked too; every gradient is "
    "then\n"
    "                           computed by two devices\n"
    "  --name SESSION, --detach      the session's name; do not wait: see 'covey session'\n";

static enum covey_exit local(struct covey__train *t)
{
    enum covey_exit code = covey__train_open(t);
    if (code == COVEY_EXIT_DONE) {
        code = covey__train_loop(t);
    }
    if (code == COVEY_EXIT_DONE) {
        code = covey__train_finish(t);
    }
    return code == COVEY_EXIT_DONE ? covey__train_report(t) : code;
}

enum covey_exit covey__cmd_train(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__train t = {.cli = cli};
    if (!covey__train_options_parse(&t.options, cli, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    const char *mesh = t.options.local ? covey__train_options_mesh(&t.options) : NULL;
    if (mesh != NULL) {
        return covey__cli_usage(cli, "%s is of training with the mesh: leave --local out", mesh);
    }
    enum covey_exit code = t.options.local ? local(&t) : covey__train_mesh(&t);
    covey__train_close(&t);
    return code;
}
