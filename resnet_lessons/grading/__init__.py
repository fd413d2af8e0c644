"""Grading notebooks that nobody has to trust.

A *worker* is a process with as few rights as the platform lets it have. It runs a submission's
cells and then does what it is asked: it calls an answer with these values, it runs a module on that
tensor. A *judge*, in another process, does the asking: it looks with the same probes as the checks
in the notebooks, through a remote `Answer` and `Module`, computes what is right by itself, and
compares. Nothing that the submission says of itself counts. What comes from a worker is numbers,
words and raw tensors in frames of limited size, and is never unpickled.

`python -m resnet_lessons.grade` is the command.
"""
