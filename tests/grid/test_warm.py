"""What an ablation's trainings need not import, as the process has it that they are forked from."""
from support.forked import forked
from support.small import recipe_of

TRAIN = """
import gc, sys
from fastricks.core.words import silent
from fastricks.recipe.recipe import Recipe
from fastricks.use.train import train
assert gc.get_freeze_count() > 100_000 and gc.isenabled()
before = {*sys.modules}
train(eval(sys.argv[1]), silent, bar=False)
print("imported", sorted({*sys.modules} - before))
"""


def test_a_training_imports_next_to_nothing(tmp_path):
    recipe = recipe_of("mixup", per_class=10, epochs=1, size=16, resize=16, out=str(tmp_path), wandb="offline")
    r = forked(TRAIN, repr(recipe))
    assert not r.returncode, r.stderr
    new = eval(r.stdout.rpartition("imported ")[2])
    assert len(new) < 30 and not [o for o in new if o.startswith(("wandb.apis", "pandas", "PIL.", "fastai.data"))], new
