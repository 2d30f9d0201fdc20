"""The section REFERENCE of a new project, for every reference that there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.methods.engines import BoxedEngineSettings, MoleculeEngineSettings
from aims_pax.settings.methods.reference import COMMON_NAMES, REFERENCE_ALIASES, REFERENCE_SETTINGS, PyscfSettings

CRYSTAL, MOLECULE = "crystal|", "molecule|"
"""Marks of lines that are written for periodic structures only, or for molecules only."""


@dataclass(frozen=True, slots=True)
class ReferenceText:
    """What is written of one reference.

    Parameters
    ----------
    lines : str
        The section; its lines may bear a mark.
    needs : tuple of str
        What the user has to bring or to correct before a run.
    is_fast : bool
        Whether labels are best computed in the campaign's own process.
    files : tuple of str
        Input files that are written beside.
    """

    lines: str
    needs: tuple[str, ...] = ()
    is_fast: bool = False
    files: tuple[str, ...] = ()

    def section(self, *, periodic: bool) -> str:
        """The lines for crystals, or for molecules."""
        other, own = (MOLECULE, CRYSTAL) if periodic else (CRYSTAL, MOLECULE)
        kept = [line.removeprefix(own) for line in self.lines.splitlines() if not line.startswith(other)]
        return "\n".join(kept)


_COMMAND: Final = "REFERENCE.command: how the program is started here, with the launcher of its own MPI"
_RANKS: Final = "# how it is started; its launcher must be of its own MPI"
_MESH: Final = (
    "crystal|  kspacing: 0.25                         # largest distance of k points, 1/Å, with the factor 2π"
)
_PROTOCOL: Final = (
    "  protocol: balanced                     # k points, smearing, cutoff, convergence: fast | balanced | stringent"
)
_BOX: Final = "molecule|  molecule_box: 15.0                     # edge of the cell around the molecule, Å"
_SPIN: Final = """\
  charge: 0                              # of the whole structure, in elementary charges
  multiplicity: 1                        # 2S + 1: 1 without unpaired electrons, 2 for a radical"""

