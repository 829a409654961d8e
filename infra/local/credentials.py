"""The secrets of one `.run` folder: made once at random, kept across every up and down."""

import secrets
from pathlib import Path

from pydantic import BaseModel, Field

SECRET_BYTES = 32


def _secret() -> str:
    return secrets.token_hex(SECRET_BYTES)


class Credentials(BaseModel, frozen=True):
    """`jwt` signs the tokens of users, `broker` is the password of the embedded node's only login."""

    jwt: str = Field(default_factory=_secret)
    broker: str = Field(default_factory=_secret)


def kept_credentials(folder: Path) -> Credentials:
    """The folder's secrets, made when there are none. A crash leaves either none or all of them."""
    file = folder / "credentials.json"
    if file.exists():
        return Credentials.model_validate_json(file.read_text())
    made = Credentials()
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(made.model_dump_json(indent=2))
    fresh.replace(file)
    return made
