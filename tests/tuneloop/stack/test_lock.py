import stat

import pytest

from tuneloop.errors import ServiceError
from tuneloop.stack.layout import exclusive


def test_a_second_holder_waits_and_then_gives_up_with_advice(tmp_path):
    path = tmp_path / "stack.lock"
    with (
        exclusive(path),
        pytest.raises(ServiceError, match="another tuneloop command"),
        exclusive(path, timeout_seconds=0.0),
    ):
        pass


def test_the_lock_is_free_after_use_also_after_an_error(tmp_path):
    path = tmp_path / "stack.lock"
    with pytest.raises(ValueError, match="inside"), exclusive(path):
        raise ValueError("inside")
    with exclusive(path, timeout_seconds=0.0):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
