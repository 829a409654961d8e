"""The hand-written pages: what they show is what travels, and what they point to is there."""

import json
import re
from pathlib import Path
from zlib import crc32

import pytest
from jsonschema import Draft202012Validator

from infra.generate import ROOT
from schemas import routes
from schemas.contract.catalogue import json_schemas
from schemas.topology import EXCHANGES

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FILES = {name: Draft202012Validator(schema) for name, schema in json_schemas().items()}
SHOWN = ("client-frames", "server-frames", "log")


def shown(page):
    return re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("body", [*shown("docs/protocol.md"), *shown("docs/amqp.md")])
def test_a_body_shown_on_a_page_is_one_of_the_contract(body):
    assert any(FILES[name].is_valid(json.loads(body)) for name in SHOWN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_checkout_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", text):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name} points to {target}"
        assert not anchor or anchor[1:] in anchors(file), f"{page.name} points to {target}{anchor}"


def anchors(file):
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_protocol_page_names_every_verb_that_is_served():
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    served = ("create", "join", "leave", "add", "kick", "close", "send", "typing", "attach", "detach")
    assert all(f"`{verb} {{" in page for verb in served)


def test_the_amqp_page_names_every_exchange_and_true_buckets():
    page = (ROOT / "docs/amqp.md").read_text(encoding="utf-8")
    assert all(f"`{exchange.name}`" in page for exchange in EXCHANGES)
    for room, bucket in re.findall(r"`([\w-]+)` is (\d\d)\b", page):
        assert routes.bucket_word(crc32(room.encode()) % 64) == bucket


def test_every_decision_says_when_to_think_again():
    records = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for record in records:
        text = record.read_text(encoding="utf-8")
        for part in ("**Context.**", "**Decision.**", "**Rejected.**", "**Consequences.**", "**Revisit when**"):
            assert part in text, f"{record.name} lacks {part}"
        assert record.name in (record.parent / "README.md").read_text(encoding="utf-8")


def test_every_example_is_pointed_to_and_imports_nothing_of_ours():
    page = (ROOT / "docs/amqp.md").read_text(encoding="utf-8")
    for example in Path(ROOT / "examples").glob("*.py"):
        assert example.name in page
        assert not re.search(r"^(from|import) (schemas|services|clients|infra)\b", example.read_text(), re.MULTILINE)
