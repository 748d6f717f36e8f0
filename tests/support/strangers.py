"""recipe.json as a stranger may have written it."""
import json


def recipe_with(folder, **fields):
    got = json.loads((folder / "recipe.json").read_text())
    return json.dumps({**got, "recipe": {**got["recipe"], **fields}})


WRONG_FIELDS = [dict(epochs="40"), dict(epochs=1e9), dict(epochs=None), dict(epochs=True), dict(seed=-1),
                dict(seed=[1]), dict(size={"a": 1}),
         dict(tricks=[]), dict(tricks={"mixup": 3}), dict(tricks={"mixup": {"alpha": "x"}}),
                dict(tricks={"mixup": {"alpha": [1]}}),
         dict(tricks={"__class__": {}}), dict(tricks={"mixup": {"__init__": 1}}), dict(schedule=3), dict(data=5),
                dict(data="\0"),
         dict(arch=5), dict(arch="hf-hub:a/b"), dict(arch="local-dir:/tmp"), dict(lr=float("nan")), dict(lr="1"),
         dict(weights="/etc/passwd"), dict(weights=3), dict(opt="__import__"), dict(wd=float("inf")), dict(keep=3),
                dict(flip="x"),
         dict(classes=3), dict(device="cuda:9"), dict(threads=10**9), dict(size=10**9), dict(min_scale="a")]
