"""What the system refuses is one line; what it does for other reasons is none of the user's."""

import errno
import os

import pytest

from vargpt_schema.errors import refused_path


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_a_full_disk_and_a_path_that_may_not_be_used_name_the_path_and_what_to_do(number: int):
    refusal = refused_path(OSError(number, os.strerror(number), "out/model"))
    assert str(refusal).startswith(f"out/model: {os.strerror(number)}; a path")
    assert "run the same command again" in str(refusal)
    assert "\n" not in str(refusal)


def test_a_write_that_knows_no_path_says_disk():
    assert str(refused_path(OSError(errno.ENOSPC, "full"))).startswith("disk: full; ")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ECONNRESET, errno.EMFILE])
def test_other_faults_keep_their_traceback(number: int):
    assert refused_path(OSError(number, os.strerror(number), "x")) is None
