/* SPDX-License-Identifier: MIT */
/* Reading what a race left behind; see tally.h. */
#include "tally.h"

#include "../cases/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void read_log(tally *t, const char *path);
static void read_records(tally *t, const char *path);
static void take_front(tally *t, char *const words[]);
static void take_call(tally *t, char **words);
static void take_connection(tally *t, char **words);
static void read_witness(tally *t, const char *path);
static row *row_of(tally *t, const char *name, unsigned way);
static void add_reason(tally *t, const char *name, const char *word, bool is_failure);
static void add(connections *to, connection one);
static weir_octets octets_at(char **words);

void tally_read(tally *t, const race_report *report)
{
    read_log(t, report->log);
    read_records(t, report->records);
    read_witness(t, report->witness);
}

bool row_is_played(const tally *t, size_t which)
{
    return which / RACE_WAYS < t->front_count &&
           (which % 2 == 1 || strcmp(t->fronts[which / RACE_WAYS].name, "order") != 0);
}

bool row_passes(const row *r)
{
    return r->calls > 0 && r->wrong == 0 && r->failed == 0 && r->twice == 0 && r->missing == 0 &&
           r->overtaken == 0 && r->differ == 0;
}

static void read_log(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    for (size_t number = 1; (line = next_line(file)) != NULL; number++) {
        char *words[5];
        if (cut(line, words, 5) != 5) {
            die("%s: a line without its columns", path);
        }
        size_t id = strcmp(words[1], "-") == 0 ? 0 : number_of(words[1]);
        while (id >= t->ids) {
            size_t room = t->ids;
            size_t same = t->ids;
            t->logged = must_grow(t->logged, t->ids, &room, sizeof t->logged[0]);
            t->lines = must_grow(t->lines, t->ids, &same, sizeof t->lines[0]);
            t->ids = room;
        }
        t->lines[id] = t->logged[id]++ == 0 ? number : t->lines[id];
    }
    fclose(file);
}

static void read_records(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *words[20];
        size_t count = cut(line, words, 20);
        if (count == 12 && strcmp(words[0], "call") == 0) {
            take_call(t, words);
        } else if (count == 18 && strcmp(words[0], "conn") == 0) {
            take_connection(t, words);
        } else if (count == 6 && strcmp(words[0], "acquired") == 0) {
            row *r = row_of(t, words[1], (unsigned)number_of(words[2]));
            r->port = (uint16_t)number_of(words[3]);
            r->fresh = number_of(words[4]);
            r->again = number_of(words[5]);
        } else if (count == 7 && strcmp(words[0], "front") == 0) {
            take_front(t, words);
        } else {
            die("%s: a line that is not understood", path);
        }
    }
    fclose(file);
}

static void take_front(tally *t, char *const words[])
{
    for (size_t i = 0; i < t->front_count; i++) {
        front *f = &t->fronts[i];
        if (strcmp(f->name, words[1]) == 0) {
            f->dials = number_of(words[2]);
            f->reuses = number_of(words[3]);
            f->bounces = number_of(words[4]);
            f->differ = number_of(words[5]);
            f->took_ns = number_of(words[6]);
        }
    }
}

