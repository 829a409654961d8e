"""Having an image: found, pulled or built. The tag of a built one ends with the hash of its recipe."""

import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.engine import CommandFailed, docker
from infra.images.catalogue import BASE, GATEHOUSE, IMAGES, Image
from infra.images.machine import certificates, package_index
from infra.images.rootfs import RootFileSystemUnavailable, import_root_file_system

PULL_SECONDS = 600.0
BUILD_SECONDS = 900.0
HASH_LETTERS = 12
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class ImageUnavailable(Exception):
    """An image can neither be pulled nor built; the text says why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"the image {name} cannot be had: {reason}")


def present_image(name: str) -> str | None:
    """The image to run when it is there already, and built from the present recipe where it is our own."""
    image = IMAGES[name]
    if image.wanted and _exists(image.wanted):
        return image.wanted
    base = _present_base(image)
    tag = recipe_tag(image, base) if image is BASE or base else None
    return tag if tag and _exists(tag) else None


def ensure_image(name: str) -> str:
    """Pull the image or build its equivalent; returns the name to run. Raises ImageUnavailable."""
    image = IMAGES[name]
    if image.wanted and (_exists(image.wanted) or _pulled(image.wanted)):
        return image.wanted
    if image.wanted and image.wanted != image.official:
        raise ImageUnavailable(name, f"{image.variable} names {image.wanted}, which is not here and cannot be pulled")
    try:
        return _built(image)
    except (CommandFailed, RootFileSystemUnavailable) as problem:
        raise ImageUnavailable(name, str(problem)) from problem


def _built(image: Image) -> str:
    base = None if image is BASE else _ensured_base(image)
    tag = recipe_tag(image, base)
    if not _exists(tag):
        print(f"building {image.local}", file=sys.stderr, flush=True)
        if base is None:
            import_root_file_system(BASE.sources[0][1].read_text().split(), tag)
        else:
            _build(image, base, tag)
    docker("tag", tag, image.local)
    return tag


def _ensured_base(image: Image) -> str:
    """Our own image stands on any Python, the equivalents on the root file system that knows the machine's archive."""
    return ensure_image(BASE.name) if image is GATEHOUSE else _built(BASE)


def _present_base(image: Image) -> str | None:
    if image is BASE:
        return None
    if image is GATEHOUSE:
        return present_image(BASE.name)
    tag = recipe_tag(BASE, None)
    return tag if _exists(tag) else None


def recipe_tag(image: Image, base: str | None) -> str:
    """The local name ending with a hash of every file of the recipe and of what it stands on."""
    digest = hashlib.sha256((base or "").encode())
    for name, path in image.context().items():
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{image.local}-{digest.hexdigest()[:HASH_LETTERS]}"


def _build(image: Image, base: str, tag: str) -> None:
    label = f"gatehouse.image={image.name}"
    with TemporaryDirectory(prefix="gatehouse-image-") as folder:
        _stage(image, Path(folder))
        settings = {
            "BASE": base,
            "PIP_INDEX_URL": package_index(),
            **{name: os.environ.get(name) for name in PROXY_VARIABLES},
        }
        given = [word for name, value in settings.items() if value for word in ("--build-arg", f"{name}={value}")]
        given += ["--network", "host", "--tag", tag, "--label", label]
        docker("build", *given, folder, within_seconds=BUILD_SECONDS)
    _drop_superseded(label)


def _drop_superseded(label: str) -> None:
    """Unused images of earlier recipes go after a day: younger ones may be another checkout's."""
    with suppress(CommandFailed):
        docker("image", "prune", "--all", "--force", "--filter", "until=24h", "--filter", f"label={label}")


def _stage(image: Image, folder: Path) -> None:
    """The build context: the recipe's files, and the machine's certificates for the steps that fetch packages."""
    for name, path in image.context().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    trusted = certificates()
    if trusted is not None:
        shutil.copyfile(trusted, folder / "machine-ca.pem")


def _exists(name: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", name)
    except CommandFailed:
        return False
    return True


def _pulled(name: str) -> bool:
    try:
        docker("pull", "--quiet", name, within_seconds=PULL_SECONDS)
    except CommandFailed:
        return False
    return True
