/* SPDX-License-Identifier: MIT */
/*
 * Planted faults: what the simulator must find. The linker puts them between the library's own
 * files (--wrap), so that the library is the one that is shipped.
 */
#ifndef WEIR_SIM_PLANT_H
#define WEIR_SIM_PLANT_H

#include "proto/base.h"

typedef enum sim_plant {
    SIM_PLANT_NONE = 0,
    SIM_PLANT_LOST_RELEASE,  /* a call gives its connection back, and the pool is not told */
    SIM_PLANT_DOUBLE_CHARGE, /* octets are charged twice */
    SIM_PLANT_WRONG_ROW,     /* octets are charged to the next row: every law holds */
    SIM_PLANT_NO_HORIZON,    /* the pool uses connections again, however long they rested */
    SIM_PLANT_NEAR_HORIZON, /* ... and none that rested for more than a moment, once it knows one */
    SIM_PLANT_ELSEWHERE,    /* after two 421 a request is asked elsewhere once more */
    SIM_PLANT_MORE_H2,      /* the pool knows no limit of HTTP/2 connections to an origin */
    SIM_PLANT_COUNT
} sim_plant;

const char *sim_plant_name(sim_plant plant);
/* COUNT: there is no such. */
sim_plant sim_plant_of(const char *name);

#endif
