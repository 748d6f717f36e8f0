"""One thread a process, no network, caches in a temporary folder."""
import gc

import pytest

pytest.register_assert_rewrite("support")
import support.quiet  # noqa: F401  before torch is imported


def pytest_collection_finish():
    "What was imported stays: to look for cycles in it, again and again, is a tenth of the suite, and more after a fork"
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FASTRICKS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def one_thread():
    import torch
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def undrawn():
    "Trainings of a file's tests draw no pictures"
    from support.quick import drawing_nothing
    with drawing_nothing(): yield


@pytest.fixture(scope="module")
def forked_cells():
    "Trainings of a file's grids are forked from this process and draw no pictures"
    from support.quick import forking_cells
    with forking_cells(): yield


@pytest.fixture(scope="module")
def converted_once():
    "Exports of a file's tests convert a network once"
    from support.converted import converting_once
    with converting_once(): yield


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    import torch
    from support.small import teacher_file
    torch.set_num_threads(1)
    return teacher_file(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="session")
def photo_run(tmp_path_factory):
    "(run folder, its data) of a short training on image files of all kinds"
    from support.photos import train_on_photos
    return train_on_photos(tmp_path_factory, "fast")


@pytest.fixture(scope="session")
def resnet_d_run(tmp_path_factory):
    "The same of a training whose trick changes the network"
    from support.photos import train_on_photos
    return train_on_photos(tmp_path_factory, "fast", "resnet_d", arch="resnet18", epochs=1)
