"""An environment whose interpreter writes down how it was called, and leaves the files that DeePMD-kit would leave."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = """\
#!{python}
import io, json, os, sys, zipfile
import numpy as np
home = {home!r}
words = sys.argv[sys.argv.index("--pt") + 1:] if "--pt" in sys.argv else sys.argv[3:]
told = {{"words": words, "variables": dict(os.environ)}}
if words[0] == "train":
    told["input"] = json.load(open("input.json"))
    systems = told["input"]["training"]["training_data"]["systems"]
    told["energies"] = [np.load(os.path.join(one, "set.000", "energy.npy")).tolist() for one in systems]
with open(os.path.join(home, "calls.jsonl"), "a") as file:
    file.write(json.dumps(told) + "\\n")
if os.path.exists(os.path.join(home, "broken")):
    print("RuntimeError: sel is too small", file=sys.stderr)
    sys.exit(3)
if words[0] == "train":
    training = told["input"]["training"]
    steps, every = training["numb_steps"], training["save_freq"]
    for step in range(every, steps + 1, every):
        with zipfile.ZipFile(f"model.ckpt-{{step}}.pt", "w") as archive:
            archive.writestr("archive/data.pkl", f"{{training['seed']}} {{step}} {{words[2:]}}")
    with open("lcurve.out", "w") as file:
        file.write("#  step      rmse_trn    rmse_e_trn\\n")
        for step in range(training["disp_freq"], steps + 1, training["disp_freq"]):
            file.write(f"{{step:7d}}   {{1 / step:.3e}}   nan\\n")
elif words[0] == "check":
    sys.stdin.read()
    print(json.dumps({{"version": "3.2.0", "problem": None}}))
elif words[0] == "shift":
    told["asked"] = json.load(sys.stdin)
    with open(os.path.join(home, "calls.jsonl"), "a") as file:
        file.write(json.dumps(told) + "\\n")
    print(json.dumps({{"ok": True}}))
"""


@dataclass(frozen=True, slots=True)
class Scripted:
    """Such an environment."""

    folder: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What it was asked, in order."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    def break_down(self) -> None:
        """From now on nothing works there."""
        (self.folder / "broken").touch()


def scripted(folder: Path) -> Scripted:
    """An environment in a folder."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PROGRAM.format(python=sys.executable, home=str(folder)), encoding="utf-8")
    python.chmod(0o755)
    return Scripted(folder)
