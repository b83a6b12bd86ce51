/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

enum {
    PATH_LEN = 700,
    VERSION = 1,          /* of the tables: PRAGMA user_version */
    BUSY_MS = 2000,       /* another process looks at the file */
    VALUE_MAX = 1 << 16,  /* bytes of one value or one statement */
    PAGES_MAX = 16 * 1024 /* of 4 KiB: 64 MiB, far more than the rows that are kept */
};

/* Statements, prepared once. */
enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    SESSION_PUT,
    SESSION_PRUNE,
    SESSION_COUNT,
    SESSION_LIST,
    STEP_PUT,
    STEP_LAST,
    CHECKPOINT_PUT,
    CHECKPOINT_PRUNE,
    CHECKPOINT_DROP,
    CHECKPOINT_SAME,
    CHECKPOINT_LIST,
    STATE_PUT,
    STATE_DROP,
    STATE_LIST,
    STATEMENTS,
};

struct covey_journal {
    sqlite3 *db;
    sqlite3_stmt *statement[STATEMENTS];
};

static const char tables[] =
    "CREATE TABLE session(number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT NOT NULL,"
    " job BLOB NOT NULL, state INTEGER NOT NULL, epoch INTEGER NOT NULL, owner BLOB NOT NULL)"
    " STRICT;"
    "CREATE TABLE step(session BLOB NOT NULL, epoch INTEGER NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, PRIMARY KEY(session, epoch)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE checkpoint(session BLOB NOT NULL, epoch INTEGER NOT NULL, step INTEGER NOT NULL,"
    " digest BLOB NOT NULL, len INTEGER NOT NULL, kept INTEGER NOT NULL,"
    " PRIMARY KEY(session, epoch, step)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE custody(session BLOB NOT NULL PRIMARY KEY, state BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID;";

/* ?N are the parameters that bind() below gives, in this order. */
static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SESSION_PUT] =
        "INSERT INTO session(id, name, job, state, epoch, owner) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT(id) DO UPDATE SET name = ?2, job = ?3, state = ?4, epoch = ?5, owner = ?6",
    /* OVER is 3. The rows of other tables go with their session. */
    [SESSION_PRUNE] = "DELETE FROM session WHERE number IN (SELECT number FROM session"
                      " WHERE state = 3 AND id <> ?1 ORDER BY number LIMIT ?2)",
    [SESSION_COUNT] = "SELECT count(*) FROM session",
    [SESSION_LIST] = "SELECT id, name, job, state, epoch, owner FROM session"
                     " ORDER BY number DESC LIMIT ?1",
    [STEP_PUT] = "INSERT INTO step(session, epoch, first, last) VALUES(?1, ?2, ?3, ?3)"
                 " ON CONFLICT DO UPDATE SET last = max(last, ?3)",
    [STEP_LAST] = "SELECT coalesce(max(last), 0) FROM step WHERE session = ?1",
    [CHECKPOINT_PUT] = "INSERT INTO checkpoint(session, epoch, step, digest, len, kept)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
                       " ON CONFLICT DO UPDATE SET digest = ?4, len = ?5, kept = ?6",
    [CHECKPOINT_PRUNE] =
        "DELETE FROM checkpoint WHERE session = ?1 AND (epoch, step) NOT IN (SELECT epoch, step"
        " FROM checkpoint WHERE session = ?1 ORDER BY epoch DESC, step DESC LIMIT ?2)",
    [CHECKPOINT_DROP] = "DELETE FROM checkpoint WHERE session = ?1 AND epoch = ?2 AND step = ?3",
    [CHECKPOINT_SAME] = "SELECT count(*) FROM checkpoint WHERE digest = ?1",
    [CHECKPOINT_LIST] = "SELECT epoch, step, digest, len, kept FROM checkpoint WHERE session = ?1"
                        " ORDER BY epoch DESC, step DESC LIMIT ?2",
    [STATE_PUT] = "INSERT INTO custody(session, state) VALUES(?1, ?2)"
                  " ON CONFLICT DO UPDATE SET state = ?2",
    [STATE_DROP] = "DELETE FROM custody WHERE session = ?1",
    [STATE_LIST] = "SELECT session, state FROM custody",
};

static covey_err error_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return COVEY_OK;
    case SQLITE_NOMEM:
        return COVEY_ERR_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return COVEY_ERR_MALFORMED;
    case SQLITE_FULL:
        return COVEY_ERR_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return COVEY_ERR_BUSY;
    default:
        return COVEY_ERR_IO;
    }
}

