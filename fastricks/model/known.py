"""What was found out about timm's networks, and is remembered, so that none is built to say the same again. Light."""
import sys
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from ..core.cache import remembered
from ..core.imports import uncollected

FOLDER = "networks"  # of the user's cache
# what decides about a network: whose files, by name, size and time, are looked at beside the versions
CODE = {"timm": ("models", "layers"), "torch": (),
        "fastricks": ("callbacks", "model", "recipe", "trick", "tricks", "training")}
VERSION_FILES = {"timm": "version.py", "torch": "version.py", "fastricks": "__init__.py"}


def of_network(arch, what, find):
    """What `find()` says of a network, plain data: found once for the same `arch` and `what`, and with the same timm,
    torch and fastricks. What it raises is not remembered, and nothing of a network that timm has from elsewhere.
    """
    if not is_timms(arch):
        return find()
    return remembered(FOLDER, [arch, *what, *code_stamps()], "found", find)


def is_timms(arch):
    "Is it a network of timm's own, or unknown? One who has imported timm may have put others in their place"
    if "timm" not in sys.modules:
        return True
    from timm.models import is_model, model_entrypoint, split_model_name_tag
    name, _ = split_model_name_tag(arch)
    return not is_model(name) or model_entrypoint(name).__module__.startswith("timm.")


@cache
def code_stamps():
    "A hash for each of the packages that decide about a network: another one wherever their code may be another"
    return [stamp(package, folders) for package, folders in CODE.items()]


def stamp(package, folders):
    "`timm 0f3a…`: of a package's version, and of the files in some of its folders. The package is not imported"
    root = Path(find_spec(package).origin).parent
    found = sha256((root / VERSION_FILES[package]).read_bytes())
    for folder in folders:
        for file in sorted((root / folder).glob("*.py")):
            seen = file.stat()
            found.update(f"{folder}/{file.name}\t{seen.st_size}\t{seen.st_mtime_ns}\n".encode())
    return f"{package} {found.hexdigest()[:16]}"


def require_arch(arch):
    "`check_arch`, which is not asked again about what timm can make"
    def find():
        with uncollected():
            from .network import check_arch
        check_arch(arch)
        return True
    of_network(arch, ["known"], find)


def require_tried(arch, size, options):
    "`require_network`, which tries nothing again that has worked"
    def find():
        with uncollected():
            from .trial import require_network
        require_network(arch, size, options)
        return True
    of_network(arch, ["tried", size, sorted((options or {}).items())], find)
