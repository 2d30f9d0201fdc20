/* The Atomic Simulation Interface over a small engine, to test what drives FHI-aims (flavour 1) or DFTB+ (flavour 2).
 *
 * Reads the files of the engine that it stands in for: geometry.in and control.in, or geo.gen and dftb_in.hsd.
 * A structure whose first atom is at x = 1000 Å + k commits fault k:
 *   1 abort   2 no self-consistency   3 hang   4 abort on the last rank   5 hang on the last rank   6 exit with code 7
 * so does an input with the word refuse_input, at the start. ASI_TEST_LOG names a file that gets a line for every
 * start and every run: what was done, process, rank, number of ranks. */
#include "engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FLAVOUR
#define FLAVOUR 1
#endif

enum fault { NONE, ABORT, UNCONVERGED, HANG, LAST_RANK_ABORT, LAST_RANK_HANG, EXIT };

static const char *SYMBOLS =
    " H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo "
    "Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl "
    "Pb Bi Po At Rn ";

static MPI_Comm comm;
static int rank, size;
static struct atoms atoms;
static struct result result;
static bool wants_forces, wants_stress;
static FILE *output;

static void note(const char *what)
{
    const char *path = getenv("ASI_TEST_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log == NULL)
        return;
    fprintf(log, "%s %d %d %d\n", what, (int)getpid(), rank, size);
    fclose(log);
}

static void refuse(const char *why)
{
    fprintf(stderr, "test engine: %s\n", why);
    exit(3);
}

static int number_of(const char *symbol)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", symbol);
    const char *found = strstr(SYMBOLS, word);
    if (found == NULL)
        refuse("unknown element");
    int number = 0;
    for (const char *c = SYMBOLS; c <= found; c++)
        number += *c == ' ';
    return number;
}

double volume_of(const double *c)
{
    return fabs(c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6])
                + c[2] * (c[3] * c[7] - c[4] * c[6]));
}

static void add_atom(const char *symbol, const double *position_ang)
{
    atoms.number = realloc(atoms.number, (size_t)(atoms.n + 1) * sizeof *atoms.number);
    atoms.position = realloc(atoms.position, (size_t)(atoms.n + 1) * 3 * sizeof *atoms.position);
    atoms.number[atoms.n] = number_of(symbol);
    for (int k = 0; k < 3; k++)
        atoms.position[3 * atoms.n + k] = position_ang[k] / BOHR_ANG;
    atoms.n++;
}

static FILE *opened(const char *name)
{
    FILE *file = fopen(name, "r");
    if (file == NULL)
        refuse("an input file is missing");
    return file;
}

static void read_aims(void)
{
    char line[1024], name[64], value[64], symbol[64];
    double at[3];
    int n_vectors = 0;
    FILE *geometry = opened("geometry.in");
    while (fgets(line, sizeof line, geometry)) {
        if (sscanf(line, " lattice_vector %lf %lf %lf", at, at + 1, at + 2) == 3) {
            for (int k = 0; k < 3; k++)
                atoms.cell[3 * n_vectors + k] = at[k] / BOHR_ANG;
            n_vectors++;
        } else if (sscanf(line, " atom %lf %lf %lf %63s", at, at + 1, at + 2, symbol) == 4) {
            add_atom(symbol, at);
        }
    }
    fclose(geometry);
    atoms.periodic = n_vectors == 3;
    bool postprocesses = false;
    FILE *control = opened("control.in");
    while (fgets(line, sizeof line, control)) {
        int n_words = sscanf(line, " %63s %63s", name, value);
        if (n_words >= 1 && strcmp(name, "refuse_input") == 0)
            refuse("this input is refused");
        if (n_words < 2 || name[0] == '#')
            continue;
        if (strcmp(name, "compute_forces") == 0)
            wants_forces = strcmp(value, ".true.") == 0;
        if (strcmp(name, "compute_analytical_stress") == 0)
            wants_stress = strcmp(value, ".true.") == 0;
        if (strcmp(name, "postprocess_anyway") == 0)
            postprocesses = strcmp(value, ".true.") == 0;
        if (strcmp(name, "charge") == 0)
            atoms.charge = atof(value);
        if (strcmp(name, "sc_iter_limit") == 0)
            atoms.max_cycles = atoi(value);
    }
    fclose(control);
    if (!postprocesses)
        refuse("postprocess_anyway is not set");
}

