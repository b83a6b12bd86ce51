/* SPDX-License-Identifier: MIT
 *
 * lab.h - a mesh of several nodes on this machine, for trying and testing.
 *
 * As root each node lives in its own network namespace on one bridge; else all share the loopback
 * interface. Every node is a coveyd of its own with keys of its own, signed by a throw-away
 * authority.
 */
#ifndef COVEY_LAB_H
#define COVEY_LAB_H

#include <signal.h>
#include <sys/types.h>

#include <cjson/cJSON.h>

#include "control.h"
#include "covey/cert.h"

enum covey__lab_limits {
    COVEY_LAB_NODES_MAX = 32,
    COVEY_LAB_DIR_MAX = 80,    /* DIR/nodeNN/control.sock is at most 107 bytes */
    COVEY_LAB_WAIT_MS = 15000, /* for all nodes to know one another and a coordinator */
};

enum covey__lab_mode { COVEY_LAB_AUTO, COVEY_LAB_NETNS, COVEY_LAB_LOOPBACK };

/* A process is meant only while it started at start: a recycled pid is somebody else. */
struct covey__lab_node {
    char name[16];
    pid_t pid; /* 0: never started */
    uint64_t start;
    bool cut;              /* its link is down */
    unsigned cpu;          /* percent of a core; 0: all there is */
    uint64_t store_bytes;  /* 0: the usual */
    uint64_t memory_bytes; /* the same */
    enum covey_tier tier;
    uint32_t slow_ms;             /* told: each answer so much later */
    uint8_t lie_percent;          /* told */
    struct covey_latency latency; /* told: of tasks of coded training */
};

/* How the devices and links are that the nodes play; 0 each: as this machine is. */
struct covey__lab_shape {
    uint32_t rate_mbit;
    uint32_t delay_ms;
    double loss_percent;
    bool kernel_drops; /* not the nodes themselves */
};

struct covey__lab {
    char dir[COVEY_LAB_DIR_MAX + 1];
    char id[5]; /* four digits; names of namespaces and links hold it */
    enum covey__lab_mode mode;
    unsigned count;
    struct covey__lab_node node[COVEY_LAB_NODES_MAX];
    struct covey__lab_shape shape;
    bool die_with_parent; /* not kept: nodes started from now on end with this process */
    char why[256];
};

/* The command. */
enum covey_exit covey__lab_main(struct covey__cli *cli, int argc, char **argv);

#define COVEY_LAB_DIR_HELP                                                                         \
    "  --dir DIR   the lab's directory ($XDG_RUNTIME_DIR/covey-lab or /tmp/covey-lab-UID)\n"

/* Of a lab that could not be made or found. */
enum covey_exit covey__lab_exit_of(covey_err err);
enum covey_exit covey__lab_fail(const struct covey__cli *cli, const struct covey__lab *lab,
                                covey_err err);
/* "2" or "node2" to 1; -1. */
int covey__lab_index(const struct covey__lab *lab, const char *text);
cJSON *covey__lab_json(const struct covey__lab *lab);

/* ---- lab_state.c: the directory and lab.json in it ---- */

/* dir NULL: the default one. */
covey_err covey__lab_name(struct covey__lab *lab, const char *dir) COVEY_CHECK;
/* Makes the directory, owner-only; EXISTS when a lab is there. */
covey_err covey__lab_make_dir(struct covey__lab *lab) COVEY_CHECK;
covey_err covey__lab_load(struct covey__lab *lab) COVEY_CHECK;
/* The same for a command that changes the lab: others that do wait until this process ends. What
 * two read, change and save at once one of them would lose, a node's process too. */
covey_err covey__lab_load_to_change(struct covey__lab *lab) COVEY_CHECK;
covey_err covey__lab_save(struct covey__lab *lab) COVEY_CHECK;
void covey__lab_remove_dir(const struct covey__lab *lab);
void covey__lab_node_dir(const struct covey__lab *lab, unsigned index, char *out, size_t cap);

/* ---- lab_process.c ---- */

bool covey__lab_running(const struct covey__lab_node *node);
bool covey__lab_frozen(const struct covey__lab_node *node);
/* False: it was not running. */
bool covey__lab_signal(const struct covey__lab_node *node, int signal);
/* SIGKILL, and waits until it is gone. */
void covey__lab_kill(struct covey__lab_node *node);
/* Starts coveyd for node index, saved in lab.json; it goes on when this process ends. */
covey_err covey__lab_start(struct covey__lab *lab, unsigned index) COVEY_CHECK;
/* Runs a program found on PATH without a shell in this folder (NULL: here), and waits for it; what
 * it says is added to the file log. IO when it failed. */