TEXTS: Final[Mapping[str, ReferenceText]] = {
    "tblite": ReferenceText(
        f"""\
  type: tblite                           # extended tight binding; milliseconds for a molecule
molecule|  method: GFN2-xTB                       # GFN2-xTB | GFN1-xTB
crystal|  method: GFN1-xTB                       # Γ point only. GFN2-xTB falls apart in ionic crystals
{_SPIN}""",
        is_fast=True,
    ),
    "pyscf": ReferenceText(
        f"""\
  type: pyscf                            # molecular DFT; install it with: pip install "aims-pax[pyscf]"
  xc: PBE                                # functional, as PySCF names it; HF: Hartree-Fock
  basis: def2-svp                        # Gaussian basis set, as PySCF names it
{_SPIN}"""
    ),
    "teacher": ReferenceText(
        """\
  type: teacher                          # a trained model
  model_type: mace-mp                    # mace-mp | mace-off | mace
  mace_model: small                      # a published model, fetched when first used, or a file; mace: use model_path
  device: auto                           # auto | cpu | cuda""",
        needs=("REFERENCE.mace_model: your model; a published one is fetched when first used",),
        is_fast=True,
    ),
    "ase-calculator": ReferenceText(
        """\
  type: ase-calculator                   # any calculator of ASE
  calculator: ase.calculators.emt:EMT    # package.module:Callable; EMT is here for trying things out
  arguments: {}                          # its keyword arguments""",
        needs=("REFERENCE.calculator: your calculator; EMT is no method for anything but a few metals",),
        is_fast=True,
    ),
    "fhi-aims": ReferenceText(
        f"""\
  type: fhi-aims                         # all-electron DFT; the method is in control.in
  command: mpiexec -n 4 aims.x           {_RANKS}
  species_dir: /path/to/FHIaims/species_defaults/defaults_2020/light""",
        needs=(_COMMAND, "REFERENCE.species_dir: the folder of FHI-aims' species defaults"),
        files=("control.in",),
    ),
    "asi": ReferenceText(
        """\
  type: asi                              # FHI-aims as a library that stays loaded from label to label
  library: /path/to/libaims.so           # pip install "aims-pax[asi]" besides
  engine: fhi-aims                       # fhi-aims | dftb+ (its input is dftb_in.hsd instead of control.in)
  launch: mpiexec -n 4                   # how the ranks of a label are started
  species_dir: /path/to/FHIaims/species_defaults/defaults_2020/light""",
        needs=(
            "REFERENCE.library: the shared library of the engine",
            "REFERENCE.launch: how its ranks are started here",
            "REFERENCE.species_dir: the folder of FHI-aims' species defaults",
        ),
        files=("control.in",),
    ),
    "abinit": ReferenceText(
        f"""\
  type: abinit                           # plane waves
  command: mpiexec -n 4 abinit           {_RANKS}
  pseudo_dir: pseudo                     # Element.psp8 of PseudoDojo; other kinds: pps
{_PROTOCOL}
{_BOX}
  parameters:                            # of ASE's calculator Abinit, in eV; ecut may go where Element.djrepo is, too
    {{xc: PBE, pps: psp8, ecut: 1000}}""",
        needs=(_COMMAND, "the folder pseudo: a pseudopotential Element.psp8 of each element"),
    ),
    "castep": ReferenceText(
        f"""\
  type: castep                           # plane waves; pseudopotentials are made on the fly
  command: mpiexec -n 4 castep.mpi       {_RANKS}
{_PROTOCOL}
{_BOX}
  parameters:                            # of its .param file
    {{xc_functional: PBE, max_scf_cycles: 100}}""",
        needs=(_COMMAND,),
    ),
    "cp2k": ReferenceText(
        f"""\
  type: cp2k                             # Gaussians and plane waves
  command: mpiexec -n 4 cp2k.psmp -s     # CP2K's shell (-s); its launcher must be of its own MPI
{_BOX}
{_SPIN}
crystal|  # protocol: balanced                   # k points, smearing, grids, thresholds: fast | balanced | stringent
crystal|  # Without it, or kspacing, CP2K computes at the Γ point, which is cheaper: use a cell of 10 Å or more.
  parameters:                            # of ASE's calculator CP2K; cutoff in eV
    {{xc: PBE, basis_set: DZVP-MOLOPT-SR-GTH, basis_set_file: BASIS_MOLOPT, cutoff: 8000, max_scf: 100}}""",
        needs=(_COMMAND,),
    ),
    "dftb+": ReferenceText(
        f"""\
  type: dftb+                            # density-functional tight binding
  command: dftb+                         # how it is started
  # pseudo_dir: skf                      # Slater-Koster files A-B.skf, for a Hamiltonian_ other than xTB
{_MESH}
  parameters:                            # of ASE's calculator Dftb
molecule|    {{Hamiltonian_: xTB, Hamiltonian_Method: GFN2-xTB}}
crystal|    {{Hamiltonian_: xTB, Hamiltonian_Method: GFN1-xTB}}""",
        needs=("REFERENCE.command: how the program is started here",),
    ),
    "espresso": ReferenceText(
        f"""\
  type: espresso                         # plane waves by pw.x
  command: mpiexec -n 4 pw.x             {_RANKS}
  pseudo_dir: pseudo                     # an SSSP library with its SSSP_*.json brings files and cutoffs; else:
  # pseudopotentials: {{Si: Si.UPF}}       # the file of each element, and ecutwfc and ecutrho below
  protocol: balanced                     # k points, smearing, convergence: fast | balanced | stringent
{_BOX}
  parameters:                            # of ASE's calculator Espresso; cutoffs in Ry
    input_data:
      # ecutwfc and ecutrho stand in the table of an SSSP library; without one write them here:
molecule|      system: {{occupations: fixed}}      # {{occupations: fixed, ecutwfc: 50, ecutrho: 400}}
crystal|      # system: {{ecutwfc: 50, ecutrho: 400}}
crystal|      electrons: {{electron_maxstep: 100}}""",
        needs=(_COMMAND, "the folder pseudo: an SSSP library with its SSSP_*.json, or a file for each element"),
    ),
    "gpaw": ReferenceText(
        f"""\
  type: gpaw                             # projector-augmented waves; pip install "aims-pax[gpaw]"
  # launch: mpiexec -n 4                 # ranks, by mpi4py; one process when not given
{_PROTOCOL}
{_BOX}
  parameters:                            # of the calculator GPAW
    {{xc: PBE}}""",
        needs=("GPAW and its datasets: gpaw install-data",),
    ),
    "nwchem": ReferenceText(
        f"""\
  type: nwchem                           # molecular DFT
  command: mpiexec -n 4 nwchem           {_RANKS}
{_SPIN}
  parameters:                            # of ASE's calculator NWChem
    {{theory: dft, xc: PBE, basis: def2-svp, dft: {{iterations: 100, grid: fine}}}}""",
        needs=(_COMMAND,),
    ),
    "orca": ReferenceText(
        f"""\
  type: orca                             # molecular DFT
  command: /path/to/orca                 # the whole path, without launcher: ORCA starts its own ranks (%pal)
{_SPIN}
  parameters:                            # of ASE's calculator ORCA
    {{orcasimpleinput: PBE def2-SVP TightSCF, orcablocks: "%pal nprocs 4 end"}}""",
        needs=("REFERENCE.command: the whole path of the program orca",),
    ),
    "siesta": ReferenceText(
        f"""\
  type: siesta                           # numerical orbitals
  command: mpiexec -n 4 siesta           {_RANKS}
  pseudo_dir: pseudo                     # Element.psml of PseudoDojo
{_PROTOCOL}
{_BOX}
  parameters:                            # of ASE's calculator Siesta
    {{xc: PBE, pseudo_qualifier: ""}}""",
        needs=(_COMMAND, "the folder pseudo: a pseudopotential Element.psml of each element"),
    ),
    "vasp": ReferenceText(
        f"""\
  type: vasp                             # projector-augmented waves
  command: mpiexec -n 4 vasp_std         {_RANKS}
  pseudo_dir: /path/to/potentials        # the folder that holds potpaw_PBE
{_PROTOCOL}
{_BOX}
  parameters:                            # of ASE's calculator Vasp, by the names of the INCAR; eV
    {{xc: PBE, encut: 520, nelm: 100, lwave: false, lcharg: false}}""",
        needs=(_COMMAND, "REFERENCE.pseudo_dir: the folder that holds potpaw_PBE"),
    ),
}


EMBEDDED: Final = frozenset({"tblite", "pyscf", "teacher", "ase-calculator", "dftb+"})
"""References that use a few cores of a node, and start no ranks of their own."""


def known_reference(named: str) -> str:
    """The REFERENCE.type that is meant.

    Raises
    ------
    SettingsError
        There is no such type.
    """
    meant = REFERENCE_ALIASES.get(named.lower(), named.lower())
    if meant in TEXTS:
        return meant
    near = [COMMON_NAMES[meant]] if meant in COMMON_NAMES else get_close_matches(meant, TEXTS, n=1)
    advice = f"Did you mean {near[0]}? " if near else ""
    found = f"{named!r} is not a reference that a project can be written for."
    listed = " | ".join(kind for kind in REFERENCE_SETTINGS if kind in TEXTS)
    raise SettingsError(Problem("--reference", found, listed, f"{advice}aims-pax references says what each is."))


def labels_crystals(kind: str) -> bool:
    """Whether a reference computes periodic structures, and then their stress, too."""
    settings = REFERENCE_SETTINGS[kind]
    molecules_only = issubclass(settings, MoleculeEngineSettings) and not issubclass(settings, BoxedEngineSettings)
    return not molecules_only and settings is not PyscfSettings
