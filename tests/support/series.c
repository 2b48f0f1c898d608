/* SPDX-License-Identifier: MIT */
/* See series.h. */
#include "support/series.h"

#include <stdio.h>
#include <string.h>

#define TEXT_OCTETS 512

/* A metric, added up. */
typedef struct sum {
    uint64_t value;
    uint64_t count;
    uint64_t sum; /* in nanoseconds, or octets */
    uint64_t buckets[WEIR_METRIC_BOUNDARIES + 1];
} sum;

typedef struct part {
    uint64_t value;
    uint64_t count;
    double sum;
    const uint64_t *buckets;
    size_t buckets_count;
    const char *unit;
} part;

static void add(sum *to, const part *from)
{
    const double units = strcmp(from->unit, "s") == 0 ? 1e9 : 1;

    to->value += from->value;
    to->count += from->count;
    to->sum += (uint64_t)(from->sum * units + 0.5);
    for (size_t i = 0; i < from->buckets_count; i++) {
        to->buckets[i] += from->buckets[i];
    }
}

/* Of a sample of either kind. */
#define PART_OF(sample)                                                                            \
    ((part){(sample).value, (sample).count, (sample).sum, (sample).buckets,                        \
            (sample).buckets != NULL ? (sample).boundary_count + 1 : 0, (sample).unit})

static sum total_of(const weir_metrics *metrics, const char *name)
{
    weir_metric_sample sample = WEIR_METRIC_SAMPLE_INIT;
    sum all = {0};

    for (size_t i = 0; weir_metrics_at(metrics, i, &sample); i++) {
        if (strcmp(sample.name, name) == 0) {
            add(&all, &PART_OF(sample));
        }
    }
    return all;
}

static sum series_of(const weir_metrics_reading *reading, const char *name)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    sum all = {0};

    for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
        if (strcmp(sample.name, name) == 0) {
            add(&all, &PART_OF(sample));
        }
    }
    return all;
}

/* Samples of one name are neighbours; of the same attributes there is one. Those that are far apart
 * are not compared with each other: tests have few, or look at the end alone. */
static bool is_told_twice(const weir_metrics_reading *reading, size_t i)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    weir_series_sample other = WEIR_SERIES_SAMPLE_INIT;
    char text[TEXT_OCTETS];
    char other_text[TEXT_OCTETS];

    (void)weir_metrics_reading_at(reading, i, &sample);
    weir_series_text(&sample, text, sizeof(text));
    for (size_t j = i + 1; j < i + 32 && weir_metrics_reading_at(reading, j, &other) &&
                           strcmp(other.name, sample.name) == 0;
         j++) {
        weir_series_text(&other, other_text, sizeof(other_text));
        if (strcmp(text, other_text) == 0) {
            return true;
        }
    }
    return false;
}

const char *weir_series_wrong(const weir_metrics_reading *reading)
{
    weir_metrics metrics = WEIR_METRICS_INIT;
    weir_metric_sample total = WEIR_METRIC_SAMPLE_INIT;
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    const char *name = "";

    weir_metrics_reading_totals(reading, &metrics);
    for (size_t i = 0; weir_metrics_at(&metrics, i, &total); i++) {
        if (strcmp(total.name, name) != 0) {
            const sum totals = total_of(&metrics, total.name);
            const sum series = series_of(reading, total.name);
            if (memcmp(&totals, &series, sizeof(totals)) != 0) {
                return total.name;
            }
            name = total.name;
        }
    }
    for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
        if (is_told_twice(reading, i)) {
            return sample.name;
        }
    }
    return NULL;
}

void weir_series_text(const weir_series_sample *sample, char *text, size_t room)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sample->attribute_count && length < room; i++) {
        const weir_series_attribute *attribute = &sample->attributes[i];
        length += (size_t)snprintf(text + length, room - length, "%s%s=%s", i > 0 ? " " : "",
                                   attribute->name, attribute->text);
    }
}

bool weir_series_find(const weir_metrics_reading *reading, const char *name, const char *attributes,
                      weir_series_sample *sample)
{
    char text[TEXT_OCTETS];

    for (size_t i = 0; weir_metrics_reading_at(reading, i, sample); i++) {
        if (strcmp(sample->name, name) == 0) {
            weir_series_text(sample, text, sizeof(text));
            if (strcmp(text, attributes) == 0) {
                return true;
            }
        }
    }
    return false;
}

size_t weir_series_count(const weir_metrics_reading *reading, const char *name)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    size_t count = 0;

    for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
        count += strcmp(sample.name, name) == 0;
    }
    return count;
}
