/* Lennard-Jones with shifted forces, its pairs shared out among the ranks. */
#include "engine.h"

#include <math.h>
#include <string.h>

static const double WELL = 0.005, CUTOFF = 6.0 / BOHR_ANG;

static double radius_of(int number)
{
    switch (number) {
    case 1: return 0.31 / BOHR_ANG;
    case 6: return 0.76 / BOHR_ANG;
    case 8: return 0.66 / BOHR_ANG;
    default: return 1.20 / BOHR_ANG;
    }
}

static double energy_of(double r, double sigma, double *slope)
{
    double s6 = pow(sigma / r, 6);
    *slope = 24 * WELL * (s6 - 2 * s6 * s6) / r;
    return 4 * WELL * (s6 * s6 - s6);
}

/* Adds what atom i feels of one image of atom j: half of the pair's energy, and the whole force on i. */
static void add_pair(const double *d, double sigma, double *energy, double *force, double *virial)
{
    double r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), slope, slope_at_cutoff;
    if (r >= CUTOFF)
        return;
    double at_cutoff = energy_of(CUTOFF, sigma, &slope_at_cutoff);
    *energy += 0.5 * (energy_of(r, sigma, &slope) - at_cutoff - (r - CUTOFF) * slope_at_cutoff);
    slope -= slope_at_cutoff;
    for (int a = 0; a < 3; a++) {
        force[a] += slope * d[a] / r;
        for (int b = 0; b < 3; b++)
            virial[3 * a + b] += 0.5 * slope * d[a] * d[b] / r;
    }
}

static int images(const double *cell, int direction)
{
    const double *a = cell + 3 * ((direction + 1) % 3), *b = cell + 3 * ((direction + 2) % 3);
    double x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2], z = a[0] * b[1] - a[1] * b[0];
    return 1 + (int)ceil(CUTOFF * sqrt(x * x + y * y + z * z) / volume_of(cell));
}

void engine_start(const struct atoms *atoms, MPI_Comm comm) { (void)atoms; (void)comm; }

void engine_run(const struct atoms *atoms, struct result *result, MPI_Comm comm)
{
    int rank, size, reach[3] = {0, 0, 0};
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    for (int k = 0; k < 3 && atoms->periodic; k++)
        reach[k] = images(atoms->cell, k);
    double energy = 0;
    memset(result->force, 0, (size_t)atoms->n * 3 * sizeof *result->force);
    memset(result->stress, 0, sizeof result->stress);
    for (int i = rank; i < atoms->n; i += size)
        for (int j = 0; j < atoms->n; j++)
            for (int p = -reach[0]; p <= reach[0]; p++)
                for (int q = -reach[1]; q <= reach[1]; q++)
                    for (int s = -reach[2]; s <= reach[2]; s++) {
                        if (i == j && p == 0 && q == 0 && s == 0)
                            continue;
                        double d[3], sigma = (radius_of(atoms->number[i]) + radius_of(atoms->number[j])) / pow(2, 1. / 6);
                        for (int a = 0; a < 3; a++)
                            d[a] = atoms->position[3 * j + a] - atoms->position[3 * i + a] + p * atoms->cell[a]
                                   + q * atoms->cell[3 + a] + s * atoms->cell[6 + a];
                        add_pair(d, sigma, &energy, result->force + 3 * i, result->stress);
                    }
    MPI_Allreduce(&energy, &result->energy, 1, MPI_DOUBLE, MPI_SUM, comm);
    MPI_Allreduce(MPI_IN_PLACE, result->force, 3 * atoms->n, MPI_DOUBLE, MPI_SUM, comm);
    MPI_Allreduce(MPI_IN_PLACE, result->stress, 9, MPI_DOUBLE, MPI_SUM, comm);
    for (int k = 0; k < 9; k++)
        result->stress[k] /= atoms->periodic ? volume_of(atoms->cell) : 1.0;
    result->converged = atoms->max_cycles > 1;
}

void engine_end(void) {}