covey_err covey__lab_spawn(const char *folder, const char *log,
                           const char *const *argv) COVEY_CHECK;
/* Here, with DIR/setup.log. */
covey_err covey__lab_run(const struct covey__lab *lab, const char *const *argv) COVEY_CHECK;

/* ---- lab_netns.c ---- */

covey_err covey__lab_netns_up(struct covey__lab *lab) COVEY_CHECK;
void covey__lab_netns_down(const struct covey__lab *lab);
/* In the child that becomes the node. */
covey_err covey__lab_netns_enter(const struct covey__lab *lab, unsigned index) COVEY_CHECK;
/* The rate of both ends of every link, and loss where the kernel can. */
covey_err covey__lab_netns_shape(struct covey__lab *lab) COVEY_CHECK;
covey_err covey__lab_netns_link(struct covey__lab *lab, unsigned index, bool up) COVEY_CHECK;

/* ---- lab_up.c ---- */

struct covey__lab_config {
    const char *dir; /* NULL: the default one */
    unsigned devices;
    enum covey__lab_mode mode;
    int wait_ms;
    bool die_with_parent;
    struct covey__lab_shape shape;
    const char *cpu;    /* NULL, "P" for all or "P1,P2,..." */
    const char *memory; /* the same with bytes */
    const char *store;  /* the same */
    const char *tiers;  /* the same with end, edge and cloud */
};
/* On failure nothing is left behind, and lab->why says why. */
covey_err covey__lab_up(struct covey__lab *lab, const struct covey__lab_config *config) COVEY_CHECK;
void covey__lab_down(struct covey__lab *lab);

/* ---- lab_slow.c ---- */

enum { COVEY_LAB_LAW_MAX = 64 };
/* "normal 20,15 ms" in text, which it returns; "" of no law. */
const char *covey__lab_law(const struct covey_latency *law, char text[static COVEY_LAB_LAW_MAX]);
enum covey_exit covey__lab_slow(struct covey__cli *cli, int argc, char **argv);
enum covey_exit covey__lab_lies(struct covey__cli *cli, int argc, char **argv);
extern const char covey__lab_help_slow[], covey__lab_help_lie[];

/* ---- lab_shape.c ---- */

/* Tells node index to answer as slow_ms, lie_percent and latency say. */
covey_err covey__lab_tell(struct covey__lab *lab, unsigned index) COVEY_CHECK;

/* "auto", "netns" or "loopback". */
bool covey__lab_parse_mode(const char *text, enum covey__lab_mode *out);
/* "10" to all nodes, "20,10,5" to one each; RANGE with why. */
covey_err covey__lab_parse_nodes(struct covey__lab *lab,
                                 const struct covey__lab_config *config) COVEY_CHECK;

/* ---- lab_watch.c ---- */

/* Ctrl-C and friends are held back while a lab is made or a demo runs, and looked at in between, so
 * that what was started is also ended. */
void covey__lab_signals_hold(sigset_t *out_before);
bool covey__lab_signals_pending(void);
void covey__lab_signals_release(const sigset_t *before);

void covey__lab_pause(void); /* between two looks */
uint64_t covey__lab_now_ms(void);

/* Runs, and is neither frozen nor cut: it can answer for the mesh. */
bool covey__lab_takes_part(const struct covey__lab_node *node);
/* Node index's STATUS in c, which is opened for it; close it. */
covey_err covey__lab_status(const struct covey__lab *lab, unsigned index,
                            struct covey__control *c) COVEY_CHECK;
/* Waits until every running node knows `alive` others and itself as alive, and all name the same
 * coordinator, which runs. */
covey_err covey__lab_wait_mesh(struct covey__lab *lab, int wait_ms) COVEY_CHECK;
/* Waits until every session at node index is redundant. */
covey_err covey__lab_wait_redundant(struct covey__lab *lab, unsigned index,
                                    int wait_ms) COVEY_CHECK;
/* Both, of every node that takes part, within wait_ms in all. */
covey_err covey__lab_wait_all(struct covey__lab *lab, int wait_ms) COVEY_CHECK;

/* ---- lab_report.c ---- */

enum covey_exit covey__lab_report(struct covey__cli *cli, int argc, char **argv);
extern const char covey__lab_help_report[];

/* ---- lab_demo.c ---- */

enum covey_exit covey__lab_demo(struct covey__cli *cli, int argc, char **argv);
extern const char covey__lab_help_demo[];

#endif /* COVEY_LAB_H */
