"""A Docker engine for tests and images: the one that answers, or one from the system's packages."""

from infra.engine.docker import CommandFailed, docker, engine_answers
from infra.engine.provision import EngineUnavailable, ensure_engine, stop_engine

__all__ = ["CommandFailed", "EngineUnavailable", "docker", "engine_answers", "ensure_engine", "stop_engine"]
