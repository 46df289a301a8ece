"""Reading all records from a small stand-in for Argilla's list of records."""

import httpx
import pytest

from tuneloop.adapters.argilla.records import PAGE, records_in
from tuneloop.errors import ServiceError


def server(order_at, total):
    """A client of a server that sorts its records anew for each page, as a database may that finds equal times."""

    def answer(request: httpx.Request) -> httpx.Response:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        page = order_at(offset, limit)[offset : offset + limit]
        return httpx.Response(200, json={"items": [{"id": str(i)} for i in page], "total": total})

    return httpx.Client(base_url="http://argilla/", transport=httpx.MockTransport(answer))


def test_every_record_comes_once():
    http = server(lambda offset, limit: list(range(2500)), 2500)
    assert [record["id"] for record in records_in(http, "d")] == [str(i) for i in range(2500)]


def test_an_empty_set_has_no_records():
    assert list(records_in(server(lambda offset, limit: [], 0), "d")) == []


def test_what_one_page_repeats_and_another_leaves_out_is_found_with_other_pages():
    def order(offset, limit):
        swapped = list(range(1500))
        if offset == PAGE:  # 999 comes again on the second page, in the place of 1000
            swapped[1000] = 999
        return swapped

    found = [record["id"] for record in records_in(server(order, 1500), "d")]
    assert len(found) == 1500
    assert set(found) == {str(i) for i in range(1500)}


def test_records_that_never_show_are_an_error_and_no_silence():
    http = server(lambda offset, limit: [0, 1, 1], 3)
    with pytest.raises(ServiceError, match="2 of 3"):
        list(records_in(http, "d"))
