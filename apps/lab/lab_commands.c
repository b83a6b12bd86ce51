/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"
#include "lab_paper.h"

enum { NODE_DIR = 128, ANSWERS_MS = 15000 };

/* Options of every lab command. */
static bool parse(struct covey__cli *cli, const char **out_dir, int *argc, char **argv)
{
    const struct covey__option options[] = {
        {"--dir", COVEY__OPTION_TEXT, out_dir, 0, 0, NULL},
    };
    return covey__cli_options(cli, options, 1, argc, argv);
}

enum covey_exit covey__lab_exit_of(covey_err err)
{
    switch ((int)err) {
    case COVEY_ERR_NOT_FOUND:
        return COVEY_EXIT_MISSING;
    case COVEY_ERR_TIMEOUT:
        return COVEY_EXIT_NO_NODE;
    case COVEY_ERR_RANGE:
        return COVEY_EXIT_USAGE;
    default:
        return covey__cli_exit_of(err);
    }
}

enum covey_exit covey__lab_fail(const struct covey__cli *cli, const struct covey__lab *lab,
                                covey_err err)
{
    return covey__cli_fail(cli, covey__lab_exit_of(err), "%s", lab->why);
}

typedef covey_err (*load_fn)(struct covey__lab *lab);

/* Finds the lab that a command is about, to look at it or to change it. */
static enum covey_exit find(struct covey__cli *cli, struct covey__lab *lab, load_fn load, int *argc,
                            char **argv)
{
    const char *dir = NULL;
    struct covey__lab fresh = {.count = 0};
    *lab = fresh;
    if (!parse(cli, &dir, argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    covey_err err = covey__lab_name(lab, dir);
    if (err == COVEY_OK) {
        err = load(lab);
    }
    return err == COVEY_OK ? COVEY_EXIT_DONE : covey__lab_fail(cli, lab, err);
}

int covey__lab_index(const struct covey__lab *lab, const char *text)
{
    for (unsigned i = 0; i < lab->count; i++) {
        const char *name = lab->node[i].name;
        if (strcmp(text, name) == 0 || strcmp(text, name + strlen("node")) == 0) {
            return (int)i;
        }
    }
    return -1;
}

cJSON *covey__lab_json(const struct covey__lab *lab)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "id", lab->id);
    cJSON_AddStringToObject(document, "mode", lab->mode == COVEY_LAB_NETNS ? "netns" : "loopback");
    cJSON_AddStringToObject(document, "dir", lab->dir);
    if (lab->mode == COVEY_LAB_NETNS) {
        char bridge[16];
        snprintf(bridge, sizeof(bridge), "cvy-%s", lab->id);
        cJSON_AddStringToObject(document, "bridge", bridge);
    }
    cJSON *nodes = cJSON_AddArrayToObject(document, "nodes");
    for (unsigned i = 0; i < lab->count; i++) {
        char state[NODE_DIR], text[COVEY_LAB_LAW_MAX];
        covey__lab_node_dir(lab, i, state, sizeof(state));
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "index", i + 1);
        cJSON_AddStringToObject(o, "name", lab->node[i].name);
        cJSON_AddNumberToObject(o, "pid", lab->node[i].pid);
        cJSON_AddBoolToObject(o, "running", covey__lab_running(&lab->node[i]));
        cJSON_AddBoolToObject(o, "frozen", covey__lab_frozen(&lab->node[i]));
        cJSON_AddBoolToObject(o, "cut", lab->node[i].cut);
        cJSON_AddNumberToObject(o, "cpu", lab->node[i].cpu != 0 ? lab->node[i].cpu : 100);
        cJSON_AddNumberToObject(o, "slow_ms", lab->node[i].slow_ms);
        cJSON_AddBoolToObject(o, "lies", lab->node[i].lie_percent != 0);
        cJSON_AddNumberToObject(o, "lie_percent", lab->node[i].lie_percent);
        cJSON_AddStringToObject(o, "latency", covey__lab_law(&lab->node[i].latency, text));
        cJSON_AddStringToObject(o, "state", state);
        cJSON_AddItemToArray(nodes, o);
    }
    return document;
}

