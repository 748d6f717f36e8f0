"""What a number was measured with: versions, device, git state."""
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from .. import __version__
from ..core import process, ranks
from ..core.machine import cpu_name, device_name

PACKAGES = "torch", "torchvision", "fastai", "timm", "wandb", "numpy", "pillow", "safetensors"


def environment(device):
    "Versions, device and git state: what a number was measured with"
    return {
        "fastricks": __version__,
        "processes": ranks.world(),
        "python": platform.python_version(),
        **package_versions(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        **process.found,
        "device": device_name(device),
        "git": git_state(),
    }


@cache
def package_versions():
    "name -> version of the packages that a number depends on; asked once a process, as they are imported once"
    return {p: version_of(p) for p in PACKAGES}


def version_of(package):
    "None for one that lies on the path without having been installed"
    from importlib.metadata import PackageNotFoundError, version
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state():
    "Revision of the code, and whether it was changed; {} where there is no git"
    def git(*a):
        r = subprocess.run(["git", *a], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
        return r.stdout.strip() if r.returncode == 0 else None
    try:
        return ({"revision": rev, "changed": bool(git("status", "--porcelain"))} if (rev := git("rev-parse", "HEAD"))
                else {})
    except (OSError, subprocess.SubprocessError):
        return {}
