"""Recipes of the images built on this machine, and what may not stand in them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra.images.catalogue import IMAGES
from infra.images.provision import recipe_tag
from infra.local.workers import PROJECT

MACHINE_WORDS = re.compile(r"https?://(?!\{|127\.0\.0\.1|localhost)|/work/")
SHIPPED = [
    *(PROJECT / "requirements").iterdir(),
    *(path for path in (PROJECT / "infra").rglob("*") if path.is_file() and path.suffix != ".pyc"),
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_host_of_a_registry_and_no_path_of_a_machine_is_shipped(path: Path):
    found = [line for line in path.read_text().splitlines() if MACHINE_WORDS.search(line)]
    assert not found


@pytest.mark.parametrize("name", IMAGES)
def test_every_source_of_a_recipe_is_there(name):
    assert all(path.is_file() for path in IMAGES[name].context().values())


def test_a_tag_changes_with_the_recipe_and_with_nothing_else(tmp_path):
    recipe = tmp_path / "Dockerfile"
    recipe.write_text("FROM one")
    image = replace(IMAGES["store"], sources=(("Dockerfile", recipe),))
    before = recipe_tag(image, "base")
    assert recipe_tag(image, "base") == before
    assert recipe_tag(image, "another base") != before
    recipe.write_text("FROM two")
    assert recipe_tag(image, "base") != before


def test_an_image_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("GATEHOUSE_IMAGE_RABBITMQ", "broker:9")
    assert IMAGES["rabbitmq"].wanted == "broker:9"
    monkeypatch.delenv("GATEHOUSE_IMAGE_RABBITMQ")
    assert IMAGES["rabbitmq"].wanted == "rabbitmq:4-management"