static void print_lab(const struct covey__lab *lab)
{
    printf("lab %s in %s, %s\n", lab->id, lab->dir,
           lab->mode == COVEY_LAB_NETNS ? "a network namespace each" : "on the loopback interface");
    for (unsigned i = 0; i < lab->count; i++) {
        const struct covey__lab_node *node = &lab->node[i];
        char slow[32] = "", lies[32] = "", text[COVEY_LAB_LAW_MAX];
        if (node->slow_ms != 0) {
            snprintf(slow, sizeof(slow), ", %u ms late", (unsigned)node->slow_ms);
        }
        if (node->lie_percent != 0 && node->lie_percent < 100) {
            snprintf(lies, sizeof(lies), " in %u %%", (unsigned)node->lie_percent);
        }
        bool law = node->latency.kind != COVEY_LATENCY_NONE;
        printf("%-8s pid %-8d %s%s%s%s%s%s%s\n", node->name, (int)node->pid,
               !covey__lab_running(node) ? "dead"
               : covey__lab_frozen(node) ? "frozen"
                                         : "running",
               node->cut ? ", link cut" : "", slow, law ? ", tasks " : "",
               law ? covey__lab_law(&node->latency, text) : "",
               node->lie_percent != 0 ? ", lies" : "", lies);
    }
}

static enum covey_exit show(struct covey__cli *cli, const struct covey__lab *lab)
{
    if (cli->json) {
        return covey__cli_print(cli, covey__lab_json(lab));
    }
    print_lab(lab);
    return COVEY_EXIT_DONE;
}

static const char up_usage[] =
    "usage: covey lab up --devices N [--dir DIR] [--mode auto|netns|loopback] [--wait S] "
    "[--cpu P[,P...]] [--rate MBIT] [--delay MS] [--loss PERCENT] [--memory B[,B...]] "
    "[--store B[,B...]] [--tiers T[,T...]]";

/* Options of 'lab up' that have a bound of their own. */
static bool check_shape(struct covey__cli *cli, const struct covey__lab_shape *shape)
{
    if (shape->loss_percent < 0 || shape->loss_percent > 90) {
        covey__cli_usage(cli, "--loss takes percent of the packets, 0 to 90");
        return false;
    }
    return true;
}

static enum covey_exit run_up(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__lab_config config = {.mode = COVEY_LAB_AUTO};
    uint32_t devices = 0, wait_s = 0;
    const char *mode = "auto";
    const struct covey__option options[] = {
        {"--devices", COVEY__OPTION_NUMBER, &devices, 1, COVEY_LAB_NODES_MAX, NULL},
        {"--dir", COVEY__OPTION_TEXT, &config.dir, 0, 0, NULL},
        {"--mode", COVEY__OPTION_TEXT, &mode, 0, 0, NULL},
        {"--wait", COVEY__OPTION_NUMBER, &wait_s, 1, 600, NULL},
        {"--cpu", COVEY__OPTION_TEXT, &config.cpu, 0, 0, NULL},
        {"--rate", COVEY__OPTION_NUMBER, &config.shape.rate_mbit, 1, 10000, NULL},
        {"--delay", COVEY__OPTION_NUMBER, &config.shape.delay_ms, 0, 10000, NULL},
        {"--loss", COVEY__OPTION_REAL, &config.shape.loss_percent, 0, 0, NULL},
        {"--memory", COVEY__OPTION_TEXT, &config.memory, 0, 0, NULL},
        {"--store", COVEY__OPTION_TEXT, &config.store, 0, 0, NULL},
        {"--tiers", COVEY__OPTION_TEXT, &config.tiers, 0, 0, NULL},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv) ||
        !check_shape(cli, &config.shape)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1 || devices == 0) {
        return covey__cli_usage(cli, "%s", up_usage);
    }
    config.devices = devices;
    /* Devices that are played slow are slow to start, too. */
    int usual_ms = config.cpu != NULL ? 4 * COVEY_LAB_WAIT_MS : COVEY_LAB_WAIT_MS;
    config.wait_ms = wait_s != 0 ? (int)wait_s * 1000 : usual_ms;
    if (!covey__lab_parse_mode(mode, &config.mode)) {
        return covey__cli_usage(cli, "--mode is auto, netns or loopback, not '%s'", mode);
    }
    struct covey__lab lab;
    sigset_t before;
    covey__lab_signals_hold(&before);
    covey_err err = covey__lab_up(&lab, &config);
    enum covey_exit code = err == COVEY_OK ? show(cli, &lab) : covey__lab_fail(cli, &lab, err);
    covey__lab_signals_release(&before);
    return code;
}

