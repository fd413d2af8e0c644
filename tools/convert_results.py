"""Give stored lines fields in place of names: python tools/convert_results.py results/*.jsonl

A line of the old form has a name in which kind, change and number stand in a row ("fine-tuned, 20
images"), and a measured value a place in words ("removed: 3 (lesion 2)"). What has the new form
already stays as it is, so a file may be converted again after lines were added to it.
"""

import json
import re
import sys
from pathlib import Path

from resnet_lessons.lab.results import EPOCH, TRIAL

UNITS = {"images": int, "million": float, "layers": int}
# Old places by measurement; a group that is missing is None.
PLACES = {
    "shattering": re.compile(r"lag (?P<lag>\d+)"),
    "lesions": re.compile(
        r"(?P<lesion>removed|swapped)(?P<anew>, statistics measured anew)?: "
        r"(?P<count>\d+) \(lesion (?P<number>\d+)\)"
    ),
    "single lesions": re.compile(r"(?P<block>layer(?P<stage>\d)\.\d+)(?P<downsamples> \(.+\))?"),
    "paths": re.compile(r"(?P<figure>[a-z ]+) of length (?P<length>\d+)"),
    "slices": re.compile(
        r"(?P<scale>filter|whole), (?P<statistics>.+): "
        r"direction (?P<direction>\d+) at (?P<distance>\S+)"
    ),
    "branches": re.compile("(?P<block>.+)"),
}
LAYER = re.compile("(?P<layer>.+)")
NUMBERS = {"lag": int, "count": int, "number": int, "stage": int, "length": int, "direction": int}
CONVERTED = {
    **NUMBERS,
    "distance": float,
    "anew": lambda words: 500 if words else 0,
    "downsamples": bool,
}


def trial(experiment: str, record: dict) -> dict:
    """The fields that the name of a network held, and those that stood beside it."""
    kind, *parts = record["net"].split(", ")
    words = parts[-1].split(" ") if parts else []
    x = unit = None
    if len(words) == 2 and words[1] in UNITS:
        parts.pop()
        x, unit = UNITS[words[1]](words[0]), words[1]
    if experiment == "degradation-mini-search":  # its names held recipes, and no depth
        x, unit = record["depth"], "layers"
    found = {"kind": kind, "change": ", ".join(parts) or None, "x": x, "unit": unit}
    found |= {"depth": record["depth"], "seed": record["seed"]}
    return {name: found[name] for name in TRIAL}


def ending(stopped: str | None) -> str:
    """How a training ended of which the old line says why it stopped."""
    if stopped is None:
        return "finished"
    return "interrupted" if stopped.startswith("Interrupted") else "diverged"


def epoch(experiment: str, record: dict) -> dict:
    """A line of a training in the new form."""
    return {
        **trial(experiment, record),
        "data_set": record["data_set"],
        "ending": ending(record.get("stopped")),
        **{name: record[name] for name in EPOCH},
        "origin": record["origin"],
    }


def place(measurement: str, words: str) -> dict:
    """The place that the words of an old line name."""
    if words == "nothing":
        return {"block": None}
    kind = measurement.partition(" without ")[0].partition(" after ")[0]
    found = PLACES.get(kind, LAYER).fullmatch(words)
    if not found:
        raise ValueError(f"{measurement} has the place {words!r}, which is not known here.")
    return {
        name: CONVERTED[name](value) if name in CONVERTED else value
        for name, value in found.groupdict().items()
    }


def measurements(records: list[dict]) -> list[dict]:
    """The lines of all values: one a network, in the order of their first values."""
    found: dict[str, dict] = {}
    for old in records:
        head = {"measurement": old["measurement"], **trial("mechanisms", old)}
        new = {**head, "data_set": old["data_set"], "values": [], "origin": old["origin"]}
        new = found.setdefault(json.dumps(head), new)
        if new["origin"] != old["origin"]:
            raise ValueError(f"{head} was measured at two times.")
        new["values"].append({**place(old["measurement"], old["place"]), "value": old["value"]})
    return list(found.values())


def convert(file: Path) -> int:
    """Convert a file in place; how many of its lines had the old form."""
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    old = [record for record in records if "net" in record]
    if file.stem == "mechanisms":
        new = [record for record in records if "net" not in record] + measurements(old)
    else:
        new = [epoch(file.stem, record) if "net" in record else record for record in records]
    text = "".join(f"{json.dumps(record)}\n" for record in new)
    file.write_text(text, encoding="utf-8")
    return len(old)


def main(files: list[str]) -> int:
    for name in files:
        print(f"{name}: {convert(Path(name))} lines converted")
    return 0 if files else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