static void read_dftb(void)
{
    char line[1024], kind[8], symbols[16][8];
    int n = 0, species = 0, index = 0, n_species = 0;
    double at[3];
    bool included = false;
    FILE *hsd = opened("dftb_in.hsd");
    while (fgets(line, sizeof line, hsd)) {
        included = included || strstr(line, "geo.gen") != NULL;
        if (strstr(line, "refuse_input") != NULL)
            refuse("this input is refused");
    }
    fclose(hsd);
    if (!included)
        refuse("dftb_in.hsd does not include geo.gen");
    FILE *geometry = opened("geo.gen");
    if (!fgets(line, sizeof line, geometry) || sscanf(line, "%d %7s", &n, kind) != 2 || !fgets(line, sizeof line, geometry))
        refuse("geo.gen is damaged");
    for (char *word = strtok(line, " \n"); word != NULL && n_species < 16; word = strtok(NULL, " \n"))
        snprintf(symbols[n_species++], sizeof symbols[0], "%s", word);
    for (int atom = 0; atom < n; atom++) {
        if (!fgets(line, sizeof line, geometry)
            || sscanf(line, "%d %d %lf %lf %lf", &index, &species, at, at + 1, at + 2) != 5 || species > n_species)
            refuse("geo.gen is damaged");
        add_atom(symbols[species - 1], at);
    }
    fclose(geometry);
    atoms.periodic = kind[0] == 'S';
    wants_forces = true;
    wants_stress = atoms.periodic;
}

static enum fault fault_of_structure(void)
{
    double x = atoms.position[0] * BOHR_ANG - 1000.0;
    return x > 0.5 && x < 6.5 ? (enum fault)lround(x) : NONE;
}

int ASI_flavour(void) { return FLAVOUR; }

void ASI_init(const char *input, const char *log, int fortran_comm)
{
    (void)input;
    comm = MPI_Comm_f2c(fortran_comm);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    memset(&atoms, 0, sizeof atoms);
    atoms.max_cycles = 250;
    wants_forces = wants_stress = false;
    if (FLAVOUR == 2)
        read_dftb();
    else
        read_aims();
    result.force = calloc((size_t)atoms.n * 3, sizeof *result.force);
    output = rank == 0 ? fopen(log, "w") : NULL;
    note("start");
    engine_start(&atoms, comm);
}

void ASI_set_geometry(const double *position, int n, const double *cell)
{
    if (n != atoms.n)
        refuse("another number of atoms");
    memcpy(atoms.position, position, (size_t)n * 3 * sizeof *position);
    if (cell != NULL)
        memcpy(atoms.cell, cell, sizeof atoms.cell);
}

void ASI_set_atom_coords(const double *position, int n) { ASI_set_geometry(position, n, NULL); }

void ASI_run(void)
{
    enum fault fault = fault_of_structure();
    bool last = rank == size - 1;
    note("run");
    if (fault == ABORT || (fault == LAST_RANK_ABORT && last)) {
        fprintf(stderr, "test engine: abort as it was told\n");
        abort();
    }
    if (fault == EXIT)
        exit(7);
    if (fault == HANG || (fault == LAST_RANK_HANG && last))
        sleep(600);
    MPI_Barrier(comm);
    engine_run(&atoms, &result, comm);
    result.converged = result.converged && fault != UNCONVERGED;
    if (output != NULL)
        fprintf(output, "energy %.10f Ha\n", result.energy);
}

int ASI_n_atoms(void) { return atoms.n; }
double ASI_energy(void) { return result.energy; }
const double *ASI_forces(void) { return wants_forces && result.converged ? result.force : NULL; }
const double *ASI_stress(void) { return wants_stress && atoms.periodic ? result.stress : NULL; }
#ifndef SILENT
bool ASI_is_scf_converged(void) { return result.converged; }
#endif

void ASI_finalize(void)
{
    note("end");
    engine_end();
    if (output != NULL)
        fclose(output);
    free(atoms.number);
    free(atoms.position);
    free(result.force);
    memset(&atoms, 0, sizeof atoms);
}

/* The rest of the interface, which asi4py looks up when it loads a library and which labels never call. */
const double *ASI_atomic_charges(int scheme) { (void)scheme; return NULL; }
void ASI_calc_esp(int n, const double *at, double *v, double *grad) { (void)n; (void)at; (void)v; (void)grad; }
void ASI_register_dm_callback(void *call, void *aux) { (void)call; (void)aux; }
void ASI_register_overlap_callback(void *call, void *aux) { (void)call; (void)aux; }
void ASI_register_hamiltonian_callback(void *call, void *aux) { (void)call; (void)aux; }
void ASI_register_external_potential(void *call, void *aux) { (void)call; (void)aux; }
bool ASI_is_hamiltonian_real(void) { return true; }
int ASI_get_basis_size(void) { return atoms.n; }
int ASI_get_nspin(void) { return 1; }
int ASI_get_nkpts(void) { return 1; }
int ASI_get_n_local_ks(void) { return 1; }
int ASI_get_local_ks(int *local) { local[0] = local[1] = 1; return 1; }
