"""The store of one machine: nx-27017, MongoDB's wire protocol on SQLite files."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pymongo.errors

from infra.local.ports import HOST
from infra.process import Process, start_process

READY_SECONDS = 30.0
DEFAULT_PORT = 27027
DATABASE = "gatehouse"


@dataclass(frozen=True, slots=True)
class StoreNode:
    """Where the store keeps its files and how it is reached."""

    folder: Path
    log: Path
    port: int

    @property
    def server_url(self) -> str:
        return f"mongodb://{HOST}:{self.port}"

    @property
    def mongo_url(self) -> str:
        return f"{self.server_url}/{DATABASE}"

    def start(self) -> Process:
        data, pid_file = self.folder / "data", self.folder / "pid"
        data.mkdir(parents=True, exist_ok=True)
        pid_file.unlink(missing_ok=True)  # left by a killed store it would stop the next one
        command = [sys.executable, "-m", "nx_27017.nx_27017", "--host", HOST, "--port", str(self.port)]
        command += ["--data-dir", str(data), "--pid-file", str(pid_file), "--log-file", str(self.folder / "nx.log")]
        return start_process(command, os.environ, self.log)

    def is_ready(self) -> bool:
        return store_answers(self.mongo_url)


def store_answers(mongo_url: str) -> bool:
    """Whether a ping comes back within two seconds."""
    with pymongo.MongoClient[dict[str, object]](mongo_url, serverSelectionTimeoutMS=2000) as client:
        try:
            client.admin.command("ping")
        except pymongo.errors.PyMongoError:
            return False
    return True
