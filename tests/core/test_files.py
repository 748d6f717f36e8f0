"""Files on file systems that lack something."""
import errno
import os
import stat

import pytest

from fastricks.core.errors import UserError
from fastricks.core.files import write


def folders_fail(monkeypatch, call, number):
    "`os.fsync` or `os.open` of a folder raises this error"
    real = getattr(os, call)

    def fail(what, *args, **kwargs):
        mode = (os.fstat(what) if call == "fsync"
                else os.stat(what)).st_mode if call == "fsync" or os.path.exists(what) else 0
        if stat.S_ISDIR(mode): raise OSError(number, os.strerror(number))
        return real(what, *args, **kwargs)
    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize("call, number", [("fsync", errno.EINVAL), ("fsync", errno.ENOTSUP), ("fsync", errno.EBADF),
                                          ("fsync", errno.ENOSYS),
                                          ("fsync", errno.EACCES), ("open", errno.EACCES), ("open", errno.EISDIR)])
def test_a_folder_that_cannot_be_synced_is_no_error(monkeypatch, tmp_path, call, number):
    folders_fail(monkeypatch, call, number)
    write(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_is_one(monkeypatch, tmp_path, number):
    folders_fail(monkeypatch, "fsync", number)
    with pytest.raises(UserError, match="can't be written"): write(tmp_path / "a.txt", "text")
