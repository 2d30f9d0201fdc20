"""What stands at the end of a page: how a run ended, its costs, seeds, versions and settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aims_pax.page.material import Material
from aims_pax.times import duration


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows of names and values under a heading."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A text that the run began with, such as a settings file."""

    title: str
    text: str


def facts_of(material: Material) -> list[Facts]:
    """Tables of a run; those that would be empty are left out."""
    found = [
        Facts("Labels", tuple(_labels(material))),
        Facts("Time of the campaign's process", tuple(_times(material))),
        Facts("Training and seeds", tuple(_training(material))),
        Facts("Versions", tuple(_versions(material).items())),
    ]
    return [one for one in found if one.rows]


def texts_of(material: Material) -> list[Text]:
    """Properties of materials; settings and inputs of the last session, or the run's own note of its settings."""
    tables = [Text(f"{stage}: properties of materials", text) for stage, text in material.property_tables.items()]
    return [*tables, *_inputs(material)]


def _inputs(material: Material) -> list[Text]:
    """Settings and inputs of the last session; the run's own note of its settings where no session was noted."""
    if material.sessions:
        return [Text(name, text) for name, text in material.sessions[-1].inputs.items()]
    if material.settings:
        lines = [f"{name}: {value}" for name, value in material.settings.items()]
        return [Text("settings as the run has noted them", "\n".join(lines))]
    return []


def _labels(material: Material) -> Iterator[tuple[str, str]]:
    counts = material.counts
    yield "asked for", str(counts.n_requested)
    yield "received", str(counts.n_received)
    yield "training, validation, test", f"{counts.n_train}, {counts.n_valid}, {counts.n_test}"
    if counts.n_in_flight:
        yield "in flight", str(counts.n_in_flight)
    if counts.n_failed:
        yield "given up", str(counts.n_failed)
    if counts.n_kept_out:
        yield "of these stored and kept out, for their forces", str(counts.n_kept_out)
    if counts.n_failures:
        yield "failed attempts", str(counts.n_failures)
    if counts.n_withdrawn:
        yield "withdrawn", str(counts.n_withdrawn)
    yield "all reference calculations", duration(material.label_s)
    for stage, why in ((material.summary or {}).get("stopped_because") or {}).items():
        if why:
            yield f"{stage} stopped because", str(why)


def _times(material: Material) -> Iterator[tuple[str, str]]:
    for part, seconds in material.spent_by_part_s.items():
        if seconds:
            yield part, duration(seconds)
    total = sum(material.spent_s.values())
    if total:
        yield "together", duration(total)


def _training(material: Material) -> Iterator[tuple[str, str]]:
    summary = material.summary or {}
    if product := summary.get("product"):
        yield "product", f"{product.get('model')} is {product.get('member')}"
        yield "trained on", f"{product.get('training_structures')} structures"
    if ended := summary.get("training_ended"):
        yield "training ended", str(ended)
    if device := summary.get("device"):
        yield "device", str(device)
    seeds = summary.get("seeds")
    if isinstance(seeds, Mapping):
        for name, values in seeds.items():
            yield f"seeds of {'the weights' if name == 'members' else 'the MD'}", ", ".join(map(str, values))
    elif "mace.yaml: GENERAL.seed" in material.settings:
        yield "seed", str(material.settings["mace.yaml: GENERAL.seed"])
    if material.sessions:
        yield "sessions", str(len(material.sessions))


def _versions(material: Material) -> dict[str, str]:
    if material.sessions:
        return dict(material.sessions[-1].versions)
    return {str(name): str(value) for name, value in ((material.summary or {}).get("versions") or {}).items()}
