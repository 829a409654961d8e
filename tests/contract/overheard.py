"""A Mongo store of which a test hears how many documents its finds have brought over."""

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener

from services.history import store_mongo
from services.history.store_mongo import MongoStore


class Overheard(CommandListener):
    """Counts the documents of cursors, whichever collection they come from."""

    def __init__(self):
        self.documents = 0

    def started(self, event):
        pass

    def succeeded(self, event):
        cursor = event.reply.get("cursor", {})
        self.documents += len(cursor.get("firstBatch", ())) + len(cursor.get("nextBatch", ()))

    def failed(self, event):
        pass

    def told(self):
        """How many since the last time."""
        documents, self.documents = self.documents, 0
        return documents


def overheard_store(mongo_url, monkeypatch):
    """A store on the database, and what is heard of it."""
    heard = Overheard()
    monkeypatch.setattr(
        store_mongo, "connect", lambda url, _: AsyncIOMotorClient(url, event_listeners=[heard], socketTimeoutMS=10_000)
    )
    return MongoStore(mongo_url, timeout_seconds=10), heard
