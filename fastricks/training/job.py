"""A training that is settled: everything is decided, nothing is built yet."""
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..core.numerics import NUMERICS
from ..data.account import account_of
from ..data.source import Source, fingerprint
from ..model.weights import file_hash
from ..recipe.identity import identity
from ..recipe.names import base_name
from ..recipe.recipe import Recipe


@dataclass(frozen=True)
class Job:
    "What `settle` makes of a recipe, and all that `prepare` needs"
    recipe: Recipe                             # with what machine, tricks and the search for a rate decided
    source: Source                             # its data, open
    facts: dict = field(default_factory=dict)  # trick -> what it found out while it settled
    found: object = None                       # lr_find.FoundRate, where the recipe asked to find the learning rate

    @cached_property
    def weights_hash(self): return self.recipe.weights and file_hash(self.recipe.weights)

    @cached_property
    def identity(self): return self.identity_of(self.recipe)

    def identity_of(self, recipe): return identity(recipe, fingerprint(self.source), self.weights_hash, self.facts)

    @cached_property
    def group(self):
        "The name of the recipe without its seed: runs that differ in nothing else have it, and no others"
        return f"{base_name(self.recipe, self.source.name)}-{self.identity_of(replace(self.recipe, seed=0))[:6]}"

    @cached_property
    def account(self):
        "The Account of its data"
        return account_of(self.source)

    @cached_property
    def record(self):
        """What recipe.json says beside the recipe: identities of run, data and weights, what the tricks found out, and
        the network with the tag that this timm means by a bare name, which another version may not."""
        from ..model.network import with_tag
        counts = {split: len(self.source.of(split)) for split in ("train", "valid", "test")}
        if rest := self.source.of("rest"):
            counts["rest"] = len(rest)
        out = {
            "identity": self.identity,
            "group": self.group,
            "numerics": NUMERICS,
            "weights_sha256": self.weights_hash,
            "facts": self.facts,
            "network": with_tag(self.recipe.arch),
            "data": {"fingerprint": fingerprint(self.source), "name": self.source.name, **counts},
        }
        if self.found:
            out["lr_find"] = {"lr": self.found.lr, "rule": self.found.rule}
        return out

    @property
    def recipe_json(self): return {"recipe": self.recipe.as_dict, **self.record}
