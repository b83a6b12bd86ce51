/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

enum { EXIT_NOT_STARTED = 127, NODE_PATH = 128, GONE_LOOKS = 200, NODE_OPTIONS_MAX = 8 };

extern char **environ;

/* Of proc(5): fields 3, 20 and 22, the last in clock ticks since boot. */
struct process {
    char state;
    uint64_t threads, start;
};

static bool process_of(pid_t pid, struct process *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0) {
        return false;
    }
    text[len] = 0;
    const char *p = strrchr(text, ')'); /* the name before it may hold anything */
    if (p == NULL || p[1] != ' ') {
        return false;
    }
    out->state = p[2];
    p += 2;
    for (int field = 3; field < 22 && p != NULL; field++) {
        if (field == 20) {
            out->threads = strtoull(p, NULL, 10);
        }
        p = strchr(p, ' ');
        p = p != NULL ? p + 1 : NULL;
    }
    if (p == NULL) {
        return false;
    }
    out->start = strtoull(p, NULL, 10);
    return true;
}

/* Its first thread may have ended before the others: until they have, its sockets are open. */
static char state_of(const struct covey__lab_node *node)
{
    struct process p = {0};
    bool there = node->pid > 0 && process_of(node->pid, &p) && p.start == node->start;
    bool over = p.state == 'X' || (p.state == 'Z' && p.threads <= 1);
    return there && !over ? p.state : 0;
}

bool covey__lab_running(const struct covey__lab_node *node)
{
    return state_of(node) != 0;
}

bool covey__lab_frozen(const struct covey__lab_node *node)
{
    return state_of(node) == 'T';
}

bool covey__lab_signal(const struct covey__lab_node *node, int signal)
{
    return covey__lab_running(node) && kill(node->pid, signal) == 0;
}

void covey__lab_kill(struct covey__lab_node *node)
{
    covey__lab_signal(node, SIGKILL);
    for (int i = 0; i < GONE_LOOKS && covey__lab_running(node); i++) {
        covey__lab_pause();
    }
    if (node->pid > 0) {
        int ignored = waitpid(node->pid, NULL, WNOHANG); /* it may be a child of another process */
        (void)ignored;
    }
}

static covey_err daemon_path(struct covey__lab *lab, char out[static PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - sizeof("coveyd"));
    char *slash = NULL;
    if (len > 0) {
        out[len] = 0;
        slash = strrchr(out, '/');
    }
    if (slash != NULL) {
        memcpy(slash + 1, "coveyd", sizeof("coveyd"));
        if (access(out, X_OK) == 0) {
            return COVEY_OK;
        }
    }
    snprintf(lab->why, sizeof(lab->why), "coveyd is not beside covey: build or install it");
    return COVEY_ERR_NOT_FOUND;
}

struct words {
    const char *word[2 * NODE_OPTIONS_MAX + 2];
    char number[NODE_OPTIONS_MAX][32];
    size_t count, numbers;
};

static void add_text(struct words *w, const char *name, const char *value)
{
    w->word[w->count++] = name;
    w->word[w->count++] = value;
}

/* Not given when 0: the node's own default. */
static void add_number(struct words *w, const char *name, double value)
{
    if (value > 0) {
        char *text = w->number[w->numbers++];
        snprintf(text, sizeof(w->number[0]), "%.16g", value);
        add_text(w, name, text);
    }
}

