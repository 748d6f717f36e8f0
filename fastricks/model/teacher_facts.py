"""What settling found of a teacher, asked without torch: comparisons ask it of every stored run."""


def differing_facts(facts):
    """What of a teacher's images is not as the student's are

    {"mean", "std", "size"} of its own; {} where nothing differs, or nothing is known"""
    own, theirs = facts.get("own"), facts.get("pixels")
    return {k: own[k] for k in own if own[k] != theirs[k]} if own and theirs else {}
