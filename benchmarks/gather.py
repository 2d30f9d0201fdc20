"""How long it takes to gather 10^5 structures, and how much memory.

    python benchmarks/gather.py [--files 100] [--steps 1000] [--only HDF5]

Writes outputs of MD in the format of VASP's OUTCAR (64 atoms of MgO on springs; four cycles of self-consistency a step,
the stress, the contributions to the forces), which VASP itself has not written, and gathers them as a person does:
``aims-pax gather`` as a process of its own, judged only, and written in each format. Prints seconds of a processor,
MB of text in each of them, the peak memory of the process, and MB of what it has written.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.frame import FloatArray

SIDE_ANG: Final = 8.42
SPRING_EV_PER_ANG2: Final = 8.0
AMPLITUDE_ANG: Final = 0.15
N_CYCLES: Final = 4

FOREWORD: Final = """ vasp.6.4.2 20Jul23 (build Jan 01 2024 00:00:00) complex

 INCAR:
   ENCUT = 520
   ISMEAR = 0
   SIGMA = 0.05
   IBRION = 0
   POTIM = 1.0
   NSW = 100000
 POTCAR:    PAW_PBE Mg 13Apr2007
 POTCAR:    PAW_PBE O 08Apr2002
   TITEL  = PAW_PBE Mg 13Apr2007
   TITEL  = PAW_PBE O 08Apr2002

 Automatic generation of k-mesh.
 generate k-points for:    2    2    2

 Dimension of arrays:
   k-points           NKPTS =      4   k-points in BZ     NKDIM =      4   number of bands    NBANDS=    160
   number of dos      NEDOS =    301   number of ions     NIONS =     64
   ions per type =              32  32

   PREC   = normal    normal or accurate (medium, high low for compatibility)
   ISPIN  =      1    spin polarized calculation?
   ENCUT  =  520.0 eV  38.22 Ry    6.18 a.u.   8.29  8.29  8.29*2*pi/ulx,y,z
   NELM   =     60;   NELMIN=  2; NELMDL= -5     # of ELM steps
   EDIFF  = 0.1E-05   stopping-criterion for ELM
   NSW    = 100000    number of steps for IOM
   IBRION =      0    ionic relax: 0-MD 1-quasi-New 2-CG
   POMASS =  24.30 16.00
   ZVAL   =   2.00  6.00
   ISMEAR =     0;   SIGMA  =   0.05  broadening in eV -4-tet -1-fermi 0-gaus
   LREAL  =      F    real-space projection
   GGA     =    --    GGA type
   LHFCALC =     F    Hartree Fock is set to

      direct lattice vectors                 reciprocal lattice vectors
     8.420000000  0.000000000  0.000000000     0.118764846  0.000000000  0.000000000
     0.000000000  8.420000000  0.000000000     0.000000000  0.118764846  0.000000000
     0.000000000  0.000000000  8.420000000     0.000000000  0.000000000  0.118764846

"""

CYCLE: Final = """
--------------------------------------- Iteration {step:6d}({cycle:4d})  ---------------------------------------


    POTLOK:  cpu time    0.0238: real time    0.0258
    SETDIJ:  cpu time    0.0060: real time    0.0060
    EDDIAG:  cpu time    0.0960: real time    0.0963
  RMM-DIIS:  cpu time    0.2896: real time    0.2936
    ORTHCH:  cpu time    0.0234: real time    0.0235
       DOS:  cpu time    0.0002: real time    0.0002
    CHARGE:  cpu time    0.0202: real time    0.0202
    MIXING:  cpu time    0.0008: real time    0.0008
    --------------------------------------------
      LOOP:  cpu time    0.4601: real time    0.4663

 eigenvalue-minimisations  :   439
 total energy-change (2. order) :-0.7688101E-05  (-0.1036715E-04)
 number of electron     256.0001313 magnetization
 augmentation part       31.3154307 magnetization

 Free energy of the ion-electron system (eV)
  ---------------------------------------------------
  alpha Z        PSCENC =       619.53686852
  Ewald energy   TEWEN  =    -19485.64157210
  -Hartree energ DENC   =     -5788.87703918
  -exchange      EXHF   =         0.00000000
  -V(xc)+E(xc)   XCENC  =       598.27287965
  PAW double counting   =     32387.20671239   -31464.41180236
  entropy T*S    EENTRO =        -0.00000000
  eigenvalues    EBANDS =        80.82272928
  atomic energy  EATOM  =     22461.85434800
  ---------------------------------------------------
  free energy    TOTEN  =  {energy:18.8f} eV

  energy without entropy =  {energy:18.8f}  energy(sigma->0) =  {energy:18.8f}


--------------------------------------------------------------------------------------------------------

"""

TABLES: Final = """

