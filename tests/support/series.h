/* SPDX-License-Identifier: MIT */
/*
 * What is always true of a reading, and a sample found by its attributes: by the public functions
 * alone. Nothing of it asserts, so that threads may use it.
 */
#ifndef WEIR_TESTS_SERIES_H
#define WEIR_TESTS_SERIES_H

#include <weir/weir.h>

/*
 * NULL: of every metric all series, added up, are the totals of the same moment, in values, counts,
 * sums to the nanosecond and octet, and in each bucket; and no two samples of a metric have the same
 * attributes. Else the name of the first that is wrong.
 */
const char *weir_series_wrong(const weir_metrics_reading *reading);

/*
 * The sample of that name whose attributes are these, in this order, and no others, written as
 * "server.address=a server.port=80". false: there is none.
 */
bool weir_series_find(const weir_metrics_reading *reading, const char *name, const char *attributes,
                      weir_series_sample *sample);
/* All attributes of a sample, as above. */
void weir_series_text(const weir_series_sample *sample, char *text, size_t room);

/* How many samples of that name there are. */
size_t weir_series_count(const weir_metrics_reading *reading, const char *name);

#endif
