"""What a shell completes besides commands, options and files."""


def reference_types(begun: str) -> list[str]:
    """Values of REFERENCE.type that begin so."""
    from aims_pax.settings.words.reference_text import TEXTS

    return [kind for kind in TEXTS if kind.startswith(begun.lower())]


def setting_names(begun: str) -> list[str]:
    """Keys and sections that begin so."""
    from aims_pax.settings.words.glossary import entries, sections

    names = {*sections(), *(entry.key for entry in entries())}
    return sorted(name for name in names if name.startswith(begun) and " " not in name)
