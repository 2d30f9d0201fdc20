"""``python -m aims_pax``: the program ``aims-pax``, for environments whose programs are not on the PATH."""

from aims_pax.cli.main import run_program

if __name__ == "__main__":
    run_program()
