/* GFN2-xTB by the C library of tblite's Python package, which TBLITE_LIBRARY names. Rank 0 computes for all. */
#include "engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *object;

static struct {
    object (*new_error)(void);
    object (*new_context)(void);
    object (*new_result)(void);
    object (*new_structure)(object, int, const int *, const double *, const double *, const int *, const double *,
                            const bool *);
    object (*new_gfn2_calculator)(object, object, object);
    void (*set_context_verbosity)(object, int);
    void (*set_calculator_max_iter)(object, object, int);
    void (*set_calculator_accuracy)(object, object, double);
    void (*get_singlepoint)(object, object, object, object);
    void (*get_result_energy)(object, object, double *);
    void (*get_result_gradient)(object, object, double *);
    void (*get_result_virial)(object, object, double *);
    int (*check_error)(object);
    int (*check_context)(object);
    void (*delete_error)(object *);
    void (*delete_context)(object *);
    void (*delete_result)(object *);
    void (*delete_structure)(object *);
    void (*delete_calculator)(object *);
} tblite;

static void fail(const char *what, MPI_Comm comm)
{
    fprintf(stderr, "test engine: %s\n", what == NULL ? "tblite is not there" : what);
    MPI_Abort(comm, 2);
}

static void *symbol(void *library, const char *name, MPI_Comm comm)
{
    char full[64];
    snprintf(full, sizeof full, "tblite_%s", name);
    void *found = dlsym(library, full);
    if (found == NULL)
        fail(dlerror(), comm);
    return found;
}

void engine_start(const struct atoms *atoms, MPI_Comm comm)
{
    (void)atoms;
    const char *path = getenv("TBLITE_LIBRARY");
    void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail(path == NULL ? "TBLITE_LIBRARY is not set" : dlerror(), comm);
#define GET(name) *(void **)&tblite.name = symbol(library, #name, comm)
    GET(new_error), GET(new_context), GET(new_result), GET(new_structure), GET(new_gfn2_calculator);
    GET(set_context_verbosity), GET(set_calculator_max_iter), GET(set_calculator_accuracy), GET(get_singlepoint);
    GET(get_result_energy), GET(get_result_gradient), GET(get_result_virial), GET(check_error), GET(check_context);
    GET(delete_error), GET(delete_context), GET(delete_result), GET(delete_structure), GET(delete_calculator);
}

static void compute(const struct atoms *atoms, struct result *result)
{
    const bool periodic[3] = {atoms->periodic, atoms->periodic, atoms->periodic};
    const int unpaired = 0;
    object error = tblite.new_error(), context = tblite.new_context(), numbers = tblite.new_result();
    tblite.set_context_verbosity(context, 0);
    object structure = tblite.new_structure(error, atoms->n, atoms->number, atoms->position, &atoms->charge, &unpaired,
                                            atoms->periodic ? atoms->cell : NULL, atoms->periodic ? periodic : NULL);
    object calculator = NULL;
    result->converged = !tblite.check_error(error);
    if (result->converged) {
        calculator = tblite.new_gfn2_calculator(context, structure, NULL);
        tblite.set_calculator_max_iter(context, calculator, atoms->max_cycles);
        tblite.set_calculator_accuracy(context, calculator, 0.01);
        tblite.get_singlepoint(context, structure, calculator, numbers);
        result->converged = !tblite.check_context(context);
    }
    if (result->converged) {
        tblite.get_result_energy(error, numbers, &result->energy);
        tblite.get_result_gradient(error, numbers, result->force);
        for (int k = 0; k < 3 * atoms->n; k++)
            result->force[k] = -result->force[k];
        if (atoms->periodic)
            tblite.get_result_virial(error, numbers, result->stress);
        for (int k = 0; k < 9; k++)
            result->stress[k] /= atoms->periodic ? volume_of(atoms->cell) : 1.0;
        tblite.delete_calculator(&calculator);
    }
    tblite.delete_structure(&structure);
    tblite.delete_result(&numbers);
    tblite.delete_context(&context);
    tblite.delete_error(&error);
}

void engine_run(const struct atoms *atoms, struct result *result, MPI_Comm comm)
{
    int rank, converged;
    MPI_Comm_rank(comm, &rank);
    if (rank == 0)
        compute(atoms, result);
    converged = result->converged;
    MPI_Bcast(&converged, 1, MPI_INT, 0, comm);
    MPI_Bcast(&result->energy, 1, MPI_DOUBLE, 0, comm);
    MPI_Bcast(result->force, 3 * atoms->n, MPI_DOUBLE, 0, comm);
    MPI_Bcast(result->stress, 9, MPI_DOUBLE, 0, comm);
    result->converged = converged;
}

void engine_end(void) {}
