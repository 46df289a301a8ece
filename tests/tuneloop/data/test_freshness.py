from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.freshness import ages_in_days

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        "2026-11-12",
        "20261112",
        "2026-11-12T11:00:00",
        "2026-11-12 11:00:00 UTC",
        "2026-11-12T11:00:00Z",
        "2026-11-12T09:00:00.123456-02:00",
        " 2026-11-12T12:00:00+01:00 ",
        "1794481200",
        "1794481200.5",
        "1794481200000",
        "Thu, 12 Nov 2026 11:00:00 +0000",
    ],
)
def test_dates_are_read_as_exports_write_them(date: str) -> None:
    assert ages_in_days([date], NOW) == ([10], [False])


@pytest.mark.parametrize(
    "date",
    ["yesterday", "11/12/2026", "2026-13-40", "12", "99999999999999999999", "2027-01-01", "-", "Thu, 45 Nov 2026"],
)
def test_dates_that_cannot_be_read_or_lie_ahead_are_bad(date: str) -> None:
    assert ages_in_days([date], NOW) == ([-1], [True])


def test_no_date_is_no_bad_date() -> None:
    assert ages_in_days([None, "", "  "], NOW) == ([-1] * 3, [False] * 3)


def test_another_time_zone_is_not_the_future() -> None:
    assert ages_in_days(["2026-11-22T23:00:00"], NOW) == ([0], [False])


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading(date: str) -> None:
    ((age,), (bad,)) = ages_in_days([date], NOW)
    assert (age >= 0) + bad <= 1


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2026, 11, 21)))  # noqa: DTZ001
def test_a_written_date_is_read_back(moment: datetime) -> None:
    assert ages_in_days([moment.isoformat()], NOW) == ([(NOW - moment.replace(tzinfo=UTC)).days], [False])
