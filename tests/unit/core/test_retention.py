"""How long things stay, as it is written."""

import pytest

from mesh_core.config import parse_config
from mesh_core.errors import ConfigInvalid
from mesh_core.retention import DAY, FOR_EVER, Retention, with_text


def test_a_table_is_read_and_what_it_leaves_out_is_as_by_default() -> None:
    config = parse_config('[retention]\nage = "12h"\nfailures = "forever"\n')

    assert config.retention == Retention(age=DAY // 2, failed_age=None, size=2 * 1024**3)
    assert parse_config("").retention == Retention()


@pytest.mark.parametrize(
    "line", ['age = "soon"', "age = 7", 'size = "forever"', 'age = "unlimited"', 'size = "-1"', "days = 1"]
)
def test_what_is_wrong_is_named(line: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"mesh\.toml:2: "):
        parse_config(f"[retention]\n{line}")


def test_failures_stay_at_least_as_long_as_the_rest() -> None:
    assert Retention(age=90 * DAY).longest == 90 * DAY
    assert Retention(age=None).longest is None
    assert Retention().longest == 30 * DAY


def test_what_erases_earlier_than_by_default_is_known() -> None:
    assert not Retention().eager
    assert not FOR_EVER.eager
    assert not Retention(failed_age=0, age=30 * DAY).eager
    assert with_text(Retention(), "size", "1MiB").eager
    assert with_text(Retention(), "failures", "1d").eager
