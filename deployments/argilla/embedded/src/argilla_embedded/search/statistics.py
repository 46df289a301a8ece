"""Counts for the progress bars, and the figures behind the metadata filters."""

from sqlite3 import Connection

from argilla_server.models import MetadataProperty
from argilla_server.search_engine import FloatMetadataMetrics, IntegerMetadataMetrics, MetadataMetrics, TermsMetrics

from argilla_embedded.search.filters import metadata_elements, number_in


def record_counts(connection: Connection, dataset_id: str) -> dict[str, int]:
    """`{"total": n, status: count}` over the dataset's records; only statuses that occur."""
    rows = connection.execute(
        "SELECT status, count(*) FROM argilla.records WHERE dataset_id = ? GROUP BY status", (dataset_id,)
    )
    return _with_total(dict(rows.fetchall()))


def response_counts(connection: Connection, dataset_id: str, user_id: str) -> dict[str, int]:
    """The same over one user's responses."""
    rows = connection.execute(
        "SELECT responses.status, count(*) FROM argilla.responses "
        "JOIN argilla.records ON records.id = responses.record_id "
        "WHERE records.dataset_id = ? AND responses.user_id = ? GROUP BY responses.status",
        (dataset_id, user_id),
    )
    return _with_total(dict(rows.fetchall()))


def metadata_metrics(connection: Connection, metadata_property: MetadataProperty) -> MetadataMetrics:
    if metadata_property.is_terms:
        return _terms_metrics(connection, metadata_property)
    return _number_metrics(connection, metadata_property)


def _terms_metrics(connection: Connection, metadata_property: MetadataProperty) -> TermsMetrics:
    """A term counts once per record; the most frequent come first."""
    elements = metadata_elements(metadata_property.name)
    rows = connection.execute(
        "SELECT CAST(element.value AS TEXT) AS term, count(DISTINCT records.id) AS uses FROM argilla.records, "
        f"{elements.text.removeprefix('FROM ')} AND records.dataset_id = ? GROUP BY term ORDER BY uses DESC, term",
        (*elements.params, metadata_property.dataset_id.hex),
    ).fetchall()
    counts = [TermsMetrics.TermCount(term=term, count=uses) for term, uses in rows]
    return TermsMetrics(total=sum(uses for _, uses in rows), values=counts)


def _number_metrics(
    connection: Connection, metadata_property: MetadataProperty
) -> IntegerMetadataMetrics | FloatMetadataMetrics:
    elements = metadata_elements(metadata_property.name)
    number = number_in("element.value")
    least, greatest = connection.execute(
        f"SELECT min({number}), max({number}) FROM argilla.records, "
        f"{elements.text.removeprefix('FROM ')} AND records.dataset_id = ?",
        (*elements.params, metadata_property.dataset_id.hex),
    ).fetchone()
    kind = IntegerMetadataMetrics if metadata_property.is_integer else FloatMetadataMetrics
    return kind(min=least, max=greatest)


def _with_total(counts: dict[str, int]) -> dict[str, int]:
    return {"total": sum(counts.values()), **counts}
