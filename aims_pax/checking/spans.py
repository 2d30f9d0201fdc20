"""Times of MD, in words."""


def steps_in_words(n_steps: float, step_fs: float | None) -> str:
    """A number of MD steps, with the time that they are where all are of one length."""
    grouped = f"{n_steps:,.0f}".replace(",", " ")
    return f"{grouped} steps" if step_fs is None else f"{grouped} steps ({time_span(n_steps * step_fs)})"


def time_span(time_fs: float) -> str:
    """A time of MD in fs, ps or ns."""
    for unit, length_fs in (("ns", 1e6), ("ps", 1e3)):
        if time_fs >= length_fs:
            return f"{time_fs / length_fs:.4g} {unit}"
    return f"{time_fs:.4g} fs"