/* Returns when coveyd cannot be run. */
static void run_node(const struct covey__lab *lab, unsigned index, const char *program,
                     const char *state)
{
    const struct covey__lab_shape *shape = &lab->shape;
    struct words w = {.count = 0};
    w.word[w.count++] = "coveyd";
    add_text(&w, "--state", state);
    if (lab->mode != COVEY_LAB_NETNS) {
        add_text(&w, "--interface", "lo");
    }
    add_number(&w, "--cpu", lab->node[index].cpu);
    add_number(&w, "--delay", shape->delay_ms);
    add_number(&w, "--loss", shape->kernel_drops ? 0 : shape->loss_percent);
    add_number(&w, "--memory", (double)lab->node[index].memory_bytes);
    add_number(&w, "--store", (double)lab->node[index].store_bytes);
    w.word[w.count++] = "--lab";
    w.word[w.count] = NULL;
    /* A paced node is charged for its own threads, and an unpaced one has a pool of its own. */
    int ignored = setenv("OPENBLAS_NUM_THREADS", "1", 1);
    (void)ignored;
    /* execv wants char *const *; it does not write to the words. */
    execv(program, (char *const *)(uintptr_t)w.word);
}

/* Never returns. It goes on when it is told so, and ends where nobody is left who could. */
static void become_node(const struct covey__lab *lab, unsigned index, const char *program, int told,
                        pid_t parent)
{
    char state[NODE_PATH], log[NODE_PATH + 8], go;
    sigset_t none;
    covey__lab_node_dir(lab, index, state, sizeof(state));
    snprintf(log, sizeof(log), "%s.log", state);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (lab->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    bool orphan = lab->die_with_parent && getppid() != parent; /* it died before that */
    if (orphan || recv(told, &go, 1, 0) != 1) {
        _exit(EXIT_NOT_STARTED);
    }
    int in = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(EXIT_NOT_STARTED);
    }
    close(in);
    close(out);
    if (lab->mode == COVEY_LAB_NETNS && covey__lab_netns_enter(lab, index) != COVEY_OK) {
        _exit(EXIT_NOT_STARTED);
    }
    run_node(lab, index, program, state);
    _exit(EXIT_NOT_STARTED);
}

/* The node runs only once lab.json has it: whenever this process is killed, 'lab down' finds it. */
static covey_err keep_and_go(struct covey__lab *lab, unsigned index, pid_t pid, int tell)
{
    struct covey__lab_node *node = &lab->node[index];
    struct process p;
    if (pid < 0 || !process_of(pid, &p)) {
        snprintf(lab->why, sizeof(lab->why), "%s cannot be started", node->name);
        return COVEY_ERR_IO;
    }
    node->pid = pid;
    node->start = p.start;
    covey_err err = covey__lab_save(lab);
    if (err == COVEY_OK && send(tell, "", 1, MSG_NOSIGNAL) != 1) {
        snprintf(lab->why, sizeof(lab->why), "%s was ended", node->name);
        err = COVEY_ERR_IO;
    }
    return err;
}

covey_err covey__lab_start(struct covey__lab *lab, unsigned index)
{
    char program[PATH_MAX];
    int ends[2];
    covey_err err = daemon_path(lab, program);
    if (err != COVEY_OK) {
        return err;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        snprintf(lab->why, sizeof(lab->why), "%s cannot be started", lab->node[index].name);
        return COVEY_ERR_IO;
    }
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become_node(lab, index, program, ends[1], parent);
    }
    close(ends[1]);
    err = keep_and_go(lab, index, pid, ends[0]);
    close(ends[0]);
    return err;
}

covey_err covey__lab_spawn(const char *folder, const char *log, const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return COVEY_ERR_NOMEM;
    }
    int failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    failed |=
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600) |
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (folder != NULL) { /* behind the log, whose path may be relative */
        failed |= posix_spawn_file_actions_addchdir_np(&actions, folder);
    }
    if (failed == 0) {
        /* posix_spawn wants char *const *; it does not write to the words. */
        failed =
            posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        return failed == ENOENT ? COVEY_ERR_NOT_FOUND : COVEY_ERR_IO;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return COVEY_ERR_IO;
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COVEY_OK : COVEY_ERR_IO;
}

covey_err covey__lab_run(const struct covey__lab *lab, const char *const *argv)
{
    char log[NODE_PATH];
    snprintf(log, sizeof(log), "%s/setup.log", lab->dir);
    return covey__lab_spawn(NULL, log, argv);
}
