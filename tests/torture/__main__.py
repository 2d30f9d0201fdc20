"""``cd tests; python -m torture --kills 200``: kill campaigns at random instants, and count what that does to them."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from .campaign import Broken
from .disk import reason_against
from .driver import Torture
from .harm import Harm
from .session import preload


def main() -> int:
    """Exit code 0 only when nothing was lost, doubled or wrong, and every campaign could go on."""
    options = _options()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they run in the background ignore it
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end campaigns and unmount disks on the way out
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=options.folder)).resolve()
    reason = reason_against(folder / "probe")
    if reason:
        console.print(f"left out, a full and a read-only disk: {reason}")
    console.print(f"seed {options.seed}, {options.kills} kills, in {folder}")
    preload()
    only = tuple(Harm[name.upper()] for name in options.only)
    torture = Torture(folder, seed=options.seed, small_disk=reason is None, say=console.print)
    try:
        tally = torture.run(options.kills, only)
    except Broken as failure:
        console.print(f"stopped: {failure}")
        return 1
    except KeyboardInterrupt:
        console.print(f"interrupted; {torture.tally.line()}")
        return 130
    console.print()
    for harm, n_times in sorted(tally.harms.items()):
        console.print(f"{n_times:5d}  {harm}")
    for problem in tally.other:
        console.print(problem)
    if tally.is_clean:
        shutil.rmtree(folder)
    else:
        arguments = f"--kills {options.kills} --seed {options.seed}"
        console.print(f"Kept in {folder / 'kept'}. To repeat: cd tests; python -m torture {arguments}")
    console.print(f"{tally.n_campaigns} campaigns, {tally.n_labels} labels, each computed anew and compared")
    console.print(tally.line())
    return 0 if tally.is_clean else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often campaigns are harmed, all together")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--folder", type=Path, default=None, help="where campaigns are written; a temporary folder")
    names = [harm.name.lower() for harm in Harm]
    parser.add_argument("--only", nargs="*", default=[], choices=names, metavar="HARM", help=", ".join(names))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
