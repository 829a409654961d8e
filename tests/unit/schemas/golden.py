"""The golden bodies of tests/golden, and the models they belong to."""

import importlib
import json
import pkgutil
from pathlib import Path

import schemas
from schemas.commands import CommandBase
from schemas.events import EventBase
from schemas.frames import ClientFrame
from schemas.model import Model

GOLDEN = Path(__file__).parents[2] / "golden"
BASES = {CommandBase, EventBase, ClientFrame}


def subclasses(model):
    for child in model.__subclasses__():
        yield child
        yield from subclasses(child)


def name_of(model):
    return f"{model.__module__.removeprefix('schemas.')}.{model.__name__}"


for found in pkgutil.iter_modules(schemas.__path__, "schemas."):
    importlib.import_module(found.name)
KERNEL = [model for model in subclasses(Model) if model.__module__.startswith("schemas.")]
MODELS = {name_of(model): model for model in KERNEL if model not in BASES}


def read(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
