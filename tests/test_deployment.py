"""Locks, images and docker-compose.yml agree with the code and with one another."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("model-transfer/")}
LEARNING = {"keras", "scikit-learn", "scipy", "tensorflow", "tensorflow-cpu"}


def _lock(name: str) -> dict[str, set[str]]:
    """Each package of a lock and its pins: a version and the platforms it is for."""
    pins: dict[str, set[str]] = {}
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    for package, pin in re.findall(r"^([\w.-]+)==([^\\\n]+?) *\\?$", text, re.MULTILINE):
        pins.setdefault(package, set()).add(pin)
    return pins


def _stages() -> dict[str, tuple[str, list[list[str]]]]:
    """Each stage of the Dockerfile: what it starts from, and its instructions as [name, words…]."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    stages: dict[str, tuple[str, list[list[str]]]] = {}
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            base, stage = rest.split(" AS ")
            stages[stage] = (base, [])
        else:
            stages[stage][1].append([name, rest])
    return stages


def _instructions(stage: str, name: str) -> list[str]:
    """The instructions of this name that the stage's image ends up with, its base's first."""
    base, own = _stages()[stage]
    inherited = _instructions(base, name) if base in _stages() else []
    return inherited + [rest for instruction, rest in own if instruction == name]


def test_the_lock_of_the_api_holds_no_machine_learning_library() -> None:
    assert not LEARNING & set(_lock("api"))


def test_the_lock_of_the_worker_holds_every_machine_learning_library() -> None:
    assert set(_lock("worker")) >= LEARNING


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_lock_pins_what_the_tests_ran_with(name: str) -> None:
    tested = _lock("dev")
    versions = {package: {pin.split(" ;")[0] for pin in pins} for package, pins in _lock(name).items()}
    assert versions == {package: {pin.split(" ;")[0] for pin in tested[package]} for package in versions}


def test_the_lock_of_the_api_holds_what_celery_needs_to_speak_to_redis() -> None:
    needed = {Requirement(line) for line in requires("kombu") or () if 'extra == "redis"' in line}
    assert {canonicalize_name(requirement.name) for requirement in needed} <= set(_lock("api"))


@pytest.mark.parametrize("name", ["api", "dev", "worker"])
def test_a_lock_checks_hashes_and_names_no_address(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_runs_as_a_plain_user_with_a_health_check_and_a_signal(stage: str) -> None:
    assert _instructions(stage, "USER") == ["10001:10001"]
    assert _instructions(stage, "HEALTHCHECK")
    assert _instructions(stage, "STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_starts_python_without_a_shell_between(stage: str) -> None:
    assert _instructions(stage, "ENTRYPOINT") == ['["model-transfer"]']
    assert _instructions(stage, "CMD") == [f'["{stage}"]']


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_takes_nothing_from_its_builder_but_the_environment(stage: str) -> None:
    assert _instructions(stage, "COPY") == [f"--from={stage}-builder /opt/venv /opt/venv"]


def test_the_images_hold_the_packages_that_the_wheel_names() -> None:
    assert {"app app", "migrations migrations", "workers workers"} <= set(_instructions("wheel", "COPY"))


def test_compose_hands_every_setting_to_every_container_of_the_service() -> None:
    names = {f"MODEL_TRANSFER_{field.upper()}" for field in Settings.model_fields}
    assert {frozenset(service["environment"]) for service in OURS.values()} == {frozenset(names)}


def test_compose_names_no_setting_that_does_not_exist() -> None:
    names = {f"MODEL_TRANSFER_{field.upper()}" for field in Settings.model_fields}
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"MODEL_TRANSFER_[A-Z_]+", text)) <= names


def test_compose_knows_every_variable_that_the_example_lists_for_it() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = {name for name in re.findall(r"\$\{(\w+)", text) if not name.startswith("MODEL_TRANSFER_")}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    assert asked == {name for name in offered if not name.startswith("MODEL_TRANSFER_")}


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_service_is_watched_and_restarted_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}
        return
    stage = service.get("build", {}).get("target")
    assert service["restart"] == "unless-stopped"
    assert "stop_grace_period" in service
    assert "test" in service.get("healthcheck", {}) or (stage and _instructions(stage, "HEALTHCHECK"))


@pytest.mark.parametrize("name", list(OURS))
def test_a_container_of_the_service_shares_the_files_and_can_write_nothing_else(name: str) -> None:
    service = OURS[name]
    assert service["volumes"] == ["data:/data"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_only_the_api_is_published_and_only_to_this_machine_unless_told_otherwise() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["${MODEL_TRANSFER_HOST:-127.0.0.1}:${MODEL_TRANSFER_PORT:-8000}:8000"]}


def test_the_worker_can_be_scaled() -> None:
    assert not {"container_name", "hostname", "ports"} & set(SERVICES["worker"])


def test_redis_keeps_its_messages_through_a_restart() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]
