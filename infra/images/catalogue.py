"""Which images there are: the official name, the variable that overrides it, the recipe of our own equivalent."""

import os
from dataclasses import dataclass
from pathlib import Path

from infra.local.workers import PROJECT

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Image:
    """`sources` are the files of the build context by their name in it; folders are taken whole."""

    name: str
    variable: str
    official: str | None
    sources: tuple[tuple[str, Path], ...]

    @property
    def wanted(self) -> str | None:
        """The name asked for or the official one; None for what only this checkout can build."""
        return os.environ.get(self.variable) or self.official

    @property
    def local(self) -> str:
        return f"gatehouse/{self.name}:local"

    def context(self) -> dict[str, Path]:
        """Every file of the build context by its name in it."""
        found: dict[str, Path] = {}
        for name, source in self.sources:
            if source.is_dir():
                found |= {f"{name}/{path.relative_to(source)}": path for path in source.rglob("*") if _is_source(path)}
            else:
                found[name] = source
        return dict(sorted(found.items()))


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


BASE = Image(
    "base", "GATEHOUSE_IMAGE_BASE", "python:3.13-slim-trixie", (("packages.txt", HERE / "base" / "packages.txt"),)
)
RABBITMQ = Image(
    "rabbitmq",
    "GATEHOUSE_IMAGE_RABBITMQ",
    "rabbitmq:4-management",
    (
        ("Dockerfile", HERE / "rabbitmq" / "Dockerfile"),
        ("rabbitmq.conf", PROJECT / "infra" / "rabbitmq" / "rabbitmq.conf"),
        ("enabled_plugins", PROJECT / "infra" / "rabbitmq" / "enabled_plugins"),
    ),
)
STORE = Image(
    "store",
    "GATEHOUSE_IMAGE_STORE",
    "mongo:8",
    (("Dockerfile", HERE / "store" / "Dockerfile"), ("store.txt", PROJECT / "requirements" / "store.txt")),
)
GATEHOUSE = Image(
    "gatehouse",
    "GATEHOUSE_IMAGE",
    None,
    (
        ("Dockerfile", HERE / "gatehouse" / "Dockerfile"),
        ("requirements/run.txt", PROJECT / "requirements" / "run.txt"),
        ("schemas", PROJECT / "schemas"),
        ("services", PROJECT / "services"),
    ),
)
IMAGES = {image.name: image for image in (BASE, RABBITMQ, STORE, GATEHOUSE)}
