/* SPDX-License-Identifier: MIT */
#include "train_run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031 /* Linux: <fcntl.h> hides it without _GNU_SOURCE */
#endif

enum { WORDS_MAX = 64, LINE_MAX_BYTES = 4096 };

/* Cuts the line at its spaces. */
static size_t split(void **state, char *line, char **words)
{
    static char paths[WORDS_MAX][FIXTURE_PATH];
    size_t count = 0;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count + 1 < WORDS_MAX);
        words[count] = word;
        if (word[0] == '@') {
            scratch_path(state, word + 1, paths[count]);
            words[count] = paths[count];
        }
        count++;
    }
    words[count] = NULL;
    return count;
}

void child_start_covey(void **state, struct child *c, const char *line)
{
    char copy[LINE_MAX_BYTES], errors[FIXTURE_PATH];
    char *words[WORDS_MAX];
    int ends[2];
    assert_true((size_t)snprintf(copy, sizeof copy, "covey %s", line) < sizeof copy);
    split(state, copy, words);
    scratch_path(state, "stderr", errors);
    assert_int_equal(pipe(ends), 0);
    (void)fcntl(ends[1], F_SETPIPE_SZ, 4096);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        int to = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (to < 0 || dup2(ends[1], STDOUT_FILENO) < 0 || dup2(to, STDERR_FILENO) < 0) {
            _exit(126);
        }
        close(ends[0]);
        close(ends[1]);
        execv(COVEY_BINARY, words);
        _exit(127);
    }
    close(ends[1]);
    c->out = fdopen(ends[0], "r");
    assert_non_null(c->out);
}

void child_start(void **state, struct child *c, const char *line)
{
    char whole[LINE_MAX_BYTES];
    assert_true((size_t)snprintf(whole, sizeof whole, "train --local %s", line) < sizeof whole);
    child_start_covey(state, c, whole);
}

void child_wait_line(struct child *c, const char *start)
{
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, c->out) != NULL) {
        if (strncmp(line, start, strlen(start)) == 0) {
            return;
        }
    }
    fail_msg("no line begins with '%s'", start);
}

void child_end(void **state, struct child *c, struct said *out)
{
    int status = 0;
    size_t len = fread(out->out, 1, sizeof out->out - 1, c->out);
    out->out[len] = 0;
    fclose(c->out);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    out->code = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    uint8_t *errors = scratch_read(state, "stderr", &len);
    assert_true(len < sizeof out->errors);
    memcpy(out->errors, errors, len);
    out->errors[len] = 0;
    free(errors);
}

void train(void **state, const char *line, struct said *out)
{
    struct child c;
    child_start(state, &c, line);
    child_end(state, &c, out);
}

void expect_said(const struct said *s, int code, const char *words)
{
    const char *end = strchr(s->errors, '\n');
    if (s->code != code || strstr(s->errors, words) == NULL || end == NULL || end[1] != 0) {
        fail_msg("code %d, not %d, or not one line with '%s': %s", s->code, code, words, s->errors);
    }
}

bool scratch_has(void **state, const char *name)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    return access(path, F_OK) == 0;
}

void scratch_remove(void **state, const char *name)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    assert_int_equal(unlink(path), 0);
}

uint8_t *scratch_read(void **state, const char *name, size_t *out_len)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s is not there", path);
    }
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long len = ftell(f);
    assert_true(len >= 0);
    rewind(f);
    uint8_t *bytes = malloc((size_t)len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)len, f), len);
    fclose(f);
    *out_len = (size_t)len;
    return bytes;
}

bool scratch_same(void **state, const char *a, const char *b)
{
    size_t a_len = 0, b_len = 0;
    uint8_t *left = scratch_read(state, a, &a_len), *right = scratch_read(state, b, &b_len);
    bool same = a_len == b_len && memcmp(left, right, a_len) == 0;
    free(left);
    free(right);
    return same;
}