static covey_err exec(struct covey_journal *j, const char *sql)
{
    return error_of(sqlite3_exec(j->db, sql, NULL, NULL, NULL));
}

/* ---- opening ---- */

static covey_err number_of(struct covey_journal *j, const char *sql, int64_t *out)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(j->db, sql, -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    covey_err err = rc == SQLITE_ROW ? COVEY_OK : error_of(rc);
    if (err == COVEY_OK) {
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    }
    sqlite3_finalize(s);
    return err;
}

/* The pages, the rows against the indices, and that nothing is there but what this version made. */
static covey_err check(struct covey_journal *j)
{
    sqlite3_stmt *s = NULL;
    int64_t others = 0;
    int rc = sqlite3_prepare_v2(j->db, "PRAGMA integrity_check(1)", -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    covey_err err = error_of(rc);
    if (err == COVEY_OK) {
        const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(s, 0) : NULL;
        bool sound = text != NULL && memcmp(text, "ok", 3) == 0;
        err = sound ? COVEY_OK : COVEY_ERR_MALFORMED;
    }
    sqlite3_finalize(s);
    if (err == COVEY_OK) {
        err = number_of(j,
                        "SELECT count(*) FROM sqlite_schema WHERE NOT (type = 'table' AND name IN"
                        " ('session', 'step', 'checkpoint', 'custody') OR name LIKE"
                        " 'sqlite_autoindex_%')",
                        &others);
    }
    return err == COVEY_OK && others != 0 ? COVEY_ERR_MALFORMED : err;
}

static covey_err prepare(struct covey_journal *j)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(j->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &j->statement[i], NULL);
        if (rc != SQLITE_OK) {
            covey_err err = error_of(rc);
            return err == COVEY_ERR_IO ? COVEY_ERR_MALFORMED : err; /* a column is not there */
        }
    }
    return COVEY_OK;
}

