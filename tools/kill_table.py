"""Which wrong answers do the checks catch? python tools/kill_table.py [exercise ...]

Lets every exercise's probes judge every answer of tests/answers, and prints exercise, kind of
answer, and what became of it. A wrong answer must be rejected by the probe, and with the words,
that it names; a right one must be accepted, whatever the random numbers. Fails where one is not.
"""

import argparse
import sys
from collections import Counter

import torch

from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.answers import Answer
from set_repository import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from answers import BANK, Entry

SEEDS = (0, 1, 2)
GOOD = ("caught", "accepted")


def outcome(entry: Entry) -> tuple[str, str]:
    """What became of an answer, in a word or two, and the probe that spoke."""
    exercise = EXERCISES[entry.exercise]
    for seed in SEEDS if entry.right else SEEDS[:1]:
        torch.manual_seed(seed)
        verdict = exercise.judge(Answer(entry.make()), exercise.probes, seed)
        if entry.right and not verdict.right:
            return "FALSE ALARM", verdict.probe or verdict.state
    if entry.right:
        return "accepted", ""
    if verdict.state != "wrong":
        return "ESCAPED", verdict.state
    told = verdict.probe == entry.probe and entry.says.lower() in verdict.seen.lower()
    return "caught" if told else "OTHER WORDS", verdict.probe


def main(arguments: list[str] | None = None, bank: list[Entry] = BANK) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXERCISES], metavar="exercise")
    names = parser.parse_args(arguments).names
    entries = [entry for entry in bank if not names or entry.exercise in names]
    count: Counter[str] = Counter()
    for name in [name for name in EXERCISES if any(e.exercise == name for e in entries)]:
        print(f"\n{EXERCISES[name].number} {name}")
        for entry in [entry for entry in entries if entry.exercise == name]:
            what, probe = outcome(entry)
            count[what] += 1
            print(f"    {'right' if entry.right else 'wrong'}  {entry.kind:34}  {what:11}  {probe}")
    rights = sum(entry.right for entry in entries)
    print(
        f"\nexercises: {len({entry.exercise for entry in entries})}\n"
        f"wrong answers rejected with the right words: {count['caught']} of "
        f"{len(entries) - rights} ({count['ESCAPED']} escaped)\n"
        f"right answers accepted: {count['accepted']} of {rights}"
    )
    return int(any(what not in GOOD for what in count))


if __name__ == "__main__":
    sys.exit(main())
