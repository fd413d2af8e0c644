"""Grading notebooks that nobody has to trust: python -m resnet_grading SUBMISSIONS... --out FILE

Submissions are found and read (`submissions`, `notebooks`, `sheets`), and given to judges
(`grading_run`, `judge_process`). A *worker*, a process with as few rights as the platform lets it
have (`launch`, `sandbox`, `jail`), runs a submission's cells and then does what it is asked
(`worker`, `cells`, `timing`): it calls an answer with these values, it runs a module on that
tensor. A *judge*, in another process, does the asking (`judge`): it looks with the same probes as
the checks in the notebooks, through a remote `Answer` and `ModuleView` (`remote`, `protocol`),
computes what is right by itself, and compares. Nothing that the submission says of itself counts.
What comes from a worker is numbers, words and raw tensors in frames of limited size, and is never
unpickled. What a judge finds is kept (`records`) and told in a table (`gradebook`) and on pages
(`feedback`).
"""