static enum covey_exit run_list(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__lab lab;
    enum covey_exit code = find(cli, &lab, covey__lab_load, &argc, argv);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    return argc == 1 ? show(cli, &lab) : covey__cli_usage(cli, "'lab list' takes no argument");
}

static enum covey_exit run_wait(struct covey__cli *cli, int argc, char **argv)
{
    uint32_t wait_s = COVEY_LAB_WAIT_MS / 1000;
    const char *dir = NULL;
    const struct covey__option options[] = {
        {"--dir", COVEY__OPTION_TEXT, &dir, 0, 0, NULL},
        {"--wait", COVEY__OPTION_NUMBER, &wait_s, 1, 600, NULL},
    };
    struct covey__lab lab = {.count = 0};
    if (!covey__cli_options(cli, options, 2, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'lab wait' takes no argument");
    }
    covey_err err = covey__lab_name(&lab, dir);
    if (err == COVEY_OK) {
        err = covey__lab_load(&lab);
    }
    if (err == COVEY_OK) {
        err = covey__lab_wait_all(&lab, (int)wait_s * 1000);
    }
    return err == COVEY_OK ? show(cli, &lab) : covey__lab_fail(cli, &lab, err);
}

static enum covey_exit run_down(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__lab lab;
    enum covey_exit code = find(cli, &lab, covey__lab_load_to_change, &argc, argv);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'lab down' takes no argument");
    }
    sigset_t before;
    covey__lab_signals_hold(&before);
    covey__lab_down(&lab);
    covey__lab_signals_release(&before);
    if (!cli->json) {
        printf("lab %s is gone\n", lab.id);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "down", lab.id);
    return covey__cli_print(cli, document);
}

/* What is done to one node. */
typedef covey_err (*action_fn)(struct covey__lab *lab, unsigned index);

static covey_err not_running(struct covey__lab *lab, unsigned index)
{
    snprintf(lab->why, sizeof(lab->why), "%s does not run", lab->node[index].name);
    return COVEY_ERR_STATE;
}

static covey_err do_kill(struct covey__lab *lab, unsigned index)
{
    if (!covey__lab_running(&lab->node[index])) {
        return not_running(lab, index);
    }
    covey__lab_kill(&lab->node[index]);
    return COVEY_OK;
}

static covey_err do_freeze(struct covey__lab *lab, unsigned index)
{
    return covey__lab_signal(&lab->node[index], SIGSTOP) ? COVEY_OK : not_running(lab, index);
}

static covey_err do_thaw(struct covey__lab *lab, unsigned index)
{
    return covey__lab_signal(&lab->node[index], SIGCONT) ? COVEY_OK : not_running(lab, index);
}

