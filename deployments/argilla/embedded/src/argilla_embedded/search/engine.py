"""The search engine that Argilla calls, registered under the name `sqlite`.

Filters, sorts, progress and metrics read Argilla's own tables live, so most notifications about changes need no work.
Only texts and vectors are indexed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Connection, sqlite_version
from uuid import UUID

from argilla_server.enums import SimilarityOrder
from argilla_server.models import Dataset, MetadataProperty, Record, Response, Suggestion, User, VectorSettings
from argilla_server.search_engine import (
    Filter,
    MetadataMetrics,
    Order,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TextQuery,
)

from argilla_embedded.search import documents, queries, statistics
from argilla_embedded.search.storage import Storage, open_storage


@SearchEngine.register("sqlite")
@dataclass(frozen=True)
class SQLiteSearchEngine(SearchEngine):
    """One per request; the storage behind it is shared."""

    storage: Storage

    @classmethod
    async def new_instance(cls) -> "SQLiteSearchEngine":
        return cls(open_storage())

    async def close(self) -> None:
        """Nothing to do: the storage lives as long as the process."""

    async def ping(self) -> bool:
        return await self.storage.read(lambda connection: connection.execute("SELECT 1").fetchone() == (1,))

    async def info(self) -> dict[str, str]:
        return {"name": "sqlite", "version": sqlite_version}

    async def create_index(self, dataset: Dataset) -> None:
        await self.storage.write(lambda connection: documents.ensure_index(connection, dataset.id.hex))

    async def delete_index(self, dataset: Dataset) -> None:
        await self.storage.write(lambda connection: documents.drop_index(connection, dataset.id.hex))

    async def index_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        ids = [record.id.hex for record in records]
        await self.storage.write(lambda connection: documents.index_records(connection, dataset.id.hex, ids))

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None:
        ids = [record.id.hex for record in records]
        await self.storage.write(lambda connection: documents.delete_records(connection, dataset.id.hex, ids))

    async def configure_metadata_property(self, dataset: Dataset, metadata_property: MetadataProperty) -> None:
        """Nothing to do: metadata is read live."""

    async def configure_index_vectors(self, vector_settings: VectorSettings) -> None:
        """Nothing to do: embeddings of all settings share one table."""

    async def partial_record_update(self, record: Record, **update: object) -> None:
        """Nothing to do: a record's status is read live."""

    async def update_record_response(self, response: Response) -> None:
        """Nothing to do: responses are read live."""

    async def delete_record_response(self, response: Response) -> None:
        """Nothing to do: responses are read live."""

    async def update_record_suggestion(self, suggestion: Suggestion) -> None:
        """Nothing to do: suggestions are read live."""

    async def delete_record_suggestion(self, suggestion: Suggestion) -> None:
        """Nothing to do: suggestions are read live."""

    async def get_dataset_progress(self, dataset: Dataset) -> dict[str, int]:
        if dataset.is_draft:
            return {}
        return await self.storage.read(lambda connection: statistics.record_counts(connection, dataset.id.hex))

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, int]:
        if dataset.is_draft:
            return {}
        ids = dataset.id.hex, user.id.hex
        return await self.storage.read(lambda connection: statistics.response_counts(connection, *ids))

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        return await self.storage.read(lambda connection: statistics.metadata_metrics(connection, metadata_property))

    async def search(
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: UUID | str | None = None,
    ) -> SearchResponses:
        """Records that match; without a sort, `user_id` asks for that user's own order."""

        def page(connection: Connection) -> queries.Page:
            chosen = queries.choose(connection, dataset.id.hex, query, filter)
            return queries.page(connection, chosen, queries.order_for(sort, user_id), offset, limit)

        return _responses(await self.storage.read(page))

    async def similarity_search(
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        """Records by cosine similarity to a vector, or to that of `record`, which is left out itself."""
        if bool(value) == bool(record):
            raise ValueError("Must provide either vector value or record to compute the similarity search")
        target = value if record is None else record.vector_value_by_vector_settings(vector_settings)
        if not target:
            raise ValueError(f"the record has no vector {vector_settings.name!r}")
        sign = -1 if order == SimilarityOrder.least_similar else 1
        wanted = queries.Target([sign * number for number in target], record.id.hex if record else None)

        def nearest(connection: Connection) -> queries.Page:
            chosen = queries.choose(connection, dataset.id.hex, query, filter)
            return queries.nearest(connection, chosen, vector_settings.id.hex, wanted, max_results)

        return _responses(await self.storage.read(nearest), threshold)


def _responses(page: queries.Page, threshold: float | None = None) -> SearchResponses:
    """The total counts what was found before the threshold cut."""
    items = [
        SearchResponseItem(record_id=UUID(record_id), score=score)
        for record_id, score in page.hits
        if threshold is None or score >= threshold
    ]
    return SearchResponses(items=items, total=page.total)