static covey_err configure(struct covey_journal *j)
{
    sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_limit(j->db, SQLITE_LIMIT_SQL_LENGTH, VALUE_MAX);
    sqlite3_limit(j->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(j->db, BUSY_MS);
    if (sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
        sqlite3_db_config(j->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK) {
        return COVEY_ERR_IO;
    }
    char pages[64];
    snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %d", PAGES_MAX);
    covey_err err = exec(j, "PRAGMA cell_size_check = ON; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 1048576");
    return err == COVEY_OK ? exec(j, pages) : err;
}

static covey_err make_tables(struct covey_journal *j)
{
    char version[48];
    snprintf(version, sizeof(version), "PRAGMA user_version = %d; COMMIT", VERSION);
    covey_err err = exec(j, "BEGIN IMMEDIATE");
    if (err == COVEY_OK) {
        err = exec(j, tables);
    }
    return err == COVEY_OK ? exec(j, version) : err;
}

static covey_err open_file(const char *path, struct covey_journal *j)
{
    int64_t version = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    covey_err err = error_of(sqlite3_open_v2(path, &j->db, flags, NULL));
    if (err == COVEY_OK) {
        err = configure(j);
    }
    if (err == COVEY_OK) {
        err = number_of(j, "PRAGMA user_version", &version);
    }
    if (err == COVEY_OK && version > VERSION) {
        return COVEY_ERR_UNSUPPORTED;
    }
    if (err == COVEY_OK) {
        err = check(j);
    }
    if (err == COVEY_OK && version == 0) {
        err = make_tables(j);
    }
    return err == COVEY_OK ? prepare(j) : err;
}

void covey__journal_close(struct covey_journal *j)
{
    if (j == NULL) {
        return;
    }
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(j->statement[i]);
    }
    sqlite3_close(j->db);
    free(j);
}

static covey_err open_new(const char *path, struct covey_journal **out)
{
    struct covey_journal *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_err err = open_file(path, j);
    if (err != COVEY_OK) {
        covey__journal_close(j);
        return err;
    }
    *out = j;
    return COVEY_OK;
}

/* The file and what belongs to it; its log would be taken for that of the new one. */
static covey_err set_aside(const char *path)
{
    char from[PATH_LEN + 16], to[PATH_LEN + 16];
    snprintf(to, sizeof(to), "%s.damaged", path);
    if (rename(path, to) != 0) {
        return COVEY_ERR_IO;
    }
    snprintf(from, sizeof(from), "%s-wal", path);
    snprintf(to, sizeof(to), "%s.damaged-wal", path);
    if (rename(from, to) != 0 && errno != ENOENT) {
        return COVEY_ERR_IO;
    }
    snprintf(from, sizeof(from), "%s-shm", path);
    return unlink(from) == 0 || errno == ENOENT ? COVEY_OK : COVEY_ERR_IO;
}

covey_err covey__journal_open(const char *state_dir, struct covey_journal **out,
                              char out_why[static 256])
{
    char path[PATH_LEN];
    out_why[0] = 0;
    int n = snprintf(path, sizeof(path), "%s/journal.db", state_dir);
    if (n < 0 || n >= PATH_LEN) {
        snprintf(out_why, 256, "the state folder's name is too long");
        return COVEY_ERR_LIMIT;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* whatever the umask would leave */
    if (fd >= 0) {
        close(fd);
    }
    covey_err err = open_new(path, out);
    if (err == COVEY_ERR_MALFORMED) {
        err = set_aside(path);
        snprintf(out_why, 256,
                 "journal.db is damaged and was set aside as journal.db.damaged: this device no "
                 "longer knows which training sessions it kept");
        return err == COVEY_OK ? open_new(path, out) : err;
    }
    if (err == COVEY_ERR_UNSUPPORTED) {
        snprintf(out_why, 256, "%.160s is of a later version of Covey", path);
    } else if (err != COVEY_OK) {
        snprintf(out_why, 256, "%.160s cannot be opened: %s", path, covey_strerror(err));
    }
    return err;
}

/* ---- statements ---- */

struct value {
    const void *bytes; /* NULL: number */
    size_t len;
    int64_t number;
    bool text;
};
#define NUMBER(n) ((struct value){.number = (int64_t)(n)})
#define BYTES(field) ((struct value){.bytes = (field), .len = sizeof(field)})

static covey_err bind(sqlite3_stmt *s, const struct value *values, size_t count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        const struct value *v = &values[i];
        int at = (int)i + 1;
        if (v->bytes == NULL) {
            rc = sqlite3_bind_int64(s, at, v->number);
        } else if (v->text) {
            rc = sqlite3_bind_text(s, at, v->bytes, (int)v->len, SQLITE_TRANSIENT);
        } else {
            rc = sqlite3_bind_blob(s, at, v->bytes, (int)v->len, SQLITE_TRANSIENT);
        }
    }
    return error_of(rc);
}

static sqlite3_stmt *begin(struct covey_journal *j, enum statement which)
{
    sqlite3_reset(j->statement[which]);
    sqlite3_clear_bindings(j->statement[which]);
    return j->statement[which];
}

/* One that gives no rows. */
static covey_err run(struct covey_journal *j, enum statement which, const struct value *values,
                     size_t count)
{
    sqlite3_stmt *s = begin(j, which);
    covey_err err = bind(s, values, count);
    if (err == COVEY_OK) {
        err = error_of(sqlite3_step(s));
    }
    sqlite3_reset(s);
    return err;
}

static covey_err end(struct covey_journal *j, covey_err err)
{
    if (err == COVEY_OK) {
        err = run(j, COMMIT, NULL, 0);
    }
    if (err != COVEY_OK) {
        covey_err ignored = run(j, ROLLBACK, NULL, 0); /* there may be nothing to roll back */
        (void)ignored;
    }
    return err;
}

/* One number. */
static covey_err look(struct covey_journal *j, enum statement which, const struct value *values,
                      size_t count, int64_t *out)
{
    sqlite3_stmt *s = begin(j, which);
    covey_err err = bind(s, values, count);
    if (err == COVEY_OK) {
        int rc = sqlite3_step(s);
        err = rc == SQLITE_DONE ? COVEY_ERR_MALFORMED : error_of(rc);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    }
    sqlite3_reset(s);
    return err;
}

/* ---- writing ---- */

static covey_err forget_rests(struct covey_journal *j)
{
    return exec(j, "DELETE FROM step WHERE session NOT IN (SELECT id FROM session);"
                   "DELETE FROM checkpoint WHERE session NOT IN (SELECT id FROM session)");
}

static covey_err prune(struct covey_journal *j, const struct covey_session_id *id)
{
    int64_t count = 0;
    covey_err err = look(j, SESSION_COUNT, NULL, 0, &count);
    if (err != COVEY_OK || count <= COVEY__JOURNAL_SESSIONS) {
        return err;
    }
    struct value values[] = {BYTES(id->bytes), NUMBER(count - COVEY__JOURNAL_SESSIONS)};
    err = run(j, SESSION_PRUNE, values, 2);
    if (err == COVEY_OK) {
        err = forget_rests(j);
    }
    if (err == COVEY_OK) {
        err = look(j, SESSION_COUNT, NULL, 0, &count);
    }
    return err == COVEY_OK && count > COVEY__JOURNAL_SESSIONS ? COVEY_ERR_LIMIT : err;
}

covey_err covey__journal_session(struct covey_journal *j,
                                 const struct covey_journal_session *session)
{
    struct value values[] = {
        BYTES(session->id.bytes),
        {.bytes = session->name, .len = strnlen(session->name, COVEY_NAME_MAX), .text = true},
        BYTES(session->job.bytes),
        NUMBER(session->state),
        NUMBER(session->epoch),
        BYTES(session->owner.bytes),
    };
    covey_err err = run(j, BEGIN, NULL, 0);
    if (err != COVEY_OK) {
        return err;
    }
    err = run(j, SESSION_PUT, values, sizeof(values) / sizeof(values[0]));
    if (err == COVEY_OK) {
        err = prune(j, &session->id);
    }
    return end(j, err);
}

covey_err covey__journal_step(struct covey_journal *j, const struct covey_session_id *id,
                              uint32_t epoch, uint64_t step)
{
    struct value values[] = {BYTES(id->bytes), NUMBER(epoch), NUMBER(step)};
    return step > INT64_MAX ? COVEY_ERR_RANGE : run(j, STEP_PUT, values, 3);
}

covey_err covey__journal_checkpoint(struct covey_journal *j, const struct covey_session_id *id,
                                    const struct covey_journal_checkpoint *checkpoint)
{
    const struct covey_checkpoint_ref *ref = &checkpoint->ref;
    if (ref->step > INT64_MAX || ref->len > INT64_MAX) {
        return COVEY_ERR_RANGE;
    }
    struct value values[] = {BYTES(id->bytes),  NUMBER(ref->epoch),
                             NUMBER(ref->step), BYTES(ref->digest.bytes),
                             NUMBER(ref->len),  NUMBER(checkpoint->kept)};
    struct value most[] = {BYTES(id->bytes), NUMBER(COVEY__JOURNAL_CHECKPOINTS)};
    covey_err err = run(j, BEGIN, NULL, 0);
    if (err != COVEY_OK) {
        return err;
    }
    err = run(j, CHECKPOINT_PUT, values, sizeof(values) / sizeof(values[0]));
    if (err == COVEY_OK) {
        err = run(j, CHECKPOINT_PRUNE, most, 2);
    }
    if (err == COVEY_OK) {
        err = covey__journal_step(j, id, ref->epoch, ref->step);
    }
    return end(j, err);
}

covey_err covey__journal_checkpoint_drop(struct covey_journal *j, const struct covey_session_id *id,
                                         const struct covey_checkpoint_ref *ref, bool *out_last)
{
    struct value values[] = {BYTES(id->bytes), NUMBER(ref->epoch), NUMBER(ref->step)};
    struct value same[] = {BYTES(ref->digest.bytes)};
    int64_t count = 0;
    covey_err err = run(j, CHECKPOINT_DROP, values, 3);
    if (err == COVEY_OK) {
        err = look(j, CHECKPOINT_SAME, same, 1, &count);
    }
    if (err == COVEY_OK) {
        *out_last = count == 0;
    }
    return err;
}

covey_err covey__journal_persist(struct covey_journal *j, const struct covey_session_id *id,
                                 struct covey_bytes state)
{
    struct value values[] = {BYTES(id->bytes), {.bytes = state.ptr, .len = state.len}};
    if (state.len > COVEY__JOURNAL_STATE_MAX) {
        return COVEY_ERR_LIMIT;
    }
    return state.len == 0 ? run(j, STATE_DROP, values, 1) : run(j, STATE_PUT, values, 2);
}

/* ---- reading ---- */

/* A value of exactly these bytes; else the file was altered. */
static bool take(sqlite3_stmt *s, int column, uint8_t *out, size_t len)
{
    const void *data = sqlite3_column_blob(s, column);
    if (data == NULL || sqlite3_column_bytes(s, column) != (int)len) {
        return false;
    }
    memcpy(out, data, len);
    return true;
}

static bool take_number(sqlite3_stmt *s, int column, uint64_t most, uint64_t *out)
{
    int64_t n = sqlite3_column_int64(s, column);
    *out = (uint64_t)n;
    return n >= 0 && (uint64_t)n <= most;
}

static bool take_session(sqlite3_stmt *s, struct covey_journal_session *out)
{
    uint64_t state = 0, epoch = 0;
    const unsigned char *name = sqlite3_column_text(s, 1);
    int len = sqlite3_column_bytes(s, 1);
    bool ok = name != NULL && len <= COVEY_NAME_MAX &&
              take(s, 0, out->id.bytes, sizeof(out->id.bytes)) &&
              take(s, 2, out->job.bytes, sizeof(out->job.bytes)) &&
              take_number(s, 3, COVEY_JOURNAL_STOPPED, &state) && state >= COVEY_JOURNAL_KEPT &&
              take_number(s, 4, UINT32_MAX, &epoch) &&
              take(s, 5, out->owner.bytes, sizeof(out->owner.bytes));
    if (ok) {
        memcpy(out->name, name, (size_t)len);
        out->name[len] = 0;
        out->state = (enum covey_journal_state)state;
        out->epoch = (uint32_t)epoch;
    }
    return ok;
}

covey_err covey__journal_sessions(struct covey_journal *j, struct covey_journal_session *out,
                                  size_t max, size_t *out_count)
{
    struct value values[] = {NUMBER(max)};
    sqlite3_stmt *s = begin(j, SESSION_LIST);
    covey_err err = bind(s, values, 1);
    size_t count = 0;
    int rc = SQLITE_DONE;
    while (err == COVEY_OK && count < max && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        err = take_session(s, &out[count]) ? COVEY_OK : COVEY_ERR_MALFORMED;
        count++;
    }
    sqlite3_reset(s);
    err = err == COVEY_OK ? error_of(rc) : err;
    if (err == COVEY_OK) {
        *out_count = count;
    }
    return err;
}

static bool take_checkpoint(sqlite3_stmt *s, struct covey_journal_checkpoint *out)
{
    uint64_t epoch = 0, kept = 0;
    bool ok = take_number(s, 0, UINT32_MAX, &epoch) &&
              take_number(s, 1, INT64_MAX, &out->ref.step) &&
              take(s, 2, out->ref.digest.bytes, sizeof(out->ref.digest.bytes)) &&
              take_number(s, 3, INT64_MAX, &out->ref.len) && take_number(s, 4, 1, &kept);
    out->ref.epoch = (uint32_t)epoch;
    out->kept = kept != 0;
    return ok;
}

covey_err covey__journal_checkpoints(struct covey_journal *j, const struct covey_session_id *id,
                                     struct covey_journal_checkpoint *out, size_t max,
                                     size_t *out_count)
{
    struct value values[] = {BYTES(id->bytes), NUMBER(max)};
    sqlite3_stmt *s = begin(j, CHECKPOINT_LIST);
    covey_err err = bind(s, values, 2);
    size_t count = 0;
    int rc = SQLITE_DONE;
    while (err == COVEY_OK && count < max && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        err = take_checkpoint(s, &out[count]) ? COVEY_OK : COVEY_ERR_MALFORMED;
        count++;
    }
    sqlite3_reset(s);
    err = err == COVEY_OK ? error_of(rc) : err;
    if (err == COVEY_OK) {
        *out_count = count;
    }
    return err;
}

covey_err covey__journal_last_step(struct covey_journal *j, const struct covey_session_id *id,
                                   uint64_t *out)
{
    struct value values[] = {BYTES(id->bytes)};
    int64_t step = 0;
    covey_err err = look(j, STEP_LAST, values, 1, &step);
    if (err == COVEY_OK) {
        *out = step > 0 ? (uint64_t)step : 0;
    }
    return err;
}

covey_err covey__journal_states(struct covey_journal *j, covey_journal_state_fn each, void *user)
{
    sqlite3_stmt *s = begin(j, STATE_LIST);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct covey_session_id id;
        int len = sqlite3_column_bytes(s, 1);
        const void *state = sqlite3_column_blob(s, 1);
        if (take(s, 0, id.bytes, sizeof(id.bytes)) && state != NULL && len > 0 &&
            len <= COVEY__JOURNAL_STATE_MAX) {
            each(user, &id, covey_bytes_of(state, (size_t)len));
        }
    }
    sqlite3_reset(s);
    return error_of(rc);
}
