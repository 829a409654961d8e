"""The bare limit of a history writer: the documents it stored, inserted again by a loop that does nothing else.

It reads them from `--source`, makes the same indexes in `--into`, says `ready`, waits for a line, inserts, and says as
JSON how long that took. Both are URLs that name a database.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

import pymongo
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

Documents = Collection[dict[str, Any]]  # Any: BSON


def main() -> None:
    """Insert once and end."""
    told = _told()
    source = pymongo.MongoClient[dict[str, Any]](told.source).get_default_database()["events"]
    durable = WriteConcern(w="majority", j=True)
    into = pymongo.MongoClient[dict[str, Any]](told.into).get_default_database(write_concern=durable)["events"]
    documents = [{**each} for each in source.find({}, {"_id": 0}, sort=[("_id", 1)])]
    _copy_indexes(source, into)
    _insert(into, documents[: told.warm_up], told.batch)
    print("ready", flush=True)
    sys.stdin.readline()
    began, spent = time.monotonic(), time.process_time()
    _insert(into, documents[told.warm_up :], told.batch)
    report = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - spent}
    print(json.dumps(report | {"documents": into.count_documents({})}), flush=True)


def _told() -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--into", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True, help="so many first documents do not count")
    return parser.parse_args()


def _copy_indexes(source: Documents, into: Documents) -> None:
    for name, index in source.index_information().items():
        if name != "_id_":
            into.create_index(index["key"], unique=index.get("unique", False))


def _insert(into: Documents, documents: list[dict[str, Any]], batch: int) -> None:
    for start in range(0, len(documents), batch):
        into.insert_many(documents[start : start + batch], ordered=False)


if __name__ == "__main__":
    main()