------------------------ aborting loop because EDIFF is reached ----------------------------------------

  FORCE on cell =-STRESS in cart. coord.  units (eV):
  Direction    XX          YY          ZZ          XY          YZ          ZX
  --------------------------------------------------------------------------------------
  Alpha Z   619.53687   619.53687   619.53687
  Ewald   -6322.00943 -6511.91836 -6651.83758     0.00000     0.00019     0.00000
  Kinetic  7009.20530  7024.52946  7070.37322    -0.00022     0.00001    -0.00006
  -------------------------------------------------------------------------------------
  Total      -0.35885    -0.45169    -2.76974    -0.00027     0.00018    -0.00019
  in kB      -0.96314    -1.21231    -7.43381    -0.00072     0.00048    -0.00051
  external pressure =       -3.20 kB  Pullay stress =        0.00 kB

 VOLUME and BASIS-vectors are now :
 -----------------------------------------------------------------------------
  energy-cutoff  :      520.00
  volume of cell :      596.95
      direct lattice vectors                 reciprocal lattice vectors
     8.420000000  0.000000000  0.000000000     0.118764846  0.000000000  0.000000000
     0.000000000  8.420000000  0.000000000     0.000000000  0.118764846  0.000000000
     0.000000000  0.000000000  8.420000000     0.000000000  0.000000000  0.118764846

  length of vectors
     8.420000000  8.420000000  8.420000000     0.118764846  0.118764846  0.118764846


 FORCES acting on ions
    electron-ion (+dipol)            ewald-force                    non-local-force
 -----------------------------------------------------------------------------------------------
{contributions} -----------------------------------------------------------------------------------------------
   -.789E-03 0.848E-04 -.260E-02   -.139E-12 -.120E-13 0.142E-13   -.417E-03 -.206E-04 -.739E-03


 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
{table} -----------------------------------------------------------------------------------
    total drift:                                0.000059      0.000202     -0.000000


--------------------------------------------------------------------------------------------------------



  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =  {energy:18.8f} eV

  energy  without entropy=  {energy:18.8f}  energy(sigma->0) =  {energy:18.8f}

  ENERGY OF THE ELECTRON-ION-THERMOSTAT SYSTEM (eV)
  ---------------------------------------------------
% ion-electron   TOTEN  =  {energy:18.8f}  see above
     LOOP+:  cpu time    1.8998: real time    1.9155

"""

CONTRIBUTIONS: Final = (
    "   0.332E+01 -.296E+01 0.165E+02   -.329E+01 0.705E+00 -.157E+02   -.111E-01 0.223E+01 -.822E+00\n"
)
ROW: Final = "%13.5f%13.5f%13.5f    %14.6f%14.6f%14.6f\n"
END: Final = "\n General timing and accounting informations for this job:\n"


def rock_salt() -> FloatArray:
    """Places of the atoms, magnesium first, (64, 3) Å."""
    corners = np.array([(x, y, z) for x in range(4) for y in range(4) for z in range(4)])
    order = np.argsort(corners.sum(axis=1) % 2, kind="stable")
    places: FloatArray = corners[order] * (SIDE_ANG / 4) + 0.3
    return places


def write_outcar(path: Path, n_steps: int, *, seed: int) -> None:
    """MD of atoms that swing about their places, each by a frequency of its own."""
    rng = np.random.default_rng(seed)
    places, phases = rock_salt(), rng.uniform(0, 2 * np.pi, (64, 3))
    rates = rng.uniform(0.03, 0.06, (64, 3))
    with path.open("w") as file:
        file.write(FOREWORD)
        for step in range(1, n_steps + 1):
            moved = AMPLITUDE_ANG * np.sin(phases + rates * step)
            forces = -SPRING_EV_PER_ANG2 * (moved - moved.mean(axis=0))
            energy = -380.0 + 0.5 * SPRING_EV_PER_ANG2 * float(((moved - moved.mean(axis=0)) ** 2).sum())
            for cycle in range(1, N_CYCLES + 1):
                file.write(CYCLE.format(step=step, cycle=cycle, energy=energy))
            table = ROW * 64 % tuple(np.hstack([places + moved, forces]).ravel().tolist())
            file.write(TABLES.format(energy=energy, table=table, contributions=CONTRIBUTIONS * 64))
        file.write(END)


def measured(command: list[str], *, out: Path) -> tuple[float, float, str]:
    """Seconds of a processor and peak MB of a process, and what it said; others may use the machine besides."""
    process = subprocess.Popen(command, cwd=out, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


RUNS: Final = {
    "judged only": ["--dry-run"],
    "the last steps alone": ["--dry-run", "--steps", "last"],
    "extxyz in three sets": ["--out", "a.extxyz", "--split", "0.8,0.1,0.1"],
    "HDF5": ["--out", "a.h5"],
    "npz": ["--format", "npz", "--out", "npz"],
    "deepmd": ["--format", "deepmd", "--out", "deepmd"],
}
"""What is measured: words, and what `aims-pax gather` is told besides the folder."""


def written_mb(folder: Path) -> float:
    """MB of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    """Write, gather, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", choices=RUNS, help="the run that is measured alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "outputs"), Path(name, "sets")
        out.mkdir()
        for number in range(options.files):
            home = folder / f"md_{number}"
            home.mkdir(parents=True)
            write_outcar(home / "OUTCAR", options.steps, seed=number)
        size_mb = sum(path.stat().st_size for path in folder.rglob("OUTCAR")) / 1e6
        print(f"{options.files} outputs of {options.steps} steps of 64 atoms, {size_mb:.0f} MB", flush=True)
        for words in [options.only] if options.only else RUNS:
            before = written_mb(out)
            seconds, peak_mb, said = measured(
                [sys.executable, "-m", "aims_pax", "gather", str(folder), *RUNS[words]], out=out
            )
            kept = next((line.split()[-1] for line in said.splitlines() if line.startswith("VASP")), "?")
            print(
                f"{words}: {kept} structures, {seconds:.0f} s, {size_mb / seconds:.0f} MB/s, {peak_mb:.0f} MB; "
                f"{written_mb(out) - before:.0f} MB written",
                flush=True,
            )


if __name__ == "__main__":
    main()
