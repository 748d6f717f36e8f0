"""What a type checker says of calls of `import fastricks as ft`."""
from support.type_checker import checked

RIGHT = '''
from pathlib import Path

import fastricks as ft

trick = next(iter(ft.make_recipe().make_tricks()))
run: ft.Run = ft.train("PHOTOS", ["warmup", trick], epochs=5, quiet=True)
found: list[ft.Prediction] = run.predict("photo.jpg", k=3)
best: str = found[0].label
rows: list[Path] = ft.ablate(Path("PHOTOS"), ["cosine", trick], seeds=3, margin=.5).folders
again: ft.Run = ft.load(run, device="cpu")
where: str = ft.evaluate(run, Path("OTHERS")).where
rates: list[float] = ft.schedule(ft.make_recipe(tricks=trick)).trace()
report: ft.DataReport = ft.show_data("PHOTOS")
'''
WRONG = [
    ('ft.train("PHOTOS", ["warmup", trick]', 'ft.train("PHOTOS", [3]', '"int"; expected "str | Trick"'),
    ('device="cpu"', "device=0", 'Argument "device" to "load" has incompatible type "int"'),
    ("best: str", "best: int", 'variable has type "int"'),
    (".folders", ".folder", '"Ablation" has no attribute "folder"'),
    ('Path("OTHERS")', "ft.make_recipe()", 'to "evaluate" has incompatible type "Recipe"'),
]


def test_calls_that_fit_pass(tmp_path):
    assert checked(tmp_path, RIGHT).startswith("Success")


def test_calls_that_do_not_are_told(tmp_path):
    code = RIGHT
    for old, new, _ in WRONG:
        assert code.count(old) == 1
        code = code.replace(old, new)
    said = checked(tmp_path, code)
    for _, _, error in WRONG: assert error in said, said
