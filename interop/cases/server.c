/* SPDX-License-Identifier: MIT */
/* Servers and what they can; server.h says what the files look like. */
#include "server.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static void take(server *s, const char *key, char *value);
static void take_companion(server *s, char *value);
static uint16_t port_of(const char *text);

void capabilities_load(capabilities *c, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *pieces[4];
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (cut(line, pieces, 4) != 4) {
            die("%s: a line without its four columns: %s", path, line);
        }
        c->at = must_grow(c->at, c->count, &c->room, sizeof c->at[0]);
        c->at[c->count++] = (capability){
            .server = must_copy(pieces[0]),
            .kind = must_copy(pieces[1]),
            .answers = {must_copy(pieces[2]), must_copy(pieces[3])},
        };
    }
    fclose(file);
}

void capabilities_clear(capabilities *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->at[i].server);
        free(c->at[i].kind);
        free(c->at[i].answers[0]);
        free(c->at[i].answers[1]);
    }
    free(c->at);
    *c = (capabilities){.at = NULL};
}

const char *capability_of(const capabilities *c, const char *who, const char *kind,
                          weir_protocol protocol)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->at[i].server, who) == 0 && strcmp(c->at[i].kind, kind) == 0) {
            return c->at[i].answers[protocol == WEIR_H1 ? 0 : 1];
        }
    }
    return NULL;
}

void server_load(server *s, const char *path, const capabilities *can)
{
    FILE *file = must_open(path, "r");
    char *line;
    *s = (server){.can = can};
    while ((line = next_line(file)) != NULL) {
        char *value = strchr(line, '=');
        if (value == NULL) {
            die("%s: a line without '=': %s", path, line);
        }
        *value++ = '\0';
        take(s, line, value);
    }
    fclose(file);
    if (s->name == NULL || s->ca == NULL) {
        die("%s: name or ca is missing", path);
    }
}

void server_clear(server *s)
{
    for (size_t i = 0; i < s->companion_count; i++) {
        free(s->companions[i].role);
        free(s->companions[i].host);
        free(s->companions[i].expected);
    }
    free(s->companions);
    free(s->name);
    free(s->version);
    free(s->ca);
    free(s->other_ca);
    *s = (server){.name = NULL};
}

uint16_t server_port(const server *s, way w)
{
    if (w.tls) {
        return s->tls;
    }
    return w.protocol == WEIR_H1 ? s->clear_h1 : s->clear_h2;
}

const companion *server_companion(const server *s, const char *role)
{
    for (size_t i = 0; i < s->companion_count; i++) {
        if (strcmp(s->companions[i].role, role) == 0) {
            return &s->companions[i];
        }
    }
    return NULL;
}

static void take(server *s, const char *key, char *value)
{
    const struct {
        const char *key;
        char **text;
        uint16_t *port;
    } members[] = {
        {"name", &s->name, NULL},
        {"version", &s->version, NULL},
        {"ca", &s->ca, NULL},
        {"other_ca", &s->other_ca, NULL},
        {"clear_h1", NULL, &s->clear_h1},
        {"clear_h2", NULL, &s->clear_h2},
        {"tls", NULL, &s->tls},
        {"mute", NULL, &s->mute},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].key, key) == 0) {
            if (members[i].text != NULL) {
                *members[i].text = must_copy(value);
            } else {
                *members[i].port = port_of(value);
            }
            return;
        }
    }
    if (strcmp(key, "companion") == 0) {
        take_companion(s, value);
    }
    /* pid and log are for others. */
}

static void take_companion(server *s, char *value)
{
    char *words[4];
    char *rest = NULL;
    for (size_t i = 0; i < 4; i++) {
        words[i] = strtok_r(i == 0 ? value : NULL, " ", &rest);
        if (words[i] == NULL) {
            die("a companion without its role, port, host and text");
        }
    }
    s->companions =
        must_grow(s->companions, s->companion_count, &s->companion_room, sizeof s->companions[0]);
    s->companions[s->companion_count++] = (companion){
        .role = must_copy(words[0]),
        .port = port_of(words[1]),
        .host = must_copy(words[2]),
        .expected = must_copy(words[3]),
    };
}

static uint16_t port_of(const char *text)
{
    uint64_t port = number_of(text);
    if (port > UINT16_MAX) {
        die("%s is not a port", text);
    }
    return (uint16_t)port;
}
