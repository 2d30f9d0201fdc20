# Needs Python 3.11 or newer and make; everything else is installed into .venv.
#
#   make quickstart    install, run examples/quickstart, measure its models on structures they never saw
#   make quick         after each change: lint, types, import directions, and the tests that need no PyTorch
#   make test          before a push, seven minutes: install with the developers' tools, then lint, types, import
#                      directions, and all tests but the dear ones
#   make dear          the dear ones: a third of a minute each on a busy machine, or more
#   make coverage      the same tests, and which lines of the package they never reach; htmlcov/ has it to click on
#   make lowest        tests in .venv-lowest with the oldest versions that pyproject.toml allows
#   make slurm         the tests that start a private Slurm: root, Debian's slurm-wlm and munge; some three minutes
#   make torture       campaigns are killed KILLS=200 times at random instants; as root, on full disks, too
#   make fuzz          N=5000 harmed settings files, as many structures, and outputs of engines; some minutes
#   make docs          the pages as a site: build/docs/index.html
#   make examples      all examples in a form of about a minute each
#   make clean         remove what the examples wrote, and reports of coverage
#
# Parts that can run side by side, on machines of their own: lint types imports, light, torch, process, dear, slurm,
# torture, docs, examples. `make test` is the first four of them.
#
# torch is installed first and by itself, so that nothing else chooses its build. The default one of Linux brings
# CUDA along; TORCH_INDEX=URL takes another build, such as the much smaller one for CPUs that pytorch.org names.

PYTHON ?= python3
TORCH_INDEX ?=
LOWEST_TORCH ?= 2.4.0
KILLS ?= 200
N ?= 5000

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
LOWEST := .venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python
QUICKSTART := examples/quickstart

# What tests cost (tests/costs.py): light needs neither PyTorch nor processes, torch imports PyTorch, process starts
# processes that do. Left out of `make test`: dear is what CI alone runs at every change; slow takes minutes a test and runs before releases; gpu needs a CUDA
# device; licence needs an engine that is not free to install; slurm starts batch systems, by `make slurm`. Each can be
# asked for: .venv/bin/pytest -m gpu
MARKERS := not slow and not gpu and not licence and not slurm

# One thread for each process: two processes share two cores.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.DELETE_ON_ERROR:
.PHONY: quickstart quick test lint types imports light torch process dear coverage lowest slurm torture fuzz docs examples clean

quickstart: $(VENV)/.installed
	cd $(QUICKSTART) && ../../$(BIN)/aims-pax run .
	cd $(QUICKSTART) && ../../$(BIN)/aims-pax verify . --length 0 --heldout 240 --spacing 0.1 --starts conformers.xyz --yes

quick: export HYPOTHESIS_PROFILE := small
fuzz: export HYPOTHESIS_PROFILE := large
quick: lint types imports light

test: lint types imports light torch process

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy benchmarks

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-logo

light: $(VENV)/.installed-dev
	$(PYTEST) --light

torch: $(VENV)/.installed-dev
	$(PYTEST) --durations 15 -m "torch and not process and not dear and $(MARKERS)"

# Three at a time: these tests wait for other processes, and for disks, more than they compute.
process: $(VENV)/.installed-dev
	$(PYTEST) -n 3 --durations 15 -m "process and not dear and $(MARKERS)"

dear: $(VENV)/.installed-dev
	$(PYTEST) -n 3 --durations 15 -m "dear and $(MARKERS)"

coverage: $(VENV)/.installed-dev
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n 2 --dist worksteal -m "$(MARKERS)"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

# The oldest versions that pyproject.toml allows, in an environment of their own. Of torch the version that is named, for
# its builds depend on the machine. mpi4py only as built: an older one would be compiled against an MPI of this machine.
lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip --disable-pip-version-check install --quiet uv
	$(LOWEST) torch==$(LOWEST_TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	.venv-lowest/bin/python -c 'from importlib.metadata import version; print("torch==" + version("torch"))' > .venv-lowest/torch.txt
	$(LOWEST) --resolution lowest-direct --override .venv-lowest/torch.txt --only-binary mpi4py --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --light
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 -m "torch and not process and $(MARKERS)"

slurm: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 -m slurm tests/integration

torture: $(VENV)/.installed-dev
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m torture --kills $(KILLS)

fuzz: $(VENV)/.installed-dev
	FUZZ_FILES=$(N) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --timeout 1800 tests/fuzz

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -b html . build/docs
	@echo "the pages are in build/docs/index.html"

examples: $(VENV)/.installed-dev
	$(BIN)/python examples/short.py

clean:
	rm -rf htmlcov .coverage .coverage.*
	cd examples && rm -rf */run.db* */checkpoints */aims_ase_calcs */logs */results */trajectories */evaluation */verify

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(PIP) torch $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-docs: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[docs]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.installed