static void take_call(tally *t, char **words)
{
    row *r = row_of(t, words[1], (unsigned)number_of(words[2]));
    size_t id = number_of(words[3]);
    bool is_post = words[4][0] == '1';
    bool is_answered = strcmp(words[7], weir_status_name(WEIR_OK)) == 0;
    uint32_t logged = id < t->ids ? t->logged[id] : 0;
    r->calls++;
    r->wrong += words[5][0] == '1' ? 1 : 0;
    r->reused += words[6][0] == '1' ? 1 : 0;
    for (size_t i = 0; i < 3; i++) { /* not sent, refused, maybe processed */
        r->replays[i] += number_of(words[9 + i]);
    }
    r->twice += is_post && logged > 1 ? 1 : 0;
    r->gets_twice += !is_post && logged > 1 ? 1 : 0;
    r->missing += is_answered && logged == 0 ? 1 : 0;
    if (logged > 0 && strcmp(words[1], "order") == 0) {
        r->overtaken += t->lines[id] < r->last_line ? 1 : 0;
        r->last_line = t->lines[id] > r->last_line ? t->lines[id] : r->last_line;
    }
    if (is_answered) {
        return;
    }
    bool is_death = strcmp(words[7], weir_status_name(WEIR_E_RESET)) == 0 ||
                    strcmp(words[7], weir_status_name(WEIR_E_CLOSED_EARLY)) == 0 ||
                    strcmp(words[7], weir_status_name(WEIR_E_NETWORK)) == 0;
    bool is_unavoidable = is_post && is_death && number_of(words[8]) == WEIR_MAYBE_PROCESSED;
    r->failed += is_unavoidable ? 0 : 1;
    r->unavoidable += is_unavoidable ? 1 : 0;
    r->unavoidable_processed += is_unavoidable && logged > 0 ? 1 : 0;
    char word[96];
    (void)snprintf(word, sizeof word, "%s %s %s", is_post ? "POST" : "GET", race_way_name(r->way),
                   words[7]);
    add_reason(t, words[1], word, true);
}

static void take_connection(tally *t, char **words)
{
    row *r = row_of(t, words[1], (unsigned)number_of(words[2]));
    connection one = {.port = (uint32_t)number_of(words[3]),
                      .octets = octets_at(words + 4),
                      .agreement = (weir_agreement)number_of(words[6]),
                      .conn = number_of(words[8]),
                      .is_h2 = number_of(words[9]) != 0,
                      .sum = octets_at(words + 10),
                      .wire = octets_at(words + 12),
                      .kernel = octets_at(words + 14),
                      .other = octets_at(words + 16),
                      .row = (size_t)(r - t->rows)};
    if (one.agreement != WEIR_UNAVAILABLE) { /* else its dial was given up */
        r->connections++;
        r->differ += one.agreement == WEIR_DIFFER ? 1 : 0;
        add(&t->ours, one);
    }
    add_reason(t, words[1], words[7], false);
}

static void read_witness(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *words[14];
        if (cut(line, words, 14) != 14) {
            die("%s: a line without its 14 columns", path);
        }
        bool saw_fin = strcmp(words[13], "1") == 0;
        add(&t->witnessed, (connection){.port = (uint32_t)number_of(words[1]),
                                        .peer_port = (uint32_t)number_of(words[2]),
                                        .octets = octets_at(words + 3),
                                        .arrived = number_of(words[11]) - (saw_fin ? 1 : 0),
                                        .saw_fin = saw_fin,
                                        .state = must_copy(words[5])});
    }
    fclose(file);
}

static row *row_of(tally *t, const char *name, unsigned way)
{
    size_t i = 0;
    while (i < t->front_count && strcmp(t->fronts[i].name, name) != 0) {
        i++;
    }
    if (way >= RACE_WAYS || i >= FRONTS) {
        die("a record of no front end or way: %s", name);
    }
    if (i == t->front_count) {
        t->fronts[t->front_count++].name = must_copy(name);
    }
    row *r = &t->rows[i * RACE_WAYS + way];
    r->front = t->fronts[i].name;
    r->way = way;
    return r;
}

static void add_reason(tally *t, const char *name, const char *word, bool is_failure)
{
    for (size_t i = 0; i < t->reason_count; i++) {
        reason *r = &t->reasons[i];
        if (r->is_failure == is_failure && strcmp(r->word, word) == 0 &&
            strcmp(r->front, name) == 0) {
            r->count++;
            return;
        }
    }
    if (t->reason_count < REASONS) {
        t->reasons[t->reason_count++] = (reason){must_copy(name), must_copy(word), 1, is_failure};
    }
}

static void add(connections *to, connection one)
{
    to->at = must_grow(to->at, to->count, &to->room, sizeof to->at[0]);
    to->at[to->count++] = one;
}

static weir_octets octets_at(char **words)
{
    return (weir_octets){.sent = number_of(words[0]), .received = number_of(words[1])};
}
