"""The files of `earth`. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet, unknown

SOURCE = "https://raw.githubusercontent.com/oxcsml/riemannian-score-sde/b35b739464ca8264e418e400301f5f45cb7a16b3/data"


def _places(name: str, file: str, sha256: str, origin: str) -> DataSet:
    return DataSet(
        name=f"earth_{name}",
        files=(DataFile(path=f"points/earth/{file}", sha256=sha256, urls=(f"{SOURCE}/{file}",)),),
        licence=f"not stated there; the origin, {origin}, is work of the U.S. government",
        source="https://github.com/oxcsml/riemannian-score-sde",
    )


EARTH = {
    "fire": _places(
        "fire",
        "fire.csv",
        "c5c6c9490b1d8c58ba9eb78d9e2f82d1c1e62694ca5cff917c54600d3d83f459",
        "NASA's FIRMS (active fires)",
    ),
    "quakes": _places(
        "quakes",
        "quakes_all.csv",
        "3e5e1a10fb2faf1899106264289334037d039f00f5265d13dad388a93d8ff2f7",
        "NOAA's NGDC (earthquakes)",
    ),
    "volcanoes": _places(
        "volcanoes",
        "volerup.csv",
        "f7bbaf32a412f5fe82350f48e0c55100be260803969c16557343f687fd0593fc",
        "NOAA's NGDC (volcanic eruptions)",
    ),
}
"""By `set`."""
HEADERS = {"fire": 1, "quakes": 4, "volcanoes": 2}
"""Lines before the first place."""


def earth_files(*, set: str = "fire", **_: object) -> DataSet:
    """The data set behind `earth[set=...]`; raises UsageError for an unknown set."""
    if set not in EARTH:
        raise unknown("set of earth", set, EARTH)
    return EARTH[set]