static covey_err do_restart(struct covey__lab *lab, unsigned index)
{
    covey__lab_kill(&lab->node[index]);
    lab->node[index].slow_ms = 0;
    lab->node[index].lie_percent = 0;
    lab->node[index].latency = (struct covey_latency){.kind = COVEY_LATENCY_NONE};
    covey_err err = covey__lab_start(lab, index);
    uint64_t end_ms = covey__lab_now_ms() + ANSWERS_MS;
    while (err == COVEY_OK) {
        struct covey__control c = {0};
        bool answers = covey__lab_status(lab, index, &c) == COVEY_OK;
        covey__control_close(&c);
        if (answers) {
            break;
        }
        if (!covey__lab_running(&lab->node[index]) || covey__lab_now_ms() >= end_ms) {
            snprintf(lab->why, sizeof(lab->why), "%s did not start: see %s/%s.log",
                     lab->node[index].name, lab->dir, lab->node[index].name);
            return COVEY_ERR_IO;
        }
        covey__lab_pause();
    }
    return err;
}

static covey_err change_link(struct covey__lab *lab, unsigned index, bool up)
{
    if (lab->mode != COVEY_LAB_NETNS) {
        snprintf(lab->why, sizeof(lab->why),
                 "nodes on loopback have no link of their own: make the lab as root");
        return COVEY_ERR_NOT_FOUND;
    }
    return covey__lab_netns_link(lab, index, up);
}

static covey_err do_cut(struct covey__lab *lab, unsigned index)
{
    return change_link(lab, index, false);
}

static covey_err do_heal(struct covey__lab *lab, unsigned index)
{
    return change_link(lab, index, true);
}

static enum covey_exit act(struct covey__cli *cli, action_fn action, int argc, char **argv)
{
    struct covey__lab lab;
    enum covey_exit code = find(cli, &lab, covey__lab_load_to_change, &argc, argv);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    if (argc < 2) {
        return covey__cli_usage(cli, "usage: covey lab %s I...", argv[0]);
    }
    for (int i = 1; i < argc; i++) {
        if (covey__lab_index(&lab, argv[i]) < 0) {
            return covey__cli_usage(cli, "the lab has no node '%s': 1 to %u", argv[i], lab.count);
        }
    }
    for (int i = 1; i < argc; i++) {
        covey_err err = action(&lab, (unsigned)covey__lab_index(&lab, argv[i]));
        if (err != COVEY_OK) {
            return covey__lab_fail(cli, &lab, err);
        }
        err = covey__lab_save(&lab);
        if (err != COVEY_OK) {
            return covey__lab_fail(cli, &lab, err);
        }
    }
    return cli->json ? covey__cli_print(cli, covey__lab_json(&lab)) : COVEY_EXIT_DONE;
}

static enum covey_exit run_kill(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_kill, argc, argv);
}

static enum covey_exit run_freeze(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_freeze, argc, argv);
}

static enum covey_exit run_thaw(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_thaw, argc, argv);
}

static enum covey_exit run_restart(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_restart, argc, argv);
}

static enum covey_exit run_cut(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_cut, argc, argv);
}

static enum covey_exit run_heal(struct covey__cli *cli, int argc, char **argv)
{
    return act(cli, do_heal, argc, argv);
}

/* Becomes `covey --state DIR/nodeI ARGS...`: the control socket reaches across namespaces. */
static enum covey_exit run_run(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__lab lab;
    enum covey_exit code = find(cli, &lab, covey__lab_load, &argc, argv);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    int index = argc >= 3 ? covey__lab_index(&lab, argv[1]) : -1;
    if (index < 0) {
        return covey__cli_usage(cli, "usage: covey lab run I -- ARGS... (I: 1 to %u)", lab.count);
    }
    char state[NODE_DIR];
    covey__lab_node_dir(&lab, (unsigned)index, state, sizeof(state));
    char **words = calloc((size_t)argc + 4, sizeof(*words));
    if (words == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "out of memory");
    }
    char program[] = "covey", state_option[] = "--state", json_option[] = "--json";
    int used = 0;
    words[used++] = program;
    words[used++] = state_option;
    words[used++] = state;
    if (cli->json) {
        words[used++] = json_option;
    }
    for (int i = 2; i < argc; i++) {
        words[used++] = argv[i];
    }
    execv("/proc/self/exe", words);
    free(words);
    return covey__cli_fail(cli, COVEY_EXIT_FAILED, "covey cannot be run again");
}

