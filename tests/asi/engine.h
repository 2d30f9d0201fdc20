/* What stands between the interface (asi.c) and the engine behind it. Atomic units throughout. */
#ifndef ENGINE_H
#define ENGINE_H

#include <mpi.h>
#include <stdbool.h>

#define BOHR_ANG 0.52917721056388 /* as in ase.units, which asi4py converts by */

struct atoms {
    int n;
    int *number;      /* atomic numbers */
    double *position; /* 3 n */
    double cell[9];   /* rows are lattice vectors */
    bool periodic;
    double charge;
    int max_cycles; /* of self-consistency */
};

struct result {
    bool converged;
    double energy;
    double *force;    /* 3 n */
    double stress[9]; /* dE/d(strain) per volume */
};

double volume_of(const double *cell);

/* Called by all ranks together; the result must be there on all of them. */
void engine_start(const struct atoms *atoms, MPI_Comm comm);
void engine_run(const struct atoms *atoms, struct result *result, MPI_Comm comm);
void engine_end(void);

#endif