static const struct covey__lab_help {
    const char *up, *node;
} help = {
    .up = "usage: covey lab up --devices N [options]\n"
          "Starts N nodes of a throw-away mesh on this machine and waits until they know one\n"
          "another. As root each has its own network namespace; else all share the loopback\n"
          "interface.\n"
          "  --mode auto|netns|loopback\n"
          "  --wait S          seconds to wait at most\n"
          "  --cpu P[,P...]    percent of a core each node behaves like\n"
          "  --rate MBIT       of every link (root)\n"
          "  --delay MS        of what a node sends\n"
          "  --loss PERCENT    of the packets; without root and nft of the datagrams only\n"
          "  --memory B[,B...] bytes that each node may take\n"
          "  --store B[,B...]  bytes that each node may keep on disk for others\n"
          "  --tiers T[,T...]  end, edge or cloud; or how many of each: "
          "end=8,edge=4,cloud=1\n" COVEY_LAB_DIR_HELP,
    .node = "usage: covey lab kill|freeze|thaw|restart|cut|heal I... [--dir DIR] [--json]\n"
            "kill: SIGKILL; freeze, thaw: SIGSTOP, SIGCONT; restart: kills what still runs, and\n"
            "starts; cut, heal: the network link down and up (network namespaces "
            "only).\n" COVEY_LAB_DIR_HELP,
};

enum covey_exit covey__lab_main(struct covey__cli *cli, int argc, char **argv)
{
    const struct covey__cli_command table[] = {
        {"up", "start N nodes", help.up, run_up},
        {"list", "the nodes and how they are",
         "usage: covey lab list [--dir DIR] [--json]\n" COVEY_LAB_DIR_HELP, run_list},
        {"wait", "wait until the mesh could lose a node",
         "usage: covey lab wait [--wait S] [--dir DIR] [--json]\n"
         "Waits until the running nodes know one another and a coordinator, what they send one\n"
         "another arrives, and all that they hold for running sessions is redundant again.\n"
         "  --wait S    seconds in all (15)\n" COVEY_LAB_DIR_HELP,
         run_wait},
        {"kill", "kill nodes (SIGKILL)", help.node, run_kill},
        {"freeze", "stop nodes (SIGSTOP)", help.node, run_freeze},
        {"thaw", "let stopped nodes go on", help.node, run_thaw},
        {"restart", "start nodes again", help.node, run_restart},
        {"cut", "take nodes' network links down", help.node, run_cut},
        {"heal", "bring nodes' network links up", help.node, run_heal},
        {"slow", "let a node answer late", covey__lab_help_slow, covey__lab_slow},
        {"lie", "let a node give wrong answers", covey__lab_help_lie, covey__lab_lies},
        {"run", "run covey at a node",
         "usage: covey lab run I [--dir DIR] -- ARGS...\n"
         "Runs 'covey ARGS...' with the state of node I.\n" COVEY_LAB_DIR_HELP,
         run_run},
        {"report", "measure latencies and write a page", covey__lab_help_report, covey__lab_report},
        {"paper", "run a paper's experiments", covey__lab_help_paper, covey__lab_paper},
        {"demo", "classify digits while nodes are killed", covey__lab_help_demo, covey__lab_demo},
        {"down", "end all nodes and remove what was made",
         "usage: covey lab down [--dir DIR] [--json]\n" COVEY_LAB_DIR_HELP, run_down},
        {NULL, NULL, NULL, NULL},
    };
    return covey__cli_dispatch(cli, "covey lab", table, argc, argv);
}
